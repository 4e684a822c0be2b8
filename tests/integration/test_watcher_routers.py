"""The watcher reads from a real Redis which router answers where, and nothing else that anybody put there."""

import json
from collections.abc import Mapping

import pytest
import redis

from services.contract.messages import Segment, Verdict
from services.contract.names import verdicts_key
from services.contract.outcomes import ReachOutcome
from services.runtime.stored.verdict_store import VerdictStore
from services.watcher.routers import AT_ONCE, KNOWN_S, UNKNOWN_S, RouterPoll
from tests.support.manual_clock import ManualClock
from tests.support.redis_server import RedisServer
from tests.unit.network.builders import verdict

CORE, OTHER = "02:00:00:00:00:01", "02:00:00:00:00:02"


class Reading:
    """A poll of routers, one look at a time."""

    def __init__(self, server: RedisServer) -> None:
        self.client = server.client
        self.clock = ManualClock()
        self.segments: list[Segment] = []
        self.found: list[Mapping[Segment, frozenset[str]]] = []
        self._poll = RouterPoll(self.client, lambda: self.segments, self.found.append, clock=self.clock)

    def store(self, segment: Segment, router: str | None, *, counter: int = 1) -> Verdict:
        """Store what a host found, as the updater does."""
        made = verdict("0" * 16, segment=segment, counter=counter)
        (target,) = made.targets
        answered = target.vlan.model_copy(update={"mac": router})
        targets = (target.model_copy(update={"vlan": answered}),)
        made = made.model_copy(update={"targets": targets})
        VerdictStore(self.client).put([made])
        return made

    def look(self, after_s: float) -> Mapping[Segment, frozenset[str]]:
        """Return what is passed on by a look so much later."""
        self.clock.seconds += after_s
        self.found.clear()
        self._poll.poll()
        return self.found[0] if self.found else {}


@pytest.fixture
def reading(redis_server: RedisServer) -> Reading:
    return Reading(redis_server)


def segment(vlan: int) -> Segment:
    return Segment(cluster_network="extra", vlan=vlan)


def test_a_router_is_read_once_it_has_answered_and_again_later(reading: Reading) -> None:
    """What is unknown is looked at sooner than what is known."""
    reading.segments = [segment(1), segment(2), segment(3)]
    reading.store(segment(1), CORE)
    reading.store(segment(2), None)
    assert reading.look(0.0) == {segment(1): {CORE}}
    reading.store(segment(2), OTHER, counter=2)
    reading.store(segment(1), OTHER, counter=2)
    assert reading.look(1.0) == {}
    assert reading.look(UNKNOWN_S) == {segment(2): {OTHER}}
    assert reading.look(KNOWN_S) == {segment(1): {OTHER}, segment(2): {OTHER}}


def test_no_look_takes_long_and_none_is_forgotten(reading: Reading) -> None:
    """Each takes a bounded number of segments; those that are gone are not looked at."""
    reading.segments = [segment(vlan) for vlan in range(1, AT_ONCE + 11)]
    for each in reading.segments:
        reading.store(each, CORE)
    assert len(reading.look(0.0)) == AT_ONCE
    reading.segments = reading.segments[:-1]
    assert len(reading.look(0.0)) == 9


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "[" * 100_000,
        '{"verdict":1}',
        json.dumps({"verdict": verdict("0" * 16).to_wire() | {"host": "\x00"}}),
        "elsewhere",
        "a string",
    ],
)
def test_what_is_no_verdict_on_the_segment_is_passed_over(reading: Reading, stored: str) -> None:
    """It hinders no other, and stays for the updater."""
    reading.segments = [segment(1), segment(2)]
    reading.store(segment(2), CORE)
    key = verdicts_key(segment(1))
    if stored == "a string":
        reading.client.set(key, stored)
    elif stored == "elsewhere":
        reading.store(segment(3), OTHER)
        reading.client.rename(verdicts_key(segment(3)), key)
    else:
        reading.client.hset(key, "node1", stored)
    assert reading.look(0.0) == {segment(2): {CORE}}
    assert reading.client.exists(key)


def test_an_unreachable_redis_is_asked_again(reading: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the next look."""
    reading.segments = [segment(1)]
    reading.store(segment(1), CORE)

    def refuse(*_: object, **__: object) -> None:
        raise redis.ConnectionError

    with monkeypatch.context() as patched:
        patched.setattr(reading.client, "pipeline", refuse)
        assert reading.look(0.0) == {}
    assert reading.look(5.0) == {segment(1): {CORE}}


def test_silence_names_no_router(reading: Reading) -> None:
    """The budget of the cluster network alone applies there."""
    reading.segments = [segment(1)]
    VerdictStore(reading.client).put([verdict("0" * 16, segment=segment(1), vlan=ReachOutcome.SILENT)])
    assert reading.look(0.0) == {}
