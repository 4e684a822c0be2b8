"""The site's causes: found again when what is told of a network has changed, and stored for all views."""

import threading
from collections.abc import Callable, Collection, Mapping
from typing import Protocol

import redis
import structlog

from services.contract.causes import CausesRecord
from services.contract.conclusions import ConclusionRecord
from services.contract.messages import Segment
from services.contract.verdicts import SegmentVerdicts
from services.network.causes.evidence import Evidence
from services.network.causes.finding import explain_site
from services.network.causes.identities import record_causes
from services.network.causes.told import evidence_of
from services.network.parse.intent import Intent, NotProbed
from services.network.parse.nad import Network
from services.network.parse.status import Status
from services.runtime.connection.outages import Outage
from services.runtime.process.clock import Clock
from services.runtime.process.repeating import RepeatingThread
from services.runtime.stored.cause_store import read_causes, store_causes
from services.updater.decide.assessment import Hosts

INTERVAL_S = 1.0
RENEWAL_S = 3_600.0
"""Seconds after which causes that have not changed are stored again, so that they do not expire."""

log = structlog.get_logger(__name__)


class Told(Protocol):
    """What the updater knows of its networks."""

    def networks(self) -> list[Network]:
        """Return all networks."""
        ...

    def network(self, uid: str) -> Network | None:
        """Return the present version of a network; None if it is gone."""
        ...

    def intent(self, network: Network) -> Intent | NotProbed:
        """Return what its owner asks."""
        ...

    def conclusions(self, uids: Collection[str]) -> Mapping[str, ConclusionRecord]:
        """Return what is told of these networks, by uid. May raise redis.RedisError."""
        ...

    def verdicts_on(self, segments: Collection[Segment]) -> Mapping[Segment, SegmentVerdicts]:
        """Return what their hosts found. May raise redis.RedisError."""
        ...


class SiteCauses(RepeatingThread):
    """Finds the causes, once a second at most and only after a change."""

    def __init__(
        self,
        client: redis.Redis,
        told: Told,
        hosts: Hosts,
        clock: Clock,
        *,
        fresh_s: Callable[[str], float],
        leads: Callable[[], bool],
    ) -> None:
        """fresh_s: returns the age from which a verdict on a cluster network does not count. leads: whether
        this updater knows all networks, leads, and is not paused; may raise redis.RedisError."""
        super().__init__("causes", self.look, clock=clock, interval_s=INTERVAL_S)
        self._client = client
        self._told = told
        self._hosts = hosts
        self._clock = clock
        self._fresh_s = fresh_s
        self._leads = leads
        self._lock = threading.Lock()
        self._touched = set[str]()
        self._seen = set[str]()
        """Networks that were looked at before the causes were found for the first time."""
        self._evidence: dict[str, Evidence] = {}
        """By uid, of the networks that are probed."""
        self._known: CausesRecord | None = None
        """As Redis has them; None before they are read."""
        self._is_changed = True
        self._stored_at = float("-inf")
        self._outage = Outage(log, "causes not stored", over="causes are stored again")

    def touch(self, uids: Collection[str]) -> None:
        """Look at these networks again: something may be told of them, or they are gone. Thread-safe."""
        with self._lock:
            self._touched.update(uids)

    def current(self) -> CausesRecord:
        """Return the causes that were found last."""
        return self._known or CausesRecord()

    def look(self) -> None:
        """Find the causes again if something has changed; where Redis fails, the next look does."""
        try:
            if self._leads():
                self._look()
            self._outage.succeeded()
        except redis.RedisError as error:
            self._outage.failed(error)
        except Exception:
            # What cannot be explained must not end the thread: the next change is looked at again.
            self._is_changed, self._stored_at = False, self._clock.monotonic()
            log.exception("causes not found")

    def _look(self) -> None:
        with self._lock:
            touched, self._touched = self._touched, set()
        try:
            self._read(touched)
            if self._known is None and not self._seen.issuperset(n.uid for n in self._told.networks()):
                # What is not known yet would look as if it was over, and get another identity.
                return
            now = self._clock.monotonic()
            if not self._is_changed and now < self._stored_at + RENEWAL_S:
                return
            before = read_causes(self._client) if self._known is None else self._known
            wall = self._clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
            found = record_causes(explain_site(list(self._evidence.values())), before, now=wall)
            if found != self._known or now >= self._stored_at + RENEWAL_S:
                store_causes(self._client, found)
                self._stored_at = now
                _tell(before, found)
            self._known, self._is_changed = found, False
        except redis.RedisError:
            self.touch(touched)
            raise

    def _read(self, uids: set[str]) -> None:
        """Read the evidence of these networks."""
        if not uids:
            return
        if self._known is None:
            self._seen |= uids
        probed: dict[str, tuple[Network, Intent]] = {}
        for uid in uids:
            network = self._told.network(uid)
            intent = None if network is None else self._told.intent(network)
            if network is not None and isinstance(intent, Intent):
                probed[uid] = network, intent
        told = self._told.conclusions(probed.keys())
        verdicts = self._told.verdicts_on({intent.segment for _, intent in probed.values()})
        for uid in uids:
            record, known = told.get(uid), probed.get(uid)
            status = None if record is None else Status.from_fields(record.status)
            if known is None or status is None or status.digest != known[1].digest:
                self._is_changed |= self._evidence.pop(uid, None) is not None
                continue
            network, intent = known
            cluster_network = intent.segment.cluster_network
            found = evidence_of(
                str(network.ref),
                intent,
                status,
                verdicts[intent.segment],
                hosts=self._hosts.carrying(cluster_network).hosts,
                fresh_s=self._fresh_s(cluster_network),
            )
            if self._evidence.get(uid) != found:
                self._evidence[uid] = found
                self._is_changed = True


def _tell(before: CausesRecord, found: CausesRecord) -> None:
    """Log which causes are new, and which are over."""
    ids = {cause.id for cause in before.causes}
    for cause in found.causes:
        if cause.id not in ids:
            log.warning(
                "cause found",
                kind=cause.kind,
                subject=cause.subject,
                networks=len(cause.networks),
                id=cause.id,
            )
    over = ids - {cause.id for cause in found.causes}
    for cause in before.causes:
        if cause.id in over:
            log.info("cause over", kind=cause.kind, subject=cause.subject, since=cause.since, id=cause.id)
