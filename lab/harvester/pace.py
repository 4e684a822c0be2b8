"""Durations of what Harvester's controller does, as observed."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Pace:
    """Durations in seconds, and the number of gateways from which the tick calls answering ones silent."""

    ping_s: float = 4.05
    """Five echoes, one second apart, all answered."""
    silent_ping_s: float = 10.05
    offer_s: float = 1.0
    """From the creation of a Job to its write, if DHCP answers."""
    no_offer_s: float = 35.05
    tick_s: float = 900.0
    """Between two rounds of pings of all networks."""
    workers: int = 2
    """Networks that are processed, and pinged, at the same time."""
    crowd: int = 300
    """From this many gateways at once, the tick loses replies: each of its sockets receives all of them."""
    crowd_loss: float = 0.3
    """The share of the answering gateways that it then calls silent."""

    def scaled(self, factor: float) -> Pace:
        """Return a copy with all durations multiplied by factor."""
        return replace(
            self,
            ping_s=self.ping_s * factor,
            silent_ping_s=self.silent_ping_s * factor,
            offer_s=self.offer_s * factor,
            no_offer_s=self.no_offer_s * factor,
            tick_s=self.tick_s * factor,
        )
