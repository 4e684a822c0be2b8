"""Taking reports: stored first, then what they change is looked at."""

from collections.abc import Callable

import redis

from services.cluster.cache import NetworkCache
from services.contract.messages import Segment
from services.contract.reports import Report
from services.updater.decide.assessing import Assessor
from services.updater.decide.assessment import Hosts
from services.updater.memory.kept_verdicts import KeptVerdicts
from services.updater.metrics import UpdaterMetrics
from services.updater.review.touching import Touch, Touched


class Reports:
    """Takes reports. Thread-safe."""

    def __init__(
        self,
        touched: Touched,
        cache: NetworkCache,
        hosts: Hosts,
        verdicts: KeptVerdicts,
        assessor: Assessor,
        *,
        fresh_s: Callable[[str], float],
        metrics: UpdaterMetrics,
    ) -> None:
        """fresh_s: returns the age from which a verdict on a cluster network does not count."""
        self._touched = touched
        self._cache = cache
        self._hosts = hosts
        self._verdicts = verdicts
        self._assessor = assessor
        self._fresh_s = fresh_s
        self._metrics = metrics

    def take(self, report: Report) -> tuple[Segment, ...]:
        """Store its verdicts, and touch the segments about which they say something new.

        Returns those on which the host repeats what is unknown, and should report in full. May raise
        redis.RedisError.
        """
        self._hosts.reported(report)
        with self._assessor.taking():
            try:
                news, unknown = self._store(report)
            except redis.RedisError:
                # Some of it may be stored.
                self._touched.add(Touch(segments=report.segments))
                raise
            if news:
                self._touched.add(Touch(segments=news))
        return tuple(segment for segment in unknown if self._carries(report.host, segment.cluster_network))

    def _store(self, report: Report) -> tuple[set[Segment], list[Segment]]:
        """Return the segments with news for a judgement, and those on which what is repeated is unknown."""
        touched, unknown = set[Segment](), list[Segment]()
        if report.verdicts:
            changed, news = self._verdicts.put(report.verdicts)
            self._metrics.verdicts(report.verdicts, changed)
            touched.update(news, filter(self._is_awaited, changed))
        for repeats in report.repeats:
            confirmed, news = self._verdicts.confirm(report.host, repeats)
            self._metrics.repeats(repeats, confirmed)
            touched.update(news, filter(self._is_awaited, confirmed.gaps_s))
            limit_s = self._fresh_s(repeats.cluster_network)
            touched.update(s for s, gap_s in confirmed.gaps_s.items() if gap_s >= limit_s)
            unknown += confirmed.unknown
        return touched, unknown

    def _is_awaited(self, segment: Segment) -> bool:
        """Whether something on the segment depends on who has reported since."""
        return self._assessor.awaits_any and any(
            self._assessor.awaits(network.uid) for network in self._cache.on_segment(segment)
        )

    def _carries(self, host: str, cluster_network: str) -> bool:
        """Whether the host is announced: nobody serves the queue of another one."""
        self._hosts.refresh()
        return host in self._hosts.carrying(cluster_network).hosts
