"""The mailbox between other threads and the deciding loop."""

import threading

from services.contract.doubts import DoubtKind
from services.contract.names import DOUBTS_KEPT
from services.runtime.process.clock import SystemClock
from services.watcher.hosts import PollResult
from services.watcher.mailbox import Mailbox
from tests.unit.watcher.builders import doubt, host, network


def test_only_the_newest_version_is_kept() -> None:
    """A storm of edits is one piece of mail; the last change of a network wins, also when it is a
    deletion."""
    box = Mailbox(SystemClock())
    for number in range(10_000):
        box.upserted(network("a", probe_now=str(number)))
    box.upserted(network("b"))
    box.deleted(network("b").uid)
    assert box.take(0).networks == {"uid-a": network("a", probe_now="9999"), "uid-b": None}


def test_a_deletion_is_of_a_uid() -> None:
    """K9: whatever has the name by now is another network, also where the deletion comes late."""
    box = Mailbox(SystemClock())
    successor = network("a", uid="new")
    box.upserted(successor)
    box.deleted("old")
    assert box.take(0).networks == {"new": successor, "old": None}


def test_mail_is_taken_once() -> None:
    """No new poll is not the same as a poll without hosts."""
    box = Mailbox(SystemClock())
    box.polled(PollResult((host("n1"),)))
    assert box.take(0).poll == PollResult((host("n1"),))
    assert box.take(0).poll is None
    box.polled(PollResult(()))
    assert box.take(0).poll == PollResult(())


def test_a_loss_of_redis_data_is_kept_until_taken() -> None:
    """A second poll before take() replaces the hosts and keeps the loss."""
    box = Mailbox(SystemClock())
    box.polled(PollResult((host("n1"),), lost=True))
    box.polled(PollResult((), paused=True))
    assert box.take(0).poll == PollResult((), paused=True, lost=True)


def test_the_newest_doubt_of_a_kind_about_a_segment_is_kept() -> None:
    """Repeated ones are one piece of mail, and are taken once."""
    box = Mailbox(SystemClock())
    box.doubted([doubt(DoubtKind.SILENT, f"n{number}") for number in range(10_000)])
    box.doubted([doubt(DoubtKind.NO_OFFER, "n1"), doubt(DoubtKind.SILENT, "n2", vlan=8)])
    assert box.take(0).doubts == (
        doubt(DoubtKind.SILENT, "n9999"),
        doubt(DoubtKind.NO_OFFER, "n1"),
        doubt(DoubtKind.SILENT, "n2", vlan=8),
    )
    assert box.take(0).doubts == ()


def test_the_number_of_doubts_is_limited() -> None:
    """Invented segments cost a bounded amount of memory; those that are known already are still replaced."""
    box = Mailbox(SystemClock())
    for name in ("extra", "other"):
        box.doubted(
            [doubt(DoubtKind.SILENT, vlan=1 + number, cluster_network=name) for number in range(4_000)]
        )
    box.doubted([doubt(DoubtKind.SILENT, "n1", vlan=1)])
    doubts = box.take(0).doubts
    assert len(doubts) == DOUBTS_KEPT
    assert doubts[0].heard == ("n1",)


def test_a_change_ends_the_wait() -> None:
    """take() returns as soon as something arrives."""
    box = Mailbox(SystemClock())
    taken = threading.Event()

    def take() -> None:
        assert box.take(60).networks
        taken.set()

    thread = threading.Thread(target=take, daemon=True)
    thread.start()
    box.upserted(network())
    assert taken.wait(60)
