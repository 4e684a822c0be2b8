"""The JSON of `status`, `explain`, `diff`, `probe`, `hosts`, `dead-letters` and `doctor`, as in docs/cli.md.

Keys are snake_case with the unit in the name. Unknown values are null; a key is left out only where noted.
"""

from collections.abc import Iterable
from types import MappingProxyType

from services.contract.causes import CauseRecord
from services.contract.conclusions import Unwritten
from services.contract.host_claims import HostClaim
from services.contract.member_nics import MemberNIC
from services.contract.messages import ProbeRequest
from services.network.causes.texts import describe
from services.network.parse.nad import NetworkRef
from services.network.reasons.switch_ports import Announced
from services.runtime.connection.redis_client import format_time
from services.runtime.stored.dead_letters import DeadLetter
from services.view.differences import NetworkDifference
from services.view.doctor.findings import Finding
from services.view.doubts import DoubtRow
from services.view.explained_network import ExplainedNetwork
from services.view.host_checks import HostCheck
from services.view.hosts import HostRow
from services.view.probe_documents import (
    Document,
    dhcp_document,
    reach_document,
    server_document,
    untagged_document,
)
from services.view.probe_results import HostAnswer, ProbedNetwork
from services.view.rows import NetworkRow


def network_document(row: NetworkRow) -> Document:
    """One network of `status`, without what each host found."""
    return {
        **_ref(row.ref),
        "cluster_network": row.cluster_network or None,
        "vlan": row.vlan,
        "mode": row.mode or None,
        "cidr": row.cidr or None,
        "gateway": row.gateway or None,
        "gateway_mac": row.gateway_mac or None,
        "connectivity": row.connectivity or None,
        "state": row.state,
        "reason": row.reason,
        "since": row.since or None,
        "detail": row.detail or None,
        "hosts": dict(sorted(row.hosts.items())),
        "dhcp": [server_document(s.server, s.cidr or None, s.gateway or None, s.mac) for s in row.servers],
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
        "cause": _cause(explained.cause, explained.announced) if explained.cause else None,
        "asked": [{"what": a.what, "value": a.value, "source": a.source} for a in explained.asked],
        "meaning": list(explained.meaning),
        "steps": list(explained.steps),
    }


def site_document(
    causes: Iterable[CauseRecord], alone: Iterable[NetworkRow], announced: Announced = MappingProxyType({})
) -> Document:
    """The whole answer of `explain` without a name. alone: problems that no cause explains.
    announced: see causes.texts.describe."""
    return {
        "causes": [_cause(cause, announced) for cause in causes],
        "unexplained": [_ref(row.ref) for row in alone],
    }


def _cause(cause: CauseRecord, announced: Announced) -> Document:
    described = describe(cause, announced)
    return {
        "id": cause.id,
        "since": cause.since,
        "kind": cause.kind,
        "subject": cause.subject,
        "networks": list(cause.networks),
        "hosts": list(cause.hosts),
        "vlans": list(cause.vlans),
        "cluster_network": cause.cluster_network or None,
        "fault": cause.fault.value if cause.fault else None,
        "alternatives": [{"kind": a.kind, "subject": a.subject} for a in cause.alternatives],
        "meaning": described.meaning,
        "steps": list(described.steps),
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
        "members": [_member(member) for member in row.members],
        "version": announced.version if announced else None,
        "port_rate": announced.port_rate if announced else None,
        "incarnation_ms": announced.incarnation if announced else None,
        "queued": row.queued,
        "expires_in_ms": row.expires_in_ms,
        "holder": _claim(row.holder) if row.holder else None,
        "waiting": _claim(row.waiting) if row.waiting else None,
    }


def _member(member: MemberNIC) -> Document:
    """A NIC of a host; switch_port is null where no LLDP was heard, for the reason in lldp."""
    port = member.port
    return {
        "interface": member.interface,
        "cluster_networks": list(member.cluster_networks),
        "lldp": member.lldp.value,
        "switch_port": None
        if port is None
        else {
            "switch": port.switch,
            "port": port.port,
            "description": port.description or None,
            "address": str(port.address) if port.address else None,
            "native_vlan": port.native_vlan,
            "vlans": [list(pair) for pair in port.vlans],
            "other_senders": port.others,
        },
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


def _ref(ref: NetworkRef) -> Document:
    return {"namespace": ref.namespace, "name": ref.name}


def _unwritten(unwritten: Unwritten | None) -> Document | None:
    return None if unwritten is None else {"why": unwritten.why.value, "detail": unwritten.detail or None}


def _check(check: HostCheck) -> Document:
    return {
        "host": check.host,
        "age_s": _rounded(check.age_s),
        "measured_age_s": _rounded(check.measured_age_s),
        "announced": bool(check.interface),
        "fault": check.fault.value if check.fault else None,
        "bridge": check.bridge.value if check.bridge else None,
        "members": {member.nic: member.answered for member in check.members},
        "gateway": str(check.gateway) if check.gateway else None,
        "vlan": reach_document(check.vlan),
        "routed": reach_document(check.routed),
        "dhcp": dhcp_document(check.dhcp),
        "dhcp_age_s": _rounded(check.dhcp_age_s),
        **untagged_document(check.untagged),
        **({"own_address": check.own_address} if check.own_address else {}),
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
        **untagged_document(verdict.untagged),
    }


def dead_letter_document(letter: DeadLetter) -> Document:
    """Return a refused message as documented data."""
    return {
        "at": format_time(letter.at_ms),
        "at_ms": letter.at_ms,
        "where": letter.where,
        "reason": letter.reason,
        "body": letter.body,
    }


def finding_document(finding: Finding) -> Document:
    """One check of `doctor`."""
    return {
        "check": finding.check,
        "level": finding.level.value,
        "text": finding.text,
        "todo": finding.todo or None,
    }
