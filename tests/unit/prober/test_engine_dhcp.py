"""DHCP discovery by the engine in a scripted network."""

import itertools
from ipaddress import IPv4Network

import pytest

from services.contract.outcomes import DHCPOutcome, ReachOutcome
from services.prober.engine.settings import EngineSettings
from tests.unit.prober import frames
from tests.unit.prober.world import DHCPServer, Gateway, World, target

OTHER_MAC = bytes.fromhex("02fe00000002")


def test_offer_and_gateway_make_a_complete_result() -> None:
    """DHCPDISCOVER, DHCPOFFER, ARP on the VLAN and routed echo, each with its result."""
    world = World()
    world.put(7, DHCPServer(relay="10.9.9.9"), Gateway())
    world.routed.add("10.0.7.1")
    world.probe(7)
    found = world.only()
    assert found.dhcp is not None
    (offer,) = found.dhcp.offers
    assert (found.dhcp.outcome, found.dhcp.attempts) == (DHCPOutcome.OFFERED, 1)
    assert (frames.dotted(offer.server), offer.prefix, offer.lease_s) == ("10.0.7.1", 24, 3600)
    assert (frames.dotted(offer.relay), offer.routers) == ("10.9.9.9", (frames.number("10.0.7.1"),))
    assert offer.after_s == pytest.approx(0.01)
    (of_target,) = found.targets
    assert of_target.gateway == frames.number("10.0.7.1")
    assert (of_target.vlan.outcome, of_target.vlan.mac) == (ReachOutcome.REACHABLE, frames.SERVER_MAC)
    assert of_target.vlan.rtt_s == pytest.approx(0.001)
    assert of_target.routed.outcome is ReachOutcome.REACHABLE
    assert of_target.routed.rtt_s == pytest.approx(0.002)
    assert (found.fault, found.dropped_frames) == (None, 0)


def test_silent_vlan_has_no_offer_at_the_deadline() -> None:
    """N4: without a reply the result is reported at the deadline, and not before."""
    world = World()
    world.probe(7)
    found = world.only()
    assert found.dhcp is not None
    assert found.dhcp.outcome is DHCPOutcome.NO_OFFER
    assert found.dhcp.elapsed_s == pytest.approx(12.0)
    assert found.targets[0].gateway is None
    assert found.targets[0].vlan.outcome is ReachOutcome.NOT_TRIED


def test_discover_is_retransmitted_as_in_rfc_2131() -> None:
    """After 4, 8 and 16 s, each ±1 s at random, with increasing secs and an xid of its own."""
    gaps = set()
    for seed in range(20):
        world = World(EngineSettings(dhcp_deadline_s=45.0), seed=seed)
        world.probe(7)
        world.run()
        times = world.times_of(arp=False)
        for (before, after), delay in zip(itertools.pairwise(times), (4, 8, 16, 16), strict=False):
            assert delay - 1 <= after - before <= delay + 1
            gaps.add(round(after - before, 3))
        messages = [sent.dhcp for _, sent in world.sent if sent.dhcp is not None]
        assert len({message[4:8] for message in messages}) == len(messages)
        seconds = [int.from_bytes(message[8:10], "big") for message in messages]
        assert seconds == [int(at - times[0]) for at in times]
    assert len(gaps) > 40, "the delays are random"


@pytest.mark.parametrize(("delay_s", "offered"), [(11.99, True), (12.01, False)])
def test_offer_just_before_the_deadline_counts_and_just_after_does_not(delay_s: float, offered: bool) -> None:
    """N5: a late offer does not count."""
    world = World(EngineSettings(retransmit_s=(60.0,)))
    world.put(7, DHCPServer(delay_s=delay_s))
    world.probe(7)
    found = world.only()
    assert found.dhcp is not None
    assert found.dhcp.outcome is (DHCPOutcome.OFFERED if offered else DHCPOutcome.NO_OFFER)


def test_offer_that_arrived_in_time_counts_even_if_it_is_read_late() -> None:
    """Frames in the receive buffer are passed in before the deadline is handled."""
    world = World()
    world.probe(7)
    discover = frames.take_apart(world.trunk.take_frames()[0][0])
    world.now += 12.5
    reply = frames.answer(discover, options=frames.offer_options())
    world.trunk.receive(7, reply, verify_checksum=True, now=world.now - 1.0)
    assert world.only().dhcp is not None
    assert world.found[7].dhcp.outcome is DHCPOutcome.OFFERED  # type: ignore[union-attr]


def test_slow_server_is_not_a_failure() -> None:
    """A server pings the address for 3 s first, and loses the first DHCPDISCOVER."""
    world = World()
    world.put(7, DHCPServer(delay_s=3.0, ignore=1), Gateway())
    world.probe(7)
    found = world.only()
    assert found.dhcp is not None
    assert (found.dhcp.outcome, found.dhcp.attempts) == (DHCPOutcome.OFFERED, 2)


def test_unicast_offer_counts() -> None:
    """Kea unicasts at layer 2 despite the broadcast flag."""
    world = World()
    world.put(7, DHCPServer(unicast=True))
    world.probe(7)
    assert world.only().dhcp.outcome is DHCPOutcome.OFFERED  # type: ignore[union-attr]


def _second_server(delay_s: float) -> World:
    world = World(routed=False)
    world.put(7, DHCPServer(server="10.0.7.9"), DHCPServer(server="10.0.7.2", delay_s=delay_s))
    world.put(7, Gateway("10.0.7.9"), Gateway("10.0.7.2", mac=OTHER_MAC))
    return world


def test_second_server_is_reported_and_the_lowest_address_counts() -> None:
    """N6: both are reported, and the choice does not depend on which was quicker."""
    for delay_s in (0.001, 0.2):
        world = _second_server(delay_s)
        world.probe(7)
        found = world.only()
        assert found.dhcp is not None
        assert [frames.dotted(o.server) for o in found.dhcp.offers] == ["10.0.7.2", "10.0.7.9"]
        assert found.targets[0].gateway == frames.number("10.0.7.2")
        assert found.targets[0].vlan.mac == OTHER_MAC


def _denying(*subnets: str) -> EngineSettings:
    networks = [IPv4Network(subnet) for subnet in subnets]
    return EngineSettings(
        denied=tuple((int(subnet.network_address), int(subnet.netmask)) for subnet in networks)
    )


def test_denied_router_is_not_probed_and_the_other_offer_counts() -> None:
    """The server with the lowest address names a host's own address, which gets neither ARP nor ICMP."""
    world = World(_denying("10.0.7.2/32"))
    world.put(7, DHCPServer(server="10.0.7.2"), DHCPServer(server="10.0.7.9", delay_s=0.1))
    world.put(7, Gateway("10.0.7.2", mac=OTHER_MAC), Gateway("10.0.7.9"))
    world.routed |= {"10.0.7.2", "10.0.7.9"}
    world.probe(7)
    found = world.only()
    assert {sent.arp_target for _, sent in world.sent} - {None} == {"10.0.7.9"}
    assert {address for _, address in world.echoes} == {"10.0.7.9"}
    assert found.targets[0].gateway == frames.number("10.0.7.9")
    assert found.targets[0].vlan.outcome is ReachOutcome.REACHABLE
    assert found.dhcp is not None
    reported = [(frames.dotted(offer.server), offer.gateway) for offer in found.dhcp.offers]
    assert reported == [(name, frames.number(name)) for name in ("10.0.7.2", "10.0.7.9")], "both are reported"


@pytest.mark.parametrize("denied", ["10.0.0.0/8", "10.0.7.128/25"], ids=["around it", "overlapping"])
def test_denied_router_of_the_only_server_is_not_probed(denied: str) -> None:
    """It is reported, so that the updater can give the reason."""
    world = World(_denying(denied))
    world.put(7, DHCPServer(), Gateway())
    world.routed.add("10.0.7.1")
    world.probe(7)
    found = world.only()
    assert (found.targets[0].gateway, world.times_of(arp=True), world.echoes) == (None, [], [])
    assert found.dhcp is not None
    assert found.dhcp.offers[0].gateway == frames.number("10.0.7.1")


def test_offer_after_the_window_does_not_count() -> None:
    """The discovery ends 0.3 s after the first offer."""
    world = _second_server(0.5)
    world.probe(7)
    found = world.only()
    assert found.dhcp is not None
    assert [frames.dotted(o.server) for o in found.dhcp.offers] == ["10.0.7.9"]
    assert world.now - 1000.0 == pytest.approx(0.31)


def test_named_server_is_waited_for() -> None:
    """A quick rogue server does not hide the named slow one, and its offer does not count."""
    world = _second_server(5.0)
    world.probe(7, target(server="10.0.7.2"))
    found = world.only()
    assert found.targets[0].offer is not None
    assert frames.dotted(found.targets[0].offer.server) == "10.0.7.2"
    assert found.targets[0].gateway == frames.number("10.0.7.2")


def test_silent_named_server_gives_no_gateway() -> None:
    """Another server answers: it is reported, and its offer does not count."""
    world = World()
    world.put(7, DHCPServer(server="10.0.7.9"), Gateway("10.0.7.9"))
    world.probe(7, target(server="10.0.7.2"))
    found = world.only()
    assert found.dhcp is not None
    assert [frames.dotted(o.server) for o in found.dhcp.offers] == ["10.0.7.9"]
    assert (found.targets[0].offer, found.targets[0].gateway) == (None, None)


def test_server_counts_once() -> None:
    """Of two offers of one server, the first counts."""
    world = World()
    world.put(7, DHCPServer(), DHCPServer(address="10.0.7.101", delay_s=0.02))
    world.probe(7)
    found = world.only()
    assert found.dhcp is not None
    assert [frames.dotted(o.address) for o in found.dhcp.offers] == ["10.0.7.100"]


def test_number_of_servers_is_bounded() -> None:
    """99 servers on one VLAN make 16 entries."""
    world = World()
    for n in range(1, 100):
        world.put(7, DHCPServer(server=f"10.0.7.{n}"))
    world.probe(7)
    assert len(world.only().dhcp.offers) == 16  # type: ignore[union-attr]


def test_unasked_ack_counts_as_an_offer_and_is_released() -> None:
    """The address of a rapid commit (RFC 4039) is released."""
    world = World()
    world.put(7, DHCPServer(options=frames.offer_options(kind=5)))
    world.probe(7)
    assert world.only().dhcp.outcome is DHCPOutcome.OFFERED  # type: ignore[union-attr]
    releases = [s for _, s in world.sent if s.dhcp is not None and frames.options_of(s.dhcp)[53] == b"\x07"]
    assert [s.dhcp[12:16] for s in releases if s.dhcp] == [frames.packed("10.0.7.100")]
    assert releases[0].destination == frames.SERVER_MAC


@pytest.mark.parametrize(
    ("options", "address"),
    [
        (frames.offer_options(kind=6), "10.0.7.100"),
        (frames.offer_options(kind=1), "10.0.7.100"),
        (frames.offer_options(), "0.0.0.0"),
        (frames.offer_options(), "127.0.0.1"),
        (frames.offer_options(), "224.0.0.5"),
        (frames.offer_options(server="0.0.0.0"), "255.255.255.255"),
    ],
    ids=["NAK", "DISCOVER", "no address", "loopback", "multicast", "broadcast"],
)
def test_unusable_reply_is_not_an_offer(options: bytes, address: str) -> None:
    """A DHCPNAK, or an address that no host can have."""
    world = World()
    world.put(7, DHCPServer(options=options, address=address))
    world.probe(7)
    assert world.only().dhcp.outcome is DHCPOutcome.NO_OFFER  # type: ignore[union-attr]


def test_server_without_identifier_is_known_by_its_source_address() -> None:
    """Used if option 54 is missing."""
    world = World()
    world.put(7, DHCPServer(server="10.0.7.3", options=frames.offer_options(server=None)))
    world.probe(7)
    assert [frames.dotted(o.server) for o in world.only().dhcp.offers] == ["10.0.7.3"]  # type: ignore[union-attr]


def test_replies_to_other_clients_are_ignored() -> None:
    """N7, N8, N9: another xid, chaddr or VLAN."""
    world = World()
    world.probe(7)
    world.probe(8)
    sevens = next(s for f, _ in world.trunk.take_frames() if (s := frames.take_apart(f)).vlan == 7)
    assert sevens.dhcp is not None
    options = frames.offer_options()
    right = {"xid": sevens.dhcp[4:8], "chaddr": sevens.source}
    other_xid = bytes((right["xid"][0] ^ 1,)) + right["xid"][1:]
    for vlan, fields in (
        (7, {**right, "xid": other_xid}),
        (7, {**right, "chaddr": OTHER_MAC}),
        (7, {**right, "chaddr": world.trunk.identity.mac(8)}),
        (8, right),
        (9, right),
        (0, right),
    ):
        world.deliver(
            0.1,
            vlan,
            frames.dhcp_frame(
                frames.bootp(options=options, **fields)  # type: ignore[arg-type]
            ),
        )
    doubled = frames.dhcp_frame(
        frames.bootp(options=options, **right)  # type: ignore[arg-type]
    )
    world.deliver(0.1, 7, doubled[:12] + b"\x81\x00\x00\x07" + doubled[12:])
    found = world.run()
    assert {found[7].dhcp.outcome, found[8].dhcp.outcome} == {DHCPOutcome.NO_OFFER}  # type: ignore[union-attr]
