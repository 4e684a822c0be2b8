"""One segment's probe: DHCP, then the gateways that its targets mean, on the VLAN and through routing."""

from collections.abc import Callable
from typing import Protocol

from services.contract.messages import SegmentProbe, Target
from services.contract.outcomes import Depth, DHCPOutcome, Fault, LeaseOutcome, ReachOutcome
from services.prober.choosing import choose
from services.prober.echoes import Echoes
from services.prober.findings import NOT_TRIED, Asked, Finding, Leased, Offered, Reached, TargetFinding
from services.prober.rogues import find_rogues
from services.prober.wire import Wire

Done = Callable[[Finding], None]
_NOBODY: frozenset[int] = frozenset()
_Pick = tuple[Target, Offered | None, int | None]
"""A target, the offer that counts for it, and the gateway that is to be checked."""
_FLAP = 2
"""Changes of the carrier that make a flap: down, and up again."""


class _Address(Protocol):
    """What we hold on the VLAN meanwhile."""

    def release(self, now: float, /) -> None: ...


class SegmentJob:
    """Runs one SegmentProbe to its Finding.

    Gateways that are known are checked while DHCP is asked; one that an offer names, as soon as it comes.
    With a lease they are checked once the address is ours, or is known not to become so: a switch that
    inspects ARP lets through what is asked from a leased address alone.
    """

    __slots__ = (
        "_address",
        "_asked",
        "_carrier_before",
        "_cluster_network",
        "_done",
        "_dropped_before",
        "_echoed",
        "_echoes",
        "_fault",
        "_jobs",
        "_lease",
        "_leasing",
        "_offers",
        "_on_vlan",
        "_picks",
        "_probe",
        "_routed",
        "_source",
        "_starting",
        "_station",
        "_wire",
        "finished",
    )

    def __init__(
        self,
        cluster_network: str,
        probe: SegmentProbe,
        wire: Wire,
        echoes: Echoes | None,
        depth: Depth,
        *,
        jobs: "dict[SegmentJob, None]",
        done: Done,
    ) -> None:
        """depth: at least; the probe may want more. jobs: where it stands until it ends."""
        self._cluster_network = cluster_network
        self._probe = probe
        self._wire = wire
        self._station = wire.station(probe.vlan)
        self._echoes = echoes
        self._jobs = jobs
        self._done = done
        jobs[self] = None
        self._offers: list[Offered] = []
        self._asked: Asked | None = None
        self._picks: list[_Pick] | None = None
        """What each target comes to, once DHCP has been asked or is not."""
        self._leasing = probe.ask_dhcp and (depth is Depth.LEASE or probe.depth is Depth.LEASE)
        """An address is still to be asked for, or is being asked for."""
        self._lease: Leased | None = None
        self._address: _Address | None = None
        self._source = 0
        """Our address on the VLAN; 0 while there is none."""
        self._on_vlan: dict[int, Reached | None] = {}
        self._routed: dict[int, Reached | None] = {}
        self._echoed: dict[int, Reached | None] = {}
        self._fault: Fault | None = None
        losses = wire.losses
        self._dropped_before = losses.frames
        self._carrier_before = losses.carrier_changes
        self._starting = True
        self.finished = False

    def start(self, now: float) -> None:
        """Ask all that can be asked at once."""
        probe, wire = self._probe, self._wire
        if probe.source is not None:
            self._source = int(probe.source)
            self._address = wire.use_address(self._station, self._source)
            self._leasing = False
        if not self._leasing:
            for target in probe.targets:
                if target.gateway is not None:
                    self._check(int(target.gateway), now)
        if probe.ask_dhcp:
            required = _NOBODY
            for target in probe.targets:
                if target.server is not None:
                    required |= {int(target.server)}
            wire.ask_dhcp(self._station, required=required, asker=self, now=now)
        self._starting = False
        if not probe.ask_dhcp:
            self._finish_if_done(now)

    def blame(self, fault: Fault) -> None:
        """Say why what is still open on the wire will have no result; the first reason stands."""
        if self._fault is None and not self._wire_done():
            self._fault = fault

    def stop(self, now: float) -> None:
        """End now, with what there is; an address that we hold is given back."""
        if self.finished:
            return
        if self._fault is None:
            self._fault = Fault.STOPPED
        self._finish(now)

    def offered(self, offer: Offered, now: float) -> None:
        """See dhcp.Asker."""
        self._offers.append(offer)
        gateway = offer.usable_gateway
        if self._leasing or gateway is None:
            return
        for target in self._probe.targets:
            if target.from_dhcp and choose(target, self._offers) is offer:
                self._check(gateway, now)

    def dhcp_done(self, asked: Asked, now: float) -> None:
        """See dhcp.Asker."""
        self._asked = asked
        self._picks = None
        if self._leasing and not self.finished:
            offer = choose(self._probe.targets[0], self._offers)
            if offer is not None:
                self._address = self._wire.take_lease(self._station, offer, tenant=self, now=now)
                return
            self._leasing = False
        self._check_all(now)

    def leased(self, leased: Leased, now: float) -> None:
        """See lease.Tenant."""
        self._lease = leased
        self._leasing = False
        if leased.outcome is LeaseOutcome.HELD:
            self._source = leased.address
        self._check_all(now)

    def _check_all(self, now: float) -> None:
        for _, _, gateway in self._pick():
            if gateway is not None:
                self._check(gateway, now)
        self._finish_if_done(now)

    def _check(self, gateway: int, now: float) -> None:
        if gateway in self._on_vlan or self.finished:
            return
        self._on_vlan[gateway] = None
        if self._source:
            self._echoed[gateway] = None
        self._wire.check_gateway(self._station, gateway, source=self._source, done=self._vlan_told, now=now)
        if self._echoes is not None:
            self._routed[gateway] = None
            self._echoes.check_gateway(gateway, done=self._routed_told, now=now)

    def _vlan_told(self, gateway: int, reached: Reached, now: float) -> None:
        self._on_vlan[gateway] = reached
        if gateway in self._echoed and not self.finished:
            if reached.mac is not None:
                self._wire.echo_gateway(
                    self._station,
                    gateway,
                    gateway_mac=reached.mac,
                    source=self._source,
                    done=self._echo_told,
                    now=now,
                )
                return
            del self._echoed[gateway]
        self._finish_if_done(now)

    def _echo_told(self, gateway: int, reached: Reached, now: float) -> None:
        self._echoed[gateway] = reached
        self._finish_if_done(now)

    def _routed_told(self, gateway: int, reached: Reached, now: float) -> None:
        self._routed[gateway] = reached
        self._finish_if_done(now)

    def _pick(self) -> "list[_Pick]":
        """What each target comes to, by what is known now."""
        if self._picks is None or self._asked is None:
            self._picks = [self._pick_for(target) for target in self._probe.targets]
        return self._picks

    def _pick_for(self, target: Target) -> "_Pick":
        offer = choose(target, self._offers) if target.from_dhcp else None
        if offer is not None and offer.usable_gateway is not None:
            return target, offer, offer.usable_gateway
        return target, offer, None if target.gateway is None else int(target.gateway)

    def _wire_done(self) -> bool:
        if self._leasing or (self._asked is None and self._probe.ask_dhcp):
            return False
        for _, _, gateway in self._pick():
            if gateway is None:
                continue
            if self._on_vlan.get(gateway) is None:
                return False
            if self._echoed and self._echoed.get(gateway, NOT_TRIED) is None:
                return False
        return True

    def _finish_if_done(self, now: float) -> None:
        if self.finished or self._starting or (self._asked is None and self._probe.ask_dhcp):
            return
        if not self._wire_done():
            return
        if self._echoes is not None:
            for _, _, gateway in self._pick():
                if gateway is not None and self._routed.get(gateway) is None:
                    return
        self._finish(now)

    def _finish(self, now: float) -> None:
        self.finished = True
        self._jobs.pop(self, None)
        if self._address is not None:
            self._address.release(now)
        asked, losses, offers = self._asked, self._wire.losses, self._offers
        if asked is None and self._probe.ask_dhcp:
            outcome = DHCPOutcome.OFFERED if offers else DHCPOutcome.NOT_TRIED
            asked = Asked(outcome, tuple(sorted(offers, key=lambda offer: offer.server)), 0, 0.0)
        flapped = losses.carrier_changes - self._carrier_before >= _FLAP
        if flapped and self._fault is None and self._doubtful():
            self._fault = Fault.UPLINK_FLAPPING
        targets = tuple([self._found(*pick) for pick in self._pick()])
        rogues, allowed = _NOBODY, self._wire.allowed_servers
        if len(offers) > 1 or (offers and allowed):
            rogues = find_rogues(self._probe.targets, targets, offers, allowed=allowed)
        self._done(
            Finding(
                self._cluster_network,
                self._probe.vlan,
                asked,
                targets,
                self._fault,
                losses.frames - self._dropped_before,
                self._lease,
                rogues,
            )
        )

    def _doubtful(self) -> bool:
        if self._asked is not None and self._asked.outcome is DHCPOutcome.INCONCLUSIVE:
            return True
        found = [self._on_vlan.get(gateway) for _, _, gateway in self._pick() if gateway is not None]
        return any(reached is not None and reached.outcome is ReachOutcome.INCONCLUSIVE for reached in found)

    def _found(self, target: Target, offer: Offered | None, gateway: int | None) -> TargetFinding:
        if gateway is None:
            return TargetFinding(target.digest, offer, None, NOT_TRIED, NOT_TRIED)
        return TargetFinding(
            target.digest,
            offer,
            gateway,
            self._on_vlan.get(gateway) or NOT_TRIED,
            self._routed.get(gateway) or NOT_TRIED,
            self._echoed.get(gateway) or NOT_TRIED,
        )
