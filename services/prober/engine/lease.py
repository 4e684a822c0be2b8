"""Addresses that this host leases by DHCP on a VLAN, for a few seconds.

Leasing follows RFC 2131 section 3.1, steps 3 to 6, and RFC 5227 section 2.1.
"""

from typing import Protocol

from services.contract.outcomes import LeaseOutcome
from services.prober.engine.dhcp_states import (
    BOUND,
    ENDED,
    PROBING,
    REQUESTING,
    SELECTING,
    UNANSWERED,
    enter,
)
from services.prober.engine.offers import acknowledged
from services.prober.engine.results import DHCPOffer, LeaseResult
from services.prober.engine.timers import Timer
from services.prober.engine.trunk_state import Transaction, TrunkState
from services.prober.frames import dhcp
from services.prober.frames.ethernet import Station


class LeaseHandler(Protocol):
    """Receives the outcome of a lease."""

    def leased(self, result: LeaseResult, now: float) -> None:
        """Handle the result; called once, and again if another station takes the address while it is in use.

        HELD: it may be used until it is released.
        """
        ...


class LeasedAddress:
    """One offered address: requested, probed for conflicts, used, and released.

    While it is BOUND, the trunk answers ARP requests for it. See dhcp_states for the transitions.
    """

    __slots__ = (
        "_acknowledged",
        "_attempts",
        "_deadline",
        "_handler",
        "_leases",
        "_loss_events_before",
        "_offer",
        "_probes",
        "_started",
        "_state",
        "_timer",
        "_trunk",
        "station",
    )

    def __init__(
        self,
        trunk: TrunkState,
        *,
        station: Station,
        offer: DHCPOffer,
        handler: LeaseHandler,
        leases: "dict[LeasedAddress, None]",
    ) -> None:
        """leases: the trunk's open leases, to which this one belongs from start to its end."""
        self.station = station
        self._trunk = trunk
        self._offer = offer
        self._acknowledged: DHCPOffer | None = None
        """The offer with the options of the DHCPACK."""
        self._handler = handler
        self._leases = leases
        self._state = SELECTING
        self._attempts = self._probes = 0
        self._started = self._deadline = 0.0
        self._loss_events_before = trunk.losses.loss_events
        self._timer: Timer | None = None

    @property
    def in_use(self) -> bool:
        """Whether ARP requests for the address are answered."""
        return self._state == BOUND

    def start(self, now: float) -> None:
        """Send the first DHCPREQUEST."""
        self._state = enter(self._state, REQUESTING)
        self._started = now
        self._leases[self] = None
        self._trunk.lease_pace.submit(now, self._request, begun=True)

    def replied(self, _: Transaction, reply: dhcp.Reply, *, mac: bytes, now: float) -> None:  # noqa: ARG002
        """Handle a DHCPACK or DHCPNAK; replies of other servers are ignored.

        A DHCPACK without a server identifier is taken, as clients do: its source may be a relay.
        """
        server = self._offer.server
        named = reply.server or (server if reply.kind == dhcp.ACK else reply.source)
        if self._state != REQUESTING or named != server:
            return
        if reply.kind == dhcp.NAK:
            self._end()
            self._report(LeaseOutcome.REFUSED, now)
        elif reply.kind == dhcp.ACK and reply.address == self._offer.address:
            self._state = enter(self._state, PROBING)
            self._acknowledged = acknowledged(self._offer, reply, denied=self._trunk.settings.denied)
            self._trunk.claim(self, self._offer.address)
            self._probe(now)

    def conflict_detected(self, mac: bytes, now: float) -> None:
        """Decline the address, which another station has or probes for; stop using it if it was in use."""
        state = self._state
        if state not in (PROBING, BOUND):
            return
        trunk, offer = self._trunk, self._offer
        frame = trunk.templates.decline.render_with_address(
            station=self.station, xid=trunk.new_xid(), secs=0, address=offer.address, server=offer.server
        )
        trunk.send_paced(frame, now)
        self._end()
        self._report(LeaseOutcome.CONFLICT, now, owner=mac)

    def release(self, now: float) -> None:
        """Send DHCPRELEASE if the server may hold a lease for us, and end; harmless when called again."""
        if self._state in (REQUESTING, PROBING, BOUND, UNANSWERED):
            trunk, offer = self._trunk, self._offer
            frame = trunk.templates.release.render_release(
                station=self.station,
                xid=trunk.new_xid(),
                address=offer.address,
                server=offer.server,
                server_mac=offer.server_mac,
            )
            trunk.send_paced(frame, now)
        self.abandon(now)

    def abandon(self, now: float) -> None:
        """End without sending anything: the uplink has failed."""
        state = self._state
        if state == ENDED:
            return
        self._end()
        if state not in (BOUND, UNANSWERED):
            self._report(LeaseOutcome.NOT_TRIED, now)

    def _request_again(self, now: float) -> None:
        """Repeat the DHCPREQUEST, or give up at the deadline."""
        if now >= self._deadline:
            losses = self._trunk.losses
            doubtful = losses.loss_events > self._loss_events_before or losses.explain_silence(now)
            self._state = enter(self._state, UNANSWERED)
            self._report(LeaseOutcome.INCONCLUSIVE if doubtful else LeaseOutcome.NO_ANSWER, now)
        else:
            self._timer = self._trunk.timers.at(self._deadline, self._request_again)
            self._trunk.lease_pace.submit(now, self._request, begun=True)

    def _request(self, now: float) -> None:
        """Send a DHCPREQUEST, and schedule its retransmission (RFC 2131 section 4.1)."""
        if self._state != REQUESTING:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._deadline = self._deadline or now + self._trunk.settings.lease_deadline_s
        trunk, settings, offer = self._trunk, self._trunk.settings, self._offer
        self._attempts += 1
        transaction = Transaction(self, self._attempts, now, offer.xid, offer.secs)
        trunk.transactions[offer.xid] = transaction
        frame = trunk.templates.request.render_with_address(
            station=self.station,
            xid=offer.xid,
            secs=offer.secs,
            address=offer.address,
            server=offer.server,
        )
        trunk.outbox.append((frame, transaction))
        delays = settings.retransmit_s
        delay = delays[min(self._attempts, len(delays)) - 1]
        delay += settings.retransmit_jitter_s * (2.0 * trunk.random.random() - 1.0)
        self._timer = trunk.timers.at(min(now + delay, self._deadline), self._request_again)

    def _probe(self, now: float) -> None:
        """Send the next ARP probe (RFC 5227 section 2.1.1), or use the address if all went unanswered."""
        if self._timer is not None:
            self._timer.cancel()
        if self._probes >= self._trunk.settings.conflict_probes:
            self._state = enter(self._state, BOUND)
            self._report(LeaseOutcome.HELD, now)
            return
        self._probes += 1
        self._trunk.arp_pace.submit(now, self._send_probe, begun=True)

    def _send_probe(self, now: float) -> None:
        if self._state != PROBING:
            return
        trunk = self._trunk
        frame = trunk.templates.arp.render(station=self.station, target=self._offer.address)
        trunk.outbox.append((frame, None))
        self._timer = trunk.timers.at(now + trunk.settings.conflict_interval_s, self._probe)

    def _end(self) -> None:
        """Enter ENDED and leave every table of the trunk."""
        self._state = enter(self._state, ENDED)
        self._trunk.unclaim(self, self._offer.address)
        self._leases.pop(self, None)
        self._stop_waiting()

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._trunk.transactions.pop(self._offer.xid, None)

    def _report(self, outcome: LeaseOutcome, now: float, *, owner: bytes | None = None) -> None:
        self._stop_waiting()
        offer, elapsed_s = self._offer, max(0.0, now - self._started)
        self._handler.leased(
            LeaseResult(
                outcome, offer.server, offer.address, self._attempts, elapsed_s, owner,
                requested=offer, acknowledged=self._acknowledged,
            ),
            now,
        )  # fmt: skip
