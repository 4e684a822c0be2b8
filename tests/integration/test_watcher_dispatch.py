"""Sending over a real Redis: what is on its way is not sent again, and what was lost is."""

from collections.abc import Iterator
from itertools import count

import pytest
import redis

from services.contract.messages import Segment, SegmentProbe, Target
from services.contract.names import PAUSED_KEY, outstanding_key, probe_queue
from services.runtime import redis_client
from services.runtime.celery_app import make_app
from services.watcher.dispatch import Dispatcher, Paused
from services.watcher.plan.segment_plan import HostProbe
from services.watcher.requests import NotSent, build_requests, send_requests
from tests.support.manual_clock import ManualClock
from tests.support.redis_server import RedisServer

SEGMENT = Segment(cluster_network="extra", vlan=7)


class Sending:
    """A dispatcher, its clock, and its Redis."""

    def __init__(self, server: RedisServer) -> None:
        self.client = redis_client.connect(server.url)
        self.app = make_app(server.url)
        self.clock = ManualClock(on_wait="fail")
        self.numbers = count()
        self.dispatcher = self.make()

    def make(self) -> Dispatcher:
        return Dispatcher(
            self.app,
            self.client,
            clock=self.clock,
            max_age_s=60,
            new_id=lambda: f"id-{next(self.numbers)}",
        )

    def dispatch(self, *probes: HostProbe) -> tuple[int, int]:
        """How many requests were sent, and how many probes were covered."""
        done = self.dispatcher.dispatch(probes)
        return len(done.requests), done.covered

    def queued(self, host: str = "n1") -> int:
        return int(str(self.client.llen(probe_queue(host))))


@pytest.fixture
def sending(redis_server: RedisServer) -> Iterator[Sending]:
    made = Sending(redis_server)
    yield made
    made.app.close()
    made.client.close()


def probe(*, ask_dhcp: bool = False, digest: str = "0", host: str = "n1") -> HostProbe:
    targets = (Target(digest=digest * 16),)
    return HostProbe(host, SEGMENT, SegmentProbe(vlan=7, ask_dhcp=ask_dhcp, targets=targets))


@pytest.mark.parametrize(
    ("first", "second", "is_sent"),
    [
        (probe(), probe(), False),
        (probe(ask_dhcp=True), probe(), False),
        (probe(ask_dhcp=True), probe(ask_dhcp=True), False),
        (probe(), probe(ask_dhcp=True), True),
        (probe(), probe(digest="1"), True),
        (probe(), probe(host="n2"), True),
    ],
)
def test_what_is_covered_is_not_sent(
    sending: Sending, first: HostProbe, second: HostProbe, is_sent: bool
) -> None:
    """The same, or less, on the same host is on its way already; more, other or elsewhere is not."""
    assert sending.dispatch(first) == (1, 0)
    assert sending.dispatch(second) == ((1, 0) if is_sent else (0, 1))


def test_the_key_names_the_newest_request(sending: Sending) -> None:
    """So the answer to an older one does not free the segment."""
    sending.dispatch(probe())
    sending.dispatch(probe(digest="1"))
    assert sending.client.get(outstanding_key("n1", SEGMENT)) == "id-1"


def test_what_was_answered_is_sent_again(sending: Sending) -> None:
    """The prober deleted the key."""
    sending.dispatch(probe())
    sending.client.delete(outstanding_key("n1", SEGMENT))
    assert sending.dispatch(probe()) == (1, 0)


def test_what_is_too_old_to_be_served_is_sent_again(sending: Sending) -> None:
    """Even where the key is still there, for whatever reason."""
    sending.dispatch(probe())
    sending.clock.seconds += 61
    assert sending.dispatch(probe()) == (1, 0)


def test_a_request_of_somebody_else_covers_nothing(sending: Sending) -> None:
    """Another watcher's or a person's: what it asks is not known here."""
    sending.client.set(outstanding_key("n1", SEGMENT), "of-somebody-else")
    assert sending.dispatch(probe()) == (1, 0)
    sending.dispatcher = sending.make()
    assert sending.dispatch(probe()) == (1, 0)


def test_a_host_that_restarted_is_sent_everything(sending: Sending) -> None:
    """What was on its way to it may be lost; what was on its way to another is not."""
    sending.dispatch(probe(), probe(host="n2"))
    sending.dispatcher.forget_host("n1")
    assert sending.dispatch(probe(), probe(host="n2")) == (1, 1)


def test_what_could_not_be_sent_is_not_counted_as_sent(sending: Sending) -> None:
    """Redis refuses the write: NotSent, and the next try sends it although nothing else has changed."""
    sending.client.config_set("maxmemory", "1")
    with pytest.raises(NotSent):
        sending.dispatch(probe())
    sending.client.config_set("maxmemory", "0")
    assert sending.dispatch(probe()) == (1, 0)
    assert sending.queued() == 1


def test_a_queue_that_cannot_be_written_leaves_nothing_covered(
    sending: Sending, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The keys were set and the message was not: the next try sends it all the same."""
    monkeypatch.setattr(
        "services.watcher.dispatch.send_requests", lambda *_: (_ for _ in ()).throw(NotSent("cut"))
    )
    with pytest.raises(NotSent):
        sending.dispatch(probe())
    monkeypatch.undo()
    assert sending.dispatch(probe()) == (1, 0)


def test_a_redis_that_is_not_there_is_told(sending: Sending) -> None:
    """No exception of Redis' or Celery's comes out."""
    nowhere = "unix:///nonexistent/redis.sock"
    dispatcher = Dispatcher(make_app(nowhere), redis.Redis.from_url(nowhere), clock=sending.clock)
    with pytest.raises(NotSent):
        dispatcher.dispatch([probe()])
    requests = build_requests([probe()], sent_at_ms=1, max_age_ms=1_000, new_id=lambda: "x")
    with pytest.raises(NotSent):
        send_requests(make_app(nowhere), requests)


def test_nothing_due_sends_nothing(sending: Sending) -> None:
    """An empty list is no error."""
    assert sending.dispatch() == (0, 0)


def test_while_paused_nothing_is_sent(sending: Sending) -> None:
    """Looked at with each sending, so that not even the next second's probes go out."""
    sending.client.set(PAUSED_KEY, "{}")
    with pytest.raises(Paused):
        sending.dispatch(probe())
    assert sending.queued() == 0
    sending.client.delete(PAUSED_KEY)
    assert sending.dispatch(probe()) == (1, 0)


def test_after_redis_lost_its_data_nothing_counts_as_being_on_its_way(sending: Sending) -> None:
    """Not even where the key came back from a replica."""
    sending.dispatch(probe())
    sending.dispatcher.forget_all()
    assert sending.dispatch(probe()) == (1, 0)
