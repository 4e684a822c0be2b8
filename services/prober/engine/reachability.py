"""Checks whether a gateway answers: a few probes; reachable at the first reply, silent if none arrives."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Final

from services.contract.outcomes import ReachOutcome
from services.prober.engine.losses import Losses
from services.prober.engine.pacing import PacedQueue
from services.prober.engine.results import ReachResult
from services.prober.engine.settings import EngineSettings
from services.prober.engine.timers import Timer, Timers
from services.prober.engine.trunk_state import TrunkState
from services.prober.frames import icmp
from services.prober.frames.ethernet import Station
from services.prober.frames.icmp import EchoReply
from services.prober.frames.unchecked import new_unchecked

CheckCallback = Callable[[int, ReachResult, float], None]
"""Called with the gateway, the result and the time."""
_REACHABLE: Final = ReachOutcome.REACHABLE
_MAX_ROUNDS: Final = 2
"""A round in which this host lost frames is repeated once."""


class CheckContext:
    """What all checks by one protocol share: timers, rate limit, settings, and evidence of losses."""

    __slots__ = ("losses", "pace", "settings", "timers")

    def __init__(self, timers: Timers, pace: PacedQueue, settings: EngineSettings, losses: Losses) -> None:
        self.timers = timers
        self.pace = pace
        self.settings = settings
        self.losses = losses


class GatewayCheck(ABC):
    """The check of one gateway by one protocol; several callers may wait for its result."""

    __slots__ = (
        "_attempts",
        "_callbacks",
        "_context",
        "_finished",
        "_from_address",
        "_last_attempt",
        "_loss_events_before",
        "_timer",
        "gateway",
        "sent_at",
    )

    def __init__(self, gateway: int, context: CheckContext, callback: CheckCallback) -> None:
        self.gateway = gateway
        self.sent_at = 0.0
        self._context = context
        self._callbacks = [callback]
        self._timer: Timer | None = None
        self._loss_events_before = context.losses.loss_events
        self._attempts = 0
        self._last_attempt = context.settings.reach_attempts
        """The attempt that ends the present round."""
        self._finished = False
        self._from_address = False

    @abstractmethod
    def _send(self, now: float) -> None:
        """Send one probe."""

    @abstractmethod
    def _ended(self) -> None:
        """Clean up; called once, before the callbacks."""

    @property
    def is_asked(self) -> bool:
        """Whether a probe was sent."""
        return self._attempts > 0

    def add_callback(self, callback: CheckCallback) -> None:
        """Report the result to this caller too."""
        self._callbacks.append(callback)

    def start(self, now: float) -> None:
        """Send the next probe as soon as the rate limit allows."""
        self._context.pace.submit(now, self._probe, begun=self._attempts > 0)

    def answered(self, now: float, *, mac: bytes | None = None, sent: float | None = None) -> None:
        """Handle a reply. sent: when its probe was sent; None if the reply does not name its probe."""
        if self._attempts:
            rtt = now - (self.sent_at if sent is None else sent)
            self._context.losses.answered(now, first_attempt=self._attempts == 1)
            is_unproven = self._judge_answer()
            fields = (
                _REACHABLE, rtt if rtt > 0.0 else 0.0, self._attempts, mac, (),
                self._from_address, is_unproven,
            )  # fmt: skip
            self._end(new_unchecked(ReachResult, fields), now)

    def abandon(self, now: float) -> None:
        """End now with the outcome NOT_TRIED."""
        self._end(ReachResult(ReachOutcome.NOT_TRIED, None, self._attempts), now)

    def _probe(self, now: float) -> None:
        if self._finished:
            return
        self._attempts += 1
        self.sent_at = now
        timers, settings = self._context.timers, self._context.settings
        if self._attempts < self._last_attempt:
            self._timer = timers.at(now + settings.reach_interval_s, self.start)
        else:
            self._timer = timers.at(now + settings.reach_wait_s, self._give_up)
        self._send(now)

    def _give_up(self, now: float) -> None:
        """End with SILENT or INCONCLUSIVE, or start another round if this host has lost frames."""
        losses, attempts = self._context.losses, self._context.settings.reach_attempts
        doubtful = losses.loss_events > self._loss_events_before
        if doubtful and self._attempts < _MAX_ROUNDS * attempts:
            self._last_attempt += attempts
            self._loss_events_before = losses.loss_events
            self.start(now)
            return
        doubtful = doubtful or losses.explain_silence(now)
        if doubtful:
            result = ReachResult(ReachOutcome.INCONCLUSIVE, None, self._attempts)
        else:
            is_unproven = self._judge_silence()
            attempts, from_address = self._attempts, self._from_address
            result = ReachResult(ReachOutcome.SILENT, None, attempts, None, (), from_address, is_unproven)
        self._end(result, now)

    def _judge_answer(self) -> bool:
        """Return whether it answers our address alone; see senders."""
        return False

    def _judge_silence(self) -> bool:
        """Return whether its silence may be due to how it was asked; see senders."""
        return False

    def _end(self, result: ReachResult, now: float) -> None:
        if self._finished:
            return
        self._finished = True
        if self._timer is not None:
            self._timer.cancel()
        self._ended()
        for callback in self._callbacks:
            callback(self.gateway, result, now)


class TrunkCheck(GatewayCheck):
    """The check of one gateway on its VLAN."""

    __slots__ = ("_checks", "_source", "_trunk", "station")

    def __init__(
        self,
        gateway: int,
        context: CheckContext,
        trunk: TrunkState,
        station: Station,
        source: int,
        checks: dict[tuple[int, int], Any],
        callback: CheckCallback,
    ) -> None:
        """source: our address, or 0. checks: the trunk's open checks of this class by (VLAN, gateway), to
        which this one is added."""
        GatewayCheck.__init__(self, gateway, context, callback)
        self.station = station
        self._trunk = trunk
        self._source = source
        self._from_address = source != 0
        self._checks = checks
        checks[station.vlan, gateway] = self

    def _ended(self) -> None:
        del self._checks[self.station.vlan, self.gateway]


class ARPCheck(TrunkCheck):
    """ARP requests for the gateway, from our address on the VLAN or as probes from 0.0.0.0 (RFC 5227)."""

    __slots__ = ()

    def _send(self, _: float) -> None:
        trunk = self._trunk
        frame = trunk.templates.arp.render(station=self.station, target=self.gateway, sender=self._source)
        trunk.outbox.append((frame, self))

    def _judge_answer(self) -> bool:
        gateway = (self.station.vlan, self.gateway)
        return self._trunk.senders.answered(gateway, from_address=self._from_address)

    def _judge_silence(self) -> bool:
        return not self._from_address and self._trunk.senders.silent((self.station.vlan, self.gateway))


class EchoCheck(TrunkCheck):
    """ICMP echo requests on the VLAN to the gateway's MAC address, whatever the host's routing table says."""

    __slots__ = ("_gateway_mac", "_sent")

    def __init__(
        self,
        gateway: int,
        context: CheckContext,
        trunk: TrunkState,
        station: Station,
        source: int,
        gateway_mac: bytes,
        checks: "dict[tuple[int, int], EchoCheck]",
        callback: CheckCallback,
    ) -> None:
        """source: our address. checks: see TrunkCheck."""
        TrunkCheck.__init__(self, gateway, context, trunk, station, source, checks, callback)
        self._gateway_mac = gateway_mac
        self._sent: list[tuple[int, bytes, float]] = []
        """Identifier, nonce and time of each request."""

    def replied(self, reply: EchoReply, now: float) -> bool:
        """Handle an echo reply from the gateway; return whether it answers one of our requests."""
        if reply.destination != self._source or not 1 <= reply.sequence <= len(self._sent):
            return False
        identifier, nonce, sent_at = self._sent[reply.sequence - 1]
        if identifier != reply.identifier or nonce != reply.nonce:
            return False
        # The last request's real send time is in self.sent_at, set by the link.
        self.answered(now, sent=sent_at if reply.sequence < len(self._sent) else None)
        return True

    def _send(self, now: float) -> None:
        trunk = self._trunk
        nonce = trunk.random.getrandbits(8 * icmp.NONCE_BYTES).to_bytes(icmp.NONCE_BYTES, "big")
        identifier = trunk.echo_identifiers.fresh()
        self._sent.append((identifier, nonce, now))
        frame = trunk.templates.echo_frame.render(
            station=self.station,
            gateway_mac=self._gateway_mac,
            source=self._source,
            destination=self.gateway,
            identifier=identifier,
            sequence=len(self._sent),
            nonce=nonce,
        )
        trunk.outbox.append((frame, self))
