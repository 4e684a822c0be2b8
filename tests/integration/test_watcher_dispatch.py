"""The dispatcher on a real Redis: outstanding probes are not sent again, lost ones are."""

import dataclasses
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address
from itertools import count

import pytest
import redis
from prometheus_client import CollectorRegistry

from services.contract.messages import Segment, SegmentProbe, Target
from services.contract.names import (
    DEAD_LETTERS_KEY,
    PAUSED_KEY,
    SENDING_KEY,
    SENDING_TTL_S,
    offered_key,
    outstanding_key,
    probe_queue,
)
from services.contract.sending import SendingMark
from services.runtime.connection import redis_client
from services.runtime.queues.celery_app import make_app
from services.runtime.stored.guarded_redis import connect_guarded
from services.watcher.dispatch import Dispatcher, Paused
from services.watcher.plan.host_probe import HostProbe
from services.watcher.requests import NotSent, build_requests, send_requests
from tests.support.manual_clock import ManualClock
from tests.support.redis_server import RedisServer

SEGMENT = Segment(cluster_network="extra", vlan=7)
OTHER = Segment(cluster_network="extra", vlan=8)


class Sending:
    """A dispatcher with its clock and its Redis."""

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
            sweep_s=300,
            max_age_s=60,
            new_id=lambda: f"id-{next(self.numbers)}",
        )

    def dispatch(self, *probes: HostProbe) -> tuple[int, int]:
        """Return the number of requests sent and of probes covered."""
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


@pytest.mark.parametrize("forged", ["a list", "x" * 65])
def test_what_is_no_id_of_a_request_is_set_aside(redis_server: RedisServer, forged: str) -> None:
    """R17: and somebody is told; the segment is probed, and those of its neighbours are unaffected."""
    key, admin = outstanding_key("n1", SEGMENT), redis_server.client
    sending = Sending(redis_server)
    with connect_guarded(redis_server.url, registry=CollectorRegistry()) as sending.client:
        sending.dispatcher = sending.make()
        other = dataclasses.replace(
            probe(), segment=OTHER, probe=probe().probe.model_copy(update={"vlan": 8})
        )
        assert sending.dispatch(probe(), other) == (1, 0)
        admin.delete(key)
        admin.lpush(key, forged) if forged == "a list" else admin.set(key, forged)
        assert sending.dispatch(probe(), other) == (1, 1)
    sending.app.close()
    assert admin.get(key) == "id-1"
    assert admin.llen(DEAD_LETTERS_KEY) == 1


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
def test_a_covered_probe_is_not_sent(
    sending: Sending, first: HostProbe, second: HostProbe, is_sent: bool
) -> None:
    """The same or less is outstanding on the same host; more, other or on another host is sent."""
    assert sending.dispatch(first) == (1, 0)
    assert sending.dispatch(second) == ((1, 0) if is_sent else (0, 1))


def test_the_key_names_the_newest_request(sending: Sending) -> None:
    """So the report of an older request does not free the segment."""
    sending.dispatch(probe())
    sending.dispatch(probe(digest="1"))
    assert sending.client.get(outstanding_key("n1", SEGMENT)) == "id-1"


def test_a_reported_probe_is_sent_again(sending: Sending) -> None:
    """The prober deleted the key."""
    sending.dispatch(probe())
    sending.client.delete(outstanding_key("n1", SEGMENT))
    assert sending.dispatch(probe()) == (1, 0)


def test_an_expired_request_is_sent_again(sending: Sending) -> None:
    """It is, even if the key still exists for any reason."""
    sending.dispatch(probe())
    sending.clock.seconds += 61
    assert sending.dispatch(probe()) == (1, 0)


def test_a_repeated_ask_that_is_answered_is_left_out(sending: Sending) -> None:
    """The gateways that are known are checked all the same."""
    sending.client.set(offered_key("n1", SEGMENT), "1")
    again = replace(probe(ask_dhcp=True, host="n2"), repeats=frozenset({"n1"}))
    done = sending.dispatcher.dispatch([again])
    assert (done.requests, done.answered) == ((), (SEGMENT,))
    known = Target(digest="1" * 16, gateway=IPv4Address("10.0.7.1"))
    both = again.probe.model_copy(update={"targets": (*again.probe.targets, known)})
    done = sending.dispatcher.dispatch([replace(again, probe=both)])
    ((sent,),) = (request.segments for request in done.requests)
    assert (sent.ask_dhcp, sent.targets, done.answered) == (False, (known,), (SEGMENT,))


def test_an_offer_from_before_an_ask_does_not_answer_it(sending: Sending) -> None:
    """That of another host does, and that of no host that was asked does not."""
    for host in ("n1", "n3"):
        sending.client.set(offered_key(host, SEGMENT), "1")
    sending.dispatch(probe(ask_dhcp=True))
    again = replace(probe(ask_dhcp=True, host="n2"), repeats=frozenset({"n1"}))
    assert sending.dispatch(again) == (1, 0)
    assert sending.client.exists(offered_key("n3", SEGMENT))


def test_a_request_of_another_sender_covers_nothing(sending: Sending) -> None:
    """Its contents are not known here, whether it is another watcher's or a person's."""
    sending.client.set(outstanding_key("n1", SEGMENT), "of-somebody-else")
    assert sending.dispatch(probe()) == (1, 0)
    sending.dispatcher = sending.make()
    assert sending.dispatch(probe()) == (1, 0)


def test_a_restarted_host_is_sent_everything(sending: Sending) -> None:
    """Its outstanding requests may be lost; those of other hosts are not."""
    sending.dispatch(probe(), probe(host="n2"))
    sending.dispatcher.forget_host("n1")
    assert sending.dispatch(probe(), probe(host="n2")) == (1, 1)


def test_refused_probes_are_not_outstanding(sending: Sending) -> None:
    """Redis refuses the write: NotSent, and the next attempt sends them."""
    sending.client.config_set("maxmemory", "1")
    with pytest.raises(NotSent):
        sending.dispatch(probe())
    sending.client.config_set("maxmemory", "0")
    assert sending.dispatch(probe()) == (1, 0)
    assert sending.queued() == 1


def test_a_failed_send_leaves_nothing_outstanding(sending: Sending, monkeypatch: pytest.MonkeyPatch) -> None:
    """The keys were set and the message was not: the next attempt sends it nevertheless."""
    monkeypatch.setattr(
        "services.watcher.dispatch.send_requests", lambda *_: (_ for _ in ()).throw(NotSent("cut"))
    )
    with pytest.raises(NotSent):
        sending.dispatch(probe())
    monkeypatch.undo()
    assert sending.dispatch(probe()) == (1, 0)


def test_an_unreachable_redis_raises_not_sent(sending: Sending) -> None:
    """No exception of redis or Celery escapes."""
    nowhere = "unix:///nonexistent/redis.sock"
    dispatcher = Dispatcher(
        make_app(nowhere), redis.Redis.from_url(nowhere), clock=sending.clock, sweep_s=300
    )
    with pytest.raises(NotSent):
        dispatcher.dispatch([probe()])
    requests = build_requests([probe()], sent_at_ms=1, max_age_ms=1_000, new_id=lambda: "x")
    with pytest.raises(NotSent):
        send_requests(make_app(nowhere), requests)


def test_nothing_due_sends_nothing(sending: Sending) -> None:
    """An empty list is no error."""
    assert sending.dispatch() == (0, 0)


def test_nothing_is_sent_while_paused(sending: Sending) -> None:
    """The pause is read with each dispatch, so not even the probes of the next second go out."""
    sending.client.set(PAUSED_KEY, "{}")
    with pytest.raises(Paused):
        sending.dispatch(probe())
    assert sending.queued() == 0
    sending.client.delete(PAUSED_KEY)
    assert sending.dispatch(probe()) == (1, 0)


def test_nothing_is_outstanding_after_redis_lost_its_data(sending: Sending) -> None:
    """This holds even if the key came back from a replica."""
    sending.dispatch(probe())
    sending.dispatcher.forget_all()
    assert sending.dispatch(probe()) == (1, 0)


def test_the_mark_of_sending_expires_unless_it_is_renewed(sending: Sending) -> None:
    """A watcher that hangs, is frozen or is gone does not renew it. Where Redis refuses writes it is not set,
    and nothing is raised."""
    sending.dispatcher.mark_sending({}, 25.0)
    left_s = sending.client.ttl(SENDING_KEY)
    assert 0 < int(str(left_s)) <= SENDING_TTL_S
    assert SendingMark.from_wire(sending.client.get(SENDING_KEY)) == SendingMark(
        sweep_interval_s=300, pace=25.0
    )
    sending.client.delete(SENDING_KEY)
    sending.client.config_set("maxmemory", "1")
    sending.dispatcher.mark_sending({}, 25.0)
    sending.client.config_set("maxmemory", "0")
    assert sending.client.exists(SENDING_KEY) == 0


def test_nothing_stays_of_hosts_that_are_gone(sending: Sending) -> None:
    """Of a request to a host that takes none only its queue is in Redis, until the request is too old, and
    nothing in memory. A later request lets it stay for longer, never for less."""
    hosts = [f"gone-{number}" for number in range(300)]
    assert sending.dispatch(*(probe(host=host) for host in hosts)) == (300, 0)
    queues = {probe_queue(host) for host in hosts}
    assert set(sending.client.scan_iter("*")) == queues | {outstanding_key(host, SEGMENT) for host in hosts}
    assert all(0 < int(str(sending.client.pttl(queue))) <= 60_000 for queue in queues)
    assert not queues.intersection(sending.app.amqp.queues)
    with sending.app.producer_pool.acquire() as producer:
        assert len(producer.connection.declared_entities) < len(hosts)
    for age_s, left_s in ((60, 60), (120, 120), (30, 120)):
        requests = build_requests([probe()], sent_at_ms=1, max_age_ms=age_s * 1_000, new_id=lambda: "x")
        send_requests(sending.app, requests)
        assert left_s - 10 < int(str(sending.client.ttl(probe_queue("n1")))) <= left_s
    assert sending.queued() == 3
