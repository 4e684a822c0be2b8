"""When the gateway that DHCP once named counts as unknown again, so that it leaves the annotation."""

from ipaddress import IPv4Address

from services.contract.outcomes import State
from services.network.policy import Policy

KEPT_FRESHNESS = 6
"""A gateway that nothing confirms is kept for this many times the age up to which a verdict is fresh.

By default that is an hour: a router that serves DHCP itself may be away for that long, and what a rogue
server named does not stay for ever.
"""
_SILENT_ON_VLAN = frozenset({State.UNREACHABLE, State.OFF_VLAN})
"""States in which the gateway answers no host on the VLAN."""


def why_forgotten(
    gateway: IPv4Address, state: State, *, unconfirmed_s: float, fresh_s: float, policy: Policy
) -> str:
    """Return why this gateway, for which DHCP is out, counts as unknown from now on; empty if it is kept.

    state: what the hosts' checks of it say. unconfirmed_s: for how long neither DHCP has named it nor any
    host reached it on the VLAN.
    """
    if state not in _SILENT_ON_VLAN:
        return ""
    if state is State.OFF_VLAN and policy.is_of_hosts(gateway):
        return "the hosts reach it by their own networks, and it does not answer on this VLAN"
    kept_s = KEPT_FRESHNESS * fresh_s
    if unconfirmed_s >= kept_s:
        minutes = f"{kept_s / 60:.0f} minutes"
        return f"for {minutes} DHCP has not named it, and it has answered no host on this VLAN"
    return ""
