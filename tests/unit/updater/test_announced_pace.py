"""What the updater takes from the watcher's mark: how often cluster networks are swept, and the pace."""

from typing import cast

import pytest
import redis

from services.contract.limits import FRAMES_PER_S
from services.contract.names import SENDING_KEY
from services.contract.sending import SendingMark
from services.updater.announced_pace import AnnouncedPace
from tests.reference.memory_redis import MemoryRedis
from tests.support.manual_clock import ManualClock


@pytest.fixture
def server() -> MemoryRedis:
    """A Redis without a mark."""
    return MemoryRedis(ManualClock(0.0))


def announce(server: MemoryRedis, pace: float = 100.0, **slower_s: float) -> None:
    """Announce how often cluster networks are swept."""
    mark = SendingMark(sweep_interval_s=300.0, pace=pace, slower_s=slower_s)
    server.set(SENDING_KEY, mark.model_dump_json())


def test_a_longer_interval_counts_at_once_and_until_its_results_are_renewed(server: MemoryRedis) -> None:
    """Without a mark, what was read before still holds."""
    known = AnnouncedPace(cast("redis.Redis", server))
    known.read(0.0)
    assert (known.pace, known.sweep_s("extra")) == (FRAMES_PER_S, 0.0)
    announce(server, 50.0, extra=2_000.0)
    known.read(1.0)
    assert (known.pace, known.sweep_s("extra"), known.sweep_s("mgmt")) == (50.0, 2_000.0, 0.0)
    announce(server)
    for now, expected in ((2.0, 2_000.0), (2_000.0, 2_000.0), (2_001.0, 0.0)):
        known.read(now)
        assert known.sweep_s("extra") == expected
    announce(server, extra=900.0)
    known.read(2_002.0)
    server.delete(SENDING_KEY)
    known.read(9_000.0)
    assert known.sweep_s("extra") == 900.0


@pytest.mark.parametrize("junk", ["1", "{", '{"sweep_interval_s":300,"slower_s":{"extra":-1}}'])
def test_a_mark_that_cannot_be_read_changes_nothing(server: MemoryRedis, junk: str) -> None:
    """Anyone with access to Redis can write it."""
    known = AnnouncedPace(cast("redis.Redis", server))
    announce(server, extra=900.0)
    known.read(0.0)
    server.set(SENDING_KEY, junk)
    known.read(1.0)
    assert known.sweep_s("extra") == 900.0
