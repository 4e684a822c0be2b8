"""What the hosts heard without a VLAN's tag, where they heard nothing with it."""

from collections.abc import Iterable, Mapping

from services.contract.messages import Verdict
from services.contract.outcomes import Untagged

MAX_NAMED = 8
_TOLD: Mapping[Untagged, str] = {
    Untagged.ONE: "other VLANs answer with their tags on {hosts}",
    Untagged.ALL: "nothing has answered with a tag on {hosts}",
}


def heard_untagged(verdicts: Iterable[Verdict]) -> dict[str, Untagged]:
    """Return by host what it heard; a host that heard nothing untagged is left out."""
    return {v.host: v.untagged for v in verdicts if v.untagged is not None and v.fault is None}


def describe_untagged(heard: Mapping[str, Untagged]) -> str:
    """Return which hosts heard what, for a detail: it tells a native VLAN from an access port."""
    told = []
    for kind, text in _TOLD.items():
        hosts = sorted(host for host, what in heard.items() if what is kind)
        more = f" and {len(hosts) - MAX_NAMED} more" if len(hosts) > MAX_NAMED else ""
        if hosts:
            told.append(text.format(hosts=", ".join(hosts[:MAX_NAMED]) + more))
    return "; ".join(told)
