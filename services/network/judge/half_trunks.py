"""VLANs that reach a host by one member of its bond, and not by another: a failover would lose them."""

from collections.abc import Mapping
from dataclasses import replace

from services.contract.messages import Verdict
from services.contract.outcomes import Reason
from services.network.judge.evidence import UNDECIDED, Case
from services.network.judge.reduction import Conclusion, is_on

_BETWEEN = "; "


def with_half_trunks(case: Case, found: Conclusion) -> Conclusion:
    """Add the finding about the members by which the gateway does not answer, by host.

    A host that has not tested its members since its prober's start, or that cannot be asked, stays named.
    """
    latest = case.verdicts.latest
    standing = {} if case.standing is None else half_trunks_in(case.standing.findings)
    if found.state in UNDECIDED or not (standing or any(seen.verdict.members for seen in latest)):
        return found
    tested = {
        seen.verdict.host: _silent(seen.verdict)
        for seen in latest
        if seen.age_s < case.fresh_s and _has_tested(seen.verdict, case.intent.digest)
    }
    carriers = case.carriers.hosts
    named = {host: nics for host, nics in {**standing, **tested}.items() if nics and host in carriers}
    if not named:
        return found
    detail = _BETWEEN.join(f"{host}: {', '.join(nics)}" for host, nics in sorted(named.items()))
    return replace(found, findings={**found.findings, Reason.HALF_TRUNK.value: detail})


def _has_tested(verdict: Verdict, digest: str) -> bool:
    return verdict.fault is None and not verdict.members_untested and is_on(verdict, digest)


def _silent(verdict: Verdict) -> tuple[str, ...]:
    return tuple(member.nic for member in verdict.members if member.answered is False)


def half_trunks_in(findings: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Return the NICs by host that the finding names; the last of a list that was cut may be incomplete."""
    entries = findings.get(Reason.HALF_TRUNK, "").split(_BETWEEN)
    parts = [entry.partition(": ") for entry in entries]
    return {host: tuple(nics.split(", ")) for host, colon, nics in parts if colon}
