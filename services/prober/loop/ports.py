"""The ports between the engine and its sockets: TrunkPort for an uplink, EchoPort for the ICMP socket."""

import logging
from collections.abc import Callable
from typing import Final

from services.contract.outcomes import Fault
from services.prober.engine.engine import Engine
from services.prober.engine.routed_echoes import RoutedEchoes, SentEcho
from services.prober.engine.trunk_state import Timestamped
from services.prober.sockets import packet_filter
from services.prober.sockets.carrier import DOWN_FOR_S
from services.prober.sockets.icmp_socket import EchoSocket
from services.prober.sockets.link import Link, LinkError
from services.runtime.process.clock import Clock

log = logging.getLogger(__name__)

RECEIVE_LIMIT: Final = 4096
"""Frames received per call: a whole ring, so that no gateway counts as silent while its reply is in the ring.
Not more, so that a flood on one uplink does not delay the others."""
LINGER_S: Final = 1.0
"""A port is closed after this idle time: requests arrive in batches."""
CHECK_INTERVAL_S: Final = 0.25
"""Interval of the checks for dropped frames and carrier changes, which raise no event of their own."""
_FRAMES_PER_TIMESTAMP: Final = 64
"""Frames sent between two readings of the clock; their send times are interpolated."""
STUCK_S: Final = 2.0
"""The uplink has failed when no frame could be sent for this time."""


class TrunkPort:
    """Moves frames between a Link and the engine's Trunk; a failure of the link becomes a fault."""

    def __init__(self, *, cluster_network: str, link: Link, engine: Engine, clock: Clock, now: float) -> None:
        self._cluster_network = cluster_network
        self._link = link
        self._engine = engine
        self._clock = clock
        self._trunk = engine.trunk(cluster_network)
        self._unsent: list[tuple[bytes, Timestamped | None]] = []
        self._unsent_since = now
        self._checked_at = self._busy_at = self._empty_at = now
        self.failed: LinkError | None = None

    def fileno(self) -> int:
        return self._link.fileno()

    @property
    def has_unsent(self) -> bool:
        """Whether frames are left to send: try again soon."""
        return bool(self._unsent)

    def receive(self) -> bool:
        """Pass received frames with their arrival times to the engine; returns whether more may wait."""
        now, empty_at = self._clock.monotonic(), self._empty_at
        received = self._link.receive(RECEIVE_LIMIT)
        trunk = self._trunk
        for vlan, frame, verify_checksum, age_s in received:
            # Ages come from the wall clock, which may jump. The true arrival time is between the last time
            # that the link was empty, and now.
            at = now - age_s if age_s > 0.0 else now
            trunk.receive(vlan, frame, verify_checksum=verify_checksum, now=at if at > empty_at else empty_at)
        if len(received) == RECEIVE_LIMIT:
            return True
        self._empty_at = now
        return False

    def check_link(self, now: float) -> None:
        """Report dropped frames and carrier changes to the engine, before it judges any silence."""
        losses = self._trunk.losses
        try:
            dropped = losses.dropped(self._link.dropped())
            self._checked_at = now
            changed = losses.carrier_changed(self._link.carrier_changes(now))
        except LinkError as error:
            self._fail(error, now)
            return
        if dropped or changed:
            # After DOWN_FOR_S it is known whether the uplink is down or flapping.
            self._trunk.frames_lost(now, wait_s=DOWN_FOR_S if changed else 0.0)

    def send(self, now: float) -> None:
        """Send the engine's frames; those that the link does not accept now are kept, in order."""
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
            sent = self._send_timestamped(frames)
        except LinkError as error:
            self._fail(error, now)
            return
        if sent or not self._unsent:
            self._unsent_since = now
        self._unsent = frames[sent:]
        if now - self._unsent_since >= STUCK_S:
            self._fail(LinkError(Fault.SEND_FAILED, f"no frame could be sent for {STUCK_S:.0f} s"), now)

    def _send_timestamped(self, frames: list[tuple[bytes, Timestamped | None]]) -> int:
        clock, send, at = self._clock.monotonic, self._link.send, 0
        before = clock()
        while at < len(frames):
            batch = frames[at : at + _FRAMES_PER_TIMESTAMP]
            sent = send([frame for frame, _ in batch])
            after = clock()
            each = (after - before) / (sent or 1)
            for _, timestamped in batch[:sent]:
                if timestamped is not None:
                    timestamped.sent_at = before
                before += each
            at += sent
            before = after
            if sent < len(batch):
                break
        return at

    def idle(self, now: float) -> bool:
        """Return whether no segment has been open for LINGER_S."""
        if self._engine.open_segments(self._cluster_network):
            self._busy_at = now
        return now - self._busy_at >= LINGER_S

    def next_check_at(self) -> float:
        """Return when check_link or idle is to be called next, in monotonic seconds."""
        return min(self._checked_at + CHECK_INTERVAL_S, self._busy_at + LINGER_S)

    def close(self) -> None:
        self._link.close()

    def _fail(self, error: LinkError, now: float) -> None:
        self.failed = error
        self._unsent = []
        self._engine.uplink_failed(self._cluster_network, error.fault, now=now)


OpenEchoSocket = Callable[[bytes], EchoSocket]
"""Opens a socket for the replies with a mark, as icmp.MARK_BYTES says; raises LinkError."""


class EchoPort:
    """Moves ICMP echoes between a socket and the engine; opens and closes the socket on demand."""

    def __init__(
        self,
        echoes: RoutedEchoes,
        *,
        open_socket: OpenEchoSocket,
        clock: Clock,
        watch: Callable[[int], None],
        unwatch: Callable[[int], None],
    ) -> None:
        """watch, unwatch: called with the file descriptor after opening and before closing the socket."""
        self._echoes = echoes
        self._open_socket = open_socket
        self._clock = clock
        self._watch = watch
        self._unwatch = unwatch
        self._socket: EchoSocket | None = None
        self._unsent: list[tuple[int, bytes, SentEcho]] = []

    @property
    def has_unsent(self) -> bool:
        """Whether echoes are left to send: try again soon."""
        return bool(self._unsent)

    def receive(self) -> bool:
        """Pass received packets with their arrival times to the engine; returns whether more may wait."""
        if self._socket is None:
            return False
        packets = self._socket.receive(RECEIVE_LIMIT)
        # Read the clock after receiving, not at the start of the iteration: a reply must not seem to be older
        # than its request.
        received_at = self._clock.monotonic()
        for packet, age_s in packets:
            self._echoes.receive(packet, received_at - age_s)
        self._echoes.losses.dropped(self._socket.dropped())
        return len(packets) == RECEIVE_LIMIT

    def send(self, now: float) -> None:
        """Send the engine's echoes; those that the socket does not accept now are kept, in order."""
        packets = self._unsent + self._echoes.take_packets()
        if packets and self._socket is None:
            try:
                self._socket = self._open_socket(self._echoes.mark)
            except LinkError as error:
                log.warning("no ICMP socket: routed paths are not checked", extra={"error": str(error)})
                self._echoes.abandon(now)
                return
            self._watch(self._socket.fileno())
        if self._socket is not None:
            at = self._clock.monotonic()
            taken = self._socket.send([(gateway, message) for gateway, message, _ in packets])
            for _, _, sent in packets[:taken]:
                sent.sent_at = at
            self._unsent = packets[taken:]

    def close_if_idle(self) -> None:
        """Close the socket when no reply is awaited."""
        if not self._echoes.waiting:
            self.close()

    def close(self) -> None:
        """Release all resources. Idempotent."""
        self._unsent = []
        if self._socket is not None:
            self._unwatch(self._socket.fileno())
            self._socket.close()
            self._socket = None
