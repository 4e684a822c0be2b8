"""Is a gateway there? A few quick probes on one path: up at the first answer, down when all went without."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final, NamedTuple

from services.contract.outcomes import ReachOutcome
from services.prober.engine.losses import Losses
from services.prober.engine.pacing import PacedQueue
from services.prober.engine.results import Reached
from services.prober.engine.settings import Policy
from services.prober.engine.timers import Schedule, Timer
from services.prober.frames import unchecked as tuples

Done = Callable[[int, Reached, float], None]
"""Called with the gateway, the result and the time."""
_REACHABLE: Final = ReachOutcome.REACHABLE
_MAX_ROUNDS: Final = 2
"""A round in which frames were lost on this host is made once more."""


class Path(NamedTuple):
    """One way to gateways: how fast they may be asked there, and what is lost on it."""

    schedule: Schedule
    pace: PacedQueue
    policy: Policy
    losses: Losses


class ReachCheck(ABC):
    """One gateway on one path; any number may wait for it."""

    __slots__ = (
        "_attempts",
        "_disturbed_at",
        "_finished",
        "_last_attempt",
        "_path",
        "_timer",
        "_waiting",
        "gateway",
        "sent_at",
    )

    def __init__(self, gateway: int, path: Path, done: Done) -> None:
        self.gateway = gateway
        self.sent_at = 0.0
        self._path = path
        self._waiting = [done]
        self._timer: Timer | None = None
        self._disturbed_at = path.losses.disturbances
        self._attempts = 0
        self._last_attempt = path.policy.reach_attempts
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
        self._path.pace.submit(now, self._probe)

    def answered(self, now: float, *, mac: bytes | None = None, sent: float | None = None) -> None:
        """An answer came; sent: when its probe went out, where the answer says to which probe it belongs."""
        if self._attempts:
            rtt = now - (self.sent_at if sent is None else sent)
            self._path.losses.answered(now, prompt=self._attempts == 1)
            fields = (_REACHABLE, rtt if rtt > 0.0 else 0.0, self._attempts, mac)
            self._end(tuples.new(Reached, fields), now)

    def abandon(self, now: float) -> None:
        """End now without a result."""
        self._end(Reached(ReachOutcome.NOT_TRIED, None, self._attempts), now)

    def _probe(self, now: float) -> None:
        if self._finished:
            return
        self._attempts += 1
        self.sent_at = now
        schedule, _, policy, _ = self._path
        if self._attempts < self._last_attempt:
            self._timer = schedule.at(now + policy.reach_interval_s, self.start)
        else:
            self._timer = schedule.at(now + policy.reach_wait_s, self._give_up)
        self._send(now)

    def _give_up(self, now: float) -> None:
        _, _, policy, losses = self._path
        doubtful = losses.disturbances > self._disturbed_at
        if doubtful and self._attempts < _MAX_ROUNDS * policy.reach_attempts:
            self._last_attempt += policy.reach_attempts
            self._disturbed_at = losses.disturbances
            self.start(now)
            return
        doubtful = doubtful or losses.explain_silence(now)
        outcome = ReachOutcome.INCONCLUSIVE if doubtful else ReachOutcome.SILENT
        self._end(Reached(outcome, None, self._attempts), now)

    def _end(self, reached: Reached, now: float) -> None:
        if self._finished:
            return
        self._finished = True
        if self._timer is not None:
            self._timer.cancel()
        self._ended()
        for done in self._waiting:
            done(self.gateway, reached, now)
