"""The probes that the networks on one segment require: by every host, by one host at a time, or with DHCP.

A gateway that answers is checked by every host. A gateway that is silent to all is probed by one host at a
time: it may be booting, and would take the ARP probes of many hosts for an address conflict (RFC 5227
section 2.1.1 lets it give up its own address).
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import NamedTuple

from services.contract.limits import MAX_TARGETS
from services.contract.messages import SegmentProbe, Target
from services.network.parse.intent import Intent


class ProbeSource(NamedTuple):
    """An address on a VLAN that its owner gave a host, and the prefix of the subnet that it is used in."""

    address: IPv4Address
    prefix: int


FRAMES_OF_SILENCE = 3
"""Frames that a host sends before it calls a gateway, or DHCP, silent. One that answers takes one."""


@dataclass(frozen=True)
class Demand:
    """What one network requires of its segment, by its intent and its status."""

    intent: Intent
    is_check_failing: bool
    """Whether its status is not Active, missing, or of another intent."""
    is_ask_failing: bool
    """Whether its status is missing, says that DHCP is out, or that no host reaches the gateway by VLAN: DHCP
    may name another one."""
    answers: bool | None
    """Whether the gateway answers any host on the VLAN, by the status; None if the status does not say."""
    is_told: bool = True
    """Whether the status says anything about the intent."""
    is_unoffered: bool = False
    """Whether the status says that DHCP offers nothing."""
    silent_on: frozenset[str] = frozenset()
    """Hosts on which the gateway does not answer on the VLAN, by the status, where it answers others."""

    @property
    def awaits_offer(self) -> bool:
        """Whether an offer is news: the status says nothing, or that there is none."""
        return not self.is_told or self.is_unoffered

    def fails_alike(self, other: "Demand") -> bool:
        """Return whether it needs DHCP to be asked soon for the same reason as this other demand."""
        mine = (self.is_ask_failing, self.is_told, self.is_unoffered)
        return mine == (other.is_ask_failing, other.is_told, other.is_unoffered)

    @property
    def is_failing(self) -> bool:
        """Whether it must be probed again soon."""
        return self.is_check_failing or self.is_ask_failing

    @property
    def gateway(self) -> IPv4Address | None:
        """The gateway to check, if known."""
        return self.intent.gateway or self.intent.known_gateway

    @property
    def is_auto(self) -> bool:
        """Whether it needs DHCP."""
        return self.intent.mode == "auto"


@dataclass(frozen=True)
class Workload:
    """The probes of one segment; each is several in rotation where one cannot hold all targets."""

    checks: tuple[SegmentProbe, ...]
    """By every host: gateways that answer or are not reported on yet."""
    exclusive_checks: tuple[SegmentProbe, ...]
    """By one host at a time: the same, and silent gateways that no DHCP probe checks; empty without any."""
    full_checks: tuple[SegmentProbe, ...]
    """By every host, once: all known gateways."""
    asks: tuple[SegmentProbe, ...]
    """By one host at a time, with DHCP; empty where no network is auto."""
    is_check_failing: bool
    is_ask_failing: bool
    is_silent: bool
    """Whether a gateway is silent, by the status."""
    silent_on: frozenset[str]
    """Hosts on which one is."""
    is_ask_silent: bool
    """Whether DHCP is expected not to answer."""
    awaits_offer: bool
    """Whether any offer will be told: of all networks that need one, none is told to have received any."""
    lacks_gateway: bool
    """Whether an auto network has no known gateway."""
    sources: Mapping[str, ProbeSource]
    """By host, the address that an owner gave it."""

    def frames(self, probe: SegmentProbe, per_gateway: float) -> float:
        """Return how many ARP and DHCP frames a probe takes, with so many for each gateway."""
        gateways = sum(target.gateway is not None for target in probe.targets)
        if not probe.ask_dhcp:
            return per_gateway * gateways
        # Of the targets without a known gateway, DHCP names one and the same, or none.
        named = gateways < len(probe.targets)
        return per_gateway * (gateways + named) + (FRAMES_OF_SILENCE if self.is_ask_silent else 1)

    @property
    def gateways(self) -> int:
        """The number of targets that every host checks."""
        return sum(len(probe.targets) for probe in self.checks)


def plan_work(demands: Collection[Demand]) -> Workload:
    """Return the probes for these networks, which share a segment."""
    silent_gateways = _silent(demands)
    silent = [demand for demand in demands if demand.gateway in silent_gateways]
    answering = [demand for demand in demands if demand.gateway not in silent_gateways]
    checked = [demand for demand in answering if demand.gateway is not None]
    auto = [demand for demand in demands if demand.is_auto]
    # The host that asks DHCP checks an auto network's gateway too; no other host may at that time.
    by_asker = {demand.gateway for demand in silent if demand.is_auto}
    exclusive = [demand for demand in silent if demand.gateway not in by_asker]
    asked = [*answering, *(demand for demand in silent if demand.gateway in by_asker)]
    return Workload(
        checks=_in_parts(checked, ask_dhcp=False),
        exclusive_checks=_in_parts([*checked, *exclusive], ask_dhcp=False) if exclusive else (),
        full_checks=_in_parts([demand for demand in demands if demand.gateway is not None], ask_dhcp=False),
        asks=tuple(probe for probe in _in_parts(asked, ask_dhcp=True) if probe.ask_dhcp),
        is_check_failing=any(demand.is_check_failing for demand in checked),
        is_ask_failing=any(demand.is_ask_failing for demand in auto),
        is_silent=bool(silent_gateways),
        silent_on=frozenset().union(*(demand.silent_on for demand in demands)),
        is_ask_silent=any(demand.is_ask_failing and demand.is_told for demand in auto),
        awaits_offer=all(demand.awaits_offer for demand in auto if demand.is_ask_failing),
        lacks_gateway=any(demand.gateway is None for demand in auto),
        sources=_sources(demands),
    )


def _sources(demands: Iterable[Demand]) -> Mapping[str, ProbeSource]:
    """Return by host the address that an owner gave it: of several networks, the first by digest counts."""
    sources: dict[str, ProbeSource] = {}
    used = set[IPv4Address]()
    for intent in sorted((demand.intent for demand in demands), key=lambda intent: intent.digest):
        for host, address in intent.probe_addresses.given:
            # Owners do not see each other's annotations: two hosts must not use one address.
            if host not in sources and address not in used:
                sources[host] = ProbeSource(address, 32 if intent.cidr is None else intent.cidr.prefixlen)
                used.add(address)
    return sources


def _silent(demands: Iterable[Demand]) -> set[IPv4Address]:
    """Return the gateways that are silent by some network's status and answer by none."""
    reported = [(demand.gateway, demand.answers) for demand in demands if demand.gateway is not None]
    answering = {gateway for gateway, answers in reported if answers}
    return {gateway for gateway, answers in reported if answers is False} - answering


def _in_parts(demands: Iterable[Demand], *, ask_dhcp: bool) -> tuple[SegmentProbe, ...]:
    """Return one probe, or several in rotation where tenants name more targets than one probe may hold."""
    intents = [demand.intent for demand in demands]
    distinct = {(intent.mode, intent.digest, str(intent.known_gateway)): intent for intent in intents}
    ordered = [distinct[key] for key in sorted(distinct)]
    return tuple(
        segment_probe(ordered[start : start + MAX_TARGETS], ask_dhcp=ask_dhcp)
        for start in range(0, len(ordered), MAX_TARGETS)
    )


def segment_probe(intents: Collection[Intent], *, ask_dhcp: bool) -> SegmentProbe:
    """Return one probe of a segment for all its intents, of which there must be at least one.

    Equal intents share a target. DHCP is asked only if an auto network can use the answer. At most
    MAX_TARGETS targets are taken, the first by digest, so that a thousand gateways on one VLAN cost no more.
    """
    by_target = {
        (intent.digest, intent.known_gateway): Target(
            digest=intent.digest,
            gateway=intent.gateway if intent.mode == "manual" else intent.known_gateway,
            from_dhcp=intent.mode == "auto",
            server=intent.server,
        )
        for intent in intents
    }
    targets = tuple(by_target[key] for key in sorted(by_target, key=str)[:MAX_TARGETS])
    (vlan,) = {intent.segment.vlan for intent in intents}
    return SegmentProbe(vlan=vlan, ask_dhcp=ask_dhcp and any(t.from_dhcp for t in targets), targets=targets)
