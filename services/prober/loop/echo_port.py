"""The routed echoes' socket in the runner's hands: open while an answer is awaited."""

from collections.abc import Callable

import structlog

from services.prober.engine.routed_echoes import RoutedEchoes, SentEcho
from services.prober.loop.trunk_port import BATCH_FRAMES
from services.prober.sockets.icmp_socket import EchoSocket
from services.prober.sockets.link import LinkError
from services.runtime.clock import Clock

log = structlog.get_logger(__name__)

OpenEchoSocket = Callable[[int], EchoSocket]
"""ICMP identifier to an open socket; raises LinkError."""


class EchoPort:
    """Moves echoes between a socket and the engine; opened and closed as there is need."""

    def __init__(
        self,
        echoes: RoutedEchoes,
        *,
        open_socket: OpenEchoSocket,
        clock: Clock,
        watch: Callable[[int], None],
        forget: Callable[[int], None],
    ) -> None:
        """watch, forget: called with the descriptor of a socket that was opened, or is about to be closed."""
        self._echoes = echoes
        self._open_socket = open_socket
        self._clock = clock
        self._watch = watch
        self._forget = forget
        self._socket: EchoSocket | None = None
        self._unsent: list[tuple[int, bytes, SentEcho]] = []

    @property
    def waits_for_room(self) -> bool:
        """Echoes are left over: try again soon."""
        return bool(self._unsent)

    def receive(self) -> bool:
        """Hand in what has come, each with the time it came at; whether there may be more at once."""
        if self._socket is None:
            return False
        packets = self._socket.receive(BATCH_FRAMES)
        # Ages count from just now, not from the turn's start: an answer is never older than its question.
        read = self._clock.monotonic()
        for packet, age_s in packets:
            self._echoes.receive(packet, read - age_s)
        self._echoes.losses.dropped(self._socket.dropped())
        return len(packets) == BATCH_FRAMES

    def send(self, now: float) -> None:
        """Send what the engine wants to; what finds no room is kept in order."""
        packets = self._unsent + self._echoes.take_packets()
        if packets and self._socket is None:
            try:
                self._socket = self._open_socket(self._echoes.identifier)
            except LinkError as error:
                log.warning("no routed checks", error=str(error))
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
        """Close when nobody's answer is awaited."""
        if not self._echoes.waiting:
            self.close()

    def close(self) -> None:
        """Give everything back; harmless the second time."""
        self._unsent = []
        if self._socket is not None:
            self._forget(self._socket.fileno())
            self._socket.close()
            self._socket = None
