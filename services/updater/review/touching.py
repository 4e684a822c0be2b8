"""What is to be looked at: the networks that something has touched since the last review."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from services.contract.messages import Segment


@dataclass
class Touch:
    """What was touched."""

    networks: set[str] = field(default_factory=set)
    """Uids."""
    segments: set[Segment] = field(default_factory=set)
    cluster_networks: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    """Uids of networks of which nothing is to be remembered."""
    everything: bool = False

    def add(self, other: "Touch") -> None:
        """Add what was touched besides."""
        self.networks |= other.networks
        self.segments |= other.segments
        self.cluster_networks |= other.cluster_networks
        self.gone |= other.gone
        self.everything |= other.everything


class Touched:
    """What was touched and not looked at yet. Thread-safe."""

    def __init__(self, wake: Callable[[], None]) -> None:
        """wake: called when something is touched."""
        self._wake = wake
        self._lock = threading.Lock()
        self._touch = Touch()

    def add(self, touch: Touch) -> None:
        """Have this looked at."""
        with self._lock:
            self._touch.add(touch)
        self._wake()

    def take(self) -> Touch:
        """Return all of it, and begin anew."""
        with self._lock:
            taken, self._touch = self._touch, Touch()
        return taken
