"""DHCP discovery on one VLAN: DHCPDISCOVER until servers offer an address (RFC 2131 sections 4.1, 4.4.1)."""

from typing import Final, Protocol

from services.contract.gateways import first_usable, is_host
from services.contract.outcomes import DHCPOutcome
from services.prober.engine.dhcp_states import COLLECTING, ENDED, INIT, SELECTING, enter
from services.prober.engine.offers import Expected, in_order, is_expected, is_repetition, keep
from services.prober.engine.results import DHCPOffer, DiscoveryResult
from services.prober.engine.timers import Timer
from services.prober.engine.trunk_state import Transaction, TrunkState
from services.prober.frames import dhcp
from services.prober.frames.ethernet import Station
from services.prober.frames.ignore_reasons import IgnoreReason
from services.prober.frames.unchecked import new_unchecked

_OFFERED: Final = DHCPOutcome.OFFERED
_NAK: Final = IgnoreReason.DHCP_NAK
_NOT_AN_OFFER: Final = IgnoreReason.DHCP_NOT_AN_OFFER
_MAX_LOSS_RETRIES: Final = 3
"""Extra DHCPDISCOVERs of one discovery after this host has dropped frames."""
_LOSS_RETRY_SPREAD_S: Final = 0.5
"""Such retries are spread over this time, so that their replies are not dropped together again."""
_ANSWER_S: Final = 3.0
"""How long a server may take: dnsmasq pings an address for that time before it offers it."""


class DiscoveryHandler(Protocol):
    """Receives the offers of a discovery, and its result."""

    def offered(self, offer: DHCPOffer, now: float) -> None:
        """Handle one server's offer, which is kept; more may follow."""
        ...

    def discovered(self, result: DiscoveryResult, now: float) -> None:
        """Handle the result; called once."""
        ...


class Discovery:
    """The discovery on one VLAN. See dhcp_states for the transitions.

    It ends offer_window_s after the first offer, or at the deadline. The window does not open before every
    expected offer has arrived: a server that checks an address first (dnsmasq for 3 s, ISC dhcpd for 1 s)
    offers long after a stranger that does not.
    """

    __slots__ = (
        "_attempts",
        "_deadline",
        "_discoveries",
        "_expected",
        "_first_offer_at",
        "_handler",
        "_loss_events_before",
        "_loss_retries",
        "_next_at",
        "_offers",
        "_omitted",
        "_started",
        "_state",
        "_timer",
        "_trunk",
        "_unanswered",
        "_xids",
        "station",
    )

    def __init__(
        self,
        trunk: TrunkState,
        *,
        station: Station,
        expected: list[Expected],
        offers: list[DHCPOffer],
        handler: DiscoveryHandler,
        discoveries: "dict[Discovery, None]",
    ) -> None:
        """expected: the offers to wait for. offers: empty; this keeps in it, in the order of arrival, what is
        offered. discoveries: the open ones, to which this is added.
        """
        self.station = station
        self._state = INIT
        self._trunk = trunk
        self._handler = handler
        self._discoveries = discoveries
        discoveries[self] = None
        self._offers = offers
        self._expected = self._unanswered = expected
        self._omitted = 0
        self._xids: list[bytes] = []
        self._attempts = self._loss_retries = 0
        self._started = self._deadline = self._next_at = 0.0
        self._first_offer_at: float | None = None
        self._loss_events_before = 0
        self._timer: Timer | None = None

    def start(self, now: float) -> None:
        """Send the first DHCPDISCOVER; the deadline counts from here."""
        if self._state != INIT:
            return
        self._state = enter(INIT, SELECTING)
        self._started = now
        self._deadline = now + self._trunk.settings.dhcp_deadline_s
        self._loss_events_before = self._trunk.losses.loss_events
        self._discover(now)

    def replied(self, transaction: Transaction, reply: dhcp.Reply, *, mac: bytes, now: float) -> None:
        """Handle a reply: an offer counts once, if it arrives before the deadline.

        Anyone can offer under another's server identifier and MAC address. So of the offers of one server
        the first counts, and any with another gateway or mask.
        """
        trunk = self._trunk
        server = reply.server or reply.source
        if reply.kind not in (dhcp.OFFER, dhcp.ACK):
            trunk.ignored[_NAK if reply.kind == dhcp.NAK else _NOT_AN_OFFER] += 1
            return
        if not (is_host(reply.address) and is_host(server)):
            trunk.ignored[IgnoreReason.DHCP_UNUSABLE_OFFER] += 1
            return
        if now > self._deadline:
            return
        prefix = None if reply.mask is None else dhcp.prefix_length(reply.mask)
        address, denied = reply.address, trunk.settings.denied
        usable = first_usable(
            reply.gateway,
            reply.routers,
            offered=address,
            subnet=address,
            prefix=prefix,
            on_link=reply.on_link,
            denied=denied,
        )
        # An unusable gateway is passed on all the same: the updater reports why it is unusable.
        gateway = reply.gateway if usable is None else usable
        after_s = now - transaction.sent_at
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
            transaction.xid,
            transaction.secs,
            mac,
            False,
            reply.on_link and gateway == reply.gateway,
        )
        offer = new_unchecked(DHCPOffer, fields)
        if not self._keep(offer):
            return
        if reply.kind == dhcp.ACK:
            self._release_unrequested(reply, server=server, mac=mac, now=now)
        if self._first_offer_at is None:
            self._first_offer_at = now
            trunk.losses.offered(now, first_attempt=transaction.attempt == 1, secs=transaction.secs)
        if self._unanswered:
            self._unanswered = [one for one in self._unanswered if not is_expected(offer, one)]
        if self._state == SELECTING and not self._unanswered:
            self._open_window(now)
        self._handler.offered(offer, now)

    def frames_lost(self, now: float, *, wait_s: float) -> None:
        """Repeat the DHCPDISCOVER after wait_s or later: this host has dropped frames, perhaps an offer."""
        if self._state == SELECTING and self._loss_retries < _MAX_LOSS_RETRIES:
            self._loss_retries += 1
            when = self._next_at = now + wait_s + _LOSS_RETRY_SPREAD_S * self._trunk.random.random()
            self._set_timer(min(when, self._deadline))

    def abandon(self, now: float) -> None:
        """End now; without an offer the outcome is NOT_TRIED."""
        self._end(DHCPOutcome.NOT_TRIED, now)

    def _keep(self, offer: DHCPOffer) -> bool:
        """Keep the offer, unless it is a repetition or there is no room; return whether it is kept."""
        offers = self._offers
        if not offers:
            # Most often there is one server.
            offers.append(offer)
            return True
        for other in offers:
            if is_repetition(offer, other):
                return False
        before = len(offers)
        kept = keep(offers, offer, expected=self._expected, allowed=self._trunk.settings.allowed_servers)
        if len(offers) == before:
            self._omitted += 1
        return kept

    def _open_window(self, now: float) -> None:
        """Stop retransmitting, and collect further offers until the window closes."""
        self._state = enter(self._state, COLLECTING)
        if self._timer is not None:
            self._timer.cancel()
        trunk = self._trunk
        closes_at = now + trunk.settings.offer_window_s
        if closes_at < self._deadline:
            self._deadline = closes_at
        self._timer = trunk.timers.at(self._deadline, self._due)

    def _discover(self, now: float) -> None:
        """Send a DHCPDISCOVER with an xid of its own, and schedule its retransmission."""
        trunk, settings = self._trunk, self._trunk.settings
        self._attempts += 1
        xid, secs = trunk.new_xid(), int(now - self._started)
        transaction = trunk.transactions[xid] = Transaction(self, self._attempts, now, xid, secs)
        self._xids.append(xid)
        frame = trunk.templates.discover.render(station=self.station, xid=xid, secs=secs)
        trunk.outbox.append((frame, transaction))
        delays = settings.retransmit_s
        delay = delays[self._attempts - 1] if self._attempts <= len(delays) else delays[-1]
        when = now + delay + settings.retransmit_jitter_s * (2.0 * trunk.random.random() - 1.0)
        self._next_at = when
        last_call = self._deadline - _ANSWER_S
        if self._attempts > 1 and now < last_call < when:
            # Perhaps once more while there is time for an answer, see _due.
            when = last_call
        self._set_timer(when if when < self._deadline else self._deadline)

    def _set_timer(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._trunk.timers.at(when, self._due)

    def _due(self, now: float) -> None:
        if now >= self._deadline:
            self._finish(now)
        elif now < self._next_at and not self._trunk.losses.let_wait(now):
            self._set_timer(min(self._next_at, self._deadline))
        else:
            # Where the first DHCPDISCOVERs are ignored, one that is lost later would be all there is.
            # The deadline stands, however long the paced queue delays the retransmission.
            self._set_timer(self._deadline)
            self._trunk.start_pace.submit(now, self._retransmit, begun=True)

    def _retransmit(self, now: float) -> None:
        if self._state == SELECTING and now < self._deadline:
            self._discover(now)

    def _finish(self, now: float) -> None:
        if self._offers:
            self._end(_OFFERED, now)
            return
        losses = self._trunk.losses
        sent = [self._trunk.transactions[xid] for xid in self._xids]
        secs = max([one.secs for one in sent if now - one.sent_at >= _ANSWER_S], default=0)
        doubtful = losses.loss_events > self._loss_events_before or losses.explain_silence(now, secs=secs)
        self._end(DHCPOutcome.INCONCLUSIVE if doubtful else DHCPOutcome.NO_OFFER, now)

    def _end(self, outcome_without_offer: DHCPOutcome, now: float) -> None:
        if self._state == ENDED:
            return
        self._state = enter(self._state, ENDED)
        if self._timer is not None:
            self._timer.cancel()
        for xid in self._xids:
            self._trunk.transactions.pop(xid, None)
        del self._discoveries[self]
        offers = tuple(self._offers)
        if len(offers) > 1:
            offers = in_order(offers)
        until = now if self._first_offer_at is None else self._first_offer_at
        # Send and receive times come from different clocks, so an offer may seem to precede the start.
        elapsed_s = until - self._started if self._attempts and until > self._started else 0.0
        outcome = _OFFERED if offers else outcome_without_offer
        fields = (outcome, offers, self._attempts, elapsed_s, self._omitted)
        self._handler.discovered(new_unchecked(DiscoveryResult, fields), now)

    def _release_unrequested(self, reply: dhcp.Reply, *, server: int, mac: bytes, now: float) -> None:
        """Release a lease that nobody requested (rapid commit, RFC 4039): its DHCPACK counts as an offer."""
        frame = self._trunk.templates.release.render_release(
            station=self.station, xid=reply.xid, address=reply.address, server=server, server_mac=mac
        )
        self._trunk.send_paced(frame, now)
