"""What an assessment needs, and what it results in."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Protocol, Self

from services.contract.conclusions import ConclusionRecord
from services.contract.doubts import Doubt
from services.contract.messages import HostAnnouncement, Segment
from services.contract.open_doubts import Doubts
from services.contract.reports import Report
from services.contract.verdicts import SegmentVerdicts
from services.network.judge.evidence import Carriers
from services.network.judge.reduction import Conclusion
from services.network.parse.intent import Intent, NotProbed
from services.network.parse.nad import Network
from services.network.write.writing import Change
from services.updater.decide.recording import record_of


class Verdicts(Protocol):
    """The verdicts, as updater.memory.kept_verdicts keeps them."""

    def read(self, segments: Collection[Segment]) -> Mapping[Segment, SegmentVerdicts]:
        """Return the verdicts of each of these segments."""
        ...


class Hosts(Protocol):
    """The hosts, as updater.hosts reads them."""

    def refresh(self) -> None:
        """Read what is older than a second; may raise redis.RedisError."""
        ...

    def reported(self, report: Report) -> None:
        """Record that a host has reported."""
        ...

    def carrying(self, cluster_network: str) -> Carriers:
        """Return the hosts with an uplink of this cluster network."""
        ...

    def announced(self) -> Mapping[str, HostAnnouncement]:
        """Return the announcements by host."""
        ...

    def addresses(self) -> frozenset[IPv4Address]:
        """Return the hosts' own addresses that are believed."""
        ...

    def claimed(self) -> frozenset[IPv4Address]:
        """Return the addresses that hosts announce as their own, which are not believed yet."""
        ...

    def own_networks(self) -> frozenset[IPv4Network]:
        """Return the hosts' own networks that are believed."""
        ...

    def claimed_networks(self) -> frozenset[IPv4Network]:
        """Return the networks that hosts announce as their own, which are not believed yet."""
        ...

    def on_vlans(self) -> Mapping[Segment, frozenset[IPv4Network]]:
        """Return the networks in which hosts have an address on a VLAN."""
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
    change: Change | None = None
    """None where there is nothing to do."""
    conclusion: Conclusion | None = None
    """What is reported or, where that is to stand, what the verdicts say; None for a network that is not
    probed."""
    record: ConclusionRecord | None = None
    """The record of what is told; None for a network of which nothing is."""
    known: ConclusionRecord | None = None
    """The present record in Redis."""
    again_in_s: float | None = None
    """Seconds after which less is remembered of another writer, which may change what is due."""

    @classmethod
    def of(
        cls,
        network: Network,
        intent: Intent | NotProbed,
        told: Conclusion | None,
        change: Change | None,
        doubts: Doubts,
        known: ConclusionRecord | None,
    ) -> Self:
        """Return the assessment with this change, if it is due. known: the present record."""
        if change is None:
            return cls(network, intent, None, told, None, known)
        record = record_of(network, change, doubts, known)
        return cls(network, intent, change if change.is_due else None, told, record, known)

    @property
    def new_record(self) -> ConclusionRecord | None:
        """The record to store; None while the present one says the same."""
        return None if self.record == self.known else self.record
