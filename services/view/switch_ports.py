"""What LLDP adds to the explanation of a network, and to the table of hosts."""

from collections.abc import Iterable

from services.contract.member_nics import LLDPState, MemberNIC, SwitchPort
from services.contract.messages import Segment, Verdict
from services.contract.outcomes import DHCPOutcome, ReachOutcome
from services.network.judge.reach import conclude
from services.network.reasons.switch_ports import Announced, members_of, name_member_port
from services.view.host_checks import HostCheck, RedisView

SILENCES = {
    LLDPState.WAITING: "none heard yet",
    LLDPState.SILENT: "none heard for 2 min",
    LLDPState.DOWN: "the NIC is down",
    LLDPState.OFF: "not listened for",
    LLDPState.FAILED: "cannot be listened for",
}
"""What is said of a NIC without a switch port."""
REMEDY = (
    "LLDP may be off on the switch, or the NIC's firmware keeps it: on Intel's 700 series, `ethtool "
    "--set-priv-flags NIC disable-fw-lldp on` hands it over"
)


def advertised(segment: Segment, checks: Iterable[HostCheck], view: RedisView) -> list[str]:
    """Return what the switch ports of hosts say of a VLAN on which they hear nothing.

    It supports what was found and decides nothing. A list without the VLAN is told only if it holds every
    VLAN that the host hears: lists are often cut at the frame's size, or hold the native VLAN alone.
    """
    vlan, said = segment.vlan, list[str]()
    for check in checks:
        if conclude(check.vlan) is not ReachOutcome.SILENT:
            continue
        for member in members_of(check.host, segment.cluster_network, view.hosts):
            if member.lldp is not LLDPState.HEARD or member.port is None or member.port.others:
                continue
            name, listed = name_member_port(check.host, member), _listed(member.port)
            if member.port.native_vlan == vlan:
                said.append(f"By LLDP, VLAN {vlan} is the native VLAN of {name}: it is untagged there.")
            elif vlan not in listed and (heard := _heard(check.host, segment, view)) and heard <= listed:
                said.append(
                    f"By LLDP, {name} advertises {len(listed)} VLANs, not VLAN {vlan}; all that the host "
                    "hears are among them."
                )
    return said


def half_trunks(cluster_network: str, checks: Iterable[HostCheck], announced: Announced) -> list[str]:
    """Return by which switch ports a gateway does not answer, as far as LLDP names them."""
    said = list[str]()
    for check in checks:
        silent = {member.nic for member in check.members if member.answered is False}
        said += [
            f"The gateway does not answer by {name_member_port(check.host, member)}."
            for member in members_of(check.host, cluster_network, announced)
            if member.interface in silent and member.port is not None
        ]
    return said


def lists_vlans(view: RedisView) -> bool:
    """Return whether a switch advertises VLANs: then advertised() needs the verdicts on all networks."""
    ports = [member.port for host in view.hosts.values() for member in host.members]
    return any(port is not None and port.vlans for port in ports)


def _listed(port: SwitchPort) -> set[int]:
    return {vlan for first, last in port.vlans for vlan in range(first, last + 1)}


def _heard(host: str, segment: Segment, view: RedisView) -> set[int]:
    """Return the VLANs of the cluster network on which something answered this host."""
    return {
        known.vlan
        for known, verdicts in view.verdicts.items()
        if known.cluster_network == segment.cluster_network
        for aged in (*verdicts.latest, *verdicts.asked_dhcp)
        if aged.verdict.host == host and _is_heard(aged.verdict)
    }


def _is_heard(verdict: Verdict) -> bool:
    offered = verdict.dhcp is not None and verdict.dhcp.outcome is DHCPOutcome.OFFERED
    return offered or any(target.vlan.outcome is ReachOutcome.REACHABLE for target in verdict.targets)


def describe_silence(member: MemberNIC) -> str:
    """Return why a NIC has no switch port; empty if it has one."""
    return "" if member.lldp is LLDPState.HEARD else SILENCES[member.lldp]
