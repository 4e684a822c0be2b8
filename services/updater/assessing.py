"""Assessing a network: from its present version to the change that should be written.

Reads Redis, and writes nothing to it but doubts: what other hosts should check at once.
"""

import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from typing import Protocol

from services.contract.doubts import Doubt
from services.contract.messages import Segment
from services.contract.open_doubts import NO_DOUBTS, Doubts
from services.contract.outcomes import Reason
from services.contract.verdicts import SegmentVerdicts
from services.network.judge.doubting import publish_due
from services.network.judge.evidence import Carriers, Case
from services.network.judge.judging import judge
from services.network.judge.reduction import Conclusion
from services.network.parse.intent import Channel, Intent, NotProbed, read_intent
from services.network.parse.nad import Network
from services.network.parse.status import Status
from services.network.policy import Policy
from services.network.write.writing import Change, Memory, decide
from services.runtime.clock import Clock
from services.updater.memories import Memories
from services.updater.metrics import UpdaterMetrics
from services.updater.open_doubts import Entry, OpenDoubts, due_ms
from services.updater.settings import UpdaterSettings


class Verdicts(Protocol):
    """The verdicts, as runtime.verdict_store keeps them."""

    def read(self, segments: Collection[Segment]) -> Mapping[Segment, SegmentVerdicts]:
        """Return the verdicts of each of these segments."""
        ...


class Hosts(Protocol):
    """The hosts, as updater.hosts reads them."""

    def refresh(self) -> None:
        """Read what is older than a second; may raise redis.RedisError."""
        ...

    def carrying(self, cluster_network: str) -> Carriers:
        """Return the hosts with an uplink of this cluster network."""
        ...

    def addresses(self) -> frozenset[IPv4Address]:
        """Return the hosts' own addresses."""
        ...

    def default_gateways(self) -> frozenset[IPv4Address]:
        """Return the hosts' default gateways."""
        ...


class DoubtLog(Protocol):
    """The doubts that the watcher reads, as runtime.doubts publishes them."""

    def publish(self, doubts: Iterable[Doubt]) -> None:
        """Have the hosts asked that can confirm or contradict."""
        ...


@dataclass(frozen=True)
class Assessment:
    """One version of a network, and the change that its verdicts lead to."""

    network: Network
    intent: Intent | NotProbed
    change: Change | None
    conclusion: Conclusion | None = None
    """What is reported or, where that is to stand, what the verdicts say; None for a network that is not
    probed."""
    doubts: Doubts = NO_DOUBTS
    """What is not reported yet."""


class Assessor:
    """Decides what should be written. Thread-safe."""

    def __init__(
        self,
        verdicts: Verdicts,
        hosts: Hosts,
        memories: Memories,
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

    def read(self, network: Network) -> Intent | NotProbed:
        """Parse the network's intent, by the present policy."""
        return read_intent(network, self._policy_now())

    def _policy_now(self) -> Policy:
        addresses, gateways = self._hosts.addresses(), self._hosts.default_gateways()
        with self._lock:
            if (addresses, gateways) != (self._policy.host_addresses, self._policy.host_gateways):
                self._policy = replace(self._policy, host_addresses=addresses, host_gateways=gateways)
            return self._policy

    def assess(self, networks: Sequence[Network]) -> list[Assessment]:
        """Assess each network by what is known now; may raise redis.RedisError."""
        self._hosts.refresh()
        intents = [self.read(network) for network in networks]
        known = self._verdicts.read({i.segment for i in intents if isinstance(i, Intent)})
        self._metrics.verdicts_read(known, self._clock.monotonic())
        memories = self._remember(networks, intents)
        blank = Memory(observe_only=self._observe_only)
        now = self._clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        asked: list[Doubt] = []
        found = [
            self._assess(network, intent, known, memories.get(network.uid, blank), now, asked)
            for network, intent in zip(networks, intents, strict=True)
        ]
        if asked:
            self._doubt_log.publish(dict.fromkeys(asked))
        return found

    def due(self, now_ms: int) -> list[str]:
        """Return the uids of networks of which time alone may have completed a doubt; now_ms: observed."""
        return self._doubts.due(now_ms)

    def reported(self, uid: str) -> None:
        """Take that the last assessment of this network is reported; a later difference is a new one."""
        self._doubts.reported(uid)

    def forget(self, uid: str) -> None:
        """Forget a network that is gone."""
        self._doubts.forget(uid)

    def _remember(
        self, networks: Sequence[Network], intents: Sequence[Intent | NotProbed]
    ) -> Mapping[str, Memory]:
        """Return by uid what Redis remembers of these networks, where it can remember anything."""
        if self._observe_only:
            posted = self._posted([network.uid for network in networks])
            return {uid: Memory(posted=status, observe_only=True) for uid, status in posted.items()}
        by_event = [
            network.uid
            for network, intent in zip(networks, intents, strict=True)
            if isinstance(intent, NotProbed) and intent.channel is Channel.EVENT
        ]
        disputed = [n.uid for n in networks if n.status and Reason.OTHER_WRITER in n.status.findings]
        corrected = self._memories.corrections(disputed)
        return {
            **{uid: Memory(posted=status) for uid, status in self._posted(by_event).items()},
            **{uid: Memory(corrections=count) for uid, count in corrected.items()},
        }

    def _posted(self, uids: Sequence[str]) -> Mapping[str, Status]:
        posted = self._memories.posted(uids)
        self._metrics.statuses_read(posted, self._clock.monotonic())
        return posted

    def _assess(
        self,
        network: Network,
        intent: Intent | NotProbed,
        known: Mapping[Segment, SegmentVerdicts],
        memory: Memory,
        now: str,
        asked: list[Doubt],
    ) -> Assessment:
        """Assess one network; add to asked what other hosts should check."""
        if isinstance(intent, NotProbed):
            self._doubts.forget(network.uid)
            return Assessment(network, intent, decide(network, intent, None, now=now, memory=memory))
        cluster_network = intent.segment.cluster_network
        verdicts = known[intent.segment]
        case = Case(
            intent,
            memory.posted if self._observe_only else network.status,
            verdicts,
            self._hosts.carrying(cluster_network),
            self._policy,
            self._fresh_s,
            self._doubts.look(network.uid, verdicts.now_ms),
            self._doubts.count(cluster_network),
        )
        before = self._doubts.of(network.uid)
        found, told, doubts = judge(case, before)
        if doubts is not NO_DOUBTS:
            doubts, asks = publish_due(case, found, doubts)
            asked += asks
        if doubts is not before:
            bound_ms = case.carriers.bound_ms
            at_ms = due_ms(doubts, bound_ms=bound_ms, now_ms=verdicts.now_ms)
            self._doubts.put(network.uid, Entry(cluster_network, doubts, at_ms))
        if told is None:
            return Assessment(network, intent, None, found, doubts)
        change = decide(network, intent, told, now=now, memory=memory)
        return Assessment(network, intent, change, told, doubts)
