"""What each kind of cause means, and what to do about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from services.contract.causes import CauseRecord
from services.contract.macs import macs_in
from services.contract.vlans import write_vlans
from services.network.causes.kinds import CauseKind
from services.network.reasons.states import FAULTS
from services.network.reasons.switch_ports import Announced, name_ports
from services.network.reasons.texts import how_to_find

_MAX_NAMED = 5
_MAX_LIST_CHARACTERS = 30
"""A longer list of VLANs gives way to their number where space is short."""


@dataclass(frozen=True, slots=True)
class CauseText:
    """What is said of one kind. A template may name the keys of `values` in describe()."""

    title: str
    meaning: str
    steps: tuple[str, ...]


CAUSES: Mapping[CauseKind, CauseText] = {
    CauseKind.UPLINK: CauseText(
        "uplink of {hosts}, cluster network {cluster_network}",
        "{hosts} hears nothing on any VLAN of {cluster_network}, where other hosts or other checks do.",
        (
            "On {host}, check the uplink and its NICs: `ip -br link` and `cat /proc/net/bonding/{interface}`",
            "On the switch, check that the port is up and a trunk: {ports}",
        ),
    ),
    CauseKind.ROUTER: CauseText(
        "{subject}",
        "Every gateway of {subject} is silent, and nothing else of it answers.",
        ("Check whether the router is up and still has the VLANs {vlans}",),
    ),
    CauseKind.DHCP_SERVER: CauseText(
        "{subject}",
        "No VLAN that {subject} served receives an offer any more.",
        (
            "Check whether the DHCP service runs, has free addresses, and is reached by its relay agents",
            "Known gateways are still checked: the networks keep their state as long as theirs answers",
        ),
    ),
    CauseKind.DHCP_RELAY: CauseText(
        "DHCP through {subject}",
        "No VLAN whose offers came through {subject} receives one any more. The server may answer elsewhere.",
        ("On that router, check the relay agent (`ip helper-address` or the like) on the VLANs {vlans}",),
    ),
    CauseKind.NO_ROUTE: CauseText(
        "route {subject}",
        "The gateways answer on their VLANs, but not ICMP echo from the management network. A route may be "
        "missing in one of the two directions, or ICMP echo may be dropped on the way.",
        ("On a host, find the path to a gateway: `ip route get GATEWAY` and `traceroute -Tn GATEWAY`",),
    ),
    CauseKind.ROUTER_NOT_ROUTED: CauseText(
        "route {subject}",
        "The router's gateways answer on their VLANs, but none ICMP echo from the management network.",
        ("On the router, check the route back to the management network, and its filters for ICMP echo",),
    ),
    CauseKind.VLANS_GONE: CauseText(
        "{few_vlans} of {cluster_network} on no host",
        "Nothing answers any host there, neither DHCP nor ARP.",
        ("On the switches up to the gateway, check that VLAN {vlans} exists, and that the trunks allow it",),
    ),
    CauseKind.GATEWAY: CauseText(
        "gateway {subject}",
        "It answers no host, on the VLAN or through routing.",
        ("On the router, check that the interface is up and has this address",),
    ),
    CauseKind.VLANS_MISSING: CauseText(
        "{few_vlans} of {cluster_network} missing on {hosts}",
        "Other hosts hear the gateways there, these do not.",
        ("On {ports}, check that VLAN {vlans} is allowed",),
    ),
    CauseKind.NATIVE: CauseText(
        "{few_vlans} of {cluster_network} untagged on {hosts}",
        "The switch sends these VLANs without their tags to {hosts}, where no VM on them hears it.",
        ("On {ports}, send VLAN {vlans} with its tag: make another VLAN the native one of that port",),
    ),
    CauseKind.BRIDGE: CauseText(
        "{few_vlans} not in bridge {subject}",
        "The VLANs reach the uplink of {hosts}, but its bridge does not pass them on: VMs there do not reach "
        "their networks.",
        (
            "On {host}, check that the uplink's port has the VLANs: `bridge vlan show dev {interface}`",
            "On {host}, check that it forwards: `bridge link show dev {interface}`",
            "Have Harvester's network controller add the VLANs again, by deleting its pod on {host}",
        ),
    ),
    CauseKind.HALF_TRUNK: CauseText(
        "{few_vlans} of {cluster_network} missing on {subject}",
        "The gateways answer by another NIC of the bond, and not by this one: a failover would lose these "
        "VLANs.",
        (
            "Allow VLAN {vlans} on the switch port of {subject}, as on that of the other NIC: {ports}",
            "On {host}, check that the NIC is part of the bond: `cat /proc/net/bonding/{interface}`",
        ),
    ),
    CauseKind.STRANGER: CauseText(
        "strange {subject}",
        "It makes offers that are not expected on these VLANs. VMs may take a wrong gateway from it.",
        (
            "{find}",
            "Take it off the VLAN",
            "If it belongs there, list it in the probers' setting allowed_servers",
        ),
    ),
}


_KINDS = frozenset(CauseKind)
_UNKNOWN = CauseText(
    "{subject}", "This version does not know its kind: see docs/causes.md of the nadroute that found it.", ()
)


@dataclass(frozen=True, slots=True)
class CauseWords:
    """One cause in words."""

    title: str
    meaning: str
    steps: tuple[str, ...]
    alternatives: str = ""
    """The causes that cannot be told apart from it, as a sentence; empty without any."""


def describe(cause: CauseRecord, announced: Announced = MappingProxyType({})) -> CauseWords:
    """Describe a cause: its title, what it means, and what to do.

    announced: to name the hosts' switch ports, as far as LLDP tells them.
    """
    values = {
        "subject": cause.subject,
        "hosts": named(cause.hosts),
        "ports": name_ports(cause.hosts, cause.cluster_network, announced),
        "host": cause.hosts[0] if cause.hosts else "a host",
        "vlans": write_vlans(cause.vlans),
        "few_vlans": _few(cause.vlans),
        "cluster_network": cause.cluster_network,
        "interface": f"{cause.cluster_network}-bo",
    }
    macs = macs_in(cause.subject)
    values["find"] = how_to_find(macs[0] if macs else "MAC")
    text = _text(cause.kind)
    steps = tuple(step.format_map(values) for step in text.steps)
    if cause.fault is not None:
        steps = (f"On {cause.hosts[0]} ({cause.fault}): {FAULTS[cause.fault].format_map(values)}", *steps)
    return CauseWords(
        text.title.format_map(values), text.meaning.format_map(values), steps, _alternatives(cause, values)
    )


def _text(kind: str) -> CauseText:
    """Return what is said of a kind; a newer updater may know others."""
    return CAUSES[CauseKind(kind)] if kind in _KINDS else _UNKNOWN


def _alternatives(cause: CauseRecord, values: Mapping[str, str]) -> str:
    if not cause.alternatives:
        return ""
    titles = [_text(a.kind).title.format_map({**values, "subject": a.subject}) for a in cause.alternatives]
    return f"What was found fits as well: {named(titles)}."


def _few(vlans: tuple[int, ...]) -> str:
    text = write_vlans(vlans)
    return f"VLAN {text}" if len(text) <= _MAX_LIST_CHARACTERS else f"{len(vlans)} VLANs"


def named(names: tuple[str, ...] | list[str]) -> str:
    """Join the first few names and the number of the others."""
    more = f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else ""
    return ", ".join(names[:_MAX_NAMED]) + more
