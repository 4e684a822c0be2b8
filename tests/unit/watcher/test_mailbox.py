"""What other threads leave for the loop."""

import threading

from services.runtime.clock import SystemClock
from services.watcher.hosts import PollResult
from services.watcher.mailbox import Mailbox
from tests.unit.watcher.builders import host, network


def test_only_the_newest_version_is_kept() -> None:
    """A storm of edits is one look; the last word on a network stands, also when that is a deletion."""
    box = Mailbox(SystemClock())
    for number in range(10_000):
        box.upserted(network("a", uid=str(number)))
    box.upserted(network("b"))
    box.deleted(network("b").ref, "u1")
    mail = box.take(0)
    assert {ref.name: found and found.uid for ref, found in mail.networks.items()} == {"a": "9999", "b": None}


def test_what_was_taken_is_not_there_again() -> None:
    """Networks and hosts alike; no news of hosts is not the same as no hosts."""
    box = Mailbox(SystemClock())
    box.polled(PollResult((host("n1"),)))
    assert box.take(0).poll == PollResult((host("n1"),))
    assert box.take(0).poll is None
    box.polled(PollResult(()))
    assert box.take(0).poll == PollResult(())


def test_that_redis_lost_its_data_is_not_overlooked() -> None:
    """A second look before the first was taken brings newer hosts, and keeps the bad news."""
    box = Mailbox(SystemClock())
    box.polled(PollResult((host("n1"),), lost=True))
    box.polled(PollResult((), paused=True))
    assert box.take(0).poll == PollResult((), paused=True, lost=True)


def test_news_ends_a_wait() -> None:
    """take returns as soon as something arrives."""
    box = Mailbox(SystemClock())
    taken = threading.Event()

    def take() -> None:
        assert box.take(60).networks
        taken.set()

    thread = threading.Thread(target=take, daemon=True)
    thread.start()
    box.upserted(network())
    assert taken.wait(10)
