"""One segment's probe: DHCP, then the gateways that its targets mean, on the VLAN and through routing."""

from collections.abc import Callable
from typing import Final, Protocol

from services.contract.messages import SegmentProbe, Target
from services.contract.outcomes import Depth, DHCPOutcome, Fault, LeaseOutcome, ReachOutcome
from services.prober.engine.choosing import choose
from services.prober.engine.results import (
    NOT_TRIED,
    DHCPOffer,
    DiscoveryResult,
    LeaseResult,
    ReachResult,
    SegmentResult,
    TargetResult,
)
from services.prober.engine.rogues import find_rogues
from services.prober.engine.routed_echoes import RoutedEchoes
from services.prober.engine.trunk import Trunk
from services.prober.frames.unchecked import new_unchecked

Done = Callable[[SegmentResult], None]
_NOBODY: frozenset[int] = frozenset()
_Pick = tuple[Target, DHCPOffer | None, int | None]
"""A target, the offer that counts for it, and the gateway that is to be checked."""
_LEASE: Final = Depth.LEASE
_FLAP: Final = 2
"""Changes of the carrier that make a flap: down, and up again."""


class _Address(Protocol):
    """What we hold on the VLAN meanwhile."""

    def release(self, now: float, /) -> None: ...


class TrunkJobs:
    """What the jobs of one cluster network share."""

    __slots__ = ("cluster_network", "depth", "echoes", "jobs", "trunk")

    def __init__(self, cluster_network: str, trunk: Trunk, echoes: RoutedEchoes | None, depth: Depth) -> None:
        """echoes: how gateways are asked through routing, if they are. depth: of each probe, at least."""
        self.cluster_network = cluster_network
        self.trunk = trunk
        self.echoes = echoes
        self.depth = depth
        self.jobs: dict[SegmentJob, None] = {}
        """Those in hand, in the order they came."""


class _Gateway:
    """What is known of one gateway: None while it is asked."""

    __slots__ = ("echo", "routed", "vlan")

    def __init__(self, *, routed: bool, echo: bool) -> None:
        """routed, echo: whether it is asked so."""
        self.vlan: ReachResult | None = None
        self.routed: ReachResult | None = None if routed else NOT_TRIED
        self.echo: ReachResult | None = None if echo else NOT_TRIED


class SegmentJob:
    """Runs one SegmentProbe to its SegmentResult.

    Gateways that are known are checked while DHCP is asked; one that an offer names, as soon as it comes.
    With a lease they are checked once the address is ours, or is known not to become so: a switch that
    inspects ARP lets through what is asked from a leased address alone.
    """

    __slots__ = (
        "_address",
        "_asked",
        "_asking",
        "_carrier_before",
        "_done",
        "_dropped_before",
        "_fault",
        "_gateways",
        "_lease",
        "_leasing",
        "_offers",
        "_picks",
        "_probe",
        "_source",
        "_station",
        "_uplink",
        "finished",
    )

    def __init__(self, uplink: TrunkJobs, probe: SegmentProbe, done: Done) -> None:
        trunk = uplink.trunk
        self._uplink = uplink
        self._probe = probe
        self._done = done
        self._station = trunk.station(probe.vlan)
        self._offers: list[DHCPOffer] = []
        self._asked: DiscoveryResult | None = None
        self._asking = True
        """DHCP is not done, or not begun: nothing ends before."""
        self._picks: list[_Pick] | None = None
        """What each target comes to, once DHCP has been asked or is not."""
        self._leasing = False
        """An address is still to be asked for, or is being asked for."""
        self._lease: LeaseResult | None = None
        self._address: _Address | None = None
        self._source = 0
        """Our address on the VLAN; 0 while there is none."""
        self._gateways: dict[int, _Gateway] = {}
        self._fault: Fault | None = None
        losses = trunk.losses
        self._dropped_before = losses.frames
        self._carrier_before = losses.carrier_changes
        self.finished = False
        uplink.jobs[self] = None

    def start(self, now: float) -> None:
        """Ask all that can be asked at once."""
        probe, trunk = self._probe, self._uplink.trunk
        if probe.source is not None:
            self._source = int(probe.source)
            self._address = trunk.use_address(self._station, self._source)
        elif probe.ask_dhcp:
            self._leasing = self._uplink.depth is _LEASE or probe.depth is _LEASE
        required = _NOBODY
        for target in probe.targets:
            if target.gateway is not None and not self._leasing:
                self._check(int(target.gateway), now)
            if target.server is not None:
                required |= {int(target.server)}
        if probe.ask_dhcp:
            trunk.ask_dhcp(self._station, required=required, handler=self, now=now)
        else:
            self._asking = False
            self._finish_if_done(now)

    def blame(self, fault: Fault) -> None:
        """Say why what is still open on the trunk will have no result; the first reason stands."""
        if self._fault is None and not self._wire_done():
            self._fault = fault

    def stop(self, now: float) -> None:
        """End now, with what there is; an address that we hold is given back."""
        if self.finished:
            return
        if self._fault is None:
            self._fault = Fault.STOPPED
        self._finish(now)

    def offered(self, offer: DHCPOffer, now: float) -> None:
        """See discovery.DiscoveryHandler."""
        self._offers.append(offer)
        gateway = offer.usable_gateway
        if self._leasing or gateway is None:
            return
        for target in self._probe.targets:
            if target.from_dhcp and choose(target, self._offers) is offer:
                self._check(gateway, now)

    def dhcp_done(self, asked: DiscoveryResult, now: float) -> None:
        """See discovery.DiscoveryHandler."""
        self._asked = asked
        self._asking = False
        if self._leasing and not self.finished:
            offer = choose(self._probe.targets[0], self._offers)
            if offer is not None:
                self._address = self._uplink.trunk.take_lease(self._station, offer, handler=self, now=now)
                return
            self._leasing = False
        self._check_all(now)

    def leased(self, leased: LeaseResult, now: float) -> None:
        """See lease.LeaseHandler."""
        self._lease = leased
        self._leasing = False
        if leased.outcome is LeaseOutcome.HELD:
            self._source = leased.address
        self._check_all(now)

    def _check_all(self, now: float) -> None:
        for _, _, gateway in self._pick():
            if gateway is not None and gateway not in self._gateways:
                self._check(gateway, now)
        self._finish_if_done(now)

    def _check(self, gateway: int, now: float) -> None:
        if gateway in self._gateways or self.finished:
            return
        echoes, source = self._uplink.echoes, self._source
        self._gateways[gateway] = _Gateway(routed=echoes is not None, echo=source != 0)
        self._uplink.trunk.check_gateway(self._station, gateway, source=source, done=self._vlan_told, now=now)
        if echoes is not None:
            echoes.check_gateway(gateway, done=self._routed_told, now=now)

    def _vlan_told(self, gateway: int, reached: ReachResult, now: float) -> None:
        known = self._gateways[gateway]
        known.vlan = reached
        if known.echo is None and not self.finished:
            if reached.mac is not None:
                self._uplink.trunk.echo_gateway(
                    self._station,
                    gateway,
                    gateway_mac=reached.mac,
                    source=self._source,
                    done=self._echo_told,
                    now=now,
                )
                return
            known.echo = NOT_TRIED
        self._finish_if_done(now)

    def _echo_told(self, gateway: int, reached: ReachResult, now: float) -> None:
        self._gateways[gateway].echo = reached
        self._finish_if_done(now)

    def _routed_told(self, gateway: int, reached: ReachResult, now: float) -> None:
        self._gateways[gateway].routed = reached
        self._finish_if_done(now)

    def _pick(self) -> "list[_Pick]":
        """What each target comes to, by what is known now."""
        picks = self._picks
        if picks is None or self._asked is None:
            picks = self._picks = [self._pick_for(target) for target in self._probe.targets]
        return picks

    def _pick_for(self, target: Target) -> "_Pick":
        offer = choose(target, self._offers) if target.from_dhcp else None
        if offer is not None and offer.usable_gateway is not None:
            return target, offer, offer.usable_gateway
        return target, offer, None if target.gateway is None else int(target.gateway)

    def _wire_done(self) -> bool:
        if self._leasing or self._asking:
            return False
        for _, _, gateway in self._pick():
            if gateway is not None:
                known = self._gateways.get(gateway)
                if known is None or known.vlan is None or known.echo is None:
                    return False
        return True

    def _finish_if_done(self, now: float) -> None:
        if self.finished or not self._wire_done():
            return
        if self._uplink.echoes is not None:
            for _, _, gateway in self._pick():
                if gateway is not None and self._gateways[gateway].routed is None:
                    return
        self._finish(now)

    def _finish(self, now: float) -> None:
        self.finished = True
        uplink, probe, offers = self._uplink, self._probe, self._offers
        uplink.jobs.pop(self, None)
        if self._address is not None:
            self._address.release(now)
            # A lease knows its handler: both would be garbage that only a look for cycles finds.
            self._address = None
        asked, trunk = self._asked, uplink.trunk
        if asked is None and probe.ask_dhcp:
            outcome = DHCPOutcome.OFFERED if offers else DHCPOutcome.NOT_TRIED
            asked = DiscoveryResult(outcome, tuple(sorted(offers, key=lambda offer: offer.server)), 0, 0.0)
        losses = trunk.losses
        flapped = losses.carrier_changes - self._carrier_before >= _FLAP
        if flapped and self._fault is None and self._doubtful():
            self._fault = Fault.UPLINK_FLAPPING
        targets = tuple([self._found(*pick) for pick in self._pick()])
        rogues, allowed = _NOBODY, trunk.allowed_servers
        if len(offers) > 1 or (offers and allowed):
            rogues = find_rogues(probe.targets, targets, offers, allowed=allowed)
        dropped_frames = losses.frames - self._dropped_before
        fields = (
            uplink.cluster_network,
            probe.vlan,
            asked,
            targets,
            self._fault,
            dropped_frames,
            self._lease,
            rogues,
        )
        self._done(new_unchecked(SegmentResult, fields))

    def _doubtful(self) -> bool:
        if self._asked is not None and self._asked.outcome is DHCPOutcome.INCONCLUSIVE:
            return True
        found = [self._gateways.get(gateway) for _, _, gateway in self._pick() if gateway is not None]
        told = [known.vlan for known in found if known is not None and known.vlan is not None]
        return any(reached.outcome is ReachOutcome.INCONCLUSIVE for reached in told)

    def _found(self, target: Target, offer: DHCPOffer | None, gateway: int | None) -> TargetResult:
        known = None if gateway is None else self._gateways.get(gateway)
        if known is None:
            return TargetResult(target.digest, offer, gateway, NOT_TRIED, NOT_TRIED)
        reached = (known.vlan or NOT_TRIED, known.routed or NOT_TRIED, known.echo or NOT_TRIED)
        return new_unchecked(TargetResult, (target.digest, offer, gateway, *reached))
