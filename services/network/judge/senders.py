"""What silence to ARP means, by the address that it was asked from.

A host without an address on the VLAN asks from 0.0.0.0. Some gateways, and switches that inspect ARP, answer
only senders inside the subnet: there such a host cannot tell, and one that held an address a while ago can.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from services.contract.messages import ReachVerdict, TargetVerdict, Verdict
from services.contract.outcomes import ReachOutcome
from services.contract.verdicts import AgedVerdict
from services.network.judge.reach import conclude

_CANNOT_TELL = ReachVerdict(outcome=ReachOutcome.INCONCLUSIVE, unproven=True)


class Senders(NamedTuple):
    """What is known of the addresses that are answered on one segment, for one intent."""

    needs_address: bool = False
    """Whether silence to 0.0.0.0 proves nothing."""
    is_known: bool = False
    """Whether that is told: one host was answered from an address, and not from 0.0.0.0."""


def learn(
    digest: str,
    latest: Iterable[AgedVerdict],
    asked: Iterable[AgedVerdict],
    *,
    fresh_s: float,
    answer_s: float,
    was_known: bool,
) -> Senders:
    """Return what these verdicts of the hosts that count say of senders.

    was_known: whether it was told before; it stays so until 0.0.0.0 is answered. fresh_s, answer_s: age from
    which a verdict does not count, and one that asked DHCP.
    """
    now = [(seen.verdict.host, target.vlan) for seen, target in _checks(latest, digest, fresh_s)]
    held = [(seen.verdict.host, target.vlan) for seen, target in _checks(asked, digest, answer_s)]
    if any(vlan.outcome is ReachOutcome.REACHABLE and not vlan.from_address for _, vlan in now):
        return Senders()
    if was_known:
        return Senders(needs_address=True, is_known=True)
    silent = {host: vlan for host, vlan in now if _is_silent_to_probes(vlan)}
    if any(not vlan.unproven for vlan in silent.values()):
        # The gateway has answered 0.0.0.0 before: it is silent.
        return Senders()
    answered = [
        (host, vlan)
        for host, vlan in (*now, *held)
        if vlan.from_address and vlan.outcome is ReachOutcome.REACHABLE
    ]
    is_known = any(vlan.unproven or host in silent for host, vlan in answered)
    return Senders(needs_address=bool(answered), is_known=is_known)


def without_probes(verdicts: Iterable[AgedVerdict], digest: str) -> tuple[AgedVerdict, ...]:
    """Return the verdicts with silence to 0.0.0.0 as inconclusive."""
    return tuple(
        _with_targets(seen, [_without_probes(target, digest) for target in seen.verdict.targets])
        for seen in verdicts
    )


def with_own_answers(
    latest: Sequence[AgedVerdict], held: Iterable[AgedVerdict], digest: str
) -> tuple[AgedVerdict, ...]:
    """Return the verdicts, where a host cannot tell now, with what it found while it held an address.

    held: the newest verdict that asked DHCP of each host, as far as it counts.
    """
    own = {
        (seen.verdict.host, target.gateway): target.vlan
        for seen, target in _checks(held, digest, float("inf"))
        if target.vlan.from_address
    }
    if not own:
        return tuple(latest)

    def replaced(host: str, target: TargetVerdict) -> TargetVerdict:
        found = own.get((host, target.gateway)) if target.vlan == _CANNOT_TELL else None
        is_ours = found is not None and target.digest == digest
        return target.model_copy(update={"vlan": found}) if is_ours else target

    return tuple(
        _with_targets(seen, [replaced(seen.verdict.host, target) for target in seen.verdict.targets])
        for seen in latest
    )


def cannot_tell(vlan: ReachVerdict) -> bool:
    """Whether the host could not tell only because it had no address."""
    return vlan.outcome is ReachOutcome.INCONCLUSIVE and vlan.unproven


def _checks(
    verdicts: Iterable[AgedVerdict], digest: str, limit_s: float
) -> Iterator[tuple[AgedVerdict, TargetVerdict]]:
    for seen in verdicts:
        if seen.age_s < limit_s and seen.verdict.fault is None:
            yield from ((seen, target) for target in seen.verdict.targets if target.digest == digest)


def _is_silent_to_probes(vlan: ReachVerdict) -> bool:
    return conclude(vlan) is ReachOutcome.SILENT and not vlan.from_address


def _without_probes(target: TargetVerdict, digest: str) -> TargetVerdict:
    if target.digest != digest or not _is_silent_to_probes(target.vlan):
        return target
    return target.model_copy(update={"vlan": _CANNOT_TELL})


def _with_targets(seen: AgedVerdict, targets: Sequence[TargetVerdict]) -> AgedVerdict:
    verdict: Verdict = seen.verdict
    if all(one is other for one, other in zip(targets, verdict.targets, strict=True)):
        return seen
    changes: Mapping[str, object] = {"targets": tuple(targets)}
    return replace(seen, verdict=verdict.model_copy(update=changes))
