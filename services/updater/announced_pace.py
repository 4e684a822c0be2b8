"""What the watcher lets the updater know of its pace, in the mark that it sends."""

import redis
import structlog

from services.contract.errors import MessageRefused
from services.contract.limits import FRAMES_PER_S
from services.contract.names import SENDING_KEY
from services.contract.sending import SendingMark
from services.network.paced import HeldInterval

log = structlog.get_logger(__name__)


class AnnouncedPace:
    """The pace and how often cluster networks are swept, as read last. Not thread-safe."""

    def __init__(self, client: redis.Redis) -> None:
        self.pace: float = FRAMES_PER_S
        """Frames a second on one cluster network; 0 for no limit."""
        self._client = client
        self._held: dict[str, HeldInterval] = {}
        self._slower_s: dict[str, float] = {}

    def read(self, now: float) -> None:
        """Read it; may raise redis.RedisError. Without a mark, what was read before still holds.

        now: seconds of observed time, since results do not age while it stands still.
        """
        try:
            body = self._client.get(SENDING_KEY)
            mark = None if body is None else SendingMark.from_wire(body)
        except (redis.ResponseError, MessageRefused) as error:
            log.debug("the watcher's pace is unknown", key=SENDING_KEY, error=str(error))
            return
        if mark is None:
            return
        self.pace = mark.pace
        for name in mark.slower_s.keys() - self._held.keys():
            self._held[name] = HeldInterval()
        held = {name: each.take(mark.slower_s.get(name, 0.0), now) for name, each in self._held.items()}
        self._slower_s = {name: interval_s for name, interval_s in held.items() if interval_s}
        self._held = {name: self._held[name] for name in self._slower_s}

    def sweep_s(self, cluster_network: str) -> float:
        """Return how often it is swept, in seconds; 0 where that is as often as it is set."""
        return self._slower_s.get(cluster_network, 0.0)
