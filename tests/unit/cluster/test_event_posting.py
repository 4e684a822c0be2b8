"""Events behind the writes: nothing is lost below the limits, and everything beyond them is counted."""

import threading
from collections.abc import Mapping

import pytest
from prometheus_client import CollectorRegistry

from services.cluster.errors import (
    ClusterError,
    Conflict,
    Denied,
    Forbidden,
    PatchRefused,
    Throttled,
    Unavailable,
)
from services.cluster.events.event_limits import MAX_OBJECTS, OBJECT_BURST, OVERALL_BURST, OVERALL_PER_S
from services.cluster.events.event_posting import MAX_QUEUED, MAX_TRIES, EventPoster
from services.cluster.metrics import EVENTS, EventMetrics
from services.network.reasons.events import Event
from tests.support.manual_clock import ManualClock
from tests.unit.network.builders import network

ACTIVE = Event("Normal", "Active", "it answers")


class Server:
    """Takes Events, after the scripted failures."""

    def __init__(self) -> None:
        self.failures: list[Exception] = []
        self.tried: list[str] = []
        """The names of all Events, in the order in which they were sent."""
        self.reasons: list[str] = []
        self.bodies: list[Mapping[str, object]] = []
        """Both of the Events that were taken."""

    def post_event(self, body: Mapping[str, object]) -> None:
        metadata = body["metadata"]
        assert isinstance(metadata, dict)
        self.tried.append(metadata["name"])
        if self.failures:
            raise self.failures.pop(0)
        self.reasons.append(str(body["reason"]))
        self.bodies.append(body)


class Bench:
    """A poster without its thread."""

    def __init__(self, clock: ManualClock | None = None) -> None:
        self.clock = clock or ManualClock()
        self.server = Server()
        self.registry = CollectorRegistry()
        metrics = EventMetrics(self.registry)
        self.poster = EventPoster(self.server, clock=self.clock, random=lambda: 0.5, metrics=metrics)

    def add(self, count: int, *, uid: str = "") -> None:
        """Add Events on as many objects or, with a uid, on one; their reasons are numbers."""
        for n in range(count):
            self.poster.add(network(uid=uid or f"uid-{n}"), Event("Normal", str(n), ""))

    def run(self, *, seconds: float = 3_600.0) -> None:
        """Post for so long, or until nothing is queued."""
        until = self.clock.seconds + seconds
        while (wait_s := self.poster.post_due()) is not None and self.clock.seconds + wait_s <= until:
            self.clock.seconds += wait_s

    def counts(self) -> dict[str, float]:
        found = {
            each: self.registry.get_sample_value("nadroute_events_total", {"result": each}) for each in EVENTS
        }
        return {each: count for each, count in found.items() if count}


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_adding_an_event_sends_nothing(bench: Bench) -> None:
    """Whoever adds one goes on with the next patch; it is posted behind it."""
    bench.add(3)
    assert bench.server.tried == []
    bench.run()
    assert bench.server.reasons == ["0", "1", "2"]
    assert bench.counts() == {"posted": 3}


def test_events_of_all_networks_at_once_are_posted_at_the_overall_rate(bench: Bench) -> None:
    """As many as there are VLANs: none is lost, and the API server sees a burst and then a steady rate."""
    bench.add(4_094)
    bench.run(seconds=10)
    assert len(bench.server.reasons) == pytest.approx(OVERALL_BURST + 10 * OVERALL_PER_S, abs=1)
    bench.run()
    assert bench.counts() == {"posted": 4_094}


def test_one_network_cannot_flood(bench: Bench) -> None:
    """client-go's limits: 25 at once, then one in five minutes; other networks are not affected."""
    bench.add(OBJECT_BURST + 10, uid="noisy")
    bench.add(1, uid="quiet")
    bench.run()
    assert bench.counts() == {"posted": OBJECT_BURST + 1, "limited": 10}
    for seconds, posted in ((299, 0), (1, 1), (1, 1), (299, 2)):
        bench.clock.seconds += seconds
        bench.add(1, uid="noisy")
        bench.run()
        assert bench.counts()["posted"] == OBJECT_BURST + 1 + posted


def test_the_limits_of_objects_are_bounded(bench: Bench) -> None:
    """Networks that come and go for ever do not fill the memory: the oldest is forgotten."""
    bench.add(OBJECT_BURST, uid="noisy")
    for n in range(MAX_OBJECTS):
        bench.poster.add(network(uid=f"other-{n}"), ACTIVE)
    before = bench.counts()["dropped"]
    bench.add(1, uid="noisy")
    assert bench.counts() == {"dropped": before + 1}


def test_a_full_queue_drops_new_events_and_counts_them(bench: Bench) -> None:
    """The memory is bounded while the API server takes none."""
    bench.add(MAX_QUEUED + 5)
    bench.run()
    assert bench.counts() == {"posted": MAX_QUEUED, "dropped": 5}
    assert bench.server.reasons[-1] == str(MAX_QUEUED - 1)


@pytest.mark.parametrize("error", [Throttled("429", retry_after_s=1.0), Unavailable("503")])
def test_an_event_that_the_server_cannot_take_now_is_tried_again(bench: Bench, error: ClusterError) -> None:
    """It keeps its name and its place, so the Events on a network stay in order."""
    bench.server.failures = [error] * (MAX_TRIES - 1)
    bench.add(2)
    bench.run()
    assert bench.server.reasons == ["0", "1"]
    assert len(set(bench.server.tried)) == 2
    assert bench.counts() == {"posted": 2}


def test_a_throttled_event_waits_as_long_as_the_server_asks(bench: Bench) -> None:
    """The Events behind it wait, too."""
    bench.server.failures = [Throttled("429", retry_after_s=7.0)]
    bench.add(2)
    bench.run(seconds=6.9)
    assert len(bench.server.tried) == 1
    bench.run()
    assert bench.server.reasons == ["0", "1"]


def test_tries_are_bounded(bench: Bench) -> None:
    """An Event that is never taken is given up, so that it does not hold up all others for ever."""
    bench.server.failures = [Unavailable("503")] * MAX_TRIES
    bench.add(2)
    bench.run()
    assert bench.server.reasons == ["1"]
    assert bench.counts() == {"failed": 1, "posted": 1}


@pytest.mark.parametrize(
    "error", [Forbidden("403"), Denied("no"), PatchRefused("422"), Conflict("409"), RuntimeError("a bug")]
)
def test_a_refused_event_is_not_tried_again(bench: Bench, error: Exception) -> None:
    """The server would refuse it again; the next one is posted."""
    bench.server.failures = [error]
    bench.add(2)
    bench.run()
    assert bench.server.reasons == ["1"]
    assert bench.counts() == {"failed": 1, "posted": 1}


def test_an_event_that_was_stored_although_the_response_was_lost_is_not_posted_twice(bench: Bench) -> None:
    """The second try finds its own name there."""
    bench.server.failures = [Unavailable("cut off"), Conflict("already exists")]
    bench.add(1)
    bench.run()
    assert bench.counts() == {"posted": 1}


def test_what_is_queued_at_the_end_is_posted() -> None:
    """Beyond the overall rate, and with tries again; a process that ends loses no Event."""
    bench = Bench()
    bench.add(4_094)
    bench.server.failures = [Throttled("429", retry_after_s=1.0)]
    bench.poster.start()
    bench.poster.stop()
    assert bench.counts() == {"posted": 4_094}


def test_an_end_that_takes_too_long_drops_the_rest_and_counts_it() -> None:
    """The grace of a process is limited."""
    bench = Bench(ManualClock(on_wait="return"))
    bench.server.failures = [Throttled("429", retry_after_s=3_600.0)] * 5
    bench.add(7)
    bench.poster.start()
    bench.poster.stop()
    assert bench.counts() == {"dropped": 7}


def test_its_thread_posts_what_is_added_while_it_waits() -> None:
    """It waits without posting, is woken, and lives until it is stopped."""
    bench = Bench()
    posted = threading.Event()
    bench.server.reasons = _Noticing(posted)
    bench.poster.start()
    bench.add(1)
    assert posted.wait(60)
    assert bench.poster.is_alive
    bench.poster.stop()


class _Noticing(list[str]):
    def __init__(self, noticed: threading.Event) -> None:
        self._noticed = noticed

    def append(self, item: str) -> None:
        super().append(item)
        self._noticed.set()


def test_what_waits_takes_little_and_is_sent_as_it_was_told() -> None:
    """Thousands may wait for long: none keeps a tenant's annotations, and each has the time of its add()."""
    bench = Bench()
    at = bench.clock.now()
    bench.poster.add(network(uid="uid-1", annotations={"large": "x" * 250_000}), ACTIVE)
    assert not bench.poster._queue[0].network.annotations
    assert not bench.poster._queue[0].network.config
    bench.clock.seconds += 60
    bench.server.failures = [Unavailable("away")]
    bench.run()
    assert bench.server.tried == [bench.server.tried[0]] * 2
    assert bench.server.bodies[-1]["firstTimestamp"] == at.strftime("%Y-%m-%dT%H:%M:%SZ")
