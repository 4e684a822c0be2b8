"""What silence means to a host that has no address on the VLAN, read plainly."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from ipaddress import IPv4Address

from services.contract.messages import ReachVerdict, TargetVerdict, Verdict
from services.contract.outcomes import ReachOutcome
from tests.reference.words import Arrival

UNTELLING = ReachVerdict(outcome=ReachOutcome.INCONCLUSIVE, unproven=True)
PROBES_UNTIL_SILENT = 3


def learned(
    digest: str,
    latest: Collection[Arrival],
    asked: Collection[Arrival],
    *,
    now: int,
    fresh_ms: int,
    is_told: bool,
) -> tuple[bool, bool]:
    """Return whether silence to 0.0.0.0 proves nothing, and whether that is told.

    latest, asked: of the carriers. is_told: whether it stands.
    """
    checks = list(_checks(digest, latest, now - fresh_ms))
    if any(check.outcome is ReachOutcome.REACHABLE and not check.from_address for _, check in checks):
        return False, False
    if is_told:
        return True, True
    silent = [(host, check) for host, check in checks if is_silence_to_nobody(check)]
    held = [*checks, *_checks(digest, asked, now - 2 * fresh_ms)]
    answered = [
        (host, check)
        for host, check in held
        if check.from_address and check.outcome is ReachOutcome.REACHABLE
    ]
    if not answered or not all(check.unproven for _, check in silent):
        return False, False
    same_host = {host for host, _ in answered} & {host for host, _ in silent}
    return True, bool(same_host) or any(check.unproven for _, check in answered)


def untelling(digest: str, arrivals: Mapping[str, Arrival]) -> dict[str, Arrival]:
    """Return them with silence to 0.0.0.0 as no answer to anything."""

    def read(target: TargetVerdict) -> TargetVerdict:
        is_silence = target.digest == digest and is_silence_to_nobody(target.vlan)
        return target.model_copy(update={"vlan": UNTELLING}) if is_silence else target

    return {
        host: _with_targets(arrival, map(read, arrival.verdict.targets)) for host, arrival in arrivals.items()
    }


def own_answers(
    digest: str, latest: Mapping[str, Arrival], asked: Mapping[str, Arrival], *, since: float
) -> dict[str, Arrival]:
    """Return the newest reports, with what each host found while it held an address where it cannot tell."""
    found = dict(latest)
    for host, arrival in latest.items():
        before = asked.get(host)
        if before is None or before.at < since or before.verdict.fault is not None:
            continue
        own = {
            target.gateway: target.vlan
            for target in before.verdict.targets
            if target.digest == digest and target.vlan.from_address
        }

        def read(
            target: TargetVerdict, own: Mapping[IPv4Address | None, ReachVerdict] = own
        ) -> TargetVerdict:
            if target.digest != digest or target.vlan != UNTELLING or target.gateway not in own:
                return target
            return target.model_copy(update={"vlan": own[target.gateway]})

        found[host] = _with_targets(arrival, map(read, arrival.verdict.targets))
    return found


def is_silence_to_nobody(check: ReachVerdict) -> bool:
    """Whether ARP from 0.0.0.0 was sent often enough, and not answered."""
    is_silent = check.outcome is ReachOutcome.SILENT and check.attempts >= PROBES_UNTIL_SILENT
    return is_silent and not check.from_address


def _checks(digest: str, arrivals: Iterable[Arrival], after: float) -> Iterable[tuple[str, ReachVerdict]]:
    for arrival in arrivals:
        if arrival.at > after and arrival.verdict.fault is None:
            yield from (
                (arrival.host, target.vlan) for target in arrival.verdict.targets if target.digest == digest
            )


def _with_targets(arrival: Arrival, targets: Iterable[TargetVerdict]) -> Arrival:
    verdict: Verdict = arrival.verdict
    return replace(arrival, verdict=verdict.model_copy(update={"targets": tuple(targets)}))
