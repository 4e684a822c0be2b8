"""From a network as it stands to what should be written on it: intent, verdicts, state, change.

Reads Redis and writes nothing. What nobody can tell just now is told late: a Redis that came back empty, or a
prober that starts again, is no news about a network.
"""

import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from typing import Protocol

from services.contract.messages import Segment
from services.contract.names import HOST_TTL_S
from services.contract.outcomes import Reason, State
from services.contract.verdicts import AgedVerdict, SegmentVerdicts
from services.network.judge.reduction import ASKED_FRESH, Finding, reduce
from services.network.parse.intent import Channel, Intent, NotProbed, read_intent
from services.network.parse.nad import Network
from services.network.policy import DEFAULT_POLICY, Policy
from services.network.write.writing import Change, Memory, decide
from services.runtime.clock import Clock
from services.updater.memories import Memories

NOT_TOLD = frozenset({State.PENDING, State.UNKNOWN})
"""States that say that nothing can be said."""
CONFIRMED_WITHIN_S = 120.0
"""For so long is waited for other hosts to confirm that nobody offers an address: one that never answers must
not hide for ever what the others found."""


class Verdicts(Protocol):
    """Where verdicts are kept: runtime.verdict_store."""

    def read(self, segments: Collection[Segment]) -> Mapping[Segment, SegmentVerdicts]:
        """What is known of each of these segments."""
        ...


class Hosts(Protocol):
    """Which hosts are announced: updater.hosts."""

    def carrying(self, cluster_network: str) -> frozenset[str]:
        """The hosts with an uplink of this cluster network."""
        ...

    def addresses(self) -> frozenset[IPv4Address]:
        """The hosts' own addresses."""
        ...


@dataclass(frozen=True)
class Assessment:
    """One version of a network, what is found of it, and what that changes."""

    network: Network
    intent: Intent | NotProbed
    change: Change | None
    checked_from: tuple[str, ...] = ()
    """Hosts with a fresh verdict."""
    asked_from: tuple[str, ...] = ()
    """Hosts with a fresh verdict that asked DHCP."""


class Assessor:
    """Says what should be written. Safe to share by threads."""

    def __init__(
        self,
        verdicts: Verdicts,
        hosts: Hosts,
        memories: Memories,
        clock: Clock,
        *,
        fresh_s: float,
        policy: Policy = DEFAULT_POLICY,
        observe_only: bool = False,
    ) -> None:
        """fresh_s: for how many seconds a verdict counts."""
        self._verdicts = verdicts
        self._hosts = hosts
        self._memories = memories
        self._clock = clock
        self._fresh_s = fresh_s
        self._policy = policy
        self._observe_only = observe_only
        self._lock = threading.Lock()
        self._held_since: dict[str, float] = {}
        self._unconfirmed_since: dict[str, float] = {}

    def read(self, network: Network) -> Intent | NotProbed:
        """What is asked of this network."""
        return read_intent(network, self._policy_now())

    def _policy_now(self) -> Policy:
        addresses = self._hosts.addresses()
        with self._lock:
            if addresses != self._policy.host_addresses:
                self._policy = replace(self._policy, host_addresses=addresses)
            return self._policy

    def assess(self, networks: Sequence[Network]) -> list[Assessment]:
        """Each of them, by what is known now; may raise redis.RedisError."""
        intents = [self.read(network) for network in networks]
        known = self._verdicts.read({i.segment for i in intents if isinstance(i, Intent)})
        memories = self._remember(networks, intents)
        now = self._clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        return [
            self._assess(network, intent, known, memories.get(network.uid, self._blank), now)
            for network, intent in zip(networks, intents, strict=True)
        ]

    def forget(self, uid: str) -> None:
        """This network is gone."""
        with self._lock:
            self._held_since.pop(uid, None)
            self._unconfirmed_since.pop(uid, None)

    @property
    def _blank(self) -> Memory:
        return Memory(observe_only=self._observe_only)

    def _remember(
        self, networks: Sequence[Network], intents: Sequence[Intent | NotProbed]
    ) -> Mapping[str, Memory]:
        """What is remembered of those of which anything can be."""
        if self._observe_only:
            told = self._memories.told([network.uid for network in networks])
            return {uid: Memory(told=status, observe_only=True) for uid, status in told.items()}
        by_event = [
            network.uid
            for network, intent in zip(networks, intents, strict=True)
            if isinstance(intent, NotProbed) and intent.channel is Channel.EVENT
        ]
        disputed = [n.uid for n in networks if n.status and Reason.OTHER_WRITER in n.status.findings]
        corrected = self._memories.corrections(disputed)
        return {
            **{uid: Memory(told=status) for uid, status in self._memories.told(by_event).items()},
            **{uid: Memory(corrections=count) for uid, count in corrected.items()},
        }

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
        finding = self._reduce(network.uid, intent, verdicts, hosts)
        told = self._tell_late(network, intent, finding, memory)
        return Assessment(
            network,
            intent,
            decide(network, intent, told, now=now, memory=memory) if told is not None else None,
            checked_from=_fresh(verdicts.latest, hosts, self._fresh_s),
            asked_from=_fresh(verdicts.asked_dhcp, hosts, ASKED_FRESH * self._fresh_s),
        )

    def _reduce(self, uid: str, intent: Intent, verdicts: SegmentVerdicts, hosts: frozenset[str]) -> Finding:
        def reduced(**more: int) -> Finding:
            return reduce(
                intent,
                verdicts.latest,
                verdicts.asked_dhcp,
                hosts=hosts,
                fresh_s=self._fresh_s,
                policy=self._policy,
                **more,
            )

        finding = reduced()
        now = self._clock.monotonic()
        with self._lock:
            if finding.reason is not Reason.CONFIRMING_NO_OFFER:
                self._unconfirmed_since.pop(uid, None)
                return finding
            since = self._unconfirmed_since.setdefault(uid, now)
        return finding if now - since < CONFIRMED_WITHIN_S else reduced(dhcp_confirmations=0)

    def _tell_late(
        self, network: Network, intent: Intent, finding: Finding, memory: Memory
    ) -> Finding | None:
        """The finding to be told now; None while what was told before is to stand."""
        before = memory.told if self._observe_only else network.status
        known = finding.state not in NOT_TOLD
        if known or before is None or before.digest != intent.digest or before.state in NOT_TOLD:
            with self._lock:
                self._held_since.pop(network.uid, None)
            if known or before is None or before.digest != intent.digest:
                return finding
            # Unknown has been told of this intent: that nothing came since makes it no less so.
            # But that a host was offered nothing is news: the watcher has the next one ask.
            pending = finding.state is State.PENDING and finding.reason is not Reason.CONFIRMING_NO_OFFER
            return None if pending else finding
        now = self._clock.monotonic()
        with self._lock:
            since = self._held_since.setdefault(network.uid, now)
        if now - since < (HOST_TTL_S if finding.state is State.UNKNOWN else self._fresh_s):
            return None
        if finding.state is State.UNKNOWN:
            return finding
        reason = Reason.NO_FRESH_VERDICT if finding.reason is Reason.NOT_PROBED_YET else finding.reason
        return replace(finding, state=State.UNKNOWN, reason=reason)


def _fresh(seen: Sequence[AgedVerdict], hosts: frozenset[str], fresh_s: float) -> tuple[str, ...]:
    return tuple(sorted(s.verdict.host for s in seen if s.age_s < fresh_s and s.verdict.host in hosts))
