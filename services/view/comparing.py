"""What comparing the hosts' answers about one network tells."""

from collections.abc import Sequence

from services.contract.macs import named, router_of
from services.contract.outcomes import DHCPOutcome, ReachOutcome, Reason
from services.network.judge.servers import sender
from services.view.host_checks import HostCheck
from services.view.rows import NetworkRow

MAX_LISTED = 5
"""Number of names in a sentence; further ones are counted."""


def list_names(things: Sequence[object]) -> str:
    """Join the first few names and the number of the others; empty without any."""
    more = f" and {len(things) - MAX_LISTED} more" if len(things) > MAX_LISTED else ""
    return ", ".join(map(str, things[:MAX_LISTED])) + more


def compare_answers(row: NetworkRow, checks: Sequence[HostCheck]) -> list[str]:
    """Return conclusions from comparing the hosts' answers."""
    comparisons = []
    macs: dict[str, list[str]] = {}
    for check in checks:
        if check.vlan.mac is not None:
            macs.setdefault(check.vlan.mac, []).append(check.host)
    routers = {router_of(mac) for mac in macs}
    if len(routers) > 1 and Reason.DUPLICATE_GATEWAY not in row.findings:
        answers = "; ".join(f"{named(mac)} to {list_names(hosts)}" for mac, hosts in sorted(macs.items()))
        comparisons.append(
            f"Different machines answer for {row.checked_gateway}: {answers}. Unless they are one redundant "
            "router, another machine uses the gateway's address."
        )
    offered = [c for c in checks if c.dhcp is not None and c.dhcp.servers]
    silent = [c for c in offered if c.age_s is not None and c.vlan.outcome is ReachOutcome.SILENT]
    fresh = [
        c for c in silent if c.dhcp_age_s is not None and c.age_s is not None and c.dhcp_age_s <= c.age_s
    ]
    if fresh:
        check = fresh[0]
        assert check.dhcp is not None
        comparisons.append(
            f"The DHCP server {sender(check.dhcp.servers[0])} answered {check.host} on this VLAN, so the "
            "VLAN does reach that host: the gateway itself is silent, or has another address."
        )
    heard = [
        c
        for c in checks
        if c.vlan.outcome is ReachOutcome.REACHABLE or (c.dhcp is not None and c.dhcp.servers)
    ]
    unoffered = [c for c in checks if c.dhcp is not None and c.dhcp.outcome is DHCPOutcome.NO_OFFER]
    if unoffered and not heard and any(check.vlan.outcome is ReachOutcome.SILENT for check in checks):
        comparisons.append(
            "Nothing answered on this VLAN, neither DHCP nor ARP: most often the VLAN reaches no host, or "
            "the machines on it are down."
        )
    if losing := [c.host for c in checks if c.dropped_frames]:
        comparisons.append(
            f"The kernel dropped frames on {list_names(losing)} during the checks: answers may be among them."
        )
    return comparisons


def compare_echoes(row: NetworkRow, checks: Sequence[HostCheck]) -> list[str]:
    """Return sentences on a gateway that is silent through routing, from echoes on its VLAN, where some were
    sent: one that answers none there either drops them, so its silence says nothing about routes.
    """
    if row.reason != Reason.GATEWAY_NOT_ROUTED:
        return []
    answering = [c for c in checks if c.vlan.outcome is ReachOutcome.REACHABLE]
    for check in answering:
        if check.echo.outcome is ReachOutcome.REACHABLE:
            answered = (
                f"On the VLAN, the gateway answered an ICMP echo of {check.host}: it does not drop those of "
                "its own subnet. A route is missing, or ICMP echo from elsewhere is dropped."
            )
            return [answered]
    silent = [c.host for c in answering if c.echo.outcome is ReachOutcome.SILENT]
    if not silent:
        return []
    dropped = (
        f"On the VLAN, the gateway answers ARP of {silent[0]}, but no ICMP echo there either, where no route "
        "is needed: ICMP echo is dropped, so its silence through routing shows no missing route."
    )
    return [dropped]


def name_own_addresses(checks: Sequence[HostCheck]) -> list[str]:
    """Return what routed means of hosts that have an address on the VLAN themselves."""
    own = [f"{check.host} ({check.own_address})" for check in checks if check.own_address]
    if not own:
        return []
    some = "" if len(own) == len(checks) else " The other hosts' echoes do use routing."
    text = (
        f"On this VLAN, these hosts have an address of their own: {list_names(own)}. So their echo through "
        "routing normally leaves on the VLAN itself, from that address, and no router forwards it. "
        f"Harvester's controller finds the same on such a node, so `connectivity` says so.{some}"
    )
    return [text]
