"""What would be written to a network, were the updater let loose: each field as it is and as it would be."""

from dataclasses import dataclass

from services.contract.conclusions import ConclusionRecord
from services.network.parse import nad
from services.network.parse.intent import Channel, NotProbed
from services.network.parse.nad import Network, NetworkRef
from services.network.parse.status import Status
from services.network.policy import Policy
from services.view.host_checks import RedisView
from services.view.rows import NetworkRow, Source, network_row, told_intent

DETAILS = "details"
"""Stands for the other fields of the status, where state and reason stay."""
_SHOWN_OTHERWISE = frozenset({"state", "reason", "since", "connectivity"})


@dataclass(frozen=True)
class FieldChange:
    """A field of an annotation; texts are empty where it is absent."""

    annotation: str
    field: str
    present: str
    would_be: str


@dataclass(frozen=True)
class NetworkDifference:
    """What would be written to one network; no changes where nothing would be."""

    row: NetworkRow
    changes: tuple[FieldChange, ...] = ()
    is_concluded: bool = True
    """Whether it is known what would be written to its present configuration."""

    @property
    def ref(self) -> NetworkRef:
        return self.row.ref


def network_difference(network: Network, policy: Policy, view: RedisView) -> NetworkDifference:
    """Compare a network with the record of its conclusion. view: from a Redis that could be read."""
    record = view.conclusions.get(network.uid)
    row, intent = network_row(network, policy, record), told_intent(network, policy, record)
    if network.deleting or (isinstance(intent, NotProbed) and intent.channel is not Channel.STATUS):
        return NetworkDifference(row)
    if record is None or row.source is not Source.CONCLUSION:
        return NetworkDifference(row, is_concluded=False)
    return NetworkDifference(row, (*_route_changes(network, record), *_status_changes(network, record)))


def _route_changes(network: Network, record: ConclusionRecord) -> list[FieldChange]:
    if record.unwritten is None:
        # What differs is being written.
        return []
    present = network.route.written
    changes = [
        FieldChange(nad.ROUTE, name, present.get(name, ""), value or "")
        for name, value in record.unwritten.route.items()
    ]
    return [change for change in changes if change.present != change.would_be]


def _status_changes(network: Network, record: ConclusionRecord) -> list[FieldChange]:
    would_be = Status.from_fields(record.status)
    if record.unwritten is None or not record.unwritten.status or would_be is None:
        return []
    old, new = network.status.to_fields() if network.status else {}, would_be.to_fields()
    names = {name for name in {*old, *new} if old.get(name) != new.get(name)}
    changes = [
        FieldChange(nad.STATUS, name, str(old.get(name, "")), str(new.get(name, "")))
        for name in ("state", "reason")
        if name in names
    ]
    if changes or not names - _SHOWN_OTHERWISE:
        return changes
    return [FieldChange(nad.STATUS, DETAILS, "", ", ".join(sorted(names - _SHOWN_OTHERWISE)))]
