"""The states of a network in words, and the faults of a host that cannot probe."""

from collections.abc import Mapping
from dataclasses import dataclass

from services.contract.outcomes import BridgeFault, Fault, State

_UNCHANGED = "unchanged"


@dataclass(frozen=True)
class StateText:
    """What is said of one state."""

    meaning: str
    connectivity_routed: str = _UNCHANGED
    """What `connectivity` becomes with active_when=routed."""
    connectivity_vlan: str = _UNCHANGED
    """The same with active_when=vlan."""


STATES: Mapping[State, StateText] = {
    State.ACTIVE: StateText(
        "The gateway answers on the VLAN from every host that could tell, and through routing unless the "
        "network is marked as isolated.",
        '"true"',
        '"true"',
    ),
    State.PARTIAL: StateText(
        "The gateway answers on the VLAN from some hosts, but not from all; or a host's bridge does not pass "
        "the VLAN on to its VMs. A VM that moves to another host may lose its gateway.",
        '"true" if it answers through routing, else "false"',
        '"false"',
    ),
    State.ISOLATED: StateText(
        "The gateway answers on the VLAN from every host that could tell, but not ICMP echo through the "
        "hosts' routing. Other traffic may pass.",
        '"false"',
        '"true"',
    ),
    State.OFF_VLAN: StateText(
        "The gateway answers through the hosts' routing, but on the VLAN from no host: VMs probably cannot "
        "reach it.",
        '"true"',
        '"false"',
    ),
    State.UNREACHABLE: StateText(
        "The gateway answers neither on the VLAN nor, unless the network is marked as isolated, through "
        "routing.",
        '"false"',
        '"false"',
    ),
    State.DHCP_FAILED: StateText(
        "DHCP names no usable gateway, and none is known from before.",
        '"DHCP failed"',
        '"DHCP failed"',
    ),
    State.PENDING: StateText("There is no result yet for the network's present configuration."),
    State.UNKNOWN: StateText(
        "There is no fresh result from any host that can probe, so connectivity stays unchanged."
    ),
    State.IGNORED: StateText(
        "The network is not probed: it is not a VLAN network, or nadroute is not responsible for it.",
    ),
    State.DISABLED: StateText("The network is not probed: its owner disabled probing."),
    State.INVALID: StateText("The network is not probed: its configuration is unreadable or refused."),
}

DHCP_OUT = "DHCP names no usable gateway at present. nadroute checks the gateway that is known from before."
"""Beside the state of a network whose gateway is known."""

FAULTS: Mapping[Fault, str] = {
    Fault.UPLINK_MISSING: "interface {interface} is missing; check `ip link`, or correct --uplink",
    Fault.UPLINK_DOWN: "uplink {interface} is down; check the cable, the bond and {ports}",
    Fault.UPLINK_FLAPPING: "uplink {interface} goes up and down; check the cable, the optics and the bond",
    Fault.NO_PERMISSION: "the prober may not open a packet socket; give its container the capability NET_RAW",
    Fault.SEND_FAILED: "the kernel refused to send on {interface}; see the prober's log",
    Fault.STOPPED: "the prober stopped before the probe was done; the next sweep repeats it",
}
"""Why a host cannot probe, and what to do."""

BRIDGE_FAULTS: Mapping[BridgeFault, str] = {
    BridgeFault.NOT_IN_BRIDGE: "the bridge behind {interface} does not pass the VLAN on to the VMs; check "
    "`bridge vlan show dev {interface}`, and restart Harvester's network controller on this host",
    BridgeFault.PORT_BLOCKED: "the bridge behind {interface} passes nothing on to the VMs; check "
    "`bridge link show dev {interface}`",
    BridgeFault.UNSETTLED: "the bridge behind {interface} does not pass the VLAN on to the VMs yet",
}
"""Why the VLAN does not reach a host's VMs, and what to do."""
