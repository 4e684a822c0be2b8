"""What was lost of what the network sent: it makes silence inconclusive, and an answer never wrong."""

from dataclasses import dataclass
from typing import Final

_HALF_LIFE_S: Final = 60.0
_FADE_EVERY_S: Final = 1.0
"""Often enough, and nothing to pay for by every answer of a burst."""
_LOSSY: Final = 0.22
"""Round trips lost, 12% each way. Above it two DISCOVERs without an answer are no news: of 100 living servers
five would look dead."""


@dataclass(slots=True)
class Losses:
    """Counted since the path was opened; whoever waits compares the counts with those at its start."""

    frames: int = 0
    """Frames that the kernel dropped for want of room (PACKET_STATISTICS)."""
    loss_events: int = 0
    """Times that silence became doubtful: each drop that was noticed, each change of the carrier."""

    carrier_changes: int = 0
    _prompt: float = 0.0
    """Exchanges answered at the first attempt, and those that took more; both fade."""
    _late: float = 0.0
    _faded_at: float = 0.0

    def dropped(self, frames: int) -> bool:
        """Whether it was any."""
        if frames > 0:
            self.frames += frames
            self.loss_events += 1
        return frames > 0

    def carrier_changed(self, times: int) -> bool:
        """The uplink lost or found its carrier: what was sent meanwhile may not have gone out."""
        if times > 0:
            self.carrier_changes += times
            self.loss_events += 1
        return times > 0

    def answered(self, now: float, *, prompt: bool) -> None:
        """An exchange was answered; prompt: its first attempt was, however late.

        Who answers only a later attempt was there all the time, so frames were lost on the way.
        """
        self._fade(now)
        if prompt:
            self._prompt += 1.0
        else:
            self._late += 1.0

    def explain_silence(self, now: float) -> bool:
        """Whether so much is lost on the way that an exchange may fail at each attempt.

        Of those that are answered in the end, the ones with a late answer are to the prompt ones as the
        share of round trips that is lost.
        """
        self._fade(now)
        # Half an exchange is what a minute leaves of one.
        return self._late >= 0.5 and self._late > _LOSSY * self._prompt

    def _fade(self, now: float) -> None:
        """Before anything is added: what is new must not fade for the time that was quiet before it."""
        if now - self._faded_at >= _FADE_EVERY_S:
            fading = 0.5 ** ((now - self._faded_at) / _HALF_LIFE_S)
            self._prompt, self._late, self._faded_at = self._prompt * fading, self._late * fading, now
