"""ICMP echo to gateways through the host's own routing, which is what Harvester itself calls Active.

One socket serves all checks. With a socket for each gateway, replies are lost from some 250 gateways on,
since the kernel copies every reply to each socket.
"""

import random
from typing import Final

from services.prober.engine.identity import EchoIdentifiers
from services.prober.engine.losses import Losses
from services.prober.engine.pacing import PacedQueue
from services.prober.engine.reachability import CheckCallback, CheckContext, GatewayCheck
from services.prober.engine.settings import EngineSettings
from services.prober.engine.timers import Timers
from services.prober.frames import icmp

_SEQUENCES: Final = 1 << 16


class SentEcho:
    """One echo request that was sent."""

    __slots__ = ("check", "identifier", "nonce", "sent_at")

    def __init__(self, check: "_RoutedEchoCheck", identifier: int, nonce: bytes, sent_at: float) -> None:
        self.check = check
        self.identifier = identifier
        self.nonce = nonce
        self.sent_at = sent_at
        """The sender sets it to the time of the system call."""


class _RoutedEchoCheck(GatewayCheck):
    """The check of one gateway through routing."""

    __slots__ = ("_echoes", "sequences")

    def __init__(self, gateway: int, *, echoes: "RoutedEchoes", callback: CheckCallback) -> None:
        GatewayCheck.__init__(self, gateway, echoes.context, callback)
        self._echoes = echoes
        self.sequences: list[int] = []

    def _send(self, now: float) -> None:
        self.sequences.append(self._echoes.send(self, now))

    def _ended(self) -> None:
        self._echoes.ended(self)


class RoutedEchoes:
    """All routed checks of a process. Pure: packets are bytes, and the time is passed in."""

    def __init__(
        self,
        *,
        template: icmp.EchoTemplate,
        settings: EngineSettings,
        timers: Timers,
        randomness: random.Random,
    ) -> None:
        self.losses = Losses()
        self.identifiers = EchoIdentifiers(randomness)
        self.mark: bytes = randomness.getrandbits(8 * icmp.MARK_BYTES).to_bytes(icmp.MARK_BYTES, "big")
        """How the nonce of all our requests begins."""
        self.context = CheckContext(timers, PacedQueue(timers, settings.echo_rate), settings, self.losses)
        self._template = template
        self._random = randomness
        self._checks: dict[int, _RoutedEchoCheck] = {}
        """Open checks by gateway."""
        self._sent: dict[int, SentEcho] = {}
        """Requests of open checks by sequence number."""
        self._sequence = 0
        self._outbox: list[tuple[int, bytes, SentEcho]] = []

    def take_packets(self) -> list[tuple[int, bytes, SentEcho]]:
        """Remove and return what to send, in order: gateway, ICMP message, receiver of the send time."""
        outbox, self._outbox = self._outbox, []
        return outbox

    @property
    def waiting(self) -> int:
        """The number of gateways whose reply is awaited."""
        return len(self._checks)

    def check_gateway(self, gateway: int, *, callback: CheckCallback, now: float) -> None:
        """Check the gateway, or wait for the check of it that is open already."""
        open_check = self._checks.get(gateway)
        if open_check is not None:
            open_check.add_callback(callback)
            return
        check = self._checks[gateway] = _RoutedEchoCheck(gateway, echoes=self, callback=callback)
        check.start(now)

    def receive(self, packet: bytes, now: float) -> None:
        """Handle a packet from the raw socket; whatever answers none of our requests is ignored."""
        reply = icmp.parse_reply(packet)
        sent = None if reply is None else self._sent.get(reply.sequence)
        if reply is None or sent is None or sent.nonce != reply.nonce:
            return
        check = sent.check
        if check.gateway == reply.source and sent.identifier == reply.identifier:
            check.answered(now, sent=sent.sent_at)

    def abandon(self, now: float) -> None:
        """End every open check."""
        self._outbox.clear()
        for check in list(self._checks.values()):
            check.abandon(now)

    def send(self, check: _RoutedEchoCheck, now: float) -> int:
        """Put an echo request into the outbox; return its sequence number."""
        # With three requests for each gateway in three seconds, this is enough for 20,000 gateways at once.
        self._sequence = (self._sequence + 1) % _SEQUENCES
        octets = icmp.NONCE_BYTES - icmp.MARK_BYTES
        nonce = self.mark + self._random.getrandbits(8 * octets).to_bytes(octets, "big")
        identifier = self.identifiers.fresh()
        message = self._template.render(identifier=identifier, sequence=self._sequence, nonce=nonce)
        sent = self._sent[self._sequence] = SentEcho(check, identifier, nonce, now)
        self._outbox.append((check.gateway, message, sent))
        return self._sequence

    def ended(self, check: _RoutedEchoCheck) -> None:
        """Forget a check that has ended."""
        del self._checks[check.gateway]
        for sequence in check.sequences:
            self._sent.pop(sequence, None)
