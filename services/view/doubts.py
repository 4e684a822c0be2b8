"""What is in doubt about a network: not reported before the hosts that could contradict it had their time."""

from dataclasses import dataclass

from services.contract.doubts import DoubtKind
from services.contract.verdicts import SegmentVerdicts
from services.view.durations import describe_age
from services.view.host_checks import RedisView
from services.view.rows import NetworkRow

_MEANINGS = {
    DoubtKind.SILENT: "the gateway does not answer a host",
    DoubtKind.ANSWERED: "the gateway answers a host again",
    DoubtKind.NO_OFFER: "a host received no DHCP offer",
    DoubtKind.OFFER: "a DHCP offer says something else",
}


@dataclass(frozen=True)
class DoubtRow:
    """One open doubt."""

    kind: DoubtKind
    for_s: float
    """How long it has been open, in observed time."""
    unheard: tuple[str, ...]
    """Hosts that carry the network and have not reported since."""

    def describe(self) -> str:
        """Describe it in one sentence."""
        hosts = ", ".join(self.unheard)
        waiting = f"not heard yet: {hosts}" if hosts else "every host has reported since"
        return f"In doubt for {describe_age(self.for_s)}, as {_MEANINGS[self.kind]}; {waiting}"


def doubts_of(row: NetworkRow, view: RedisView) -> tuple[DoubtRow, ...]:
    """Return the open doubts about the present configuration of a network."""
    record = view.conclusions.get(row.uid)
    if record is None or row.intent is None or record.doubts.digest != row.intent.digest:
        return ()
    segment = row.intent.segment
    known, carriers = view.verdicts.get(segment, SegmentVerdicts()), view.carrying(segment.cluster_network)
    found = []
    for doubt in record.doubts.incomplete.values():
        verdicts = known.asked_dhcp if doubt.kind.asks_dhcp else known.latest
        heard = {seen.verdict.host for seen in verdicts if known.arrived_ms(seen) >= doubt.since_ms}
        unheard = tuple(host for host in carriers if host not in heard)
        found.append(DoubtRow(doubt.kind, max(0, known.now_ms - doubt.since_ms) / 1000, unheard))
    return tuple(found)
