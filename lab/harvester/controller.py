"""The double of Harvester's controller on a real clock, with threads, beside the services."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable
from types import TracebackType

from lab.harvester.access import Networks, Seen
from lab.harvester.fabric import Fabric
from lab.harvester.manager import Counters, Manager
from lab.harvester.pace import Pace

STOP_SECONDS = 10.0
LONGEST_WAIT_SECONDS = 1.0


class ControllerDouble:
    """Runs a Manager from start() or `with` until stop(). Its writes use the identity of `networks`."""

    def __init__(
        self,
        networks: Networks,
        fabric: Fabric,
        *,
        pace: Pace = Pace(),  # noqa: B008 - frozen
        seed: int = 0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._networks = networks
        self._monotonic = monotonic
        self._manager = Manager(networks, fabric, pace=pace, seed=seed, now=monotonic())
        self._news: queue.SimpleQueue[Seen | threading.Event] = queue.SimpleQueue()
        self._over = threading.Event()
        self._failures: list[BaseException] = []
        self._threads = [
            threading.Thread(
                target=self._guard, args=(work,), name=f"lab-harvester-{work.__name__}", daemon=True
            )
            for work in (self._watch, self._work)
        ]

    @property
    def counters(self) -> Counters:
        """Return what it did so far."""
        return self._manager.counters

    @property
    def busy_workers(self) -> int:
        """Return the number of workers that a ping occupies now."""
        return self._manager.busy_workers

    @property
    def known(self) -> int:
        """Return the number of networks whose gateways the tick pings."""
        return self._manager.known

    def tick(self, *, seconds: float = STOP_SECONDS) -> None:
        """Ping all networks now, beside the periodic ticks; return when the tick has begun."""
        begun = threading.Event()
        self._news.put(begun)
        if not begun.wait(seconds):
            raise TimeoutError("the controller double did not tick")

    def start(self) -> ControllerDouble:
        """Start watching and writing."""
        for thread in self._threads:
            thread.start()
        return self

    def stop(self) -> None:
        """Stop; raise an exception that ended a thread."""
        self._over.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(STOP_SECONDS)
        for failure in self._failures:
            raise failure

    def __enter__(self) -> ControllerDouble:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _guard(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as failure:  # noqa: BLE001 - raised by stop()
            self._failures.append(failure)

    def _watch(self) -> None:
        for seen in self._networks.watch(self._over):
            self._news.put(seen)

    def _work(self) -> None:
        due = 0.0
        while not self._over.is_set():
            wait_s = min(LONGEST_WAIT_SECONDS, max(0.0, due - self._monotonic()))
            with contextlib.suppress(queue.Empty):
                self._take(self._news.get(timeout=wait_s))
                while True:
                    self._take(self._news.get_nowait())
            due = self._manager.advance(self._monotonic())

    def _take(self, news: Seen | threading.Event) -> None:
        if isinstance(news, threading.Event):
            self._manager.tick(self._monotonic())
            news.set()
        else:
            self._manager.observe(news)
