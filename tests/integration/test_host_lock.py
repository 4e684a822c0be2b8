"""W13: the lock on a host's name, on a real Redis: one prober holds it, and the others wait or give up."""

import threading
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from services.contract.host_claims import HostClaim
from services.contract.names import HOST_TTL_S, host_lock_key, host_waiting_key
from services.prober.host_lock import GIVE_WAY_S, POLL_S, HostLock
from services.prober.metrics import ProberMetrics
from services.runtime.connection.redis_client import time_ms
from tests.support.manual_clock import ManualClock
from tests.support.redis_server import RedisServer

LOCK, WAITING = host_lock_key("node1"), host_waiting_key("node1")
ADDRESS = IPv4Address("10.0.0.5")


class _Clock(ManualClock):
    """Ends the wait after the last attempt."""

    def __init__(
        self, seconds: float, *, attempts: int, during_wait: Mapping[int, Callable[[], object]]
    ) -> None:
        super().__init__(seconds, stop_after=attempts + 1)
        self._during_wait = during_wait

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        self._during_wait.get(len(self.waits), lambda: None)()
        return super().wait(event, timeout_s)


class Claimant:
    """A prober as far as its name is concerned."""

    def __init__(self, server: RedisServer) -> None:
        self.registry = CollectorRegistry()
        self.losses = 0
        self.clock = ManualClock()
        self.lock = HostLock(
            client=server.client,
            host="node1",
            address=ADDRESS,
            clock=self.clock,
            metrics=ProberMetrics(self.registry),
            lost=self._lost,
        )

    def _lost(self) -> None:
        self.losses += 1

    def take(
        self, attempts: int = 1, *, during_wait: Mapping[int, Callable[[], object]] | None = None
    ) -> bool:
        """Try to acquire, without the thread that renews; return whether it did.

        during_wait: what happens in the wait before the attempt of this number, which counts from 0.
        """
        self.lock.start = lambda: None  # type: ignore[method-assign]
        self.clock = self.lock._clock = _Clock(
            self.clock.seconds, attempts=attempts, during_wait=during_wait or {}
        )
        return self.lock.acquire(threading.Event())

    @property
    def conflict(self) -> bool:
        return bool(self.registry.get_sample_value("nadroute_host_name_conflict"))


def let_time_pass(server: RedisServer) -> None:
    """Wait for Redis' next millisecond: in reality, a prober holds its name for longer."""
    before_ms = time_ms(server.client)
    while time_ms(server.client) == before_ms:
        pass


def held(server: RedisServer) -> HostClaim:
    return HostClaim.from_wire(server.client.get(LOCK))


def test_the_first_holds_the_name_and_the_second_says_who_does(redis_server: RedisServer) -> None:
    """The lock and the record of the one that waits have a TTL; both probers count a conflict."""
    first, second = Claimant(redis_server), Claimant(redis_server)
    before_ms = time_ms(redis_server.client)
    assert first.take()
    assert (first.lock.problem(), first.conflict) == (None, False)
    assert before_ms <= first.lock.incarnation == held(redis_server).since_ms <= time_ms(redis_server.client)
    assert 0 < redis_server.client.pttl(LOCK) <= HOST_TTL_S * 1_000

    seen: list[object] = []
    assert not second.take(during_wait={1: lambda: seen.append(redis_server.client.get(WAITING))})
    holder = held(redis_server)
    assert f"another prober, process {holder.pid} on {holder.machine} (10.0.0.5)" in str(
        second.lock.problem()
    )
    assert not second.lock.holds()
    (record,) = seen
    assert HostClaim.from_wire(record).process == second.lock._claim.process
    redis_server.client.set(WAITING, str(record))
    first.lock._renew()
    assert (first.conflict, second.conflict) == (True, True)
    redis_server.client.delete(WAITING)
    first.lock._renew()
    assert not first.conflict


def test_one_that_is_ended_while_it_waits_leaves_no_record(redis_server: RedisServer) -> None:
    """Nobody is told of a prober that waits no more."""
    assert Claimant(redis_server).take()
    assert not Claimant(redis_server).take()
    assert not redis_server.client.exists(WAITING)


def test_a_released_name_is_taken_at_the_next_poll_with_a_later_incarnation(
    redis_server: RedisServer,
) -> None:
    """A clean stop leaves no hole; the successor's verdicts are newer than all of its predecessor's."""
    first, second = Claimant(redis_server), Claimant(redis_server)
    assert first.take()
    let_time_pass(redis_server)

    assert second.take(9, during_wait={1: first.lock._release})
    assert second.clock.waits == [0.0, POLL_S]
    assert second.lock.incarnation > first.lock.incarnation
    assert held(redis_server).process == second.lock._claim.process


def test_a_name_that_was_given_back_is_not_taken_again(redis_server: RedisServer) -> None:
    """Whatever still asks in a prober that ends."""
    one = Claimant(redis_server)
    assert one.take()
    one.lock._release()
    assert not one.lock.holds()
    assert not redis_server.client.exists(LOCK)


def test_a_holder_that_was_frozen_gives_up_when_another_has_its_name(redis_server: RedisServer) -> None:
    """It neither announces nor takes the name again, and says once who has it."""
    first, second = Claimant(redis_server), Claimant(redis_server)
    assert first.take()
    redis_server.client.delete(LOCK)  # as its TTL does
    assert second.take()
    assert not first.lock.set_if_held("nadroute:host:node1", "stale")
    assert not redis_server.client.exists("nadroute:host:node1")
    first.clock.seconds += HOST_TTL_S
    assert not first.lock.holds()
    assert first.losses == 1
    assert "another prober took the name node1: process" in str(first.lock.problem())
    second.lock._release()
    first.lock._renew()
    assert (first.lock.holds(), first.losses) == (False, 1)
    assert not redis_server.client.exists(LOCK)


def test_a_lock_that_expired_while_nobody_took_it_is_a_new_incarnation(redis_server: RedisServer) -> None:
    """Another prober may have held the name in between; its verdicts must not count as newer."""
    first, second = Claimant(redis_server), Claimant(redis_server)
    assert first.take()
    before = first.lock.incarnation
    redis_server.client.delete(LOCK)
    let_time_pass(redis_server)
    assert second.take()
    second.lock._release()
    let_time_pass(redis_server)
    first.clock.seconds += HOST_TTL_S
    assert first.lock.holds()
    assert before < second.lock.incarnation < first.lock.incarnation
    assert first.losses == 0


class _LosingAnswers:
    """A client whose next answer does not arrive: Redis was frozen for too long, and worked afterwards."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self.loses = True

    def eval(self, *arguments: object) -> object:
        answer: object = self._client.eval(*arguments)  # type: ignore[arg-type]
        if self.loses:
            self.loses = False
            raise redis.TimeoutError("Timeout reading from socket")
        return answer


@pytest.mark.parametrize("held_before", [True, False], ids=["renewal", "first"])
def test_a_prober_never_takes_itself_for_another(redis_server: RedisServer, held_before: bool) -> None:
    """R5, W13: the answer that gave it the name is lost; the next attempt finds its own claim."""
    one = Claimant(redis_server)
    if held_before:
        assert one.take()
        redis_server.client.delete(LOCK)
    one.lock._client = _LosingAnswers(redis_server.client)  # type: ignore[assignment]
    if held_before:
        one.lock._renew()
        one.lock._renew()
    else:
        assert one.take(attempts=2)
    assert (one.lock.problem(), one.losses, one.conflict) == (None, 0, False)
    assert one.lock.incarnation == HostClaim.from_wire(redis_server.client.get(LOCK)).since_ms
    assert one.lock.set_if_held("nadroute:test", "1")


def test_the_holder_keeps_its_name_when_redis_has_lost_its_data(redis_server: RedisServer) -> None:
    """One that waits notices that its own record is gone, and gives the holder the time of a TTL."""
    first, second = Claimant(redis_server), Claimant(redis_server)
    assert first.take()
    assert not second.take(4, during_wait={2: redis_server.client.flushall, 3: first.lock._renew})
    assert second.clock.waits == [0.0, POLL_S, POLL_S, GIVE_WAY_S, POLL_S]
    assert held(redis_server).process == first.lock._claim.process
    assert first.losses == 0


def test_one_that_waits_takes_the_name_when_the_holder_is_gone_with_redis_data(
    redis_server: RedisServer,
) -> None:
    """Giving way ends after one pause."""
    assert Claimant(redis_server).take()
    second = Claimant(redis_server)
    assert second.take(9, during_wait={1: redis_server.client.flushall})
    assert second.clock.waits == [0.0, POLL_S, GIVE_WAY_S]


def test_without_redis_the_name_counts_as_held_for_its_ttl_only(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the prober's own clock, from before the last renewal was sent; then neither held nor lost."""
    one = Claimant(redis_server)
    assert one.take()

    class Away:
        def eval(self, *_: object) -> None:
            raise redis.ConnectionError("for the test")

    with monkeypatch.context() as patch:
        patch.setattr(one.lock, "_client", Away())
        one.clock.seconds += HOST_TTL_S - 0.5
        assert one.lock.holds()
        one.clock.seconds += 0.5
        assert not one.lock.holds()
        assert one.lock.problem() == "the host's name is not renewed: Redis does not answer"
        assert one.losses == 0
    assert one.lock.holds()
    assert one.lock.problem() is None


@pytest.mark.parametrize("kind", ["text for ever", "text for a year", "a list"])
def test_what_is_no_lock_keeps_nobody_from_starting(redis_server: RedisServer, kind: str) -> None:
    """R17: only what expires within a lock's TTL can be one; anything else under its key is replaced."""
    if kind == "a list":
        redis_server.client.lpush(LOCK, "x")
    else:
        redis_server.client.set(LOCK, "x", ex=None if kind == "text for ever" else 31_536_000)
    assert Claimant(redis_server).take()
    assert held(redis_server).host == "node1"


@pytest.mark.parametrize("kind", ["text", "a list"])
def test_an_unreadable_holder_is_waited_for_until_it_expires(redis_server: RedisServer, kind: str) -> None:
    """R17: with what is wrong with it. An unreadable record of a prober that waits is told as such."""
    if kind == "text":
        redis_server.client.set(LOCK, "x", ex=HOST_TTL_S)
    else:
        redis_server.client.lpush(LOCK, "x")
        redis_server.client.expire(LOCK, HOST_TTL_S)
    one = Claimant(redis_server)
    assert not one.take()
    assert "another prober, unknown (HostClaim: (whole): Invalid JSON" in str(one.lock.problem())
    redis_server.client.delete(LOCK)
    assert one.take()
    redis_server.client.set(WAITING, "junk")
    one.lock._renew()
    assert one.conflict


STEPS = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(["take", "renew", "announce", "release", "expire"])),
    max_size=40,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_never_do_two_have_the_name_and_each_owner_is_newer(
    redis_server: RedisServer, steps: list[tuple[int, str]]
) -> None:
    """In any order of starts, renewals, stops, restarts and expiries of three probers."""
    client = redis_server.client
    client.flushall()
    running: dict[int, Claimant] = {}
    incarnations: list[int] = []
    for number, step in steps:
        one = running.get(number)
        if step == "take" and one is None:
            one = Claimant(redis_server)
            if one.take():
                running[number] = one
        elif step == "expire":
            client.delete(LOCK)
        elif one is not None and step == "renew":
            one.lock._renew()
        elif one is not None and step == "announce":
            assert one.lock.set_if_held("said", str(number)) is (client.get(LOCK) == one.lock._value)
        elif one is not None and step == "release":
            one.lock._release()
            del running[number]
        running = {number: one for number, one in running.items() if not one.losses}
        owners = [one for one in running.values() if one.lock._value == client.get(LOCK)]
        assert len(owners) == client.exists(LOCK)
        incarnations += [one.lock.incarnation for one in owners]
        let_time_pass(redis_server)
    assert incarnations == sorted(incarnations)


def test_counters_follow_redis_time_and_are_never_ahead(redis_server: RedisServer) -> None:
    """R20, W7: else the updater would take them for forged; they increase where the clock stands."""
    prober = Claimant(redis_server)
    assert prober.take()
    first, second = prober.lock.next_counter(), prober.lock.next_counter()
    now_us = time_ms(redis_server.client) * 1000
    assert now_us - 10_000_000 < first < second <= now_us + 1000
    prober.clock.seconds += 60
    assert prober.lock.next_counter() - first == pytest.approx(60_000_000, abs=10)
    prober.clock.seconds -= 60
    assert prober.lock.next_counter() > second


def test_counters_begin_anew_when_redis_clock_was_set_back(redis_server: RedisServer) -> None:
    """W7: else all that this prober reports would be from the future, and refused, for as long."""
    prober = Claimant(redis_server)
    assert prober.take()
    prober.clock.seconds += 3_600
    before = prober.lock.next_counter()
    assert prober.lock.holds()
    assert before - prober.lock.next_counter() == pytest.approx(3_600_000_000, abs=10_000_000)
