"""The probe of one segment: DHCP, then the gateways of its targets, on the VLAN and through routing."""

from collections.abc import Callable
from typing import Final

from services.contract.outcomes import Depth, DHCPOutcome, Fault, LeaseOutcome
from services.prober.engine.gateway_results import GatewayResults
from services.prober.engine.lease import LeasedAddress
from services.prober.engine.offers import (
    Choice,
    Expected,
    choose,
    choose_all,
    find_rogues,
    in_order,
    put_acknowledged,
)
from services.prober.engine.own_address import OperatorAddress, OwnSource, leased_source
from services.prober.engine.probes import Probe, Target
from services.prober.engine.results import (
    NOT_TRIED,
    DHCPOffer,
    DiscoveryResult,
    LeaseResult,
    ReachResult,
    SegmentResult,
    TargetResult,
)
from services.prober.engine.trunk_jobs import TrunkJobs
from services.prober.frames.unchecked import new_unchecked

ResultCallback = Callable[[SegmentResult], None]
_NO_SERVERS: frozenset[int] = frozenset()
_LEASE: Final = Depth.LEASE
_FLAP: Final = 2  # Carrier changes: down, and up again.


class SegmentJob:
    """Runs one Probe and reports its SegmentResult.

    A known gateway is checked while DHCP runs; one that an offer names, as soon as the offer arrives. If no
    offer names the known gateway, and one names another, both are reported: which of them counts is for the
    updater to judge. At depth lease, gateways are checked once the address is in use or the lease has failed:
    a switch that inspects ARP forwards only what is sent from a leased address, and the DHCPACK counts.
    """

    __slots__ = (
        "_address",
        "_carrier_changes_before",
        "_choices",
        "_discovering",
        "_discovery",
        "_done",
        "_dropped_before",
        "_fault",
        "_gateways",
        "_group",
        "_known",
        "_lease",
        "_leasing",
        "_offers",
        "_probe",
        "_source",
        "_source_owner",
        "_started",
        "_station",
        "finished",
    )

    def __init__(self, group: TrunkJobs, probe: Probe, done: ResultCallback) -> None:
        trunk = group.trunk
        self._group = group
        self._probe = probe
        self._known: list[int] = []
        """The known gateway of each target, or 0."""
        self._done = done
        self._station = trunk.station(probe.vlan)
        self._offers: list[DHCPOffer] = []
        self._discovery: DiscoveryResult | None = None
        self._discovering = True
        """The discovery has not ended, or start has not decided yet whether there is one."""
        self._choices: list[Choice] | None = None
        """See choose_all; from the end of the discovery on."""
        self._leasing = False
        """An address is to be requested, or the request is open; or the operator's is looked for."""
        self._lease: LeaseResult | None = None
        self._address: LeasedAddress | OperatorAddress | None = None
        self._source: OwnSource | None = None
        """Our address on the VLAN."""
        self._source_owner: bytes | None = None
        """The station that has the address which the operator gave us."""
        self._gateways: dict[int, GatewayResults] = {}
        self._fault: Fault | None = None
        losses = trunk.losses
        self._dropped_before = losses.frames
        self._carrier_changes_before = losses.carrier_changes
        self.finished = False
        group.jobs[self] = None

    def start(self, now: float) -> None:
        """Start the discovery, and the checks that do not depend on it."""
        probe, trunk = self._probe, self._group.trunk
        self._started = now
        is_deep = self._group.depth is _LEASE or probe.depth is _LEASE
        self._leasing = probe.source is not None or (is_deep and probe.ask_dhcp and probe.may_lease)
        expected: list[Expected] = []
        for target in probe.targets:
            gateway = 0 if target.gateway is None else int(target.gateway)
            self._known.append(gateway)
            if gateway and not self._leasing:
                self._check(gateway, now)
            server = 0 if target.server is None else int(target.server)
            if server or (gateway and target.from_dhcp):
                expected.append((server, gateway if target.from_dhcp else 0))
        if probe.ask_dhcp:
            trunk.discover(self._station, expected=expected, offers=self._offers, handler=self, now=now)
        else:
            self._discovering = False
        if probe.source is not None:
            self._address = trunk.claim_address(self._station, int(probe.source), handler=self, now=now)
        elif not probe.ask_dhcp:
            self._finish_if_done(now)

    def fail(self, fault: Fault) -> None:
        """Record why the open checks on the VLAN will have no result; the first fault stands."""
        if self._fault is None and not self._vlan_done():
            self._fault = fault

    def stop(self, now: float) -> None:
        """Report what is known now, and release the address."""
        if self.finished:
            return
        self._fault = self._fault or Fault.STOPPED
        self._finish(now)

    def offered(self, offer: DHCPOffer, now: float) -> None:
        """See DiscoveryHandler."""
        gateway = offer.usable_gateway
        if self._leasing or gateway is None:
            return
        for target in self._probe.targets:
            if target.from_dhcp and choose(target, self._offers) is offer:
                self._check(gateway, now)

    def discovered(self, result: DiscoveryResult, now: float) -> None:
        """See DiscoveryHandler."""
        self._discovery, self._choices, self._discovering = result, None, False
        if self._leasing and self._probe.source is None and not self.finished:
            target, offer, _ = self._choose_all()[0]
            if not target.from_dhcp:
                offer = choose(target, self._offers)
            if offer is not None:
                self._address = self._group.trunk.lease(self._station, offer, handler=self, now=now)
                return
            self._leasing = False
        if not self._leasing:
            self._check_all(now)

    def claimed(self, owner: bytes | None, is_free: bool, now: float) -> None:
        """See ClaimHandler."""
        self._source_owner = owner
        if self._leasing:  # Else another station took the address while it was in use.
            self._leasing = False
            if is_free and self._probe.source is not None:
                self._source = OwnSource(int(self._probe.source), prefix=self._probe.source_prefix)
            self._check_all(now)

    def leased(self, result: LeaseResult, now: float) -> None:
        """See LeaseHandler."""
        self._lease = result
        self._leasing = False
        if result.acknowledged is not None and self._discovery is not None:
            offers = put_acknowledged(self._offers, result.requested, result.acknowledged)
            self._discovery = self._discovery._replace(offers=offers)
            self._choices = None
        if result.outcome is LeaseOutcome.HELD:
            self._source = leased_source(result)
        self._check_all(now)

    def _check_all(self, now: float) -> None:
        for _, _, gateway in self._choose_all():
            if gateway is not None and gateway not in self._gateways:
                self._check(gateway, now)
        self._finish_if_done(now)

    def _check(self, gateway: int, now: float) -> None:
        if gateway in self._gateways or self.finished:
            return
        echoes = self._group.echoes
        source = 0 if self._source is None else self._source.toward(gateway)
        self._gateways[gateway] = GatewayResults(routed=echoes is not None, echo=source != 0)
        self._group.trunk.check_gateway(
            self._station, gateway, source=source, callback=self._vlan_checked, now=now
        )
        if echoes is not None:
            echoes.check_gateway(gateway, callback=self._routed_checked, now=now)

    def _vlan_checked(self, gateway: int, result: ReachResult, now: float) -> None:
        results, trunk = self._gateways[gateway], self._group.trunk
        if results.echo is None and not self.finished:
            if result.mac is not None and self._source is not None:
                trunk.echo_gateway(
                    self._station,
                    gateway,
                    gateway_mac=result.mac,
                    source=self._source.toward(gateway),
                    callback=self._echo_checked,
                    now=now,
                )
            else:
                results.echo = NOT_TRIED
        is_compared = self._probe.source is not None and result.from_address and result.mac is not None
        if is_compared and not self.finished and trunk.is_sender_untried(self._station, gateway):
            # Hosts without an address ask from 0.0.0.0, and learn from this what their silence means.
            results.answer = result
            trunk.check_gateway(self._station, gateway, source=0, callback=self._compared, now=now)
            return
        results.vlan = result
        self._finish_if_done(now)

    def _compared(self, gateway: int, result: ReachResult, now: float) -> None:
        self._gateways[gateway].compare(result)
        self._finish_if_done(now)

    def _echo_checked(self, gateway: int, result: ReachResult, now: float) -> None:
        self._gateways[gateway].echo = result
        self._finish_if_done(now)

    def _routed_checked(self, gateway: int, result: ReachResult, now: float) -> None:
        self._gateways[gateway].routed = result
        self._finish_if_done(now)

    def _choose_all(self) -> "list[Choice]":
        """Return the choices for all targets; they are final once the discovery has ended."""
        choices = self._choices
        if choices is None or self._discovery is None:
            choices = self._choices = choose_all(self._probe.targets, self._known, self._offers)
        return choices

    def _vlan_done(self) -> bool:
        """Return whether DHCP and every check on the VLAN have ended."""
        if self._leasing or self._discovering:
            return False
        for _, _, gateway in self._choose_all():
            results = self._gateways.get(gateway or 0)
            if gateway is not None and (results is None or not results.is_vlan_done):
                return False
        return True

    def _finish_if_done(self, now: float) -> None:
        if self.finished or not self._vlan_done():
            return
        if self._group.echoes is not None:
            for _, _, gateway in self._choose_all():
                if gateway is not None and self._gateways[gateway].routed is None:
                    return
        self._finish(now)

    def _finish(self, now: float) -> None:
        self.finished = True
        group, probe, offers = self._group, self._probe, self._offers
        group.jobs.pop(self, None)
        if self._address is not None:
            self._address.release(now)
            # A lease refers to this job as its handler: without the cycle, both are freed at once.
            self._address = None
        discovery, trunk = self._discovery, group.trunk
        if discovery is None and probe.ask_dhcp:
            outcome = DHCPOutcome.OFFERED if offers else DHCPOutcome.NOT_TRIED
            discovery = DiscoveryResult(outcome, in_order(offers), 0, 0.0)
        losses = trunk.losses
        flapped = losses.carrier_changes - self._carrier_changes_before >= _FLAP
        if flapped and self._fault is None and self._inconclusive():
            self._fault = Fault.UPLINK_FLAPPING
        targets = tuple([self._target_result(*choice) for choice in self._choose_all()])
        rogues, allowed = _NO_SERVERS, trunk.allowed_servers
        if len(offers) > 1 or (offers and allowed):
            rogues = find_rogues(probe.targets, targets, offers, allowed=allowed)
        dropped = losses.frames - self._dropped_before
        fields = (
            group.cluster_network, probe.vlan, discovery, targets, self._fault, dropped, self._lease, rogues,
            self._source_owner, probe.source, None, (), False, None,
        )  # fmt: skip
        result = new_unchecked(SegmentResult, fields)
        self._done(trunk.explain_silence(result, since=self._started, now=now) if trunk.untagged else result)

    def _inconclusive(self) -> bool:
        """Return whether the discovery or a check on the VLAN is inconclusive."""
        by_dhcp = self._discovery is not None and self._discovery.outcome is DHCPOutcome.INCONCLUSIVE
        chosen = {gateway for _, _, gateway in self._choose_all()}
        return by_dhcp or any(self._gateways[one].is_inconclusive for one in self._gateways.keys() & chosen)

    def _target_result(self, target: Target, offer: DHCPOffer | None, gateway: int | None) -> TargetResult:
        results = self._gateways.get(gateway or 0)
        if gateway is None or results is None:
            return TargetResult(target.digest, offer, gateway, NOT_TRIED, NOT_TRIED)
        found = results.found()
        if found[0].mac and (macs := self._group.trunk.answers.disputed((self._probe.vlan, gateway))):
            found = (found[0]._replace(macs=macs), *found[1:])
        return new_unchecked(TargetResult, (target.digest, offer, gateway, *found))
