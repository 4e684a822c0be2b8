"""How soon a watch comes back; what it reports is tested against an API server."""

import threading
from typing import cast

from prometheus_client import CollectorRegistry

from services.cluster.client import Cluster
from services.cluster.errors import Unavailable
from services.cluster.metrics import WatchMetrics
from services.cluster.tracking import NetworkListener
from services.cluster.watching import NetworkWatch
from tests.support.manual_clock import ManualClock


class AwayCluster:
    """An API server that refuses every connection."""

    def list_networks(self) -> object:
        raise Unavailable("cannot connect")


def test_a_returning_server_is_listed_within_a_second_however_long_it_was_away() -> None:
    """The pauses do not grow beyond a second, with full jitter."""
    for jitter, longest_s in ((1.0, 1.0), (0.5, 0.5)):
        clock = ManualClock(stop_after=50)
        watch = NetworkWatch(
            cast("Cluster", AwayCluster()),
            cast("NetworkListener", None),
            random=lambda jitter=jitter: jitter,  # type: ignore[misc]
            clock=clock,
            silence_s=20.0,
            metrics=WatchMetrics(CollectorRegistry()),
        )
        watch.start()
        for thread in threading.enumerate():
            if thread.name == "network-watch":
                thread.join(60)
        assert len(clock.waits) == 50
        assert max(clock.waits) == longest_s
