"""The probes of `nadroute probe`: each segment now, from every host that carries it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.contract.messages import HostAnnouncement, Segment
from services.network.parse.intent import Intent
from services.network.parse.nad import NetworkRef
from services.watcher.limits.workload import segment_probe
from services.watcher.plan.host_probe import HostProbe
from services.watcher.plan.rotation import in_order


@dataclass(frozen=True)
class OnDemandPlan:
    """What to probe from which hosts."""

    probes: tuple[HostProbe, ...]
    unserved: tuple[Segment, ...]
    """Segments that no host carries."""

    @property
    def hosts(self) -> list[str]:
        """All hosts that probe, sorted by name."""
        return sorted({probe.host for probe in self.probes})

    def hosts_by_segment(self) -> Mapping[Segment, list[str]]:
        """Return the hosts that probe each segment, sorted by name."""
        hosts: dict[Segment, list[str]] = {}
        for probe in self.probes:
            hosts.setdefault(probe.segment, []).append(probe.host)
        return hosts


def plan_on_demand(intents: Mapping[NetworkRef, Intent], hosts: Sequence[HostAnnouncement]) -> OnDemandPlan:
    """Plan one probe of each segment by every host with an uplink of its cluster network.

    One host asks DHCP, the one that the watcher would begin with; the others check the known gateway. If no
    gateway is known, all of them ask DHCP: a second round would double the time that a person waits.
    """
    by_segment: dict[Segment, list[Intent]] = {}
    for intent in intents.values():
        by_segment.setdefault(intent.segment, []).append(intent)
    probes: list[HostProbe] = []
    unserved: list[Segment] = []
    for segment in sorted(by_segment, key=lambda segment: (segment.cluster_network, segment.vlan)):
        sharing = by_segment[segment]
        carriers = sorted(host.host for host in hosts if segment.cluster_network in host.uplinks)
        if not carriers:
            unserved.append(segment)
            continue
        asker = in_order(carriers, start=segment.vlan)[0]
        lacks_gateway = any(intent.mode == "auto" and intent.known_gateway is None for intent in sharing)
        for host in carriers:
            probe = segment_probe(sharing, ask_dhcp=host == asker or lacks_gateway)
            probes.append(HostProbe(host, segment, probe))
    return OnDemandPlan(tuple(probes), tuple(unserved))
