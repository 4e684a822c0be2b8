"""What an echo on the VLAN tells about the silence of the same gateway through routing."""

from collections.abc import Sequence

from services.contract.outcomes import ReachOutcome, Reason
from services.view.host_checks import HostCheck
from services.view.rows import NetworkRow


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
