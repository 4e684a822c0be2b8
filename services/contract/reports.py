"""What carries verdicts to the updater: reports, in full or as repeats, and its request for what is missing.

Messages like those of messages.py.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from services.contract.messages import MAX_SEGMENTS, SCHEMA_VERSION, Segment, Verdict, segment_of
from services.contract.wire import ClusterNetworkName, Digest, HostName, Message, Ordinal, RedisTime, VlanId

MAX_REPEATS = 1_024
"""Repeated verdicts of one cluster network in one report, and verdicts asked for in full by one request."""
MAX_CLUSTER_NETWORKS = 64
"""Cluster networks with repeated verdicts in one report."""

Repeat = tuple[VlanId, Ordinal, Digest, bool]
"""VLAN, counter, fingerprint of the verdict that it repeats, and whether its DHCP result is conclusive."""


class Repeats(Message):
    """One host's verdicts on one cluster network, each of which says what an earlier one said.

    Durations, attempts of what answered, and ids may differ.
    """

    cluster_network: ClusterNetworkName
    incarnation: RedisTime
    verdicts: Annotated[tuple[Repeat, ...], Field(min_length=1, max_length=MAX_REPEATS)]

    @property
    def segments(self) -> list[Segment]:
        """The segment of each verdict."""
        return [segment_of(self.cluster_network, vlan) for vlan, *_ in self.verdicts]


class Report(Message):
    """Verdicts on their way to the updater.

    It travels as JSON in one string, so that the queue's own parser does not build what from_wire() checks.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    host: HostName
    verdicts: Annotated[tuple[Verdict, ...], Field(max_length=MAX_SEGMENTS)] = ()
    repeats: Annotated[tuple[Repeats, ...], Field(max_length=MAX_CLUSTER_NETWORKS)] = ()

    @property
    def segments(self) -> set[Segment]:
        """The segments that it is about."""
        repeated = [segment for repeats in self.repeats for segment in repeats.segments]
        return {*repeated, *(verdict.segment for verdict in self.verdicts)}

    @property
    def count(self) -> int:
        """The number of verdicts, those that are repeated included."""
        return len(self.verdicts) + sum(len(repeats.verdicts) for repeats in self.repeats)

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if not self.verdicts and not self.repeats:
            raise ValueError("verdicts: none, and no repeats")
        return self

    @model_validator(mode="after")
    def _one_host(self) -> Self:
        if any(verdict.host != self.host for verdict in self.verdicts):
            raise ValueError("verdicts: one is from another host than the report")
        return self

    def to_json(self) -> str:
        return f'{{"schema_version":{SCHEMA_VERSION},{super().to_json()[1:]}'


class FullRequest(Message):
    """The updater's request to a prober to report these segments in full: what was repeated is unknown."""

    host: HostName
    segments: Annotated[tuple[Segment, ...], Field(min_length=1, max_length=MAX_REPEATS)]
