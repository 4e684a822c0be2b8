"""A network as it would be, if what is concluded of it could be written."""

from dataclasses import replace

from services.contract.conclusions import ConclusionRecord, Hindrance
from services.network.parse import nad
from services.network.parse.nad import Network
from services.network.parse.status import Status


def as_if_written(network: Network, record: ConclusionRecord) -> Network:
    """Return the network with the annotations that may not be written; anyone may have written the record."""
    unwritten, status = record.unwritten, Status.from_fields(record.status)
    if unwritten is None or network.route_error:
        return network
    if unwritten.why is Hindrance.TAKEN_BACK:
        # What the other writer wants stands: its values are checked.
        return network
    annotations = dict(network.annotations)
    fields = {name: value for name, value in unwritten.route.items() if name in network.route.written}
    if fields:
        annotations[nad.ROUTE] = network.route.with_fields(fields)
    if unwritten.status and status is not None:
        annotations[nad.STATUS] = status.dump()
    return replace(network, annotations=annotations)
