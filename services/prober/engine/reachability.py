"""Is a gateway there? A few quick probes on one path: up at the first answer, down when all went without."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final, NamedTuple

from services.contract.outcomes import ReachOutcome
from services.prober.engine.losses import Losses
from services.prober.engine.pacing import PacedQueue
from services.prober.engine.results import ReachResult
from services.prober.engine.settings import EngineSettings
from services.prober.engine.timers import Timer, Timers
from services.prober.frames.unchecked import new_unchecked

Done = Callable[[int, ReachResult, float], None]
"""Called with the gateway, the result and the time."""
_REACHABLE: Final = ReachOutcome.REACHABLE
_MAX_ROUNDS: Final = 2
"""A round in which frames were lost on this host is made once more."""


class CheckContext(NamedTuple):
    """One way to gateways: how fast they may be asked there, and what is lost on it."""

    timers: Timers
    pace: PacedQueue
    settings: EngineSettings
    losses: Losses


class GatewayCheck(ABC):
    """One gateway on one path; any number may wait for it."""

    __slots__ = (
        "_attempts",
        "_context",
        "_finished",
        "_last_attempt",
        "_loss_events_before",
        "_timer",
        "_waiting",
        "gateway",
        "sent_at",
    )

    def __init__(self, gateway: int, path: CheckContext, done: Done) -> None:
        self.gateway = gateway
        self.sent_at = 0.0
        self._context = path
        self._waiting = [done]
        self._timer: Timer | None = None
        self._loss_events_before = path.losses.loss_events
        self._attempts = 0
        self._last_attempt = path.settings.reach_attempts
        """Of this round."""
        self._finished = False

    @abstractmethod
    def _send(self, now: float) -> None:
        """Send one probe."""

    @abstractmethod
    def _ended(self) -> None:
        """Called once, before those who wait are told."""

    def wait(self, done: Done) -> None:
        """Tell done the result; several intents may share a gateway."""
        self._waiting.append(done)

    def start(self, now: float) -> None:
        """Send the first probe, as soon as the pace allows."""
        self._context.pace.submit(now, self._probe)

    def answered(self, now: float, *, mac: bytes | None = None, sent: float | None = None) -> None:
        """An answer came; sent: when its probe went out, where the answer says to which probe it belongs."""
        if self._attempts:
            rtt = now - (self.sent_at if sent is None else sent)
            self._context.losses.answered(now, prompt=self._attempts == 1)
            fields = (_REACHABLE, rtt if rtt > 0.0 else 0.0, self._attempts, mac)
            self._end(new_unchecked(ReachResult, fields), now)

    def abandon(self, now: float) -> None:
        """End now without a result."""
        self._end(ReachResult(ReachOutcome.NOT_TRIED, None, self._attempts), now)

    def _probe(self, now: float) -> None:
        if self._finished:
            return
        self._attempts += 1
        self.sent_at = now
        timers, _, settings, _ = self._context
        if self._attempts < self._last_attempt:
            self._timer = timers.at(now + settings.reach_interval_s, self.start)
        else:
            self._timer = timers.at(now + settings.reach_wait_s, self._give_up)
        self._send(now)

    def _give_up(self, now: float) -> None:
        _, _, settings, losses = self._context
        doubtful = losses.loss_events > self._loss_events_before
        if doubtful and self._attempts < _MAX_ROUNDS * settings.reach_attempts:
            self._last_attempt += settings.reach_attempts
            self._loss_events_before = losses.loss_events
            self.start(now)
            return
        doubtful = doubtful or losses.explain_silence(now)
        outcome = ReachOutcome.INCONCLUSIVE if doubtful else ReachOutcome.SILENT
        self._end(ReachResult(outcome, None, self._attempts), now)

    def _end(self, reached: ReachResult, now: float) -> None:
        if self._finished:
            return
        self._finished = True
        if self._timer is not None:
            self._timer.cancel()
        self._ended()
        for done in self._waiting:
            done(self.gateway, reached, now)
