"""An updater of a simulated site, whose Redis and API server are in memory."""

from collections.abc import Callable
from typing import cast

import redis
from prometheus_client import CollectorRegistry

from services.updater.assessing import DoubtLog
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
    random: Callable[[], float],
) -> Updater:
    """Start an updater, which knows nothing that Redis and the API server do not know."""
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
    for network in cluster.objects.values():
        updater.upserted(network)
    return updater
