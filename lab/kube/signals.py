"""Waking coroutines from any thread, as both the store and the faults need."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator


class Listener:
    """One waiting coroutine; wakes for every notification since it last waited."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._heard = asyncio.Event()

    def wake(self) -> None:
        """Wake the waiting coroutine, from any thread; a closed loop is ignored."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._heard.set)

    async def wait(self, *, seconds: float) -> None:
        """Wait for a notification, at most `seconds`."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._heard.wait(), seconds)
        self._heard.clear()


class Signal:
    """Notifies all listeners that something changed; they find out what by themselves."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: set[Listener] = set()

    def notify(self) -> None:
        """Wake every listener, from any thread."""
        with self._lock:
            listeners = tuple(self._listeners)
        for listener in listeners:
            listener.wake()

    @contextlib.contextmanager
    def listening(self) -> Iterator[Listener]:
        """Yield a listener, which receives notifications for the duration of the block."""
        listener = Listener()
        with self._lock:
            self._listeners.add(listener)
        try:
            yield listener
        finally:
            with self._lock:
                self._listeners.discard(listener)
