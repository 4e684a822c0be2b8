"""Waking coroutines from other threads."""

import asyncio
import threading

from lab.kube.signals import Listener, Signal


def test_a_listener_wakes_for_what_it_missed_and_then_sleeps_again() -> None:
    """A notification between two waits ends the next wait at once, and only that one."""

    async def heard() -> list[float]:
        signal, loop = Signal(), asyncio.get_running_loop()
        with signal.listening() as listener:
            signal.notify()
            begin = loop.time()
            await listener.wait(seconds=60)
            woken = loop.time()
            await listener.wait(seconds=0.05)
            return [woken - begin, loop.time() - woken]

    first, second = asyncio.run(heard())
    assert first < 10
    assert second >= 0.04


def test_a_thread_wakes_a_coroutine() -> None:
    """A notification from another thread ends a wait; one to a closed loop is ignored."""
    signal = Signal()

    async def listen() -> None:
        with signal.listening() as listener:
            thread = threading.Thread(target=signal.notify)
            thread.start()
            await asyncio.wait_for(listener.wait(seconds=60), 20)
            thread.join()
            leaked.append(listener)

    leaked: list[Listener] = []
    asyncio.run(listen())
    leaked[0].wake()
