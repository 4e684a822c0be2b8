"""What Redis remembers of networks that are gone, and that no running updater saw deleted.

Otherwise it would stay for a day, and with many short-lived networks grow.
"""

from collections.abc import Callable, Collection, Sequence
from typing import cast

import redis

from services.contract.messages import Segment
from services.contract.names import (
    UNWRITTEN_KEY,
    conclusion_key,
    corrections_key,
    verdicts_key,
    written_key,
)

UNNAMED_KEPT_S = 600
"""For so long verdicts are kept on a segment that no network names: its next network is often its last one,
recreated, and `nadroute probe` asks again."""
NAMED_AT_ONCE = 500
"""Members of the set of unwritten networks that are looked at, drawn anew each time."""

_BY_UID = (conclusion_key(""), written_key(""), corrections_key(""))
_VERDICTS = "nadroute:verdicts:"


class Orphans:
    """Finds them among the keys that a patrol passes by."""

    def __init__(
        self,
        client: redis.Redis,
        *,
        segments: Callable[[], Collection[Segment]],
        forget_others: Callable[[Collection[str]], None],
        knows_all: Callable[[], bool],
    ) -> None:
        """segments: returns those with a network. forget_others: forgets those of these uids that no network
        has. knows_all: whether all networks are known, and this updater leads.
        """
        self._client = client
        self._segments = segments
        self._forget_others = forget_others
        self._knows_all = knows_all

    def look(self, keys: Sequence[bytes]) -> None:
        """Look at these keys, which were read before the networks are. May raise redis.RedisError."""
        if not self._knows_all():
            return
        names = [key.decode(errors="replace") for key in keys]
        uids = {name.removeprefix(kind) for name in names for kind in _BY_UID if name.startswith(kind)}
        if UNWRITTEN_KEY in names:
            uids.update(cast("list[str]", self._client.srandmember(UNWRITTEN_KEY, NAMED_AT_ONCE)))
        if uids:
            self._forget_others(uids)
        verdicts = {name for name in names if name.startswith(_VERDICTS)}
        if verdicts and (unnamed := verdicts - set(map(verdicts_key, self._segments()))):
            with self._client.pipeline(transaction=False) as pipe:
                for name in unnamed:
                    # A verdict that comes, as for a new network, has it kept for a day again.
                    pipe.expire(name, UNNAMED_KEPT_S, lt=True)
                pipe.execute()
