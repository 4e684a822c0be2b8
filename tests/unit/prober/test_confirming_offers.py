"""The offer that confirms a known gateway is waited for and kept, whatever strangers offer meanwhile."""

import itertools
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contract.limits import MAX_SERVERS, MAX_TARGETS
from services.contract.messages import Target, Verdict
from services.contract.outcomes import Depth, DHCPOutcome, ReachOutcome
from services.prober import verdicts
from services.prober.engine.results import SegmentResult
from services.prober.engine.settings import EngineSettings
from services.prober.frames.ethernet import mac_text
from tests.unit.prober import frames
from tests.unit.prober.frames import dotted, number
from tests.unit.prober.leasing import REQUEST, kind_of
from tests.unit.prober.world import DHCPServer, Gateway, World, target

TRUE, STRANGER = "10.0.7.1", "10.0.7.66"
OTHER_MAC, THIRD_MAC = bytes.fromhex("02fe00000066"), bytes.fromhex("02fe00000077")
CHECKS_FIRST_S = 3.0
"""How long dnsmasq pings an address before it offers it."""
DEADLINE_S = EngineSettings().dhcp_deadline_s
WINDOW_S = EngineSettings().offer_window_s


def world_of(*servers: DHCPServer, gateways: tuple[str, ...] = (TRUE, STRANGER)) -> World:
    """Build a VLAN 7 with these servers and gateways."""
    world = World(routed=False)
    world.put(7, *servers, *(Gateway(address) for address in gateways))
    return world


def stranger(**changed: object) -> DHCPServer:
    """Build a server that answers at once, and names itself as the gateway."""
    return DHCPServer(**{"server": STRANGER, "mac": OTHER_MAC, "delay_s": 0.001, **changed})  # type: ignore[arg-type]


def took_s(world: World) -> float:
    """Return how long VLAN 7 took."""
    return world.found_at[7] - 1000.0


def servers(found: SegmentResult) -> list[tuple[str, str]]:
    """Return the servers that offered, with the MAC addresses that the offers came from."""
    assert found.dhcp is not None
    return [(dotted(offer.server), offer.server_mac.hex()) for offer in found.dhcp.offers]


def gateways(found: SegmentResult) -> list[tuple[str, str | None, bool]]:
    """Return what was checked: gateway, server of the offer that counts, and whether it answers."""
    return [
        (
            dotted(result.gateway or 0),
            None if result.offer is None else dotted(result.offer.server),
            result.vlan.outcome is ReachOutcome.REACHABLE,
        )
        for result in found.targets
    ]


def test_n20_known_gateway_is_confirmed_by_a_server_that_checks_the_address_first() -> None:
    """N20: the stranger offers at once, the true server 3 s later; its offer counts, both are reported."""
    world = world_of(DHCPServer(delay_s=CHECKS_FIRST_S), stranger())
    world.probe(7, target(TRUE))
    found = world.only()
    assert gateways(found) == [(TRUE, TRUE, True)]
    assert servers(found) == [(TRUE, frames.SERVER_MAC.hex()), (STRANGER, OTHER_MAC.hex())]
    assert took_s(world) == pytest.approx(CHECKS_FIRST_S + WINDOW_S)


@pytest.mark.parametrize(
    "asked",
    [target(), target(TRUE), target(TRUE, server=TRUE), target(STRANGER, from_dhcp=False)],
    ids=["unknown", "known", "configured", "manual"],
)
def test_first_offer_ends_the_wait_if_nothing_else_is_expected(asked: Target) -> None:
    """The usual case: the first offer confirms what is known, and the discovery ends 0.3 s after it."""
    world = world_of(DHCPServer())
    world.probe(7, asked)
    world.run()
    assert world.times_of(arp=False) == [0.0]
    # A result waits for the checks of the gateway, too, but they end sooner.
    assert took_s(world) == pytest.approx(0.01 + WINDOW_S)


@pytest.mark.parametrize("answers", [True, False])
def test_both_gateways_are_reported_if_no_offer_confirms_the_known_one(answers: bool) -> None:
    """At the deadline, the known one first: the updater judges which counts, whether or not it answers."""
    world = world_of(stranger(), gateways=(TRUE, STRANGER) if answers else (STRANGER,))
    world.probe(7, target(TRUE))
    found = world.only()
    assert found.dhcp is not None
    assert found.dhcp.outcome is DHCPOutcome.OFFERED
    assert gateways(found) == [(TRUE, None, answers), (STRANGER, STRANGER, True)]
    assert took_s(world) == pytest.approx(DEADLINE_S)


def test_missing_offer_is_asked_for_again() -> None:
    """The DHCPDISCOVER was lost on the way to the true server: it is repeated although a stranger offered."""
    world = world_of(DHCPServer(ignore=1), stranger())
    world.probe(7, target(TRUE))
    assert gateways(world.only()) == [(TRUE, TRUE, True)]
    assert len(world.times_of(arp=False)) == 2


def test_missing_offer_is_asked_for_again_after_dropped_frames() -> None:
    """At once, not after 4 s: the offer may be among the frames that this host dropped."""
    world = world_of(DHCPServer(ignore=1), stranger())
    world.probe(7, target(TRUE))
    world.at(0.1, lambda: world.trunk.frames_lost(world.now))
    assert gateways(world.only()) == [(TRUE, TRUE, True)]
    assert took_s(world) < 1.0


def test_each_target_has_its_own_known_gateway() -> None:
    """Two networks share the VLAN, and two servers confirm one gateway each."""
    second = "10.0.7.9"
    world = world_of(
        stranger(), DHCPServer(delay_s=1.0), DHCPServer(server=second, delay_s=2.0), gateways=(TRUE, second)
    )
    world.probe(7, target(TRUE), target(second, digest="1" * 16))
    assert gateways(world.only()) == [(TRUE, TRUE, True), (second, second, True)]
    assert took_s(world) == pytest.approx(2.0 + WINDOW_S)


def test_results_fit_a_verdict_however_many_networks_share_the_vlan() -> None:
    """The known gateways are reported before what is offered instead."""
    world = world_of(stranger())
    known = [f"10.0.7.{n}" for n in range(100, 100 + MAX_TARGETS)]
    world.probe(7, *(target(address) for address in known))
    found = world.only()
    assert [dotted(result.gateway or 0) for result in found.targets] == known
    verdicts.verdict(found, host="n", request_id="r", incarnation=0, counter=0)


@pytest.mark.parametrize("named", [None, TRUE], ids=["any server", "configured server"])
@pytest.mark.parametrize("relay", ["0.0.0.0", "10.0.7.1"])
@pytest.mark.parametrize("mac", [OTHER_MAC, frames.SERVER_MAC], ids=["another MAC", "the same MAC"])
def test_n20_offer_under_the_true_servers_id_displaces_nothing(
    named: str | None, relay: str, mac: bytes
) -> None:
    """N20: it comes first, from any MAC address, with or without giaddr; both offers are reported."""
    forged = DHCPServer(router=STRANGER, mac=mac, delay_s=0.001, relay=relay)
    world = world_of(DHCPServer(delay_s=CHECKS_FIRST_S), forged)
    world.probe(7, target(TRUE, server=named))
    found = world.only()
    assert gateways(found) == [(TRUE, TRUE, True)]
    assert found.targets[0].offer is not None
    assert found.targets[0].offer.server_mac == frames.SERVER_MAC
    assert servers(found) == [(TRUE, frames.SERVER_MAC.hex()), (TRUE, mac.hex())]
    assert found.rogues == frozenset()
    made = verdicts.verdict(found, host="n", request_id="r", incarnation=0, counter=0)
    assert Verdict.from_wire(made.to_wire()) == made
    assert made.dhcp is not None
    assert [offer.mac for offer in made.dhcp.servers] == [
        mac_text(came_from) for came_from in (frames.SERVER_MAC, mac)
    ]


def test_offer_that_two_relays_forward_is_kept_once_for_each() -> None:
    """Both routers of a redundant pair relay (RFC 1542): neither server nor gateway is a rogue."""
    pair = [
        DHCPServer(server="192.0.2.5", router=TRUE, relay=relay, mac=mac)
        for relay, mac in (("10.0.7.2", OTHER_MAC), ("10.0.7.3", THIRD_MAC))
    ]
    world = world_of(*pair)
    world.probe(7, target(TRUE))
    found = world.only()
    assert gateways(found) == [(TRUE, "192.0.2.5", True)]
    assert (len(servers(found)), found.rogues) == (2, frozenset())
    assert took_s(world) == pytest.approx(0.01 + WINDOW_S)


def flood(count: int, **changed: object) -> list[DHCPServer]:
    """Build strangers with a server identifier each, the lowest and quickest of all."""
    return [stranger(server=f"10.0.6.{n}", **changed) for n in range(1, count + 1)]


def test_n20_flood_of_invented_servers_displaces_nothing_and_is_counted() -> None:
    """N20: the offers that confirm what is known, or are from configured or allowed servers, are kept."""
    allowed, configured = "10.0.7.40", "10.0.7.50"
    world = World(EngineSettings(allowed_servers=frozenset({number(allowed)})), routed=False)
    late = (DHCPServer(delay_s=delay_s, server=server) for delay_s, server in
            ((1.0, allowed), (2.0, configured), (3.0, TRUE)))  # fmt: skip
    world.put(7, *flood(99), *late, Gateway(), Gateway(configured))
    world.probe(7, target(TRUE), target(server=configured, digest="1" * 16))
    found = world.only()
    assert found.dhcp is not None
    assert len(found.dhcp.offers) == MAX_SERVERS
    assert found.dhcp.omitted == 99 + 3 - MAX_SERVERS
    assert {TRUE, allowed, configured} <= {server for server, _ in servers(found)}
    assert gateways(found) == [(TRUE, TRUE, True), (configured, configured, True)]
    made = verdicts.verdict(found, host="n", request_id="r", incarnation=0, counter=0)
    assert made.dhcp is not None
    assert made.dhcp.omitted == found.dhcp.omitted


def test_n20_configured_server_that_names_another_gateway_is_not_displaced() -> None:
    """N20: the owner decided that its offer counts, although it confirms nothing."""
    renumbered = DHCPServer(router="10.0.7.254", delay_s=1.0)
    world = world_of(*flood(99), renumbered, gateways=(TRUE, "10.0.7.254"))
    world.probe(7, target(TRUE, server=TRUE))
    assert gateways(world.only()) == [(TRUE, None, True), ("10.0.7.254", TRUE, True)]


def test_n20_flood_under_the_configured_servers_id_does_not_displace_its_own_offer() -> None:
    """N20: each forged offer comes from another MAC address, and none confirms the known gateway."""
    forged = [DHCPServer(router=STRANGER, mac=OTHER_MAC[:5] + bytes([n]), delay_s=0.001) for n in range(99)]
    world = world_of(*forged, DHCPServer(delay_s=CHECKS_FIRST_S))
    world.probe(7, target(TRUE, server=TRUE))
    assert gateways(world.only()) == [(TRUE, TRUE, True)]


def test_repeated_offer_is_not_counted_as_left_out() -> None:
    """A server that answers each DHCPDISCOVER once is one server."""
    world = world_of(stranger())
    world.probe(7, target(TRUE))
    found = world.only()
    assert found.dhcp is not None
    assert (found.dhcp.attempts > 1, found.dhcp.omitted) == (True, 0)


def test_no_address_is_requested_from_an_offer_that_does_not_confirm_the_known_gateway() -> None:
    """At depth lease: from an address in a stranger's subnet, the known gateway may seem silent."""
    world = World(routed=False, depth=Depth.LEASE)
    world.put(7, stranger(), Gateway(), Gateway(STRANGER))
    world.probe(7, target(TRUE))
    found = world.only()
    assert gateways(found) == [(TRUE, None, True), (STRANGER, STRANGER, True)]
    assert found.lease is None
    assert [sent for _, sent in world.sent if kind_of(sent) == REQUEST] == []


@dataclass(frozen=True)
class Offering:
    """A stranger, perhaps under the identifier and the MAC address of the true server."""

    server: str
    mac: bytes
    router: str
    relay: str
    delay_s: float


ADDRESSES = st.sampled_from([TRUE, STRANGER, "10.0.6.1", "10.0.7.2", "10.0.7.200"])
OFFERING = st.builds(
    Offering,
    server=ADDRESSES | st.integers(number("10.0.6.1"), number("10.0.7.254")).map(dotted),
    mac=st.sampled_from([OTHER_MAC, THIRD_MAC, frames.SERVER_MAC])
    | st.binary(min_size=5, max_size=5).map(b"\x02".__add__),
    router=ADDRESSES,
    relay=st.sampled_from(["0.0.0.0", "10.0.7.3"]),
    delay_s=st.sampled_from([0.0001, 0.01, 0.2, 3.0, 11.0]),
)


@given(
    st.lists(OFFERING, max_size=40),
    st.sampled_from([0.0001, 0.05, 1.0, CHECKS_FIRST_S, 11.5]),
    st.booleans(),
    st.booleans(),
)
def test_n20_known_gateway_stays_the_choice_whatever_strangers_offer(
    strangers: list[Offering], true_s: float, is_configured: bool, is_absent: bool
) -> None:
    """N20: in any number and order; the offer that confirms it is kept, unless there is none."""
    nodes = [
        DHCPServer(server=s.server, mac=s.mac, router=s.router, relay=s.relay, delay_s=s.delay_s)
        for s in strangers
    ]
    true = [] if is_absent else [DHCPServer(delay_s=true_s)]
    world = World(EngineSettings(retransmit_s=(60.0,)), routed=False)
    world.put(7, *nodes, *true, Gateway(), Gateway(STRANGER, mac=OTHER_MAC))
    world.probe(7, target(TRUE, server=TRUE if is_configured else None))
    found = world.only()
    first = found.targets[0]
    assert (dotted(first.gateway or 0), first.vlan.outcome) == (TRUE, ReachOutcome.REACHABLE)
    assert found.dhcp is not None
    if not is_absent:
        assert first.offer is not None
        assert first.offer.usable_gateway == number(TRUE)
    keys = [(offer.server, offer.server_mac, offer.gateway or 0) for offer in found.dhcp.offers]
    assert len(set(keys)) == len(keys) <= MAX_SERVERS
    assert keys == sorted(keys)


def test_choice_between_offers_under_one_identifier_does_not_depend_on_their_order() -> None:
    """Without a known gateway, the lower MAC address counts."""
    chosen = set()
    for delays_s in itertools.permutations((0.001, 0.1)):
        pair = zip(delays_s, (TRUE, STRANGER), (frames.SERVER_MAC, OTHER_MAC), strict=True)
        world = world_of(*(DHCPServer(delay_s=s, router=router, mac=mac) for s, router, mac in pair))
        world.probe(7)
        chosen.add(tuple(gateways(world.only())))
    assert chosen == {((TRUE, TRUE, True),)}
