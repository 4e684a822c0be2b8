"""What all questions on one uplink share: who we are, how fast we may ask, what goes out, and who waits."""

import random
from collections import Counter
from typing import Protocol

from services.prober.engine.identity import Identity
from services.prober.engine.losses import Losses
from services.prober.engine.pacing import PacedQueue
from services.prober.engine.reachability import Path
from services.prober.engine.settings import Policy
from services.prober.engine.timers import Schedule
from services.prober.frames.dhcp import Reply
from services.prober.frames.ignore_reasons import IgnoreReason
from services.prober.frames.station import Station
from services.prober.frames.templates import Templates


class Stamped(Protocol):
    """What wants to know when its frame really left."""

    sent_at: float


class Question(Protocol):
    """What a DHCP message may answer."""

    station: Station

    def replied(self, attempt: "Attempt", reply: Reply, /, *, mac: bytes, now: float) -> None:
        """Take a message with the right xid, chaddr and VLAN; mac: who sent its frame."""
        ...


class Claim(Protocol):
    """An address that is ours, or is to be."""

    station: Station
    held: bool
    """ARP requests for it are answered."""

    def contested(self, mac: bytes, now: float, /) -> None:
        """Somebody else on the VLAN has it, or is about to take it."""
        ...


class Attempt:
    """One message of a question. It has an xid of its own: an answer says which one it belongs to."""

    __slots__ = ("number", "question", "seconds", "sent_at", "xid")

    def __init__(self, question: Question, number: int, sent_at: float, xid: bytes, seconds: int) -> None:
        """number: from 1. seconds: its secs field."""
        self.question = question
        self.number = number
        self.sent_at = sent_at
        self.xid = xid
        self.seconds = seconds


class Line:
    """One uplink's shared state. Pure: frames are bytes in and out, and time is an argument."""

    def __init__(
        self,
        *,
        identity: Identity,
        templates: Templates,
        policy: Policy,
        schedule: Schedule,
        randomness: random.Random,
    ) -> None:
        self.identity = identity
        self.templates = templates
        self.policy = policy
        self.schedule = schedule
        self.random = randomness
        self.losses = Losses()
        self.ignored: Counter[IgnoreReason] = Counter()
        """Received frames that were ignored, by reason."""
        self.starts = PacedQueue(schedule, policy.start_rate)
        self.arp_pace = PacedQueue(schedule, policy.arp_rate)
        """Every ARP message that we send, also an answer: a switch counts them all."""
        self.arp_path = Path(schedule, self.arp_pace, policy, self.losses)
        # ICMP echoes on the VLANs follow the starts, so they go as fast.
        self.echo_path = Path(schedule, PacedQueue(schedule, policy.start_rate), policy, self.losses)
        self.echo_identifier = randomness.getrandbits(16)
        self.attempts: dict[bytes, Attempt] = {}
        """By xid."""
        self.claims: dict[tuple[int, int], Claim] = {}
        """By (VLAN, address): what we want to have, or have for now."""
        self.claims_changed = False
        """Whether the kernel's filter lets the wrong ARP requests through."""
        self.outbox: list[tuple[bytes, Stamped | None]] = []

    def new_xid(self) -> bytes:
        """One that nobody can guess and no question has."""
        while True:
            xid = self.random.getrandbits(32).to_bytes(4, "big")
            if xid not in self.attempts:
                return xid

    def claim(self, claim: Claim, address: int) -> None:
        """Hear of ARP for this address from now on."""
        self.claims[claim.station.vlan, address] = claim
        self.claims_changed = True

    def unclaim(self, claim: Claim, address: int) -> None:
        """It is not ours any more."""
        if self.claims.pop((claim.station.vlan, address), None) is not None:
            self.claims_changed = True
