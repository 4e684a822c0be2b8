"""ICMP echo to gateways through the host's own routing: what Harvester itself calls Active.

One socket serves all. A socket for each gateway loses replies from some 250 at once, since every reply is
copied to each of them.
"""

import random
from typing import Final

from services.prober.engine.losses import Losses
from services.prober.engine.pacing import PacedQueue
from services.prober.engine.reachability import CheckContext, Done, GatewayCheck
from services.prober.engine.settings import EngineSettings
from services.prober.engine.timers import Timers
from services.prober.frames import icmp

_SEQUENCES: Final = 1 << 16


class SentEcho:
    """One echo on its way."""

    __slots__ = ("check", "nonce", "sent_at")

    def __init__(self, check: "_RoutedEchoCheck", nonce: bytes, sent_at: float) -> None:
        self.check = check
        self.nonce = nonce
        self.sent_at = sent_at
        """Corrected by whoever sends it."""


class _RoutedEchoCheck(GatewayCheck):
    """One gateway, wherever routing finds it."""

    __slots__ = ("_echoes", "sequences")

    def __init__(self, gateway: int, *, echoes: "RoutedEchoes", done: Done) -> None:
        GatewayCheck.__init__(self, gateway, echoes.path, done)
        self._echoes = echoes
        self.sequences: list[int] = []

    def _send(self, now: float) -> None:
        self.sequences.append(self._echoes.send(self, now))

    def _ended(self) -> None:
        self._echoes.ended(self)


class RoutedEchoes:
    """All routed checks of a process. Pure: packets are bytes in and out, and time is an argument."""

    def __init__(
        self,
        *,
        template: icmp.EchoTemplate,
        settings: EngineSettings,
        timers: Timers,
        randomness: random.Random,
    ) -> None:
        self.losses = Losses()
        self.identifier: int = randomness.getrandbits(16)
        """Ours among all who ping from this host."""
        self._template = template
        self._random = randomness
        self.path = CheckContext(timers, PacedQueue(timers, settings.echo_rate), settings, self.losses)
        self._checks: dict[int, _RoutedEchoCheck] = {}
        self._sent: dict[int, SentEcho] = {}
        self._sequence = 0
        self._outbox: list[tuple[int, bytes, SentEcho]] = []

    def take_packets(self) -> list[tuple[int, bytes, SentEcho]]:
        """What to send: (gateway, ICMP message, what wants to know when), in order; the caller's now."""
        outbox, self._outbox = self._outbox, []
        return outbox

    @property
    def waiting(self) -> int:
        """Gateways whose answer is awaited."""
        return len(self._checks)

    def check_gateway(self, gateway: int, *, done: Done, now: float) -> None:
        """Ask whether the gateway answers; one check serves all who ask meanwhile."""
        open_check = self._checks.get(gateway)
        if open_check is not None:
            open_check.wait(done)
            return
        check = self._checks[gateway] = _RoutedEchoCheck(gateway, echoes=self, done=done)
        check.start(now)

    def receive(self, packet: bytes, now: float) -> None:
        """Take one packet from the raw socket; what answers none of our echoes changes nothing."""
        reply = icmp.parse_reply(packet)
        if reply is None or reply.identifier != self.identifier:
            return
        sent = self._sent.get(reply.sequence)
        if sent is not None and sent.check.gateway == reply.source and sent.nonce == reply.nonce:
            sent.check.answered(now, sent=sent.sent_at)

    def abandon(self, now: float) -> None:
        """End every open check."""
        self._outbox.clear()
        for check in list(self._checks.values()):
            check.abandon(now)

    def send(self, check: _RoutedEchoCheck, now: float) -> int:
        """Put one echo of this check into the outbox; its sequence number."""
        # Three echoes each within three seconds: the sequence numbers last for 20,000 gateways at once.
        self._sequence = (self._sequence + 1) % _SEQUENCES
        nonce = self._random.getrandbits(8 * icmp.NONCE_BYTES).to_bytes(icmp.NONCE_BYTES, "big")
        message = self._template.render(identifier=self.identifier, sequence=self._sequence, nonce=nonce)
        sent = self._sent[self._sequence] = SentEcho(check, nonce, now)
        self._outbox.append((check.gateway, message, sent))
        return self._sequence

    def ended(self, check: _RoutedEchoCheck) -> None:
        """Nobody waits for its answers any more."""
        del self._checks[check.gateway]
        for sequence in check.sequences:
            self._sent.pop(sequence, None)
