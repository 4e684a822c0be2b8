"""Each kind of reply to a DHCPDISCOVER, and what the verdict contains."""

from collections.abc import Collection

import pytest

from services.contract.messages import Target, Verdict
from services.contract.outcomes import DHCPOutcome
from services.prober import verdicts
from services.prober.engine.settings import EngineSettings
from services.prober.frames.ignore_reasons import IgnoreReason
from tests.unit.prober import frames
from tests.unit.prober.frames import number, option, packed
from tests.unit.prober.world import DHCPServer, World, target


def verdict_of(world: World) -> Verdict:
    """Run, and return the verdict on VLAN 7 after a round trip through JSON."""
    made = verdicts.verdict(world.only(), host="n", request_id="r", incarnation=0, counter=0)
    return Verdict.from_wire(made.to_wire())


def offered(server: DHCPServer) -> Verdict:
    world = World(routed=False)
    world.put(7, server)
    world.probe(7)
    return verdict_of(world)


def test_relay_is_named() -> None:
    """giaddr names the relay agent that forwarded the offer."""
    verdict = offered(DHCPServer(server="10.99.0.1", relay="10.0.7.2", options=frames.offer_options()))
    assert verdict.dhcp is not None
    (offer,) = verdict.dhcp.servers
    assert (str(offer.server), str(offer.relay)) == ("10.0.7.1", "10.0.7.2")


def test_option_121_counts_before_option_3() -> None:
    """RFC 3442: the gateway is that of option 121; the routers of option 3 are reported too."""
    routes = option(121, b"\0" + packed("10.0.7.9"))
    verdict = offered(DHCPServer(options=frames.offer_options(more=routes)))
    assert verdict.dhcp is not None
    (offer,) = verdict.dhcp.servers
    assert (str(offer.gateway), [str(router) for router in offer.routers]) == ("10.0.7.9", ["10.0.7.1"])
    assert str(verdict.targets[0].gateway) == "10.0.7.9"


@pytest.mark.parametrize("unicast", [True, False])
def test_offer_counts_by_unicast_and_by_broadcast(unicast: bool) -> None:
    """Kea sends to our MAC address despite the broadcast flag."""
    verdict = offered(DHCPServer(unicast=unicast))
    assert verdict.dhcp is not None
    assert verdict.dhcp.outcome is DHCPOutcome.OFFERED


def test_option_split_over_overloaded_fields_is_joined() -> None:
    """RFC 3396 with option 52: one half of the gateway is in options, the other in sname."""
    world = World(routed=False)
    world.probe(7)
    asked = next(s for f, _ in world.trunk.take_frames() if (s := frames.take_apart(f)).dhcp)
    assert asked.dhcp is not None
    routes = b"\x18\x0a\x00\x09" + packed("10.0.7.2") + b"\0" + packed("10.0.7.9")
    options = frames.offer_options(router=None, more=option(52, b"\x02") + option(121, routes[:9]))
    sname = option(121, routes[9:]) + b"\xff"
    message = frames.bootp(xid=asked.dhcp[4:8], chaddr=asked.source, options=options, sname=sname)
    world.deliver(0.01, 7, frames.dhcp_frame(message))
    assert str(verdict_of(world).targets[0].gateway) == "10.0.7.9"


def test_nak_to_a_discover_is_ignored_and_counted() -> None:
    """It is not an offer."""
    world = World(EngineSettings(dhcp_deadline_s=1.0), routed=False)
    world.put(7, DHCPServer(options=frames.offer_options(kind=6)))
    world.probe(7)
    verdict = verdict_of(world)
    assert verdict.dhcp is not None
    assert (verdict.dhcp.outcome, verdict.dhcp.servers) == (DHCPOutcome.NO_OFFER, ())
    assert world.trunk.ignored[IgnoreReason.DHCP_NAK] == 1


def test_rapid_commit_is_reported_and_released_once() -> None:
    """RFC 4039: an unrequested DHCPACK counts as an offer; its duplicates are not released again."""
    world = World(routed=False)
    server = DHCPServer(options=frames.offer_options(kind=5))
    world.put(7, server, server)
    world.probe(7)
    verdict = verdict_of(world)
    assert verdict.dhcp is not None
    assert [offer.unasked_ack for offer in verdict.dhcp.servers] == [True]
    sent = [frames.options_of(sent.dhcp)[53] for _, sent in world.sent if sent.dhcp is not None]
    assert sent == [b"\x01", b"\x07"]


def test_malformed_messages_are_counted_by_reason() -> None:
    """Here an option that extends beyond its field."""
    world = World(EngineSettings(dhcp_deadline_s=1.0), routed=False)
    world.put(7, DHCPServer(options=option(53, b"\x02") + b"\x03\xff"))
    world.probe(7)
    assert world.only().dhcp.outcome is DHCPOutcome.NO_OFFER  # type: ignore[union-attr]
    assert world.trunk.ignored == {IgnoreReason.DHCP_OPTION_LENGTH: 1}


def test_engine_sums_ignored_frames_over_its_uplinks() -> None:
    """Every reason has a count, 0 where no frame was ignored for it."""
    world = World(routed=False)
    for trunk in (world.trunk, world.engine.trunk("other")):
        trunk.receive(7, bytes(60), verify_checksum=True, now=world.now)
    counts = world.engine.ignored_frames()
    assert counts == {reason: 2 * (reason is IgnoreReason.ETHERTYPE) for reason in IgnoreReason}


FIRST, SECOND, THIRD = "10.0.7.2", "10.0.7.5", "10.0.7.9"


@pytest.mark.parametrize(
    ("servers", "named", "allowed", "rogues"),
    [
        ((FIRST,), target(), (), set()),
        ((FIRST, SECOND), target(), (), {SECOND}),
        ((FIRST, SECOND), target(SECOND), (), {FIRST}),
        ((FIRST, SECOND), target(server=SECOND), (), {FIRST}),
        ((FIRST, SECOND), target(from_dhcp=False), (), {SECOND}),
        ((FIRST, SECOND, THIRD), target(), (FIRST, THIRD), {SECOND}),
        ((FIRST, SECOND), target(), (FIRST, SECOND), set()),
        ((SECOND,), target(), (FIRST,), {SECOND}),
        ((SECOND,), target(server=SECOND), (FIRST,), set()),
    ],
    ids=[
        "alone", "second", "by the known gateway", "by name", "manual", "not allowed", "all allowed",
        "alone and not allowed", "named by the owner",
    ],
)  # fmt: skip
def test_server_that_does_not_count_is_a_rogue(
    servers: Collection[str], named: Target, allowed: Collection[str], rogues: set[str]
) -> None:
    """Unless it is an allowed server; with a list of those, every other one is a rogue, even alone."""
    world = World(EngineSettings(allowed_servers=frozenset(map(number, allowed))), routed=False)
    for server in servers:
        world.put(7, DHCPServer(server=server))
    world.probe(7, named)
    verdict = verdict_of(world)
    assert verdict.dhcp is not None
    assert {str(offer.server) for offer in verdict.dhcp.servers} == set(servers)
    assert {str(offer.server) for offer in verdict.dhcp.servers if offer.rogue} == rogues
