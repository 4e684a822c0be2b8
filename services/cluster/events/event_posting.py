"""Posting Events behind the writes: a bounded queue, one thread, and the limits of client-go.

Nothing depends on an Event, so none holds up a patch. One thread keeps the order of the Events on an object.
As in client-go's event broadcaster, an Event that the server cannot take now is tried again and holds up
those behind it; a full queue drops new ones.
"""

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

import structlog

from services.cluster.errors import ClusterError, Conflict, PatchRefused, Throttled, Unavailable, backoff_s
from services.cluster.events.event_bodies import event_body
from services.cluster.events.event_limits import OVERALL_BURST, OVERALL_PER_S, ObjectLimits, TokenBucket
from services.cluster.metrics import EventMetrics
from services.network.parse.nad import Network
from services.network.reasons.events import Event
from services.runtime.process.clock import Clock
from services.runtime.process.outside_log import tell
from services.runtime.process.repeating import is_alive

MAX_QUEUED = 10_000
"""Two Events for each of 4,094 networks, and some more."""
MAX_TRIES = 12
FLUSH_S = 20.0
"""The longest time that stop() takes. A process has 60 s to end."""
IDLE_S = 60.0

log = structlog.get_logger(__name__)


class Sink(Protocol):
    """The part of cluster.client.Cluster that is needed here."""

    def post_event(self, body: Mapping[str, object]) -> None:
        """Create an Event; may raise ClusterError."""
        ...


@dataclass(slots=True)
class _Queued:
    network: Network
    event: Event
    at: datetime
    body: Mapping[str, object] | None = None
    """Made for the first try, since thousands may wait; later ones have its name."""
    tries: int = 0


class EventPoster:
    """Posts Events from its own thread. Thread-safe."""

    def __init__(
        self, sink: Sink, *, clock: Clock, random: Callable[[], float], metrics: EventMetrics
    ) -> None:
        """random gives numbers from 0 to 1."""
        self._sink = sink
        self._clock = clock
        self._random = random
        self._metrics = metrics
        self._lock = threading.Lock()
        self._queue: deque[_Queued] = deque()
        self._objects = ObjectLimits()
        self._overall = TokenBucket(burst=OVERALL_BURST, per_s=OVERALL_PER_S, now=clock.monotonic())
        self._not_before = float("-inf")
        self._woken = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="event-poster", daemon=True)

    @property
    def is_alive(self) -> bool:
        """Whether its thread runs."""
        return is_alive(self._thread, self._stopping)

    def add(self, network: Network, event: Event) -> None:
        """Queue an Event, dated now, and return at once; count and drop it beyond a limit."""
        # Without what an Event does not name: a tenant's annotations may be large.
        named = replace(network, config="", annotations={}, labels={})
        with self._lock:
            if not self._objects.take(network.uid, self._clock.monotonic()):
                dropped = "limited"
            elif len(self._queue) >= MAX_QUEUED:
                dropped = "dropped"
            else:
                self._queue.append(_Queued(named, event, self._clock.now()))
                self._woken.set()
                return
        self._metrics.handled(dropped)
        tell(log, "event not posted", network=str(network.ref), reason=event.reason, error=dropped)

    def start(self) -> None:
        """Start posting."""
        self._thread.start()

    def stop(self) -> None:
        """Post what is queued, for up to FLUSH_S seconds, and end; count what is left as dropped."""
        self._stopping.set()
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join(FLUSH_S)
        with self._lock:
            left = len(self._queue)
            self._queue.clear()
        for _ in range(left):
            self._metrics.handled("dropped")
        if left:
            log.warning("events dropped at the end", events=left)

    def post_due(self, *, flush: bool = False) -> float | None:
        """Post the next Event if it is due.

        Return the seconds after which to call again; None where nothing is queued. flush: the overall rate
        is no limit.
        """
        with self._lock:
            queued = self._queue[0] if self._queue else None
        if queued is None:
            return None
        now = self._clock.monotonic()
        wait_s = max(self._not_before - now, 0.0 if flush else self._overall.wait_s(now))
        if wait_s > 0:
            return wait_s
        self._overall.take(now)
        if not self._try(queued):
            return max(0.0, self._not_before - now)
        with self._lock:
            if self._queue and self._queue[0] is queued:
                self._queue.popleft()
        return 0.0

    def _try(self, queued: _Queued) -> bool:
        """Post an Event; return whether it is done with, posted or given up."""
        queued.tries += 1
        try:
            queued.body = queued.body or event_body(queued.network, queued.event, now=queued.at)
            self._sink.post_event(queued.body)
        except (Throttled, Unavailable) as error:
            if queued.tries < MAX_TRIES:
                pause_s = backoff_s(queued.tries, error, jitter=self._random())
                self._not_before = self._clock.monotonic() + pause_s
                return False
            self._give_up(queued, error)
        except ClusterError as error:
            if isinstance(error, Conflict) and not isinstance(error, PatchRefused) and queued.tries > 1:
                # Its name exists: an earlier try was stored, and only the response was lost.
                self._metrics.handled("posted")
            else:
                self._give_up(queued, error)
        except Exception:
            log.exception("event not posted", network=str(queued.network.ref), reason=queued.event.reason)
            self._metrics.handled("failed")
        else:
            self._metrics.handled("posted")
        return True

    def _give_up(self, queued: _Queued, error: ClusterError) -> None:
        self._metrics.handled("failed")
        where, reason = str(queued.network.ref), queued.event.reason
        tell(log, "event not posted", network=where, reason=reason, error=str(error))

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._woken.clear()
            wait_s = self.post_due()
            if wait_s is None:
                if not self._stopping.is_set():
                    self._clock.wait(self._woken, IDLE_S)
            elif wait_s > 0:
                self._clock.wait(self._stopping, wait_s)
        deadline, never = self._clock.monotonic() + FLUSH_S, threading.Event()
        while (wait_s := self.post_due(flush=True)) is not None:
            if self._clock.monotonic() + wait_s >= deadline:
                return
            if wait_s > 0:
                self._clock.wait(never, wait_s)
