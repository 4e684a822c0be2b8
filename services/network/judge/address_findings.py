"""Findings about the addresses that hosts use on a VLAN: those that others have, and that are needed."""

from collections.abc import Iterable, Sequence

from services.contract.messages import LeaseVerdict
from services.contract.outcomes import LeaseOutcome, Reason
from services.contract.verdicts import AgedVerdict
from services.network.parse.intent import Intent

MAX_NAMED = 4
"""Hosts, or addresses, that a finding names."""
_IN_USE = (LeaseOutcome.CONFLICT, LeaseOutcome.PAUSED)


def find_addresses(
    intent: Intent,
    latest: Sequence[AgedVerdict],
    asked: Sequence[AgedVerdict],
    *,
    needs_address: bool,
) -> dict[str, str]:
    """Return the findings by reason code. needs_address: whether 0.0.0.0 is known not to be answered."""
    found: dict[str, str] = {}
    if needs_address:
        found[Reason.ARP_NEEDS_ADDRESS.value] = ""
    if problem := intent.probe_addresses.problem:
        found[Reason.BAD_PROBE_ADDRESSES.value] = problem
    conflicts = sorted(
        f"{seen.verdict.host}: {conflict.address} is in use by {conflict.owner}"
        for seen in latest
        if (conflict := seen.verdict.source_conflict) is not None
    )
    if conflicts:
        found[Reason.PROBE_ADDRESS_IN_USE.value] = _listed(conflicts)
    if (lease := _newest_lease(asked)) is not None and lease.outcome in _IN_USE and lease.owner:
        code, text = _in_use(lease, {str(g): m for g, m in _answers(latest)})
        found[code.value] = text
    return found


def _newest_lease(asked: Iterable[AgedVerdict]) -> LeaseVerdict | None:
    leases = [
        (seen.age_s, seen.verdict.host, seen.verdict.dhcp.lease)
        for seen in asked
        if seen.verdict.dhcp is not None and seen.verdict.dhcp.lease is not None
    ]
    return min(leases, key=lambda lease: lease[:2])[2] if leases else None


def _answers(latest: Iterable[AgedVerdict]) -> Iterable[tuple[object, str]]:
    """Yield each gateway with the MAC addresses that answered for it."""
    for seen in latest:
        for target in seen.verdict.targets:
            macs = target.vlan.macs or ((target.vlan.mac,) if target.vlan.mac else ())
            yield from ((target.gateway, mac) for mac in macs)


def _in_use(lease: LeaseVerdict, answers: dict[str, str]) -> tuple[Reason, str]:
    """Return the finding: proxy ARP if the same MAC address answers for several addresses."""
    also = [*map(str, lease.others), *(gateway for gateway, mac in answers.items() if mac == lease.owner)]
    others = sorted(set(also) - {str(lease.address)})
    if others:
        named = _listed([str(lease.address), *others])
        return Reason.PROXY_ARP, f"{lease.owner} answers ARP for {named}; {lease.server} offered the first"
    return Reason.ADDRESS_IN_USE, f"{lease.address}, offered by {lease.server}, is in use by {lease.owner}"


def _listed(named: Sequence[str]) -> str:
    more = f" and {len(named) - MAX_NAMED} more" if len(named) > MAX_NAMED else ""
    return ", ".join(named[:MAX_NAMED]) + more
