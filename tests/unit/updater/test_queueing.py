"""The write queue: one entry per network, one thread at a time, and not before it is due."""

import threading

from services.updater.queueing import WriteQueue
from tests.support.manual_clock import ManualClock

A, B = "uid-a", "uid-b"


def test_many_reasons_are_one_entry() -> None:
    """However often a network is added, it is taken once."""
    queue = WriteQueue(ManualClock())
    for _ in range(3):
        queue.add(A)
    assert (queue.take(wait=False), queue.take(wait=False)) == (A, None)


def test_a_network_in_process_is_not_taken_again_until_done() -> None:
    """What was added meanwhile is taken afterwards, so two threads never write one network."""
    queue = WriteQueue(ManualClock())
    queue.add(A)
    assert queue.take(wait=False) == A
    queue.add(A)
    queue.add(B)
    assert (queue.take(wait=False), queue.take(wait=False)) == (B, None)
    queue.done(A)
    assert queue.take(wait=False) == A


def test_a_delay_is_kept_and_an_earlier_reason_wins() -> None:
    """A retry waits; news about the network does not."""
    clock = ManualClock()
    queue = WriteQueue(clock)
    queue.add(A, delay_s=10)
    assert queue.take(wait=False) is None
    clock.seconds += 10
    assert queue.take(wait=False) == A
    queue.done(A)
    queue.add(B, delay_s=10)
    queue.add(B, delay_s=1)
    queue.add(B, delay_s=5)
    clock.seconds += 1
    assert queue.take(wait=False) == B
    queue.done(B)
    clock.seconds += 20
    assert queue.take(wait=False) is None


def test_stop_releases_waiting_threads() -> None:
    """Nothing is handed out afterwards."""
    queue = WriteQueue(ManualClock())
    taken: list[str | None] = []
    waiting = threading.Thread(target=lambda: taken.append(queue.take()))
    waiting.start()
    queue.stop()
    waiting.join(60)
    queue.add(A)
    assert taken == [None]
    assert queue.take() is None


def test_new_work_wakes_a_waiting_thread() -> None:
    """The wait has no timeout of its own."""
    queue = WriteQueue(ManualClock())
    taken: list[str | None] = []
    waiting = threading.Thread(target=lambda: taken.append(queue.take()))
    waiting.start()
    queue.add(A)
    waiting.join(60)
    assert taken == [A]
