"""Evidence of lost frames: it makes silence inconclusive, and does not affect replies that arrive."""

from dataclasses import dataclass
from typing import Final

_HALF_LIFE_S: Final = 60.0
_DECAY_INTERVAL_S: Final = 1.0
"""Often enough for the half-life, and not a cost of every reply in a burst."""
_LOSSY: Final = 0.22
"""The share of lost round trips, 12% loss each way, above which silence is inconclusive: of 100 servers that
are up, five would leave two DHCPDISCOVERs unanswered."""


@dataclass(slots=True)
class Losses:
    """Counted since the process started; a probe compares the counters with those at its own start."""

    frames: int = 0
    """Frames that the kernel dropped because a receive buffer was full (PACKET_STATISTICS)."""
    loss_events: int = 0
    """Events that make silence inconclusive: drops that were noticed, and changes of the carrier."""

    carrier_changes: int = 0
    _first_attempt: float = 0.0
    """Exchanges whose first attempt was answered; decays with time."""
    _later_attempt: float = 0.0
    """Exchanges whose first attempt went unanswered and a later one did not; decays with time."""
    _decayed_at: float = 0.0

    def dropped(self, frames: int) -> bool:
        """Count frames that the kernel dropped; return whether there were any."""
        if frames > 0:
            self.frames += frames
            self.loss_events += 1
        return frames > 0

    def carrier_changed(self, times: int) -> bool:
        """Count changes of the carrier, during which frames are not sent; return whether there were any."""
        if times > 0:
            self.carrier_changes += times
            self.loss_events += 1
        return times > 0

    def answered(self, now: float, *, first_attempt: bool) -> None:
        """Count an exchange that was answered. first_attempt: its first attempt was, however late.

        Whoever answers only a later attempt was up all the time, so frames of the first were lost on the way.
        """
        self._decay(now)
        if first_attempt:
            self._first_attempt += 1.0
        else:
            self._later_attempt += 1.0

    def explain_silence(self, now: float) -> bool:
        """Return whether so many frames are lost on the way that every attempt of an exchange may be lost.

        Among answered exchanges, later attempts are to first attempts as the share of lost round trips.
        """
        self._decay(now)
        # Below one half of an exchange, the evidence is older than a half-life.
        return self._later_attempt >= 0.5 and self._later_attempt > _LOSSY * self._first_attempt

    def _decay(self, now: float) -> None:
        """Decay both counters. Called before one is added to, so that a new exchange counts in full."""
        if now - self._decayed_at >= _DECAY_INTERVAL_S:
            factor = 0.5 ** ((now - self._decayed_at) / _HALF_LIFE_S)
            self._first_attempt *= factor
            self._later_attempt *= factor
            self._decayed_at = now
