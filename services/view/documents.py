"""The JSON of `status`, `explain`, `probe`, `hosts` and `scan`, as docs/cli.md documents it.

Keys are snake_case with the unit in the name. Unknown values are null; a key is left out only where noted.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

from services.contract.conclusions import Unwritten
from services.contract.host_claims import HostClaim
from services.contract.messages import DHCPVerdict, LeaseVerdict, Offer, ProbeRequest, ReachVerdict
from services.contract.outcomes import DHCPOutcome, Fault, ReachOutcome
from services.network.parse.nad import NetworkRef
from services.view.differences import NetworkDifference
from services.view.doubts import DoubtRow
from services.view.explained_network import ExplainedNetwork
from services.view.host_checks import HostCheck
from services.view.hosts import HostRow
from services.view.probe_results import HostAnswer, ProbedNetwork
from services.view.rows import NetworkRow

Document = dict[str, object]


class ScannedVlan(Protocol):
    """What a scan found on one VLAN (services.prober.scan.results.ScanResult)."""

    @property
    def vlan(self) -> int: ...
    @property
    def dhcp(self) -> DHCPVerdict: ...
    @property
    def gateway(self) -> ReachVerdict: ...
    @property
    def echo(self) -> ReachVerdict: ...
    @property
    def fault(self) -> Fault | None: ...


def network_document(row: NetworkRow) -> Document:
    """One network of `status`, without what each host found."""
    return {
        **_ref(row.ref),
        "cluster_network": row.cluster_network or None,
        "vlan": row.vlan,
        "mode": row.mode or None,
        "cidr": row.cidr or None,
        "gateway": row.gateway or None,
        "connectivity": row.connectivity or None,
        "state": row.state,
        "reason": row.reason,
        "since": row.since or None,
        "detail": row.detail or None,
        "hosts": dict(sorted(row.hosts.items())),
        "dhcp": [_server(s.server, s.cidr or None, s.gateway or None, s.mac) for s in row.servers],
        "dhcp_out": row.dhcp_out,
        "hosts_omitted": row.hosts_omitted,
        "findings": dict(sorted(row.findings.items())),
        "source": row.source.value,
        "not_written": _unwritten(row.unwritten),
    }


def checked_document(
    row: NetworkRow, checks: Iterable[HostCheck] | None, doubts: Iterable[DoubtRow] = ()
) -> Document:
    """One network of `status`; checks is null if Redis could not be read."""
    return {
        **network_document(row),
        "doubts": [
            {"kind": doubt.kind.value, "for_s": round(doubt.for_s, 1), "unheard": list(doubt.unheard)}
            for doubt in doubts
        ],
        "checks": None if checks is None else [_check(check) for check in checks],
    }


def explained_document(explained: ExplainedNetwork) -> Document:
    """One network of `explain`: the network of `status`, with the explanation."""
    return {
        **checked_document(explained.row, explained.checks, explained.doubts),
        "asked": [{"what": a.what, "value": a.value, "source": a.source} for a in explained.asked],
        "meaning": list(explained.meaning),
        "steps": list(explained.steps),
    }


def difference_document(difference: NetworkDifference) -> Document:
    """One network of `diff`."""
    row = difference.row
    return {
        **_ref(row.ref),
        "state": row.state,
        "reason": row.reason,
        "not_written": _unwritten(row.unwritten),
        "concluded": difference.is_concluded,
        "changes": [
            {
                "annotation": change.annotation,
                "field": change.field,
                "present": change.present or None,
                "would_be": change.would_be or None,
            }
            for change in difference.changes
        ],
    }


def deleted_document(ref: NetworkRef) -> Document:
    """A network that was deleted while `status --watch` followed it."""
    return {**_ref(ref), "deleted": True}


def host_document(row: HostRow) -> Document:
    """One host of `hosts`."""
    announced = row.announcement
    return {
        "host": row.host,
        "condition": row.condition,
        "uplinks": dict(sorted(announced.uplinks.items())) if announced else {},
        "version": announced.version if announced else None,
        "incarnation_ms": announced.incarnation if announced else None,
        "queued": row.queued,
        "expires_in_ms": row.expires_in_ms,
        "waiting": _claim(row.waiting) if row.waiting else None,
    }


def _claim(claim: HostClaim) -> Document:
    address = str(claim.address) if claim.address else None
    return {"machine": claim.machine, "pid": claim.pid, "address": address, "since_ms": claim.since_ms}


def request_document(request: ProbeRequest) -> Document:
    """One request of `probe` without --wait."""
    return {
        "id": request.id,
        "host": request.host,
        "cluster_network": request.cluster_network,
        "vlans": [probe.vlan for probe in request.segments],
    }


def probed_document(probed: ProbedNetwork) -> Document:
    """One network of `probe --wait`."""
    segment = probed.intent.segment
    return {
        **_ref(probed.ref),
        "cluster_network": segment.cluster_network,
        "vlan": segment.vlan,
        "state": probed.conclusion.state.value,
        "reason": probed.conclusion.reason.value,
        "hosts": [_answer(answer) for answer in probed.answers],
    }


def scanned_document(scanned: ScannedVlan) -> Document:
    """One VLAN of `scan`; lease, echo and fault are present only if there is one."""
    dhcp = dhcp_document(scanned.dhcp)
    if scanned.dhcp.lease is not None:
        dhcp["lease"] = _lease(scanned.dhcp.lease)
    found: Document = {"vlan": scanned.vlan, "dhcp": dhcp, "gateway": reach_document(scanned.gateway)}
    if scanned.echo.outcome is not ReachOutcome.NOT_TRIED:
        found["echo"] = reach_document(scanned.echo)
    if scanned.fault is not None:
        found["fault"] = scanned.fault.value
    return found


def dhcp_document(finding: DHCPVerdict | None) -> Document:
    """{"outcome", "servers": [{"server", "cidr", "gateway"}]}; omitted is present only if there are any."""
    if finding is None:
        return {"outcome": DHCPOutcome.NOT_TRIED.value, "servers": []}
    document: Document = {"outcome": finding.outcome.value, "servers": _offers(finding.servers)}
    return document | ({"omitted": finding.omitted} if finding.omitted else {})


def reach_document(reach: ReachVerdict | None) -> Document:
    """{"outcome", "rtt_ms"}; rtt_ms is null without an answer."""
    if reach is None:
        return {"outcome": ReachOutcome.NOT_TRIED.value, "rtt_ms": None}
    return {"outcome": reach.outcome.value, "rtt_ms": reach.rtt_ms}


def _ref(ref: NetworkRef) -> Document:
    return {"namespace": ref.namespace, "name": ref.name}


def _unwritten(unwritten: Unwritten | None) -> Document | None:
    return None if unwritten is None else {"why": unwritten.why.value, "detail": unwritten.detail or None}


def _check(check: HostCheck) -> Document:
    return {
        "host": check.host,
        "age_s": _rounded(check.age_s),
        "announced": bool(check.interface),
        "fault": check.fault.value if check.fault else None,
        "gateway": str(check.gateway) if check.gateway else None,
        "vlan": reach_document(check.vlan),
        "routed": reach_document(check.routed),
        "dhcp": dhcp_document(check.dhcp),
        "dhcp_age_s": _rounded(check.dhcp_age_s),
    }


def _rounded(age_s: float | None) -> float | None:
    return None if age_s is None else round(age_s, 1)


def _answer(answer: HostAnswer) -> Document:
    verdict, target = answer.verdict, answer.target
    if verdict is None:
        return {"host": answer.host, "answered": False, "error": answer.error}
    return {
        "host": answer.host,
        "answered": True,
        "fault": verdict.fault.value if verdict.fault else None,
        "dhcp": dhcp_document(verdict.dhcp),
        "gateway": str(target.gateway) if target and target.gateway else None,
        "vlan": reach_document(target.vlan if target else None),
        "routed": reach_document(target.routed if target else None),
    }


def _server(server: str, cidr: str | None, gateway: str | None, mac: str | None) -> Document:
    document: Document = {"server": server, "cidr": cidr, "gateway": gateway}
    return document | ({"mac": mac} if mac else {})


def _offers(offers: Sequence[Offer]) -> list[Document]:
    """Return the offers; mac, relay, rogue and unasked_ack are present only if set."""
    documents = []
    for offer in offers:
        cidr, gateway = (str(value) if value else None for value in (offer.cidr, offer.gateway))
        document = _server(str(offer.server), cidr, gateway, offer.mac)
        document |= {"relay": str(offer.relay)} if offer.relay is not None else {}
        document |= {name: True for name in ("rogue", "unasked_ack") if getattr(offer, name)}
        documents.append(document)
    return documents


def _lease(lease: LeaseVerdict) -> Document:
    return {"outcome": lease.outcome.value, "address": str(lease.address)}
