"""Naming switch ports: as the switches announce them by LLDP, and else by the host."""

import re
from collections.abc import Iterable, Mapping

from services.contract.member_nics import LLDPState, MemberNIC, SwitchPort
from services.contract.messages import HostAnnouncement

MAX_NAMED = 8
"""Ports in a text; further ones are counted."""
_NO_NAME = re.compile(r"\d+|([0-9a-f]{2}:){5}[0-9a-f]{2}")
"""Port IDs by which nobody finds a port on a switch: an index or a MAC address."""

Announced = Mapping[str, HostAnnouncement]
"""The announcements, by host."""


def name_ports(hosts: Iterable[str], cluster_network: str, announced: Announced) -> str:
    """Return the switch ports of these hosts for a text: "Gi1/0/14 of sw-rack3 (node2, eno1)".

    All members of a bond are named. Of a host without LLDP: "the switch port of node2".
    """
    known: list[str] = []
    unknown: list[str] = []
    for host in hosts:
        members = members_of(host, cluster_network, announced)
        if any(member.port for member in members):
            known += [name_member_port(host, member) for member in members]
        else:
            unknown.append(host)
    if unknown:
        more = f" and {len(unknown) - MAX_NAMED} more" if len(unknown) > MAX_NAMED else ""
        known = [*known[: MAX_NAMED - 1], f"the switch port of {', '.join(unknown[:MAX_NAMED])}{more}"]
    if len(known) > MAX_NAMED:
        return f"{', '.join(known[:MAX_NAMED])} and {len(known) - MAX_NAMED} more"
    return " and ".join([", ".join(known[:-1]), known[-1]]) if len(known) > 1 else "".join(known)


def members_of(host: str, cluster_network: str, announced: Announced) -> tuple[MemberNIC, ...]:
    """Return the NICs behind a host's uplink of this cluster network."""
    said = announced.get(host)
    return tuple(m for m in said.members if cluster_network in m.cluster_networks) if said else ()


def name_port(port: SwitchPort) -> str:
    """Return one port of a switch: "Gi1/0/14 of sw-rack3"."""
    name = port.port
    if _NO_NAME.fullmatch(name) and port.description:
        name = f"{port.description} ({name})"
    # Between this NIC and the port is something that forwards LLDP.
    return f"{'probably ' if port.others else ''}{name} of {port.switch}"


def name_member_port(host: str, member: MemberNIC) -> str:
    """Return the switch port of one NIC; see name_ports."""
    if member.port is None:
        return f"the switch port of {member.interface} ({host})"
    last = ", last heard" if member.lldp is LLDPState.DOWN else ""
    return f"{name_port(member.port)} ({host}, {member.interface}{last})"
