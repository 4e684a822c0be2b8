"""The MAC addresses of the hosts' probes on a VLAN, as a DHCP server or a switch has to know them."""

from collections.abc import Mapping, Sequence

from services.contract.messages import HostAnnouncement
from services.contract.probe_macs import probe_mac
from services.view.rows import NetworkRow

MAX_NAMED = 8
UNKNOWN = "those that `nadroute explain` names while Redis answers"


def name_probe_macs(row: NetworkRow, hosts: Sequence[str], announced: Mapping[str, HostAnnouncement]) -> str:
    """Return the address of each host's probes, with its name."""
    if row.intent is None or not hosts:
        return UNKNOWN
    segment = row.intent.segment
    named = []
    for host in hosts[:MAX_NAMED]:
        known = announced.get(host)
        vlan = 0 if known is not None and known.one_mac else segment.vlan
        named.append(f"{probe_mac(host, segment.cluster_network, vlan).hex(':')} ({host})")
    more = len(hosts) - MAX_NAMED
    return ", ".join(named) + (f" and {more} more" if more > 0 else "")
