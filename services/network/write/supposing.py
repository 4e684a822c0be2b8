"""A network as it would be, if what is concluded of it could be written."""

from collections.abc import Mapping
from dataclasses import replace

from services.contract.conclusions import ConclusionRecord, Hindrance, Result
from services.network.parse import nad
from services.network.parse.nad import Network
from services.network.parse.status import Status


def as_if_written(network: Network, record: ConclusionRecord) -> Network:
    """Return the network with the annotations that may not be written; anyone may have written the record."""
    unwritten, status = record.unwritten, Status.from_fields(record.status)
    if unwritten is None or network.route_error:
        return network
    if unwritten.why is Hindrance.TAKEN_BACK and (network.route.cidr or network.route.gateway):
        # What the other writer wants stands: its values are checked. Emptied fields are no values.
        return network
    fields = {name: value for name, value in unwritten.route.items() if name in network.route.written}
    return as_told(network, status if unwritten.status else None, record.result, fields)


def as_told(
    network: Network, status: Status | None, result: Result, fields: Mapping[str, str | None]
) -> Network:
    """Return the network with this status, with the gateway of this result and these fields of its route.

    None leaves the status as it is.
    """
    if network.route.mode == "manual":
        # These are the owner's, whatever the record says.
        fields = {name: value for name, value in fields.items() if name not in ("mode", "cidr", "gateway")}
    elif result.cidr and result.gateway:
        known = {"cidr": result.cidr, "gateway": result.gateway}
        fields = {**({} if network.has_route else {"mode": "auto"}), **known, **fields}
    annotations = dict(network.annotations)
    if fields:
        annotations[nad.ROUTE] = network.route.with_fields(fields)
    if status is not None:
        annotations[nad.STATUS] = status.dump()
    return replace(network, annotations=annotations)
