"""The stations that answer for a gateway: a second one has its address, or answers for it (proxy ARP).

A check ends with the first answer, so that it is not delayed. Whoever answers the same question later is told
with it if its segment is still open, else with the next check.
"""

from typing import Final

from services.contract.limits import MAX_ANSWERS
from services.prober.engine.identity import Identity
from services.prober.frames import arp
from services.prober.frames.ethernet import source_of

Key = tuple[int, int]
"""VLAN and gateway."""
ANSWERS_WITHIN_S: Final = 2.0
"""How long after the first answer another one is of the same question. Linux delays by up to 0.8 s what it
answers for others."""
MAX_GATEWAYS: Final = 16_384
"""Gateways of one trunk whose last answer is kept: anyone who offers addresses can name new ones."""


class _Dispute:
    """Several stations answered one question."""

    __slots__ = ("is_of_last", "macs")

    def __init__(self, macs: tuple[bytes, ...]) -> None:
        self.macs = macs
        self.is_of_last = False
        """Whether it was the question before the newest that was answered."""


class Answers:
    """The answers to the newest question about each gateway on one trunk. Pure: the time is passed in."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._first: dict[Key, tuple[bytes, float]] = {}
        """The frame of the first answer, and when it came; the oldest first."""
        self._disputes: dict[Key, _Dispute] = {}

    def first(self, key: Key, frame: bytes, now: float) -> None:
        """Record the first answer to a question."""
        if self._disputes and (dispute := self._disputes.get(key)) is not None:
            if dispute.is_of_last:
                del self._disputes[key]
            dispute.is_of_last = True
        kept = self._first
        if kept.pop(key, None) is None and len(kept) >= MAX_GATEWAYS:
            oldest = next(iter(kept))
            del kept[oldest]
            self._disputes.pop(oldest, None)
        kept[key] = frame, now

    def another(self, key: Key, frame: bytes, now: float) -> bool:
        """Record the answer in this frame, if it is another station's to a question whose check has ended.

        Returns whether it is.
        """
        known = self._first.get(key)
        if known is None or now - known[1] > ANSWERS_WITHIN_S:
            return False
        first, mac = known[0], arp.sender_mac_of(frame)
        if arp.target_mac_of(frame) != self._identity.mac(key[0]):
            return False
        dispute = self._disputes.get(key)
        is_new = dispute is None or dispute.is_of_last
        macs = (arp.sender_mac_of(first),) if dispute is None or is_new else dispute.macs
        if mac in macs or len(macs) == MAX_ANSWERS:
            return False
        if source_of(frame) in (source_of(first), arp.sender_mac_of(first)) or source_of(first) == mac:
            # One station with two addresses: its own, and that of a virtual router.
            return False
        self._disputes[key] = _Dispute(tuple(sorted((*macs, mac))))
        return True

    def disputed(self, key: Key) -> tuple[bytes, ...]:
        """Return the MAC addresses of all that answered the newest question, or else the one before; empty
        unless they are several."""
        if not self._disputes:
            return ()
        dispute = self._disputes.get(key)
        return () if dispute is None else dispute.macs
