"""An updater of a simulated site, whose Redis and API server are in memory."""

from collections.abc import Callable, Iterable
from typing import cast

import redis
from prometheus_client import CollectorRegistry

from services.network.parse.nad import Network
from services.updater.decide.assessment import DoubtLog
from services.updater.hosts import AnnouncedHosts, PauseSwitch
from services.updater.metrics import UpdaterMetrics
from services.updater.service import Updater
from services.updater.settings import UpdaterSettings
from tests.reference.memory_redis import MemoryMemories, MemoryRedis, Verdicts
from tests.support.manual_clock import ManualClock
from tests.unit.updater.fakes import FakeCluster


def start_updater(
    cluster: FakeCluster,
    server: MemoryRedis,
    verdicts: Verdicts,
    memories: MemoryMemories,
    doubt_log: DoubtLog,
    clock: ManualClock,
    settings: UpdaterSettings,
    *,
    listed: Iterable[Network],
    random: Callable[[], float],
) -> Updater:
    """Start an updater, which knows only what is in Redis and listed. random gives numbers from 0 to 1."""
    client = cast("redis.Redis", server)
    verdicts.restart()
    updater = Updater(
        cluster,
        verdicts,
        AnnouncedHosts(client, clock, observed_ms=verdicts.observed_ms),
        memories,
        doubt_log,
        clock,
        settings,
        is_paused=PauseSwitch(client, clock).is_paused,
        random=random,
        metrics=UpdaterMetrics(CollectorRegistry()),
    )
    for network in listed:
        updater.upserted(network)
    return updater
