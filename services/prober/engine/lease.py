"""Taking an offered address for a while: DHCPREQUEST, a look whether it is free, and DHCPRELEASE.

RFC 2131 section 3.1, steps 3 to 6; RFC 5227 section 2.1.
"""

from typing import Protocol

from services.contract.outcomes import LeaseOutcome
from services.prober.engine.results import DHCPOffer, LeaseResult
from services.prober.engine.timers import Timer
from services.prober.engine.trunk_state import Transaction, TrunkState
from services.prober.frames import dhcp
from services.prober.frames.station import Station


class LeaseHandler(Protocol):
    """Who wants the address."""

    def leased(self, leased: LeaseResult, now: float) -> None:
        """Once: HELD until it is released, or why not."""
        ...


class LeasedAddress:
    """One address. While it is held, ARP requests for it are answered; release gives it back."""

    __slots__ = (
        "_acknowledged",
        "_attempts",
        "_end_at",
        "_handler",
        "_leases",
        "_loss_events_before",
        "_offer",
        "_probes",
        "_started",
        "_timer",
        "_to_release",
        "_trunk",
        "finished",
        "held",
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
        """offer: the one to take. leases: where it stands until the address is let go."""
        self.station = station
        self.finished = False
        """Told: held or not."""
        self.held = False
        self._trunk = trunk
        self._offer = offer
        self._handler = handler
        self._leases = leases
        self._attempts = self._probes = 0
        self._started = self._end_at = 0.0
        self._loss_events_before = trunk.losses.loss_events
        self._acknowledged = self._to_release = False
        self._timer: Timer | None = None

    def start(self, now: float) -> None:
        """Send the DHCPREQUEST."""
        self._started = now
        self._end_at = now + self._trunk.settings.lease_deadline_s
        self._to_release = True
        self._leases[self] = None
        self._request(now)

    def replied(self, _: Transaction, reply: dhcp.Reply, *, mac: bytes, now: float) -> None:  # noqa: ARG002
        """Take a server's answer; another server's is none."""
        if self.finished or self._acknowledged or (reply.server or reply.source) != self._offer.server:
            return
        if reply.kind == dhcp.NAK:
            self._to_release = False
            self._end(LeaseOutcome.REFUSED, now)
        elif reply.kind == dhcp.ACK and reply.address == self._offer.address:
            self._acknowledged = True
            self._trunk.claim(self, self._offer.address)
            self._probe(now)

    def conflict_detected(self, mac: bytes, now: float) -> None:
        """Somebody else has the address: it is declined, or given up if it was used already."""
        if self.finished and not self.held:
            return
        self._decline()
        if not self.finished:
            self._end(LeaseOutcome.CONFLICT, now, owner=mac)

    def release(self, now: float) -> None:
        """Give back what was requested, at any time; harmless the second time."""
        if self._to_release:
            trunk, offer = self._trunk, self._offer
            frame = trunk.templates.release.release(
                station=self.station,
                xid=trunk.new_xid(),
                address=offer.address,
                server=offer.server,
                server_mac=offer.server_mac,
            )
            trunk.outbox.append((frame, None))
        self._let_go()
        self._end(LeaseOutcome.NOT_TRIED, now)

    def abandon(self, now: float) -> None:
        """The uplink is of no use any more: nothing can be sent."""
        self._let_go()
        self._end(LeaseOutcome.NOT_TRIED, now)

    def _request(self, now: float) -> None:
        if self.finished or self._acknowledged:
            return
        if now >= self._end_at:
            losses = self._trunk.losses
            doubtful = losses.loss_events > self._loss_events_before or losses.explain_silence(now)
            self._end(LeaseOutcome.INCONCLUSIVE if doubtful else LeaseOutcome.NO_ANSWER, now)
            return
        trunk, settings = self._trunk, self._trunk.settings
        self._attempts += 1
        offer = self._offer
        attempt = Transaction(self, self._attempts, now, offer.xid, offer.seconds)
        trunk.transactions[offer.xid] = attempt
        frame = trunk.templates.request.about(
            station=self.station,
            xid=offer.xid,
            seconds=offer.seconds,
            address=offer.address,
            server=offer.server,
        )
        trunk.outbox.append((frame, attempt))
        delays = settings.retransmit_s
        delay = delays[min(self._attempts, len(delays)) - 1]
        delay += settings.retransmit_jitter_s * (2.0 * trunk.random.random() - 1.0)
        self._timer = trunk.timers.at(min(now + delay, self._end_at), self._request)

    def _probe(self, now: float) -> None:
        """Look whether somebody else has the address; when all looks were in vain, it is ours."""
        if self.finished:
            return
        if self._timer is not None:
            self._timer.cancel()
        trunk, settings = self._trunk, self._trunk.settings
        if self._probes >= settings.conflict_probes:
            self.held = True
            self._end(LeaseOutcome.HELD, now)
            return
        self._probes += 1
        trunk.arp_pace.submit(now, self._send_probe)

    def _send_probe(self, now: float) -> None:
        if self.finished:
            return
        trunk = self._trunk
        trunk.outbox.append(
            (trunk.templates.arp.render(station=self.station, target=self._offer.address), None)
        )
        self._timer = trunk.timers.at(now + trunk.settings.conflict_interval_s, self._probe)

    def _decline(self) -> None:
        trunk, offer = self._trunk, self._offer
        frame = trunk.templates.decline.about(
            station=self.station, xid=trunk.new_xid(), seconds=0, address=offer.address, server=offer.server
        )
        trunk.outbox.append((frame, None))
        self._let_go()

    def _let_go(self) -> None:
        self._trunk.unclaim(self, self._offer.address)
        self._trunk.transactions.pop(self._offer.xid, None)
        self._leases.pop(self, None)
        self._to_release = self.held = False

    def _end(self, outcome: LeaseOutcome, now: float, *, owner: bytes | None = None) -> None:
        if self.finished:
            return
        self.finished = True
        if self._timer is not None:
            self._timer.cancel()
        self._trunk.transactions.pop(self._offer.xid, None)
        offer = self._offer
        leased = LeaseResult(
            outcome, offer.server, offer.address, self._attempts, max(0.0, now - self._started), owner
        )
        self._handler.leased(leased, now)
