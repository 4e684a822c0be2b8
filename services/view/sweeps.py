"""How often cluster networks are swept, where the pace or the hosts' switch ports decide that."""

from collections.abc import Iterable

import redis

from services.contract.errors import MessageRefused
from services.contract.messages import HostAnnouncement
from services.contract.names import SENDING_KEY
from services.contract.sending import SendingMark
from services.view.durations import describe_age


def describe_sweeps(client: redis.Redis, hosts: Iterable[HostAnnouncement]) -> list[str]:
    """Return a sentence for each cluster network that is swept less often than is set, or at a port's rate.

    hosts: the announced ones. May raise redis.RedisError. Without a watcher that sends there is none.
    """
    try:
        body = client.get(SENDING_KEY)
        mark = None if body is None else SendingMark.from_wire(body)
    except (redis.ResponseError, MessageRefused):
        return []
    if mark is None:
        return []
    at_rate = {name for host in hosts if host.port_rate is not None for name in host.uplinks}
    return [
        f"Each host sweeps {name} every {describe_age(mark.slower_s.get(name, mark.sweep_interval_s))}."
        for name in sorted(mark.slower_s.keys() | at_rate)
    ]
