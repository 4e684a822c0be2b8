"""Evidence of lost frames: it makes silence inconclusive, and does not affect replies that arrive."""

from dataclasses import dataclass
from typing import Final

_HALF_LIFE_S: Final = 60.0
_DECAY_INTERVAL_S: Final = 1.0
"""Often enough for the half-life, and not a cost of every reply in a burst."""
_CLEAN: Final = 0.05
"""The same of a way on which one DHCPDISCOVER, which is not the first, is as good as two."""
_OLD: Final = 0.5
_SEVERAL: Final = 1.5
"""Two exchanges, some time ago."""
_LATELY: Final = 0.5**10
"""What is left of one exchange after ten half-lives."""
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
    _offered_first: float = 0.0
    """Of the former, discoveries whose first DHCPDISCOVER was answered."""
    _offered_later: float = 0.0
    """The same of the latter."""
    _least_secs: int = 0
    """The least `secs` of the DHCPDISCOVERs that made these."""
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

    def offered(self, now: float, *, first_attempt: bool, secs: int) -> None:
        """Count a discovery that was answered; secs: that field of the DHCPDISCOVER that was."""
        self.answered(now, first_attempt=first_attempt)
        if first_attempt:
            self._offered_first += 1.0
            return
        is_new = self._offered_later < _OLD
        self._least_secs = secs if is_new else min(secs, self._least_secs)
        self._offered_later += 1.0

    def explain_silence(self, now: float, *, secs: int | None = None) -> bool:
        """Return whether so many frames are lost on the way that every attempt of an exchange may be lost.

        Among answered exchanges, later attempts are to first attempts as the share of lost round trips. But
        a server or relay may let clients wait for a number of seconds (`min-secs` of ISC dhcpd), while a
        standby lets the first server answer. secs: the largest of the DHCPDISCOVERs that had the time to be
        answered.
        """
        self._decay(now)
        # Below one half of an exchange, the evidence is older than a half-life.
        if self._later_attempt < _OLD or self._later_attempt <= _LOSSY * self._first_attempt:
            return False
        return not self.let_wait(now) or (secs is not None and secs < self._least_secs)

    def let_wait(self, now: float) -> bool:
        """Return whether servers let clients wait: DHCP alone is answered late, and everywhere.

        Frames that are lost on the way are lost to ARP as well. Of two exchanges of each kind, loss does this
        one time in sixteen at most, and of more, less often.
        """
        self._decay(now)
        first, later = self._first_attempt - self._offered_first, self._later_attempt - self._offered_later
        if self._offered_first >= _OLD or self._offered_later < _SEVERAL:
            return False
        return first >= _SEVERAL and later <= _CLEAN * first

    def heard_lately(self, now: float) -> bool:
        """Return whether an exchange was answered in the last ten minutes or so."""
        self._decay(now)
        return self._first_attempt + self._later_attempt > _LATELY

    def _decay(self, now: float) -> None:
        """Decay both counters. Called before one is added to, so that a new exchange counts in full."""
        if now - self._decayed_at >= _DECAY_INTERVAL_S:
            factor = 0.5 ** ((now - self._decayed_at) / _HALF_LIFE_S)
            self._first_attempt *= factor
            self._later_attempt *= factor
            self._offered_first *= factor
            self._offered_later *= factor
            self._decayed_at = now
