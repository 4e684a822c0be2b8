"""The stream of doubts in a real Redis: read once each, capped, and safe from what others write to it."""

import itertools
import json
from collections.abc import Iterator, Sequence

import pytest
import redis

from services.contract.doubts import Doubt, DoubtKind
from services.contract.messages import Segment
from services.contract.names import DEAD_LETTERS_KEY, DOUBTS_KEPT, DOUBTS_KEY
from services.runtime.connection import redis_client
from services.runtime.process.clock import SystemClock
from services.runtime.stored import doubts as runtime_doubts
from services.runtime.stored.doubts import FIELD, DoubtLog, DoubtReader
from services.runtime.stored.stream_tail import BATCH
from tests.support.log_lines import log_lines
from tests.support.manual_clock import ManualClock
from tests.support.redis_server import RedisServer
from tests.support.watcher_site import until


def doubt(vlan: int, *heard: str) -> Doubt:
    segment = Segment(cluster_network="extra", vlan=vlan)
    return Doubt(segment=segment, kind=DoubtKind.SILENT, heard=heard, ask=100)


class Reading:
    """A log and a reader of it; each read is one call."""

    def __init__(self, client: redis.Redis) -> None:
        self.client = client
        self.log = DoubtLog(client)
        self.taken: list[Doubt] = []
        self.clock = ManualClock()
        self.reader = DoubtReader(client, self.taken.extend, clock=self.clock)
        self.reader.read()

    def read(self) -> list[Doubt]:
        """Read once; return what was passed on."""
        self.taken.clear()
        self.reader.read()
        return list(self.taken)

    def letters(self) -> list[dict[str, str]]:
        found = self.client.lrange(DEAD_LETTERS_KEY, 0, -1)
        assert isinstance(found, list)
        return [json.loads(letter) for letter in found]


@pytest.fixture
def reading(redis_server: RedisServer) -> Iterator[Reading]:
    with redis_client.connect(redis_server.url) as client:
        yield Reading(client)


def test_doubts_are_read_in_order_and_once(reading: Reading) -> None:
    """All that were published since the last read, with every field."""
    published = [doubt(7, "node1"), doubt(8), doubt(7, "node1", "node2")]
    reading.log.publish(published)
    assert reading.read() == published
    assert reading.read() == []


def test_more_than_a_batch_is_read_in_several_calls(reading: Reading) -> None:
    """None is lost between them."""
    published = [doubt(1 + number) for number in range(BATCH + 5)]
    reading.log.publish(published)
    assert [*reading.read(), *reading.read()] == published


def test_what_was_published_before_the_start_is_not_read(reading: Reading) -> None:
    """A watcher that starts has everything checked anyway."""
    reading.log.publish([doubt(7)])
    later = Reading(reading.client)
    assert later.taken == []
    reading.log.publish([doubt(8)])
    assert later.read() == [doubt(8)]


def test_the_stream_is_capped(reading: Reading) -> None:
    """The oldest entries are dropped, so it costs a bounded amount of memory while nobody reads."""
    reading.log.publish([doubt(1 + number % 4_000) for number in range(DOUBTS_KEPT + 300)])
    assert reading.client.xlen(DOUBTS_KEY) == DOUBTS_KEPT


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({FIELD: "{"}, "Doubt: (whole): Invalid JSON"),
        ({FIELD: "[" * 100_000}, "Doubt: (whole): Invalid JSON"),
        ({FIELD: b'{"kind":"\xff"}'}, "Doubt: (whole): Invalid JSON"),
        ({"other": "1"}, "Doubt: expected an object, got NoneType"),
        ({FIELD: '{"kind":"silent"}'}, "Doubt: segment: Field required"),
    ],
)
def test_an_entry_that_is_no_doubt_is_recorded_and_hides_none(
    reading: Reading, fields: dict[str, str | bytes], reason: str
) -> None:
    """It becomes one dead letter, with the reason; the doubts around it are read."""
    reading.log.publish([doubt(7)])
    reading.client.execute_command("XADD", DOUBTS_KEY, "*", *itertools.chain(*fields.items()))  # type: ignore[no-untyped-call]
    reading.log.publish([doubt(8)])
    assert reading.read() == [doubt(7), doubt(8)]
    (letter,) = reading.letters()
    assert letter["where"] == DOUBTS_KEY
    assert letter["reason"].startswith(reason)


def test_doubts_are_read_after_redis_lost_its_data(reading: Reading) -> None:
    """The new stream may begin with earlier times, as after Redis' clock was set back."""
    reading.log.publish([doubt(7)])
    assert reading.read() == [doubt(7)]
    reading.client.flushall()
    reading.client.xadd(DOUBTS_KEY, {FIELD: json.dumps(doubt(8).to_wire())}, id="5-1")
    assert [*reading.read(), *reading.read()] == [doubt(8)]


def test_a_key_of_another_type_stops_neither_side(reading: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    """R17: writer and reader log it, the reader once; doubts are read again when the key is gone."""
    lines = log_lines(monkeypatch, runtime_doubts)
    reading.client.set(DOUBTS_KEY, "junk")
    reading.log.publish([doubt(7)])
    assert [reading.read(), reading.read()] == [[], []]
    assert [line["event"] for line in lines] == ["doubts not published", "doubts cannot be read"]
    # It pauses instead of asking again at once.
    assert 1.0 in reading.clock.waits
    reading.client.delete(DOUBTS_KEY)
    assert reading.read() == []
    reading.log.publish([doubt(8)])
    assert reading.read() == [doubt(8)]
    assert lines[-1]["event"] == "doubts are readable again"


def test_publishing_does_not_fail_where_redis_refuses(reading: Reading) -> None:
    """R4: with its memory full, the updater's review goes on."""
    reading.client.config_set("maxmemory", "1")
    try:
        reading.log.publish([doubt(7)])
    finally:
        reading.client.config_set("maxmemory", "0")
    reading.log.publish([doubt(8)])
    assert reading.read() == [doubt(8)]


def test_a_doubt_wakes_the_reader(reading: Reading) -> None:
    """Its thread passes a doubt on as it comes, and ends when it is stopped."""
    taken: list[Doubt] = []

    def take(found: Sequence[Doubt]) -> None:
        taken.extend(found)

    reader = DoubtReader(reading.client, take, clock=SystemClock())
    reader.start()
    try:
        until(lambda: reader._tail.after is not None)
        reading.log.publish([doubt(7)])
        until(lambda: taken == [doubt(7)])
    finally:
        reader.stop()
    assert reader.is_alive
    assert not reader._thread.is_alive()
