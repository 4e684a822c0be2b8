"""What all questions on one uplink share: who we are, how fast we may ask, what goes out, and who waits."""

import random
from collections import Counter
from typing import Protocol

from services.prober.engine.identity import Identity
from services.prober.engine.losses import Losses
from services.prober.engine.pacing import PacedQueue
from services.prober.engine.reachability import CheckContext
from services.prober.engine.settings import EngineSettings
from services.prober.engine.timers import Timers
from services.prober.frames.dhcp import Reply
from services.prober.frames.ignore_reasons import IgnoreReason
from services.prober.frames.station import Station
from services.prober.frames.templates import Templates


class Timestamped(Protocol):
    """What wants to know when its frame really left."""

    sent_at: float


class Exchange(Protocol):
    """What a DHCP message may answer."""

    station: Station

    def replied(self, attempt: "Transaction", reply: Reply, /, *, mac: bytes, now: float) -> None:
        """Take a message with the right xid, chaddr and VLAN; mac: who sent its frame."""
        ...


class AddressClaim(Protocol):
    """An address that is ours, or is to be."""

    station: Station
    held: bool
    """ARP requests for it are answered."""

    def conflict_detected(self, mac: bytes, now: float, /) -> None:
        """Somebody else on the VLAN has it, or is about to take it."""
        ...


class Transaction:
    """One message of an exchange. It has an xid of its own: an answer says which one it belongs to."""

    __slots__ = ("exchange", "number", "seconds", "sent_at", "xid")

    def __init__(self, exchange: Exchange, number: int, sent_at: float, xid: bytes, seconds: int) -> None:
        """number: from 1. seconds: its secs field."""
        self.exchange = exchange
        self.number = number
        self.sent_at = sent_at
        self.xid = xid
        self.seconds = seconds


class TrunkState:
    """One uplink's shared state. Pure: frames are bytes in and out, and time is an argument."""

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
        self.ignored: Counter[IgnoreReason] = Counter()
        """Received frames that were ignored, by reason."""
        self.start_pace = PacedQueue(timers, settings.start_rate)
        self.arp_pace = PacedQueue(timers, settings.arp_rate)
        """Every ARP message that we send, also an answer: a switch counts them all."""
        self.arp_context = CheckContext(timers, self.arp_pace, settings, self.losses)
        # ICMP echoes on the VLANs follow the starts, so they go as fast.
        self.echo_context = CheckContext(
            timers, PacedQueue(timers, settings.start_rate), settings, self.losses
        )
        self.echo_identifier = randomness.getrandbits(16)
        self.transactions: dict[bytes, Transaction] = {}
        """By xid."""
        self.claims: dict[tuple[int, int], AddressClaim] = {}
        """By (VLAN, address): what we want to have, or have for now."""
        self.claims_changed = False
        """Whether the kernel's filter lets the wrong ARP requests through."""
        self.outbox: list[tuple[bytes, Timestamped | None]] = []

    def new_xid(self) -> bytes:
        """One that nobody can guess and no exchange has."""
        while True:
            xid = self.random.getrandbits(32).to_bytes(4, "big")
            if xid not in self.transactions:
                return xid

    def claim(self, claim: AddressClaim, address: int) -> None:
        """Hear of ARP for this address from now on."""
        self.claims[claim.station.vlan, address] = claim
        self.claims_changed = True

    def unclaim(self, claim: AddressClaim, address: int) -> None:
        """It is not ours any more."""
        if self.claims.pop((claim.station.vlan, address), None) is not None:
            self.claims_changed = True
