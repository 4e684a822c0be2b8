"""Scripted faults: what the server does wrong on purpose, for which requests, and how often. Thread-safe."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from lab.kube.admission import denied, unreachable
from lab.kube.errors import ApiError, unknown_path
from lab.kube.harvester import VALIDATOR
from lab.kube.objects import Stored
from lab.kube.requests import Match, Request
from lab.kube.resource_type import ResourceType
from lab.kube.resources import BY_PLURAL, TABLE
from lab.kube.signals import Signal
from lab.kube.store import Snapshot, Store
from lab.kube.watches import Watches

Hook = Callable[[Request], None]
GoneStyle = Literal["event", "status"]
WRITE = Match(verb="write")
ANY = Match()
BURST_S = 0.1
"""For so many seconds a limit saves up what is not used."""


@dataclass(frozen=True, slots=True)
class Action:
    """What to do to one request: any of these, in this order.

    Wait `delay` seconds; call `before`; return `error`; list or get from `stale`; after the request took
    effect, `drop` the connection instead of answering; call `after` before the answer is sent.
    """

    delay: float = 0.0
    before: Hook | None = None
    error: ApiError | None = None
    stale: StaleView | None = None
    drop: bool = False
    after: Hook | None = None


class Fault:
    """One scripted fault, with a count of the requests it affected. `remaining` None: without limit."""

    def __init__(self, number: int, match: Match, action: Action, remaining: int | None) -> None:
        self.number = number
        self.match = match
        self.action = action
        self.remaining = remaining
        self.hits = 0
        self._changed = threading.Condition()

    def take(self, request: Request) -> bool:
        """Return whether this fault applies to the request; if so, count it."""
        with self._changed:
            if self.remaining == 0 or not self.match(request):
                return False
            if self.remaining is not None:
                self.remaining -= 1
            self.hits += 1
            self._changed.notify_all()
            return True

    def wait(self, *, hits: int = 1, seconds: float) -> None:
        """Wait until it has applied `hits` times. Raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.hits >= hits, seconds):
                raise TimeoutError(f"applied {self.hits} times within {seconds} s, expected {hits}")

    def cancel(self) -> None:
        """Disable the fault."""
        with self._changed:
            self.remaining = 0


class Limit(Fault):
    """Serves as many requests a second as it is set to, and strikes the others: a bucket of tokens.

    At rest it saves up tokens for `BURST_S`.
    """

    def __init__(
        self, number: int, match: Match, action: Action, per_s: float, clock: Callable[[], float]
    ) -> None:
        super().__init__(number, match, action, None)
        self._per_s = per_s
        self._clock = clock
        self._tokens = self._most = max(1.0, BURST_S * per_s)
        self._at = clock()

    def take(self, request: Request) -> bool:
        """Return whether the request is beyond the limit; if so, count it."""
        with self._changed:
            if self.remaining == 0 or not self.match(request):
                return False
            now = self._clock()
            self._tokens = min(self._most, self._tokens + self._per_s * (now - self._at))
            self._at = now
            if self._tokens >= 1:
                self._tokens -= 1
                return False
        return super().take(request)


@dataclass(frozen=True, slots=True)
class StaleView:
    """The objects at the time of its creation: what a lagging replica still returns."""

    version: int
    items: dict[ResourceType, list[Stored]]

    def snapshot(self, kind: ResourceType) -> Snapshot:
        """Return the snapshot of all objects of a type."""
        return Snapshot(version=self.version, items=self.items.get(kind, []))

    def get(self, kind: ResourceType, namespace: str, name: str) -> Stored:
        """Return an object of the snapshot. Raises 404."""
        for stored in self.items.get(kind, []):
            if (stored.key.namespace, stored.key.name) == (namespace, name):
                return stored
        raise kind.not_found(name)


class Faults:
    """All faults of a server. Those of one kind apply in the order in which they were scripted."""

    def __init__(self, store: Store, watches: Watches) -> None:
        self.gone_style: GoneStyle = "event"
        self.changed = Signal()
        self._store = store
        self._watches = watches
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._frozen: list[Match] = []
        self._number = 0

    def freeze(self, match: Match = ANY) -> None:
        """Accept requests and answer nothing, also on open watches, until `thaw`."""
        with self._lock:
            self._frozen.append(match)

    def thaw(self) -> None:
        """Resume everything that is frozen."""
        with self._lock:
            self._frozen.clear()
        self.changed.notify()

    def is_frozen(self, request: Request) -> bool:
        """Return whether the request gets no answer now."""
        with self._lock:
            return any(match(request) for match in self._frozen)

    async def gate(self, request: Request) -> None:
        """Hold the request while it is frozen."""
        if not self.is_frozen(request):
            return
        with self.changed.listening() as listener:
            while self.is_frozen(request):
                await listener.wait(seconds=1.0)

    def cut_watches(self, match: Match = ANY) -> int:
        """Break the connections of all open watches, as a reset does; return their number."""
        return self._watches.cut(match)

    def end_watches(self, match: Match = ANY) -> int:
        """End all open watches properly, as a timeout does; return their number."""
        return self._watches.end(match)

    def expire_watches(self, match: Match = ANY) -> int:
        """End all open watches with an ERROR event 410; return their number."""
        return self._watches.expire(match)

    def compact(self) -> None:
        """Compact the history; `gone_style` selects the answer: an ERROR event in the stream, or HTTP 410."""
        self._store.compact()

    def respond(
        self,
        status: int,
        *,
        match: Match = ANY,
        count: int | None = 1,
        message: str = "scripted by the lab",
        reason: str | None = None,
        retry_after: int | None = None,
    ) -> Fault:
        """Answer the next `count` requests (None = all) with an error instead of serving them."""
        error = ApiError(status, message, reason=reason, retry_after=retry_after)
        return self.add(Action(error=error), match=match, count=count)

    def limit(
        self,
        per_s: float,
        *,
        match: Match = WRITE,
        retry_after: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> Fault:
        """Answer requests beyond so many a second with a 429, as priority and fairness does."""
        error = ApiError(429, "too many requests, please try again later", retry_after=retry_after)
        return self._put(lambda number: Limit(number, match, Action(error=error), per_s, clock))

    def deny(self, why: str = "scripted", *, match: Match = WRITE, count: int | None = 1) -> Fault:
        """Make the webhook deny (500, permanent)."""
        return self.add(Action(error=denied(VALIDATOR, why)), match=match, count=count)

    def webhook_down(self, *, match: Match = WRITE, count: int | None = 1, delay: float = 0.0) -> Fault:
        """Make the webhook unreachable (500, transient), after `delay` seconds."""
        return self.add(Action(delay=delay, error=unreachable(VALIDATOR)), match=match, count=count)

    def drop_response(self, *, match: Match = WRITE, count: int | None = 1) -> Fault:
        """Serve the request, then break the connection instead of answering."""
        return self.add(Action(drop=True), match=match, count=count)

    def delay(self, seconds: float, *, match: Match = ANY, count: int | None = 1) -> Fault:
        """Delay a request by `seconds` before it is served."""
        return self.add(Action(delay=seconds), match=match, count=count)

    def hook(
        self,
        *,
        before: Hook | None = None,
        after: Hook | None = None,
        match: Match = ANY,
        count: int | None = 1,
    ) -> Fault:
        """Call a function just before a request takes effect, or between its effect and its answer."""
        return self.add(Action(before=before, after=after), match=match, count=count)

    def stale_reads(self, *, match: Match = Match(verb="list"), count: int | None = 1) -> Fault:  # noqa: B008
        """Serve the next lists (or gets) from the present objects, whatever changes meanwhile."""
        snapshots = {kind: self._store.snapshot(kind) for kind in TABLE}
        version = min(snapshot.version for snapshot in snapshots.values())
        view = StaleView(version=version, items={kind: each.items for kind, each in snapshots.items()})
        return self.add(Action(stale=view), match=match, count=count)

    def add(self, action: Action, *, match: Match, count: int | None) -> Fault:
        """Script any action."""
        return self._put(lambda number: Fault(number, match, action, count))

    def _put(self, make: Callable[[int], Fault]) -> Fault:
        with self._lock:
            self._number += 1
            fault = make(self._number)
            self._faults.append(fault)
        return fault

    def take(self, request: Request) -> list[Action]:
        """Return the actions for this request: of all its faults, up to the first that answers or drops."""
        with self._lock:
            self._faults = [fault for fault in self._faults if fault.remaining != 0]
            faults = tuple(self._faults)
        struck: list[Action] = []
        for fault in faults:
            if fault.take(request):
                struck.append(fault.action)
                if fault.action.error is not None or fault.action.drop:
                    break
        return struck

    def active(self) -> list[Fault]:
        """Return the faults that may still apply."""
        with self._lock:
            return [fault for fault in self._faults if fault.remaining != 0]

    def clear(self) -> None:
        """Remove all faults, and thaw."""
        with self._lock:
            for fault in self._faults:
                fault.cancel()
            self._faults.clear()
        self.gone_style = "event"
        self.thaw()


def resource_named(plural: str) -> ResourceType:
    """Return the type with this plural. Raises 404."""
    if plural not in BY_PLURAL:
        raise unknown_path()
    return BY_PLURAL[plural]
