"""At depth lease, the options of the DHCPACK count: RFC 2131 section 4.3.2 has clients configure these.

Servers exist that name the router in the DHCPACK alone (systemd-networkd before 254), or leave out there what
the DHCPOFFER had.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from services.contract.messages import Offer, TargetVerdict, Verdict
from services.contract.outcomes import Depth, LeaseOutcome, ReachOutcome
from services.prober import verdicts
from tests.unit.prober import frames
from tests.unit.prober.frames import Sent, option, packed
from tests.unit.prober.leasing import ACK, ADDRESS, DISCOVER, NAK, OFFER, REQUEST, Pinged, Squatter, kind_of
from tests.unit.prober.world import DHCPServer, Gateway, World, target

SERVER, ROUTER, OTHER = "10.0.7.1", "10.0.7.1", "10.0.7.9"
DEFAULT_ROUTE = option(121, b"\0" + packed(OTHER))


@dataclass
class ChangingServer:
    """Offers and leases ADDRESS; the options of its DHCPOFFER and DHCPACK differ."""

    offered: bytes
    acknowledged: bytes | None
    """None: it does not answer a DHCPREQUEST."""
    relays: tuple[str, str] = ("0.0.0.0", "0.0.0.0")
    source: str = SERVER
    """In the IPv4 header of its answer to a DHCPREQUEST."""

    def __call__(self, sent: Sent) -> Iterator[tuple[float, bytes]]:
        kind = kind_of(sent)
        if kind == DISCOVER:
            yield 0.01, self._reply(sent, self.offered, self.relays[0], SERVER)
        elif kind == REQUEST and self.acknowledged is not None:
            yield 0.01, self._reply(sent, self.acknowledged, self.relays[1], self.source)

    def _reply(self, sent: Sent, options: bytes, relay: str, source: str) -> bytes:
        return frames.answer(sent, options=options, server=source, address=ADDRESS, relay=relay)


def options(
    kind: int, *, router: str | None = ROUTER, mask: str | None = "255.255.255.0", **more: object
) -> bytes:
    return frames.offer_options(kind=kind, server=SERVER, router=router, mask=mask, **more)  # type: ignore[arg-type]


def leased(server: ChangingServer, *others: object, known: str | None = None) -> Verdict:
    """Probe VLAN 7 at depth lease; both routers answer there."""
    world = World(routed=False, depth=Depth.LEASE)
    gateways = (Gateway(ROUTER), Gateway(OTHER), Pinged(ROUTER), Pinged(OTHER))
    world.put(7, server, *gateways, *others)  # type: ignore[arg-type]
    world.probe(7, target(known))
    return verdicts.verdict(world.only(), host="n", request_id="r", incarnation=0, counter=0)


def only_offer(verdict: Verdict) -> Offer:
    assert verdict.dhcp is not None
    (offer,) = verdict.dhcp.servers
    return offer


def told(verdict: Verdict) -> tuple[str, str, ReachOutcome]:
    """Return subnet, gateway and what its check found, of the only target."""
    (checked,) = verdict.targets
    assert (checked.cidr, checked.gateway) == (only_offer(verdict).cidr, only_offer(verdict).gateway)
    return str(checked.cidr), str(checked.gateway), checked.echo.outcome


@pytest.mark.parametrize(
    ("offered", "acknowledged", "expected"),
    [
        (options(OFFER, router=None), options(ACK), ("10.0.7.0/24", ROUTER)),
        (options(OFFER), options(ACK, router=OTHER), ("10.0.7.0/24", OTHER)),
        (options(OFFER), options(ACK, more=DEFAULT_ROUTE), ("10.0.7.0/24", OTHER)),
        (options(OFFER, more=DEFAULT_ROUTE), options(ACK), ("10.0.7.0/24", ROUTER)),
        (options(OFFER), options(ACK, mask="255.255.0.0"), ("10.0.0.0/16", ROUTER)),
        (options(OFFER, mask=None), options(ACK), ("10.0.7.0/24", ROUTER)),
    ],
    ids=[
        "router in the ACK alone", "another router", "classless route in the ACK alone",
        "classless route in the OFFER alone", "another mask", "mask in the ACK alone",
    ],
)  # fmt: skip
def test_the_gateway_of_the_ack_is_checked(
    offered: bytes, acknowledged: bytes, expected: tuple[str, str]
) -> None:
    """Subnet and gateway are what a VM would configure, and this gateway is pinged from the lease."""
    verdict = leased(ChangingServer(offered, acknowledged))
    assert told(verdict) == (*expected, ReachOutcome.REACHABLE)


def test_an_ack_without_a_server_identifier_is_of_the_server_that_was_asked() -> None:
    """The frame's source is the relay then, not the server; a NAK needs the identifier."""
    ack = frames.offer_options(kind=ACK, server=None, router=OTHER)
    server = ChangingServer(options(OFFER), ack, source="10.0.7.2")
    assert told(leased(server))[1] == OTHER
    nak = ChangingServer(options(OFFER), frames.offer_options(kind=NAK, server=None), source="10.0.7.2")
    verdict = leased(nak)
    assert verdict.dhcp is not None
    assert verdict.dhcp.lease is not None
    assert verdict.dhcp.lease.outcome is LeaseOutcome.NO_ANSWER


@pytest.mark.parametrize("field", ["router", "mask"])
def test_an_option_that_only_the_offer_had_is_missing(field: str) -> None:
    """A VM would have no gateway, so none is told: a gateway without a mask is as unusable."""
    without = options(ACK, **{field: None})
    verdict = leased(ChangingServer(options(OFFER), without))
    assert verdict.dhcp is not None
    assert verdict.dhcp.lease is not None
    assert verdict.dhcp.lease.outcome is LeaseOutcome.HELD
    offer = only_offer(verdict)
    assert (offer.gateway if field == "router" else offer.cidr) is None
    (checked,) = verdict.targets
    assert (checked.gateway, checked.vlan.outcome) == (None, ReachOutcome.NOT_TRIED)


def test_the_known_gateway_is_checked_beside_that_of_the_ack() -> None:
    """The OFFER confirmed the known gateway, and the ACK names another: which counts is judged later."""
    verdict = leased(ChangingServer(options(OFFER), options(ACK, router=OTHER)), known=ROUTER)
    found: list[TargetVerdict] = list(verdict.targets)
    assert [str(one.gateway) for one in found] == [ROUTER, OTHER]
    assert {one.echo.outcome for one in found} == {ReachOutcome.REACHABLE}


def test_an_ack_through_the_other_relay_is_of_the_same_server() -> None:
    """The relay and the lease time are the ACK's."""
    pair = ("10.0.7.2", "10.0.7.3")
    verdict = leased(ChangingServer(options(OFFER), options(ACK, lease=60), relays=pair))
    offer = only_offer(verdict)
    assert (str(offer.relay), offer.lease_s) == (pair[1], 60)
    assert told(verdict)[1] == ROUTER


def test_the_options_count_although_another_station_has_the_address() -> None:
    """The server has leased it all the same."""
    verdict = leased(ChangingServer(options(OFFER, router=None), options(ACK)), Squatter())
    assert verdict.dhcp is not None
    assert verdict.dhcp.lease is not None
    assert verdict.dhcp.lease.outcome is LeaseOutcome.CONFLICT
    assert str(only_offer(verdict).gateway) == ROUTER


def test_without_an_ack_the_options_of_the_offer_count() -> None:
    """The lease is told as unanswered."""
    verdict = leased(ChangingServer(options(OFFER), None))
    assert verdict.dhcp is not None
    assert verdict.dhcp.lease is not None
    assert verdict.dhcp.lease.outcome is LeaseOutcome.NO_ANSWER
    assert str(only_offer(verdict).gateway) == ROUTER


def test_the_ack_of_one_server_changes_no_other_offer() -> None:
    """Of two servers, the lease's own options change; the other's offer stays as it was."""
    second = DHCPServer(server="10.0.7.5", router=ROUTER, address="10.0.7.101", options=b"")
    verdict = leased(ChangingServer(options(OFFER), options(ACK, router=OTHER)), second)
    assert verdict.dhcp is not None
    assert [(str(o.server), str(o.gateway)) for o in verdict.dhcp.servers] == [
        (SERVER, OTHER),
        ("10.0.7.5", ROUTER),
    ]
