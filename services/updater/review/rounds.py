"""Rounds: each looks at what was touched since the last one or is due, and at nothing else.

Once an hour a round looks at everything. It should find nothing new: it checks that whatever may change a
conclusion touches its networks.
"""

from collections.abc import Callable, Collection, Mapping

import redis
import structlog

from services.cluster.cache import NetworkCache
from services.contract.verdicts import ObservedTime
from services.network.parse.nad import Network
from services.runtime.process.clock import Clock
from services.updater.decide.assessing import Assessor
from services.updater.decide.assessment import Hosts
from services.updater.decide.reviewing import Reviewer
from services.updater.memory.kept_memories import KeptMemories
from services.updater.memory.kept_verdicts import KeptVerdicts
from services.updater.metrics import UpdaterMetrics
from services.updater.review.surroundings import Surroundings
from services.updater.review.touching import Touch, Touched
from services.updater.write.queueing import WriteQueue

CHECK_S = 3_600.0
"""Between two rounds that look at everything. They also renew records, which are kept for a day."""
BATCH = 256
"""Networks that are reviewed at once: what tens of hosts say of thousands takes as much memory, for a moment,
as all that is kept, and what is found of the first ones is written meanwhile."""
LOOK_S = 1.0
"""Between two comparisons of some records with Redis."""

log = structlog.get_logger(__name__)


class Rounds:
    """Reviews what was touched. For one thread."""

    def __init__(
        self,
        touched: Touched,
        cache: NetworkCache,
        hosts: Hosts,
        verdicts: KeptVerdicts,
        memories: KeptMemories,
        assessor: Assessor,
        reviewer: Reviewer,
        clock: Clock,
        *,
        queue: WriteQueue,
        metrics: UpdaterMetrics,
        reviewed: Callable[[Collection[str]], None] = lambda _: None,
    ) -> None:
        """reviewed: called with the uids of the networks that a round has reviewed."""
        self._touched = touched
        self._cache = cache
        self._hosts = hosts
        self._surroundings = Surroundings(hosts)
        self._verdicts = verdicts
        self._memories = memories
        self._assessor = assessor
        self._reviewer = reviewer
        self._clock = clock
        self._queue = queue
        self._metrics = metrics
        self._reviewed = reviewed
        self._was_skipped = False
        self._looked_at = float("-inf")
        self._losses = 0
        """Losses of Redis after which the records were stored again."""
        self._check_at = clock.monotonic()
        self._differing: frozenset[str] = frozenset()
        """Uids of networks that the last check found changed, and that nothing had touched before."""

    def skip(self) -> None:
        """Look at everything in the next round: nothing is looked at now."""
        self._was_skipped = True

    def run(self) -> None:
        """Review what was touched or is due; may raise redis.RedisError, and then does so again."""
        self._hosts.refresh()
        # Before taking what is touched: what arrives between the two is news in the next round.
        time = self._verdicts.time()
        touch = self._touched.take()
        touch.everything |= self._was_skipped
        self._was_skipped = False
        try:
            self._gather(touch, time)
            self._memories.forget(touch.gone)
            self._restore()
            self._look_for_forgeries()
            networks = self._networks_in(touch)
            self._count_differences(networks)
            if self._clock.monotonic() >= self._check_at:
                self._check(networks)
            else:
                self._review(networks.values())
            # What was told just now may overlap others.
            overlapping = Touch(segments=self._assessor.overlaps.take_touched())
            touch.add(overlapping)
            self._review(self._networks_in(overlapping).values())
            self._assessor.passed(time.now_ms)
            self._reviewed(networks.keys())
        except Exception:
            # Nothing else tells of it again.
            self._touched.add(touch)
            raise

    def _gather(self, touch: Touch, time: ObservedTime) -> None:
        """Add what is touched by hosts, by time, or by a Redis that lost its data."""
        cluster_networks = self._cache.cluster_networks()
        touch.add(self._surroundings.look(cluster_networks, time, losses=self._verdicts.losses))
        touch.networks.update(self._assessor.due(time.now_ms))
        touch.segments.update(self._assessor.overlaps.take_touched())
        touch.segments.update(self._verdicts.expired(time.now_ms))

    def _restore(self) -> None:
        """Store again what Redis lost of the records."""
        losses = self._verdicts.losses
        if self._losses != losses:
            self._memories.reload([network.uid for network in self._cache.snapshot()])
            self._losses = losses

    def _look_for_forgeries(self) -> None:
        """Compare some records with Redis, once a second: whoever reaches it may replace them."""
        now = self._clock.monotonic()
        if now - self._looked_at >= LOOK_S:
            self._looked_at = now
            self._memories.check_some()

    def _networks_in(self, touch: Touch) -> dict[str, Network]:
        if touch.everything:
            self._cache.find_segments_again()
            return {network.uid: network for network in self._cache.snapshot()}
        segments = set(touch.segments)
        if touch.cluster_networks:
            present = self._cache.segments()
            segments.update(s for s in present if s.cluster_network in touch.cluster_networks)
        found = [network for segment in segments for network in self._cache.on_segment(segment)]
        found += [network for uid in touch.networks if (network := self._cache.get(uid)) is not None]
        return {network.uid: network for network in found}

    def _check(self, touched: Mapping[str, Network]) -> None:
        """Review all networks by what Redis has; note those that nothing had touched."""
        networks = self._cache.snapshot()
        uids = [network.uid for network in networks]
        self._memories.renew(uids)
        self._memories.reload(uids)
        self._verdicts.forget_others(self._cache.segments())
        self._verdicts.reload()
        self._differing = self._review(networks) - touched.keys()
        self._check_at = self._clock.monotonic() + CHECK_S

    def _count_differences(self, touched: Mapping[str, Network]) -> None:
        """Count what the last check has found, unless something touched it at the same moment."""
        differing, self._differing = self._differing - touched.keys(), frozenset()
        if differing:
            self._metrics.review_differed(len(differing))
            log.warning("review found what nothing had touched", uids=sorted(differing)[:10])

    def _review(self, networks: Collection[Network]) -> frozenset[str]:
        """Return the uids of those about which there is something new."""
        ordered = list(networks)
        batches = (ordered[start : start + BATCH] for start in range(0, len(ordered), BATCH))
        return frozenset[str]().union(*(self._review_batch(batch) for batch in batches))

    def _review_batch(self, networks: Collection[Network]) -> frozenset[str]:
        began = self._clock.monotonic()
        try:
            found = self._reviewer.review(list(networks))
        except redis.RedisError:
            raise
        except Exception:
            log.exception("review failed", networks=[str(network.ref) for network in networks][:10])
            # One network that cannot be assessed must not stop the review of all others.
            alone = networks if len(networks) > 1 else ()
            return frozenset[str]().union(*(self._review_batch([network]) for network in alone))
        self._metrics.reduced(self._clock.monotonic() - began)
        for uid, delay_s in found.due_in_s.items():
            self._queue.add(uid, delay_s=delay_s)
        if found.outdated:
            self._touched.add(Touch(networks=set(found.outdated)))
        return found.changed
