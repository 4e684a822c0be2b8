"""Assessing a network: from its present version to the change that should be written.

Writes nothing to Redis but doubts: what other hosts should check at once.
"""

import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import NamedTuple

import structlog

from services.contract.conclusions import ConclusionRecord
from services.contract.doubts import Doubt
from services.contract.messages import Segment
from services.contract.open_doubts import NO_DOUBTS, Doubts
from services.contract.outcomes import Reason
from services.contract.verdicts import SegmentVerdicts
from services.network.claims import Contradictions
from services.network.judge.doubting import publish_due
from services.network.judge.evidence import Case, as_asked
from services.network.judge.judging import judge
from services.network.judge.moments import judged_again_ms
from services.network.judge.reduction import Conclusion
from services.network.parse.intent import ANSWERS_ON_VLAN, Intent, NotProbed, read_intent
from services.network.parse.nad import Network
from services.network.parse.status import Status
from services.network.policy import Policy
from services.network.write.disputes import NOTHING_WRITTEN, Written, fingerprint
from services.network.write.remembering import Memory
from services.network.write.writing import decide, restate
from services.runtime.process.clock import Clock
from services.runtime.process.outside_log import tell
from services.updater.decide.assessment import Assessment, DoubtLog, Hosts, Verdicts
from services.updater.decide.overlaps import Overlaps
from services.updater.decide.recording import memory_of, record_of, standing_record
from services.updater.memory.kept_memories import KeptMemories
from services.updater.memory.open_doubts import Entry, OpenDoubts, loaded
from services.updater.metrics import UpdaterMetrics
from services.updater.settings import UpdaterSettings

log = structlog.get_logger(__name__)


class _Judged(NamedTuple):
    """What is judged of a network."""

    network: Network
    """As it is, or as if what was told still stood in its annotations."""
    intent: Intent | NotProbed


class Assessor:
    """Decides what should be written. Thread-safe."""

    def __init__(
        self,
        verdicts: Verdicts,
        hosts: Hosts,
        memories: KeptMemories,
        doubt_log: DoubtLog,
        clock: Clock,
        settings: UpdaterSettings,
        *,
        metrics: UpdaterMetrics,
    ) -> None:
        self._metrics = metrics
        self._verdicts = verdicts
        self._hosts = hosts
        self._memories = memories
        self._doubt_log = doubt_log
        self._clock = clock
        self._fresh_s = settings.fresh_s
        self._policy = settings.policy
        self._observe_only = settings.observe_only
        self._lock = threading.Lock()
        self._doubts = OpenDoubts()
        self.overlaps = Overlaps(hosts)
        self._contradictions = Contradictions()
        self._intents: dict[str, tuple[Network, Policy, Intent | NotProbed]] = {}
        """By uid: the intent, and of what it was read."""

    def read(self, network: Network) -> Intent | NotProbed:
        """Parse the network's intent, by the present policy; once for each version of a network."""
        policy, known = self._policy_now(), self._intents.get(network.uid)
        if known is not None and known[0] is network and known[1] is policy:
            return known[2]
        applied = self._contradictions.applied_to(policy, network)
        if self._contradictions.has(network):
            tell(log, "a host announces a gateway that answers as its own address", network=str(network.ref))
        intent = read_intent(network, applied)
        self._intents[network.uid] = network, policy, intent
        return intent

    def _policy_now(self) -> Policy:
        own, claimed = self._hosts.addresses(), self._hosts.claimed()
        networks, unsure = self._hosts.own_networks(), self._hosts.claimed_networks()
        with self._lock:
            self._policy = self._policy.with_hosts(own, claimed, networks, unsure)
            return self._policy

    def assess(self, networks: Sequence[Network]) -> list[Assessment]:
        """Assess each network by what is known now; may raise redis.RedisError."""
        self._hosts.refresh()
        records = self._memories.conclusions([network.uid for network in networks])
        intents = [self.read(network) for network in networks]
        memories = self._remember(networks, intents, records)
        judged = [
            self._judged(network, intent, memories[network.uid])
            for network, intent in zip(networks, intents, strict=True)
        ]
        for each in judged:
            self.overlaps.put(each.network.uid, each.intent)
        known = self._verdicts.read(
            {each.intent.segment for each in judged if isinstance(each.intent, Intent)}
        )
        now = self._clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        asked: list[Doubt] = []
        found = [
            self._assess(network, each, known, memories[network.uid], records.get(network.uid), now, asked)
            for network, each in zip(networks, judged, strict=True)
        ]
        if asked:
            self._doubt_log.publish(dict.fromkeys(asked))
        # Few networks are to be written, and only of those it matters what was written before.
        due = [a.network.uid for a in found if a.change is not None and a.change.hindrance is None]
        written = self._memories.written([uid for uid in due if memories[uid].written is NOTHING_WRITTEN])
        found = [
            _with_written(a, memories[a.network.uid], written.get(a.network.uid), now=now) for a in found
        ]
        self._metrics.records_read([a.record for a in found if a.record])
        return found

    def due(self, now_ms: int) -> list[str]:
        """Return the uids of networks of which time alone may have changed something; now_ms: observed."""
        return self._doubts.due(now_ms)

    def passed(self, now_ms: int) -> None:
        """Record that every network was considered then, and assessed where there was a reason."""
        self._doubts.passed(now_ms)

    def taking(self) -> AbstractContextManager[None]:
        """Mark that a report is being taken: rounds that run meanwhile have not seen it."""
        return self._doubts.taking()

    @property
    def awaits_any(self) -> bool:
        """Whether something about any network depends on who has reported since."""
        return not self._doubts.is_empty

    def awaits(self, uid: str) -> bool:
        """Whether something about this network depends on who has reported since."""
        return self._doubts.of(uid) is not NO_DOUBTS

    def reported(self, uid: str, status: Status) -> None:
        """Record that this status of the network is reported; a later difference is a new one."""
        self._doubts.reported(uid, status)

    def forget(self, uid: str) -> None:
        """Forget a network that is gone."""
        self._doubts.forget(uid)
        self.overlaps.forget(uid)
        self._intents.pop(uid, None)
        self._contradictions.forget(uid)
        self._metrics.forget(uid)

    def _remember(
        self,
        networks: Sequence[Network],
        intents: Sequence[Intent | NotProbed],
        records: Mapping[str, ConclusionRecord],
    ) -> dict[str, Memory]:
        """Return by uid what is remembered of each of these networks."""
        found: dict[str, Memory] = {}
        apart: list[str] = []
        for network, intent in zip(networks, intents, strict=True):
            memory = memory_of(records.get(network.uid), observe_only=self._observe_only)
            found[network.uid] = memory = memory.about(network, intent)
            if not memory.is_hindered and memory.knows(intent) and not memory.stands(network, intent):
                apart.append(network.uid)
        written = self._memories.written(apart)
        return found | {uid: replace(found[uid], written=written[uid]) for uid in written}

    def _judged(self, network: Network, intent: Intent | NotProbed, memory: Memory) -> _Judged:
        """Return what is to be judged.

        Else a gateway that DHCP named would count as unknown as soon as DHCP is out and the annotation does
        not, or not any more, name it.
        """
        standing = memory.standing(network, intent)
        if standing is network:
            return _Judged(network, intent)
        policy = self._contradictions.applied_to(self._policy_now(), standing)
        return _Judged(standing, read_intent(standing, policy))

    def _assess(
        self,
        network: Network,
        judged: _Judged,
        verdicts: Mapping[Segment, SegmentVerdicts],
        memory: Memory,
        known: ConclusionRecord | None,
        now: str,
        asked: list[Doubt],
    ) -> Assessment:
        """Assess one network; add to asked what other hosts should check."""
        standing, intent = judged
        if isinstance(intent, NotProbed):
            self._doubts.forget(network.uid)
            change = decide(network, intent, None, now=now, memory=memory)
            return Assessment.of(network, intent, None, change, NO_DOUBTS, known)
        cluster_network = intent.segment.cluster_network
        seen, carriers = verdicts[intent.segment], self._hosts.carrying(cluster_network)
        case = Case(
            intent,
            memory.reported(standing),
            seen,
            carriers,
            self._contradictions.applied_to(self._policy, standing),
            carriers.fresh_s(self._fresh_s),
            self._doubts.look(network.uid, seen.now_ms),
            self._doubts.count(cluster_network),
        )
        case, before = as_asked(case), self._doubts.of(network.uid)
        if not case.looked_ms and known is not None:
            before = loaded(known.doubts, now_ms=seen.now_ms)
        found, told, doubts = judge(case, before)
        if doubts is not NO_DOUBTS:
            doubts, asks = publish_due(case, found, doubts)
            asked += asks
        if doubts is not NO_DOUBTS or before is not NO_DOUBTS:
            bound_ms = case.carriers.bound_ms
            at_ms = judged_again_ms(
                doubts, before, bound_ms=bound_ms, fresh_s=case.fresh_s, now_ms=seen.now_ms
            )
            self._doubts.put(network.uid, Entry(cluster_network, doubts), due_ms=at_ms)
        if told is None or _rests_on_a_claim(told, case):
            return self._stand(network, judged._replace(intent=intent), found, memory, doubts, known, now)
        self.overlaps.put(network.uid, intent, told)
        told = self.overlaps.added_to(told, case)
        change = decide(network, intent, told, now=now, memory=memory)
        if change is not None and change.stands:
            self._memories.stands(network.uid, change.content, change.after.digest, change.result)
        elif memory.knows(intent) and memory.is_named_by(network):
            # The status differs, as by the finding about another writer.
            self._memories.named(network.uid, intent.digest, memory.result)
        return Assessment.of(network, intent, told, change, doubts, known)

    def _stand(
        self,
        network: Network,
        judged: _Judged,
        found: Conclusion,
        memory: Memory,
        doubts: Doubts,
        known: ConclusionRecord | None,
        now: str,
    ) -> Assessment:
        """Assess a network about which nothing new is told: what another writer took back is put back."""
        standing, intent = judged
        assert isinstance(intent, Intent)
        is_taken_back = memory.knows(intent) and standing is not network and not network.deleting
        if is_taken_back and (memory.is_hindered or memory.is_written):
            change = restate(network, intent, now=now, memory=memory)
            if memory.is_hindered:
                return Assessment(
                    network, intent, None, found, record_of(network, change, doubts, known), known
                )
            return Assessment.of(network, intent, found, change, doubts, known)
        if memory.knows(intent) and memory.stands(network, intent) and memory.told is not None:
            content = fingerprint(memory.told, memory.result)
            self._memories.stands(network.uid, content, memory.told.digest, memory.result)
        record = standing_record(standing, intent, found, memory, doubts, known, now=now)
        return Assessment(network, intent, None, found, record, known)


def _rests_on_a_claim(told: Conclusion, case: Case) -> bool:
    """Whether it cannot be told yet: a gateway that may be a host's own address would always answer."""
    gateway = case.intent.gateway or told.gateway or case.intent.known_gateway
    if gateway not in case.policy.claimed_addresses:
        return False
    before = case.before
    return told.state in ANSWERS_ON_VLAN or (before is not None and before.reason == Reason.ROUTER_REFUSED)


def _with_written(found: Assessment, memory: Memory, written: Written | None, *, now: str) -> Assessment:
    """Return the assessment by what is remembered of nadroute's writes to the network.

    written: what is remembered, if the assessment was made without.
    """
    if written is not None and found.change is not None and written.matters_to(found.change.content):
        assert found.record is not None
        memory = replace(memory, written=written)
        change = decide(found.network, found.intent, found.conclusion, now=now, memory=memory)
        doubts = found.record.doubts
        found = Assessment.of(found.network, found.intent, found.conclusion, change, doubts, found.known)
    return replace(found, again_in_s=memory.written.room_in_s) if memory.written.corrections else found
