"""Reading what the updater concluded but could not write, which the networks would have told the watcher."""

from collections.abc import Callable, Mapping

import redis
import structlog

from services.contract.conclusions import ConclusionRecord
from services.runtime.process.clock import Clock
from services.runtime.process.repeating import RepeatingThread
from services.runtime.stored.conclusion_store import ConclusionStore

INTERVAL_S = 5.0

log = structlog.get_logger(__name__)


class UnwrittenPoll(RepeatingThread):
    """Passes all records of unwritten networks to a listener, by uid, whenever they have changed."""

    def __init__(
        self,
        client: redis.Redis,
        listener: Callable[[Mapping[str, ConclusionRecord]], None],
        *,
        clock: Clock,
        interval_s: float = INTERVAL_S,
    ) -> None:
        super().__init__("unwritten", self._poll, clock=clock, interval_s=interval_s)
        self._store = ConclusionStore(client)
        self._listener = listener
        self._known: Mapping[str, ConclusionRecord] = {}

    def _poll(self) -> None:
        try:
            found = self._store.read_unwritten()
        except redis.RedisError as error:
            # What was read before still holds.
            log.debug("unwritten networks cannot be read", error=str(error))
            return
        if found != self._known and not self._stopping.is_set():
            self._known = found
            self._listener(found)
