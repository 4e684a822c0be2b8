"""The pace of the probing: the intervals that a site sets, and the limits that no setting changes."""

from dataclasses import dataclass

MIN_GAP_S = 1.0
"""Minimum between two DHCP asks on one segment, and between two rounds of checks for doubts about it."""
CHECK_BUSY_S = 5.0
"""Longest time of a check: three probes a second apart, a second of waiting, and the host's queue."""
JITTER = 0.1


@dataclass(frozen=True)
class Pace:
    """Seconds between two probes of a segment from one host."""

    sweep_s: float = 300.0
    retry_s: float = 30.0
    """The same while a network on the segment is failing."""
    ask_window_s: float = 15.0
    """How long a host may wait for an offer: longer than a prober's DHCP deadline."""
