"""What all plans of a cluster network, or of one router, check together: how often follows from it.

Pure: time is an argument, in seconds of any monotonic clock.
"""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from services.contract.messages import HostAnnouncement, Segment
from services.network.paced import HeldInterval, shared_interval_s
from services.watcher.limits.pace import Pace
from services.watcher.limits.routers import Routers


@dataclass
class Crowd:
    """What all plans of one cluster network check."""

    pace: Pace
    hosts: int = 0
    segments: int = 0
    gateways: int = 0
    """Gateways that answer or are not reported on yet."""
    shared_s: float = 0.0
    """Least seconds between two such probes because of the routers that have gateways elsewhere too."""
    shared_gateways: int = 0
    """Gateways of the one of these routers that has the most."""
    _held: HeldInterval = field(default_factory=HeldInterval)

    @property
    def sweep_s(self) -> float:
        """Seconds between two probes of a segment from one host."""
        return max(self.shared_s, self.pace.interval_s(self.hosts, self.segments))

    def announced_s(self, now: float) -> float:
        """Return the same as it is announced: what was checked at a longer interval counts accordingly."""
        return self._held.take(self.sweep_s, now)


class Crowds:
    """The crowds of all cluster networks, and the routers that they share."""

    def __init__(self, pace: Pace) -> None:
        self.routers = Routers()
        self._pace = pace
        self.port_rates: Mapping[str, float] = {}
        """What the switch ports of all hosts together allow, in frames a second by cluster network."""
        self._crowds: dict[str, Crowd] = {}

    def join(self, segment: Segment) -> Crowd:
        """Return the crowd of this segment's cluster network, with one segment more."""
        name = segment.cluster_network
        crowd = self._crowds.setdefault(name, Crowd(self._pace.within(self.port_rates.get(name, math.inf))))
        crowd.segments += 1
        return crowd

    def leave(self, segment: Segment) -> None:
        """Forget a segment."""
        self.routers.learn(segment, ())
        crowd = self._crowds[segment.cluster_network]
        crowd.segments -= 1
        if not crowd.segments:
            del self._crowds[segment.cluster_network]

    def set_hosts(self, announcements: Iterable[HostAnnouncement]) -> None:
        """Take all announced hosts."""
        announcements = list(announcements)
        carriers = Counter(name for announced in announcements for name in announced.uplinks)
        least: dict[str, float] = {}
        for announced in announcements:
            for name in announced.uplinks if announced.port_rate is not None else ():
                least[name] = min(least.get(name, math.inf), announced.port_rate or math.inf)
        # All hosts get as much to do, so the slowest port decides for each.
        self.port_rates = {name: rate * carriers[name] for name, rate in least.items()}
        for name, crowd in self._crowds.items():
            crowd.hosts = carriers[name]
            crowd.pace = self._pace.within(self.port_rates.get(name, math.inf))
        self._share()

    def learn(self, routers: Mapping[Segment, Collection[str]]) -> None:
        """Take the MAC addresses that answer for the gateways on these segments."""
        for segment, addresses in routers.items():
            self.routers.learn(segment, addresses)
        self._share()

    @property
    def doubt_pace(self) -> float:
        """Frames a second on each cluster network by which to judge how many hosts confirm a doubt."""
        return self._pace.frames_per_s / max((len(load) for load in self.routers.loads()), default=1)

    def intervals(self, now: float) -> dict[str, float]:
        """Return how often each cluster network is swept, in seconds, as results there are to be judged."""
        return {name: crowd.announced_s(now) for name, crowd in self._crowds.items()}

    def _share(self) -> None:
        """Have each crowd be slow enough for the routers that it shares with others."""
        for crowd in self._crowds.values():
            crowd.shared_s, crowd.shared_gateways = 0.0, 0
        for load in self.routers.loads():
            pairs = [(self._crowds[name], count) for name, count in load.items()]
            hosts = [(crowd.hosts, count) for crowd, count in pairs]
            interval_s = shared_interval_s(hosts, sweep_s=self._pace.sweep_s, pace=self._pace.frames_per_s)
            for crowd, _ in pairs:
                crowd.shared_s = max(crowd.shared_s, interval_s)
                crowd.shared_gateways = max(crowd.shared_gateways, sum(load.values()))
