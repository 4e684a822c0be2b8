"""What Redis remembers of networks that are gone, and that no running updater saw deleted.

Otherwise it would stay for a day, and with many short-lived networks grow.
"""

from collections.abc import Callable, Collection, Sequence
from typing import cast

import redis

from services.contract.messages import Segment, segment_of
from services.contract.names import UNWRITTEN_KEY, verdicts_key

UNNAMED_KEPT_S = 600
"""For so long verdicts are kept on a segment that no network names: its next network is often its last one,
recreated, and `nadroute probe` asks again."""
NAMED_AT_ONCE = 500
"""Members of the set of unwritten networks that are looked at, drawn anew each time."""

_BY_UID = ("conclusion", "written", "corrections")
_VERDICTS = "verdicts"
"""What follows nadroute: in the names of keys; see contract.names."""


class Orphans:
    """Finds them among the keys that a patrol passes by."""

    def __init__(
        self,
        client: redis.Redis,
        *,
        has_network: Callable[[Segment], bool],
        forget_others: Callable[[Collection[str]], None],
        knows_all: Callable[[], bool],
    ) -> None:
        """has_network: whether a network is on this segment. forget_others: forgets those of these uids that
        no network has. knows_all: whether all networks are known, and this updater leads.
        """
        self._client = client
        self._has_network = has_network
        self._forget_others = forget_others
        self._knows_all = knows_all

    def look(self, keys: Sequence[bytes]) -> None:
        """Look at these keys, which were read before the networks are. May raise redis.RedisError."""
        if not self._knows_all():
            return
        uids, unnamed = set[str](), list[str]()
        for key in keys:
            name = key.decode(errors="replace")
            kind, _, rest = name.removeprefix("nadroute:").partition(":")
            if kind in _BY_UID:
                uids.add(rest)
            elif kind == _VERDICTS and not self._is_named(name, rest):
                unnamed.append(name)
            elif name == UNWRITTEN_KEY:
                uids.update(cast("list[str]", self._client.srandmember(UNWRITTEN_KEY, NAMED_AT_ONCE)))
        if uids:
            self._forget_others(uids)
        if unnamed:
            with self._client.pipeline(transaction=False) as pipe:
                for name in unnamed:
                    # A verdict that comes, as for a new network, has it kept for a day again.
                    pipe.expire(name, UNNAMED_KEPT_S, lt=True)
                pipe.execute()

    def _is_named(self, name: str, rest: str) -> bool:
        """Whether a network is on the segment of this key, whose name anybody may have invented."""
        cluster_network, _, vlan = rest.rpartition(":")
        try:
            segment = segment_of(cluster_network, int(vlan))
        except ValueError:
            return False
        return verdicts_key(segment) == name and self._has_network(segment)
