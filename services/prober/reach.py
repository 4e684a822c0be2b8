"""Is a gateway there? A few quick probes on one path: up at the first answer, down when all went without."""

from collections.abc import Callable

from services.contract.outcomes import ReachOutcome
from services.prober.findings import Reached
from services.prober.losses import Losses
from services.prober.pacing import PacedQueue
from services.prober.policy import Policy
from services.prober.schedule import Schedule, Timer

Done = Callable[[int, Reached, float], None]
"""Called with the gateway, the result and the time."""
_MAX_ROUNDS = 2
"""A round in which frames were lost on this host is made once more."""


class ReachCheck:
    """One gateway on one path; any number may wait for it. Who makes one says how a probe is sent."""

    __slots__ = (
        "_attempts",
        "_disturbed_at",
        "_finished",
        "_losses",
        "_pace",
        "_policy",
        "_probes_left",
        "_rounds_left",
        "_schedule",
        "_timer",
        "_waiting",
        "gateway",
        "sent_at",
    )

    def __init__(
        self,
        gateway: int,
        schedule: Schedule,
        pace: PacedQueue,
        policy: Policy,
        losses: Losses,
        done: Done,
    ) -> None:
        self.gateway = gateway
        self.sent_at = 0.0
        self._schedule = schedule
        self._pace = pace
        self._policy = policy
        self._losses = losses
        self._waiting = [done]
        self._timer: Timer | None = None
        self._disturbed_at = losses.disturbances
        self._attempts = 0
        self._probes_left = policy.reach_attempts
        self._rounds_left = _MAX_ROUNDS - 1
        self._finished = False

    def _send(self, now: float) -> None:
        """Send one probe."""
        raise NotImplementedError

    def _ended(self) -> None:
        """Called once, before those who wait are told."""
        raise NotImplementedError

    def wait(self, done: Done) -> None:
        """Tell done the result; several intents may share a gateway."""
        self._waiting.append(done)

    def start(self, now: float) -> None:
        """Send the first probe, as soon as the pace allows."""
        self._pace.submit(now, self._probe)

    def answered(self, now: float, *, mac: bytes | None = None, sent: float | None = None) -> None:
        """An answer came; sent: when its probe went out, where the answer says to which probe it belongs."""
        if self._attempts:
            rtt = now - (self.sent_at if sent is None else sent)
            self._losses.answered(now, prompt=self._attempts == 1)
            self._end(Reached(ReachOutcome.REACHABLE, max(0.0, rtt), self._attempts, mac), now)

    def abandon(self, now: float) -> None:
        """End now without a result."""
        self._end(Reached(ReachOutcome.NOT_TRIED, None, self._attempts), now)

    def _probe(self, now: float) -> None:
        if self._finished:
            return
        self._attempts += 1
        self._probes_left -= 1
        self.sent_at = now
        policy = self._policy
        if self._probes_left:
            self._timer = self._schedule.after(policy.reach_interval_s, now, self.start)
        else:
            self._timer = self._schedule.after(policy.reach_wait_s, now, self._give_up)
        self._send(now)

    def _give_up(self, now: float) -> None:
        losses = self._losses
        doubtful = losses.disturbances > self._disturbed_at
        if doubtful and self._rounds_left:
            self._rounds_left -= 1
            self._probes_left = self._policy.reach_attempts
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
