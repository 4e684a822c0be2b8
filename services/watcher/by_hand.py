"""Probes by hand go past the watcher, from the command line to the probers; their frames count all the same.

The command line appends to a stream what it has sent, and each watcher reads it with its polls of Redis.
"""

import json
from collections.abc import Iterable

import redis

from services.contract.by_hand import ByHand
from services.contract.errors import MessageRefused
from services.contract.messages import ProbeRequest, SegmentProbe
from services.contract.names import BY_HAND_KEPT, BY_HAND_KEY
from services.network.paced import FRAMES_OF_ASK
from services.runtime.stored import dead_letters
from services.runtime.stored.stream_tail import StreamTail

_FIELD = "by_hand"
_AT_ONCE = 1_000


def announce(client: redis.Redis, requests: Iterable[ProbeRequest]) -> None:
    """Tell the watchers of the frames of these requests. May raise redis.RedisError."""
    with client.pipeline(transaction=False) as pipe:
        for request in requests:
            frames = tuple((probe.vlan, _frames(probe)) for probe in request.segments)
            said = ByHand(cluster_network=request.cluster_network, frames=frames)
            pipe.xadd(BY_HAND_KEY, {_FIELD: said.to_json()}, maxlen=BY_HAND_KEPT, approximate=False)
        pipe.execute()


def _frames(probe: SegmentProbe) -> int:
    return sum(target.gateway is not None for target in probe.targets) + FRAMES_OF_ASK * probe.ask_dhcp


class ByHandReader:
    """Reads what was announced since the last read."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._tail = StreamTail(client, BY_HAND_KEY)

    def read(self) -> tuple[ByHand, ...]:
        """Return what was announced since the last read; nothing at first. May raise redis.RedisError."""
        entries = self._tail.read(count=_AT_ONCE)
        return tuple(said for fields in entries if (said := self._parse(fields)) is not None)

    def _parse(self, fields: dict[str, str]) -> ByHand | None:
        try:
            return ByHand.from_wire(fields.get(_FIELD))
        except MessageRefused as error:
            dead_letters.record(self._client, where=BY_HAND_KEY, reason=str(error), body=json.dumps(fields))
            return None
