"""One uplink's port in the runner's hands: open while there is something to probe."""

from typing import Final

import structlog

from services.contract.outcomes import Fault
from services.prober.engine.engine import Engine
from services.prober.engine.trunk_state import Timestamped
from services.prober.sockets import packet_filter
from services.prober.sockets.carrier import DOWN_FOR_S
from services.prober.sockets.link import Link, LinkError
from services.runtime.clock import Clock

log = structlog.get_logger(__name__)

BATCH_FRAMES: Final = 4096
"""Frames taken at once: a whole ring, so that nothing is called silent whose answer lies there; and no more,
so that a flood on one uplink does not keep the others waiting."""
LINGER_S: Final = 1.0
"""An idle port is closed after this: requests come in trains."""
WATCH_S: Final = 0.25
"""Between two looks at the interface where it says nothing by itself."""
_STAMPED_TOGETHER: Final = 64
"""Frames sent between two looks at the clock; what is between them is shared out evenly."""
STUCK_S: Final = 2.0
"""Frames that find no room for this long will not go out."""


class Port:
    """Moves frames between a link and the engine's wire; what the link cannot do becomes a fault."""

    def __init__(self, *, cluster_network: str, link: Link, engine: Engine, clock: Clock, now: float) -> None:
        self._cluster_network = cluster_network
        self._link = link
        self._engine = engine
        self._clock = clock
        self._trunk = engine.trunk(cluster_network)
        self._unsent: list[tuple[bytes, Timestamped | None]] = []
        self._unsent_since = now
        self._watched_at = self._busy_at = self._empty_at = now
        self.failed: LinkError | None = None

    def fileno(self) -> int:
        return self._link.fileno()

    @property
    def waits_for_room(self) -> bool:
        """Frames are left over: try again soon."""
        return bool(self._unsent)

    def receive(self) -> bool:
        """Hand in what has come, each frame with the time it came at; whether there may be more at once."""
        now, empty_at = self._clock.monotonic(), self._empty_at
        received = self._link.receive(BATCH_FRAMES)
        trunk = self._trunk
        for vlan, frame, verify_checksum, age_s in received:
            # Their order is theirs, and another clock than ours may jump: but nothing came before we had
            # looked in vain, or comes from the future.
            at = now - age_s if age_s > 0.0 else now
            trunk.receive(vlan, frame, verify_checksum=verify_checksum, now=at if at > empty_at else empty_at)
        if len(received) == BATCH_FRAMES:
            return True
        self._empty_at = now
        return False

    def look(self, now: float) -> None:
        """Ask what was lost, before anything is called silent."""
        losses = self._trunk.losses
        try:
            dropped = losses.dropped(self._link.dropped())
            self._watched_at = now
            changed = losses.carrier_changed(self._link.interrupted(now))
        except LinkError as error:
            self._fail(error, now)
            return
        if dropped or changed:
            # By then it is known whether the uplink is down for good.
            self._trunk.frames_lost(now, wait_s=DOWN_FOR_S if changed else 0.0)

    def send(self, now: float) -> None:
        """Send what the engine wants to; what finds no room is kept in order."""
        claims = self._trunk.take_claims(limit=packet_filter.MAX_ADDRESSES)
        frames = self._trunk.take_frames()
        if self._unsent:
            frames = self._unsent + frames
        try:
            if claims is not None:
                self._link.listen_for(claims)
            if not frames:
                self._unsent_since = now
                return
            sent = self._send_stamped(frames)
        except LinkError as error:
            self._fail(error, now)
            return
        if sent or not self._unsent:
            self._unsent_since = now
        self._unsent = frames[sent:]
        if now - self._unsent_since >= STUCK_S:
            self._fail(LinkError(Fault.SEND_FAILED, "no frame has gone out for some time"), now)

    def _send_stamped(self, frames: list[tuple[bytes, Timestamped | None]]) -> int:
        clock, send, at = self._clock.monotonic, self._link.send, 0
        before = clock()
        while at < len(frames):
            batch = frames[at : at + _STAMPED_TOGETHER]
            sent = send([frame for frame, _ in batch])
            after = clock()
            each = (after - before) / (sent or 1)
            for _, stamped in batch[:sent]:
                if stamped is not None:
                    stamped.sent_at = before
                before += each
            at += sent
            before = after
            if sent < len(batch):
                break
        return at

    def idle(self, now: float) -> bool:
        """Whether nothing has been in hand for long enough."""
        if self._engine.open_segments(self._cluster_network):
            self._busy_at = now
        return now - self._busy_at >= LINGER_S

    def next_look(self) -> float:
        """When look or idle wants to be asked again."""
        return min(self._watched_at + WATCH_S, self._busy_at + LINGER_S)

    def close(self) -> None:
        self._link.close()

    def _fail(self, error: LinkError, now: float) -> None:
        log.warning("uplink failed", cluster_network=self._cluster_network, error=str(error))
        self.failed = error
        self._unsent = []
        self._engine.uplink_failed(self._cluster_network, error.fault, now=now)
