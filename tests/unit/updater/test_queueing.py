"""The write queue: one entry per network, one thread at a time, and not before it is due."""

import threading
from queue import Queue

import pytest

from services.runtime.process.clock import SystemClock
from services.updater.write import queueing
from services.updater.write.pacing import Pace
from services.updater.write.queueing import SLOW_S, WriteQueue
from tests.support.manual_clock import ManualClock
from tests.support.updater_site import wait_until

A, B = "uid-a", "uid-b"


def queue_of(clock: ManualClock, *, concurrency: int = 8) -> WriteQueue:
    """Return a queue whose pace knows no limit."""
    return WriteQueue(clock, Pace(clock), concurrency=concurrency)


def test_many_reasons_are_one_entry() -> None:
    """However often a network is added, it is taken once."""
    queue = queue_of(ManualClock())
    for _ in range(3):
        queue.add(A)
    assert (queue.take(wait=False), queue.take(wait=False)) == (A, None)


def test_a_network_in_process_is_not_taken_again_until_done() -> None:
    """What was added meanwhile is taken afterwards, so two threads never write one network."""
    queue = queue_of(ManualClock())
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
    queue = queue_of(clock)
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
    queue = queue_of(ManualClock())
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
    queue = queue_of(ManualClock())
    taken: list[str | None] = []
    waiting = threading.Thread(target=lambda: taken.append(queue.take()))
    waiting.start()
    queue.add(A)
    waiting.join(60)
    assert taken == [A]


def test_threads_that_wait_stand_in_for_each_that_is_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    """K8: also for the third, where one waits for the turn of the second and the others for any."""
    monkeypatch.setattr(queueing, "SLOW_S", 0.05)
    clock = SystemClock()
    queue, taken, stuck = WriteQueue(clock, Pace(clock), concurrency=1), Queue[str](), threading.Event()

    def write() -> None:
        while (uid := queue.take()) is not None:
            taken.put(uid)
            stuck.wait(10)
            queue.done(uid)

    threads = [threading.Thread(target=write, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    queue.add(A)
    assert taken.get(timeout=10) == A
    queue.add(B)
    wait_until(lambda: bool(queue._awaiting_turn))
    queue.add("uid-c")
    queue.add("uid-d")
    assert {taken.get(timeout=5) for _ in range(3)} == {B, "uid-c", "uid-d"}
    stuck.set()
    for n in range(300):
        queue.add(f"uid-{n}", delay_s=0.0 if n % 3 else 0.02)
    assert {taken.get(timeout=5) for _ in range(300)} == {f"uid-{n}" for n in range(300)}
    queue.stop()
    for thread in threads:
        thread.join(10)


def test_no_more_networks_are_in_process_than_may_be_written_at_a_time() -> None:
    """Another takes its turn when one is done."""
    queue = queue_of(ManualClock(), concurrency=2)
    taken = add_and_take(queue, 4)
    assert taken == ["0", "1"]
    queue.done("1")
    assert [queue.take(wait=False), queue.take(wait=False)] == ["2", None]


def test_slow_writes_hold_up_no_other() -> None:
    """However many hang in a webhook: after a second each gives its turn to another."""
    clock = ManualClock()
    queue = queue_of(clock, concurrency=2)
    assert add_and_take(queue, 6) == ["0", "1"]
    clock.seconds += SLOW_S / 2
    queue.done("0")
    assert queue.take(wait=False) == "2"
    clock.seconds += SLOW_S / 2
    assert [queue.take(wait=False), queue.take(wait=False)] == ["3", None]
    clock.seconds += SLOW_S / 2
    assert [queue.take(wait=False), queue.take(wait=False)] == ["4", None]


def test_networks_are_handed_out_no_faster_than_the_pace_allows() -> None:
    """Where the API server throttles many writes, what is due waits."""
    clock = ManualClock()
    pace = Pace(clock)
    queue = WriteQueue(clock, pace, concurrency=8)
    for _ in range(20):
        pace.started()
        clock.seconds += 0.05
        pace.ended(is_throttled=True)
    assert add_and_take(queue, 3) == ["0"]
    clock.seconds += 0.5
    assert [queue.take(wait=False), queue.take(wait=False)] == ["1", None]


def add_and_take(queue: WriteQueue, count: int) -> list[str]:
    """Add networks named by numbers; return those that are handed out at once."""
    for n in range(count):
        queue.add(str(n))
    taken = []
    while (uid := queue.take(wait=False)) is not None:
        taken.append(uid)
    return taken
