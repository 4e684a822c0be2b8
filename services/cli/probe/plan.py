"""What `nadroute probe` asks of whom: pure, so that it can be tried without a queue."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.contract.messages import HostAnnouncement, Segment
from services.network.parse.intent import Intent
from services.network.parse.nad import NetworkRef
from services.network.probing import segment_probe
from services.watcher.plan.segment_plan import HostProbe


@dataclass(frozen=True)
class Plan:
    """probes: each segment from each of its hosts. unserved: segments that no host can probe."""

    probes: tuple[HostProbe, ...]
    unserved: tuple[Segment, ...]

    @property
    def hosts(self) -> list[str]:
        """Who is asked, by name."""
        return sorted({probe.host for probe in self.probes})

    def asked(self) -> Mapping[Segment, list[str]]:
        """The hosts of each segment, by name."""
        hosts: dict[Segment, list[str]] = {}
        for probe in self.probes:
            hosts.setdefault(probe.segment, []).append(probe.host)
        return hosts


def make_plan(intents: Mapping[NetworkRef, Intent], hosts: Sequence[HostAnnouncement]) -> Plan:
    """Each segment once, from every host that has an uplink to its cluster network.

    One host asks DHCP, another one from segment to segment; the others check the gateway that is known, and
    where none is, they ask DHCP too: a person waits, and a second round would double that.
    """
    by_segment: dict[Segment, list[Intent]] = {}
    for intent in intents.values():
        by_segment.setdefault(intent.segment, []).append(intent)
    probes: list[HostProbe] = []
    unserved: list[Segment] = []
    for segment in sorted(by_segment, key=lambda segment: (segment.cluster_network, segment.vlan)):
        sharing = by_segment[segment]
        able = sorted(told.host for told in hosts if segment.cluster_network in told.uplinks)
        if not able:
            unserved.append(segment)
            continue
        asker = able[segment.vlan % len(able)]
        is_unknown = any(intent.mode == "auto" and intent.known_gateway is None for intent in sharing)
        for host in able:
            probe = segment_probe(sharing, ask_dhcp=host == asker or is_unknown)
            probes.append(HostProbe(host, segment, probe))
    return Plan(tuple(probes), tuple(unserved))
