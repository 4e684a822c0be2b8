"""Asking until somebody offers an address: DHCPDISCOVER, again and again (RFC 2131 section 4.1, 4.4.1)."""

from typing import Final, Protocol

from services.contract.gateways import first_usable, is_host
from services.contract.messages import MAX_SERVERS
from services.contract.outcomes import DHCPOutcome
from services.prober.engine.results import DHCPOffer, DiscoveryResult
from services.prober.engine.timers import Timer
from services.prober.engine.trunk_state import Transaction, TrunkState
from services.prober.frames import dhcp
from services.prober.frames.ignore_reasons import IgnoreReason
from services.prober.frames.station import Station
from services.prober.frames.unchecked import new_unchecked

_OFFERED: Final = DHCPOutcome.OFFERED
_NAK: Final = IgnoreReason.DHCP_NAK
_NOT_AN_OFFER: Final = IgnoreReason.DHCP_NOT_AN_OFFER
_MAX_ASKED_AGAIN: Final = 3
"""DISCOVERs repeated because this host dropped frames."""
_AGAIN_WITHIN_S: Final = 0.5
"""Spread over this time, lest the answers be lost together again."""


class DiscoveryHandler(Protocol):
    """Who wants to know."""

    def offered(self, offer: DHCPOffer, now: float) -> None:
        """A server offers; there may be more."""
        ...

    def dhcp_done(self, asked: DiscoveryResult, now: float) -> None:
        """Once, in the end."""
        ...


class Discovery:
    """One segment's exchange.

    It ends when the window after the first offer closes, or at the deadline. While a server that is required
    has not answered, the window does not open: a quick stranger does not hide a slow owner.
    """

    __slots__ = (
        "_again",
        "_asking",
        "_attempts",
        "_discoveries",
        "_end_at",
        "_first_offer",
        "_handler",
        "_loss_events_before",
        "_offers",
        "_required",
        "_started",
        "_timer",
        "_trunk",
        "_xids",
        "finished",
        "station",
    )

    def __init__(
        self,
        trunk: TrunkState,
        *,
        station: Station,
        required: frozenset[int],
        handler: DiscoveryHandler,
        discoveries: "dict[Discovery, None]",
    ) -> None:
        """required: servers to wait for. discoveries: the open ones, this one included."""
        self.station = station
        self.finished = False
        self._trunk = trunk
        self._handler = handler
        self._discoveries = discoveries
        discoveries[self] = None
        self._required = required
        self._offers: list[DHCPOffer] = []
        self._xids: list[bytes] = []
        self._attempts = self._again = 0
        self._started = self._end_at = 0.0
        self._asking = True
        self._first_offer: float | None = None
        self._loss_events_before = 0
        self._timer: Timer | None = None

    def start(self, now: float) -> None:
        """Send the first DHCPDISCOVER; the deadline counts from here."""
        if self.finished:
            return
        self._started = now
        self._end_at = now + self._trunk.settings.dhcp_deadline_s
        self._loss_events_before = self._trunk.losses.loss_events
        self._discover(now)

    def replied(self, attempt: Transaction, reply: dhcp.Reply, *, mac: bytes, now: float) -> None:
        """Take an answer; a server's first one stands. One that comes after the deadline is none."""
        trunk = self._trunk
        server = reply.server or reply.source
        if reply.kind not in (dhcp.OFFER, dhcp.ACK):
            trunk.ignored[_NAK if reply.kind == dhcp.NAK else _NOT_AN_OFFER] += 1
            return
        if not (is_host(reply.address) and is_host(server)):
            trunk.ignored[IgnoreReason.DHCP_UNUSABLE_OFFER] += 1
            return
        offers = self._offers
        if offers and (len(offers) >= MAX_SERVERS or any(offer.server == server for offer in offers)):
            return
        if now > self._end_at:
            return
        if reply.kind == dhcp.ACK:
            self._give_back(reply, server=server, mac=mac)
        prefix = None if reply.mask is None else dhcp.prefix_length(reply.mask)
        address, denied = reply.address, trunk.settings.denied
        usable = first_usable(
            reply.gateway, reply.routers, offered=address, subnet=address, prefix=prefix, denied=denied
        )
        # An unusable gateway is passed on all the same: the updater reports why it is unusable.
        gateway = reply.gateway if usable is None else usable
        after_s = now - attempt.sent_at
        fields = (
            server,
            reply.address,
            prefix,
            gateway,
            reply.routers,
            reply.relay,
            reply.lease_s,
            after_s if after_s > 0.0 else 0.0,
            reply.kind == dhcp.ACK,
            usable,
            attempt.xid,
            attempt.seconds,
            mac,
        )
        offer = new_unchecked(DHCPOffer, fields)
        if self._first_offer is None:
            self._first_offer = now
            trunk.losses.answered(now, prompt=attempt.number == 1)
        offers.append(offer)
        if self._asking and (not self._required or self._required <= {offer.server for offer in offers}):
            self._open_window(now)
        self._handler.offered(offer, now)

    def _open_window(self, now: float) -> None:
        """Nothing is asked again; others may still answer for a while."""
        self._asking = False
        if self._timer is not None:
            self._timer.cancel()
        trunk = self._trunk
        closes_at = now + trunk.settings.offer_window_s
        if closes_at < self._end_at:
            self._end_at = closes_at
        self._timer = trunk.timers.at(self._end_at, self._due)

    def frames_lost(self, now: float, *, wait_s: float) -> None:
        """Repeat the DISCOVER after wait_s or later: this host dropped frames, perhaps the answer."""
        if self._attempts and not self._offers and not self.finished and self._again < _MAX_ASKED_AGAIN:
            self._again += 1
            when = now + wait_s + _AGAIN_WITHIN_S * self._trunk.random.random()
            self._set_timer(min(when, self._end_at))

    def abandon(self, now: float) -> None:
        """End now: what was offered stands, otherwise the exchange counts as not asked."""
        self._end(DHCPOutcome.NOT_TRIED, now)

    def _discover(self, now: float) -> None:
        trunk, settings = self._trunk, self._trunk.settings
        self._attempts += 1
        xid, seconds = trunk.new_xid(), int(now - self._started)
        attempt = trunk.transactions[xid] = Transaction(self, self._attempts, now, xid, seconds)
        self._xids.append(xid)
        frame = trunk.templates.discover.broadcast(station=self.station, xid=xid, seconds=seconds)
        trunk.outbox.append((frame, attempt))
        delays = settings.retransmit_s
        delay = delays[self._attempts - 1] if self._attempts <= len(delays) else delays[-1]
        when = now + delay + settings.retransmit_jitter_s * (2.0 * trunk.random.random() - 1.0)
        self._set_timer(when if when < self._end_at else self._end_at)

    def _set_timer(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._trunk.timers.at(when, self._due)

    def _due(self, now: float) -> None:
        if now >= self._end_at:
            self._finish(now)
        else:
            # The deadline does not wait for the turn that is asked for here.
            self._set_timer(self._end_at)
            self._trunk.start_pace.submit(now, self._again_in_turn)

    def _again_in_turn(self, now: float) -> None:
        if self._asking and not self.finished and now < self._end_at:
            self._discover(now)

    def _finish(self, now: float) -> None:
        if self._offers:
            self._end(_OFFERED, now)
            return
        losses = self._trunk.losses
        doubtful = losses.loss_events > self._loss_events_before or losses.explain_silence(now)
        self._end(DHCPOutcome.INCONCLUSIVE if doubtful else DHCPOutcome.NO_OFFER, now)

    def _end(self, without_offer: DHCPOutcome, now: float) -> None:
        if self.finished:
            return
        self.finished = True
        if self._timer is not None:
            self._timer.cancel()
        for xid in self._xids:
            self._trunk.transactions.pop(xid, None)
        del self._discoveries[self]
        offers = tuple(self._offers)
        if len(offers) > 1:
            offers = tuple(sorted(offers, key=lambda offer: offer.server))
        until = now if self._first_offer is None else self._first_offer
        # What came is told by another clock's reading than what was sent.
        elapsed_s = until - self._started if self._attempts and until > self._started else 0.0
        fields = (_OFFERED if offers else without_offer, offers, self._attempts, elapsed_s)
        self._handler.dhcp_done(new_unchecked(DiscoveryResult, fields), now)

    def _give_back(self, reply: dhcp.Reply, *, server: int, mac: bytes) -> None:
        """Release a lease that came unasked (rapid commit): what its ACK says counts as an offer."""
        frame = self._trunk.templates.release.release(
            station=self.station, xid=reply.xid, address=reply.address, server=server, server_mac=mac
        )
        self._trunk.outbox.append((frame, None))
