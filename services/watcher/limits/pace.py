"""The pace of the probing: the intervals that a site sets, and the limits that no setting changes."""

import math
from dataclasses import dataclass, replace

from services.contract.limits import FRAMES_PER_S
from services.network.paced import sweep_interval_s

MIN_GAP_S = 1.0
"""Minimum between two DHCP asks on one segment, and between two rounds of checks for doubts about it."""
CHECK_BUSY_S = 5.0
"""Longest time of a check: three probes a second apart, a second of waiting, and the host's queue."""
JITTER = 0.1
NOTICE_S = 15.0
"""How long a gateway may go unchecked by any host: then it is told silent within 30 s, since a check of it
takes 4 s, and the look of the other hosts as long."""
PATROL_SHARE = 0.75
"""Share of the frames with which patrols check gateways. The rest is left for DHCP and for doubts."""
PATROL_PER_S = PATROL_SHARE * FRAMES_PER_S


@dataclass(frozen=True)
class Pace:
    """Seconds between two probes of a segment from one host, and how soon another one looks in between."""

    sweep_s: float = 300.0
    retry_s: float = 30.0
    """The same while a network on the segment is failing."""
    ask_window_s: float = 15.0
    """How long a host may wait for an offer: longer than a prober's DHCP deadline."""
    patrol_per_s: float = PATROL_PER_S
    """Gateways that patrols check a second on one cluster network; 0 for no patrols."""
    frames_per_s: float = FRAMES_PER_S
    """ARP and DHCP frames a second on one cluster network, by all hosts together; 0 for no limit."""

    def within(self, frames_per_s: float) -> "Pace":
        """Return this pace with at most so many frames a second on a cluster network; infinity: as it is."""
        if frames_per_s == math.inf:
            return self
        frames = min(self.frames_per_s or math.inf, frames_per_s)
        return replace(self, frames_per_s=frames, patrol_per_s=min(self.patrol_per_s, PATROL_SHARE * frames))

    def patrol_s(self, hosts: int, gateways: int) -> float:
        """Return how long after a check of a segment, by whichever host, the next host checks it; infinity if
        only the sweep does.

        The sweeps of many hosts are spread evenly by it; with few hosts, it adds checks. gateways: their
        number on the cluster network. Each costs a frame, so many are looked at less often.
        """
        if not self.patrol_per_s:
            return math.inf
        return max(min(NOTICE_S, self.sweep_s / hosts), gateways / self.patrol_per_s)

    def interval_s(self, hosts: int, segments: int) -> float:
        """Return how often each of so many hosts sweeps so many segments of a cluster network, in seconds."""
        return sweep_interval_s(hosts, segments, sweep_s=self.sweep_s, pace=self.frames_per_s)
