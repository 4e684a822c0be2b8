"""What the networks on one segment ask of its hosts, sorted by who does it: all, one at a time, or the asker.

A gateway that answers is checked by every host. One that is silent to all of them is asked by one host at a
time: it may be booting, and then takes the probes of many for a conflict of addresses (RFC 5227 section 2.1.1
lets it give its own address up).
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address

from services.contract.messages import MAX_TARGETS, SegmentProbe
from services.network.parse.intent import Intent
from services.network.probing import segment_probe


@dataclass(frozen=True)
class Wish:
    """What one network asks, and what is told of it."""

    intent: Intent
    is_check_failing: bool
    """What is told is not Active, or nothing."""
    is_ask_failing: bool
    """Nothing is told, or that DHCP is out, or that no host hears the gateway: DHCP may name another."""
    answers: bool | None
    """Whether the gateway is told to answer any host; None where nothing is told of it."""

    @property
    def is_failing(self) -> bool:
        """Whether any of it is to be probed again soon."""
        return self.is_check_failing or self.is_ask_failing

    @property
    def gateway(self) -> IPv4Address | None:
        """The gateway to check, as far as it is known."""
        return self.intent.gateway or self.intent.known_gateway

    @property
    def is_auto(self) -> bool:
        """Whether DHCP is asked for it."""
        return self.intent.mode == "auto"


@dataclass(frozen=True)
class Workload:
    """One segment's probes. Each is a probe, or several that take turns where one cannot hold all targets."""

    checks: tuple[SegmentProbe, ...]
    """By every host: the gateways that answer, or of which nothing is told yet."""
    lone_checks: tuple[SegmentProbe, ...]
    """By one host at a time: those too that are silent and that no ask checks anyway; none where none are."""
    full_checks: tuple[SegmentProbe, ...]
    """By every host, once: all that are known."""
    asks: tuple[SegmentProbe, ...]
    """By one host at a time, with DHCP; none where no network is auto."""
    is_check_failing: bool
    is_ask_failing: bool
    lacks_gateway: bool
    """Whether an auto network has none that is known."""


def sort_out(wishes: Collection[Wish]) -> Workload:
    """The work that these networks, which share a segment, make."""
    silent_gateways = _silent(wishes)
    silent = [wish for wish in wishes if wish.gateway in silent_gateways]
    loud = [wish for wish in wishes if wish.gateway not in silent_gateways]
    checked = [wish for wish in loud if wish.gateway is not None]
    auto = [wish for wish in wishes if wish.is_auto]
    # Whoever asks DHCP checks an auto network's gateway as well: nobody else may at that time.
    by_asker = {wish.gateway for wish in silent if wish.is_auto}
    lone = [wish for wish in silent if wish.gateway not in by_asker]
    asked = [*loud, *(wish for wish in silent if wish.gateway in by_asker)]
    return Workload(
        checks=_in_parts(checked, ask_dhcp=False),
        lone_checks=_in_parts([*checked, *lone], ask_dhcp=False) if lone else (),
        full_checks=_in_parts([wish for wish in wishes if wish.gateway is not None], ask_dhcp=False),
        asks=tuple(probe for probe in _in_parts(asked, ask_dhcp=True) if probe.ask_dhcp),
        is_check_failing=any(wish.is_check_failing for wish in checked),
        is_ask_failing=any(wish.is_ask_failing for wish in auto),
        lacks_gateway=any(wish.gateway is None for wish in auto),
    )


def _silent(wishes: Iterable[Wish]) -> set[IPv4Address]:
    """Gateways that one network is told are silent, and none that they answer."""
    told = [(wish.gateway, wish.answers) for wish in wishes if wish.gateway is not None]
    heard = {gateway for gateway, answers in told if answers}
    return {gateway for gateway, answers in told if answers is False} - heard


def _in_parts(wishes: Iterable[Wish], *, ask_dhcp: bool) -> tuple[SegmentProbe, ...]:
    """One probe, or several that take turns where tenants named more targets than one may hold."""
    intents = [wish.intent for wish in wishes]
    distinct = {(intent.mode, intent.digest, str(intent.known_gateway)): intent for intent in intents}
    ordered = [distinct[key] for key in sorted(distinct)]
    return tuple(
        segment_probe(ordered[start : start + MAX_TARGETS], ask_dhcp=ask_dhcp)
        for start in range(0, len(ordered), MAX_TARGETS)
    )
