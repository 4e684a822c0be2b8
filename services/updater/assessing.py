"""Assessing a network: from its present version to the change that should be written.

Reads Redis and writes nothing. A state that says less than the present one is held back for a while: a Redis
that came back empty or a prober that restarts is no news about a network.
"""

import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from typing import Protocol

from services.contract.messages import Segment
from services.contract.names import HOST_TTL_S
from services.contract.outcomes import Reason, State
from services.contract.verdicts import SegmentVerdicts
from services.network.judge.reduction import Conclusion, reduce
from services.network.parse.intent import Channel, Intent, NotProbed, read_intent
from services.network.parse.nad import Network
from services.network.parse.status import Status
from services.network.policy import Policy
from services.network.write.writing import Change, Memory, decide
from services.runtime.clock import Clock
from services.updater.memories import Memories
from services.updater.metrics import UpdaterMetrics
from services.updater.settings import UpdaterSettings

UNDECIDED = frozenset({State.PENDING, State.UNKNOWN})
"""States without a conclusion."""
CONFIRMED_WITHIN_S = 120.0
"""How long other hosts may take to confirm that no address is offered: a host that never answers must not
hide forever what the others found."""


class Verdicts(Protocol):
    """The verdicts, as runtime.verdict_store keeps them."""

    def read(self, segments: Collection[Segment]) -> Mapping[Segment, SegmentVerdicts]:
        """Return the verdicts of each of these segments."""
        ...


class Hosts(Protocol):
    """The announced hosts, as updater.hosts reads them."""

    def carrying(self, cluster_network: str) -> frozenset[str]:
        """Return the hosts with an uplink of this cluster network."""
        ...

    def addresses(self) -> frozenset[IPv4Address]:
        """Return the hosts' own addresses."""
        ...

    def default_gateways(self) -> frozenset[IPv4Address]:
        """Return the hosts' default gateways."""
        ...


@dataclass(frozen=True)
class Assessment:
    """One version of a network, and the change that its verdicts lead to."""

    network: Network
    intent: Intent | NotProbed
    change: Change | None
    conclusion: Conclusion | None = None
    """None for a network that is not probed."""


class Assessor:
    """Decides what should be written. Thread-safe."""

    def __init__(
        self,
        verdicts: Verdicts,
        hosts: Hosts,
        memories: Memories,
        clock: Clock,
        settings: UpdaterSettings,
        *,
        metrics: UpdaterMetrics,
    ) -> None:
        self._metrics = metrics
        self._verdicts = verdicts
        self._hosts = hosts
        self._memories = memories
        self._clock = clock
        self._fresh_s = settings.fresh_s
        self._policy = settings.policy
        self._observe_only = settings.observe_only
        self._lock = threading.Lock()
        self._held_since: dict[str, float] = {}
        self._unconfirmed_since: dict[str, float] = {}

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
        intents = [self.read(network) for network in networks]
        known = self._verdicts.read({i.segment for i in intents if isinstance(i, Intent)})
        self._metrics.verdicts_read(known, self._clock.monotonic())
        memories = self._remember(networks, intents)
        blank = Memory(observe_only=self._observe_only)
        now = self._clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        return [
            self._assess(network, intent, known, memories.get(network.uid, blank), now)
            for network, intent in zip(networks, intents, strict=True)
        ]

    def forget(self, uid: str) -> None:
        """Forget a network that is gone."""
        with self._lock:
            self._held_since.pop(uid, None)
            self._unconfirmed_since.pop(uid, None)

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
    ) -> Assessment:
        if isinstance(intent, NotProbed):
            return Assessment(network, intent, decide(network, intent, None, now=now, memory=memory))
        hosts = self._hosts.carrying(intent.segment.cluster_network)
        verdicts = known.get(intent.segment, SegmentVerdicts())
        conclusion = self._reduce(network.uid, intent, verdicts, hosts)
        settled = self._hold_back(network, intent, conclusion, memory)
        return Assessment(
            network,
            intent,
            decide(network, intent, settled, now=now, memory=memory) if settled is not None else None,
            conclusion,
        )

    def _reduce(
        self, uid: str, intent: Intent, verdicts: SegmentVerdicts, hosts: frozenset[str]
    ) -> Conclusion:
        def reduced(**more: int) -> Conclusion:
            return reduce(
                intent,
                verdicts.latest,
                verdicts.asked_dhcp,
                hosts=hosts,
                fresh_s=self._fresh_s,
                policy=self._policy,
                **more,
            )

        conclusion = reduced()
        now = self._clock.monotonic()
        with self._lock:
            if conclusion.reason is not Reason.CONFIRMING_NO_OFFER:
                self._unconfirmed_since.pop(uid, None)
                return conclusion
            since = self._unconfirmed_since.setdefault(uid, now)
        return conclusion if now - since < CONFIRMED_WITHIN_S else reduced(dhcp_confirmations=0)

    def _hold_back(
        self, network: Network, intent: Intent, conclusion: Conclusion, memory: Memory
    ) -> Conclusion | None:
        """Return the conclusion to report now; None while the reported one is to stand."""
        before = memory.posted if self._observe_only else network.status
        known = conclusion.state not in UNDECIDED
        if known or before is None or before.digest != intent.digest or before.state in UNDECIDED:
            with self._lock:
                self._held_since.pop(network.uid, None)
            if known or before is None or before.digest != intent.digest:
                return conclusion
            # Unknown is reported already; still having no verdict does not change that.
            # A host without an offer is news: the watcher makes the next host ask.
            pending = (
                conclusion.state is State.PENDING and conclusion.reason is not Reason.CONFIRMING_NO_OFFER
            )
            return None if pending else conclusion
        now = self._clock.monotonic()
        with self._lock:
            since = self._held_since.setdefault(network.uid, now)
        if now - since < (HOST_TTL_S if conclusion.state is State.UNKNOWN else self._fresh_s):
            return None
        if conclusion.state is State.UNKNOWN:
            return conclusion
        reason = Reason.NO_FRESH_VERDICT if conclusion.reason is Reason.NOT_PROBED_YET else conclusion.reason
        return replace(conclusion, state=State.UNKNOWN, reason=reason)
