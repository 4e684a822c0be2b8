"""The state that all probes on one trunk share: identity, rates, open exchanges, and frames to send."""

import random
from collections import Counter
from collections.abc import Callable
from typing import Final, Protocol

from services.prober.engine.identity import EchoIdentifiers, Identity
from services.prober.engine.losses import Losses
from services.prober.engine.pacing import PacedQueue
from services.prober.engine.senders import Senders
from services.prober.engine.settings import EngineSettings
from services.prober.engine.timers import Timers
from services.prober.frames.dhcp import Reply
from services.prober.frames.ethernet import Station
from services.prober.frames.ignore_reasons import IgnoreReason
from services.prober.frames.templates import Templates

_MAX_REPLIES: Final = 64
"""ARP replies that may wait: whoever asks without end neither fills the memory nor holds up the rest."""


class Timestamped(Protocol):
    """Receives the time at which its frame was sent."""

    sent_at: float


class Exchange(Protocol):
    """A DHCP exchange that waits for replies."""

    station: Station

    def replied(self, transaction: "Transaction", reply: Reply, /, *, mac: bytes, now: float) -> None:
        """Handle a reply whose xid, chaddr and VLAN match; mac: the source of its frame."""
        ...


class AddressClaim(Protocol):
    """An address on a VLAN that this host uses or is about to use."""

    station: Station

    @property
    def in_use(self) -> bool:
        """Whether ARP requests for it are answered."""
        ...

    def conflict_detected(self, mac: bytes, now: float, /) -> None:
        """Handle an address conflict (RFC 5227): the station mac has the address, or probes for it."""
        ...


class Transaction:
    """One DHCP message and its transaction ID, by which a reply names the message that it answers."""

    __slots__ = ("attempt", "exchange", "secs", "sent_at", "xid")

    def __init__(self, exchange: Exchange, attempt: int, sent_at: float, xid: bytes, secs: int) -> None:
        """attempt: counts from 1. secs: the message's field of that name."""
        self.exchange = exchange
        self.attempt = attempt
        self.sent_at = sent_at
        self.xid = xid
        self.secs = secs


class TrunkState:
    """The shared state. Pure: frames are bytes, and the time is passed in."""

    def __init__(
        self,
        *,
        identity: Identity,
        templates: Templates,
        settings: EngineSettings,
        timers: Timers,
        randomness: random.Random,
    ) -> None:
        self.identity = identity
        self.templates = templates
        self.settings = settings
        self.timers = timers
        self.random = randomness
        self.losses = Losses()
        self.senders = Senders()
        self.ignored: Counter[IgnoreReason] = Counter()
        """Received frames that were ignored, by reason."""
        port = None if settings.port_rate is None else PacedQueue(timers, settings.port_rate)
        self.start_pace = port or PacedQueue(timers, settings.start_rate)
        """For DHCPDISCOVERs."""
        self.arp_pace = port or PacedQueue(timers, settings.arp_rate)
        """For every ARP message sent, replies included: a switch that inspects ARP counts them all."""
        self.lease_pace = port or PacedQueue(timers, None)
        """For all other DHCP messages. It and the others are one where a switch counts all of them."""
        self._replies_waiting = 0
        """ARP replies that arp_pace holds back."""
        self.echo_identifiers = EchoIdentifiers(randomness)
        self.transactions: dict[bytes, Transaction] = {}
        """Messages that wait for a reply, by xid."""
        self.claims: dict[tuple[int, int], AddressClaim] = {}
        """By (VLAN, address)."""
        self.claims_changed = False
        """Whether the packet filter has to be updated."""
        self.untagged: dict[int, float] = {}
        """By VLAN, when an untagged answer to what was asked on it came last."""
        self.outbox: list[tuple[bytes, Timestamped | None]] = []
        """Tagged frames to send, in order."""

    def send_paced(self, frame: bytes, now: float) -> None:
        """Send a DHCP message that awaits no answer, as soon as the rate allows."""
        self.lease_pace.submit(now, lambda _: self.outbox.append((frame, None)), begun=True)

    def reply(self, send: Callable[[], None], now: float) -> None:
        """Send an ARP reply as soon as the rate allows; nothing if too many wait."""

        def paced(_: float) -> None:
            self._replies_waiting -= 1
            send()

        if self._replies_waiting < _MAX_REPLIES:
            self._replies_waiting += 1
            self.arp_pace.submit(now, paced)

    def flush(self, now: float) -> None:
        """Have what has begun among the frames to send, whatever the rates: no timer runs any more."""
        for pace in (self.start_pace, self.arp_pace, self.lease_pace):
            pace.flush(now)

    def new_xid(self) -> bytes:
        """Return a random transaction ID that is not in use."""
        while True:
            xid = self.random.getrandbits(32).to_bytes(4, "big")
            if xid not in self.transactions:
                return xid

    def claim(self, claim: AddressClaim, address: int) -> None:
        """Receive ARP messages for this address from now on."""
        self.claims[claim.station.vlan, address] = claim
        self.claims_changed = True

    def unclaim(self, claim: AddressClaim, address: int) -> None:
        """Undo claim, unless another claim has taken its place."""
        key = (claim.station.vlan, address)
        if self.claims.get(key) is claim:
            del self.claims[key]
            self.claims_changed = True
