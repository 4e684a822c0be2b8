"""Taking an offered address for a while: DHCPREQUEST, a look whether it is free, and DHCPRELEASE.

RFC 2131 section 3.1, steps 3 to 6; RFC 5227 section 2.1.
"""

from typing import Protocol

from services.contract.outcomes import LeaseOutcome
from services.prober.engine.results import Leased, Offered
from services.prober.engine.timers import Timer
from services.prober.engine.trunk_state import Attempt, Line
from services.prober.frames import dhcp
from services.prober.frames.station import Station


class Tenant(Protocol):
    """Who wants the address."""

    def leased(self, leased: Leased, now: float) -> None:
        """Once: HELD until it is released, or why not."""
        ...


class LeaseTrial:
    """One address. While it is held, ARP requests for it are answered; release gives it back."""

    __slots__ = (
        "_acknowledged",
        "_attempts",
        "_disturbed_at",
        "_end_at",
        "_line",
        "_offer",
        "_probes",
        "_started",
        "_tenant",
        "_timer",
        "_to_release",
        "_trials",
        "finished",
        "held",
        "station",
    )

    def __init__(
        self,
        line: Line,
        *,
        station: Station,
        offer: Offered,
        tenant: Tenant,
        trials: "dict[LeaseTrial, None]",
    ) -> None:
        """offer: the one to take. trials: where it stands until the address is let go."""
        self.station = station
        self.finished = False
        """Told: held or not."""
        self.held = False
        self._line = line
        self._offer = offer
        self._tenant = tenant
        self._trials = trials
        self._attempts = self._probes = 0
        self._started = self._end_at = 0.0
        self._disturbed_at = line.losses.disturbances
        self._acknowledged = self._to_release = False
        self._timer: Timer | None = None

    def start(self, now: float) -> None:
        """Send the DHCPREQUEST."""
        self._started = now
        self._end_at = now + self._line.policy.lease_deadline_s
        self._to_release = True
        self._trials[self] = None
        self._request(now)

    def replied(self, _: Attempt, reply: dhcp.Reply, *, mac: bytes, now: float) -> None:  # noqa: ARG002
        """Take a server's answer; another server's is none."""
        if self.finished or self._acknowledged or (reply.server or reply.source) != self._offer.server:
            return
        if reply.kind == dhcp.NAK:
            self._to_release = False
            self._end(LeaseOutcome.REFUSED, now)
        elif reply.kind == dhcp.ACK and reply.address == self._offer.address:
            self._acknowledged = True
            self._line.claim(self, self._offer.address)
            self._probe(now)

    def contested(self, mac: bytes, now: float) -> None:
        """Somebody else has the address: it is declined, or given up if it was used already."""
        if self.finished and not self.held:
            return
        self._decline()
        if not self.finished:
            self._end(LeaseOutcome.CONFLICT, now, owner=mac)

    def release(self, now: float) -> None:
        """Give back what was requested, at any time; harmless the second time."""
        if self._to_release:
            line, offer = self._line, self._offer
            frame = line.templates.release.release(
                station=self.station,
                xid=line.new_xid(),
                address=offer.address,
                server=offer.server,
                server_mac=offer.server_mac,
            )
            line.outbox.append((frame, None))
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
            losses = self._line.losses
            doubtful = losses.disturbances > self._disturbed_at or losses.explain_silence(now)
            self._end(LeaseOutcome.INCONCLUSIVE if doubtful else LeaseOutcome.NO_ANSWER, now)
            return
        line, policy = self._line, self._line.policy
        self._attempts += 1
        offer = self._offer
        attempt = Attempt(self, self._attempts, now, offer.xid, offer.seconds)
        line.attempts[offer.xid] = attempt
        frame = line.templates.request.about(
            station=self.station,
            xid=offer.xid,
            seconds=offer.seconds,
            address=offer.address,
            server=offer.server,
        )
        line.outbox.append((frame, attempt))
        delays = policy.retransmit_s
        delay = delays[min(self._attempts, len(delays)) - 1]
        delay += policy.retransmit_jitter_s * (2.0 * line.random.random() - 1.0)
        self._timer = line.schedule.at(min(now + delay, self._end_at), self._request)

    def _probe(self, now: float) -> None:
        """Look whether somebody else has the address; when all looks were in vain, it is ours."""
        if self.finished:
            return
        if self._timer is not None:
            self._timer.cancel()
        line, policy = self._line, self._line.policy
        if self._probes >= policy.conflict_probes:
            self.held = True
            self._end(LeaseOutcome.HELD, now)
            return
        self._probes += 1
        line.arp_pace.submit(now, self._send_probe)

    def _send_probe(self, now: float) -> None:
        if self.finished:
            return
        line = self._line
        line.outbox.append(
            (line.templates.arp.render(station=self.station, target=self._offer.address), None)
        )
        self._timer = line.schedule.at(now + line.policy.conflict_interval_s, self._probe)

    def _decline(self) -> None:
        line, offer = self._line, self._offer
        frame = line.templates.decline.about(
            station=self.station, xid=line.new_xid(), seconds=0, address=offer.address, server=offer.server
        )
        line.outbox.append((frame, None))
        self._let_go()

    def _let_go(self) -> None:
        self._line.unclaim(self, self._offer.address)
        self._line.attempts.pop(self._offer.xid, None)
        self._trials.pop(self, None)
        self._to_release = self.held = False

    def _end(self, outcome: LeaseOutcome, now: float, *, owner: bytes | None = None) -> None:
        if self.finished:
            return
        self.finished = True
        if self._timer is not None:
            self._timer.cancel()
        self._line.attempts.pop(self._offer.xid, None)
        offer = self._offer
        leased = Leased(
            outcome, offer.server, offer.address, self._attempts, max(0.0, now - self._started), owner
        )
        self._tenant.leased(leased, now)
