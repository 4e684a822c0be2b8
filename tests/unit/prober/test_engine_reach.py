"""Gateway checks by ARP on the VLAN and by ICMP echo through routing."""

import pytest

from services.contract.outcomes import ReachOutcome
from services.prober.engine.settings import EngineSettings
from tests.unit.prober import frames
from tests.unit.prober.world import DHCPServer, Gateway, World, target

GATEWAY = "10.0.7.1"


def known(gateway: str = GATEWAY) -> World:
    world = World()
    world.probe(7, target(gateway, from_dhcp=False), ask_dhcp=False)
    return world


def test_gateway_is_silent_after_three_probes() -> None:
    """At 0, 1 and 2 s; the result follows one second after the third, on both paths."""
    world = known()
    found = world.only()
    assert found.dhcp is None
    assert (found.targets[0].vlan.outcome, found.targets[0].vlan.attempts) == (ReachOutcome.SILENT, 3)
    assert (found.targets[0].routed.outcome, found.targets[0].routed.attempts) == (ReachOutcome.SILENT, 3)
    assert world.times_of(arp=True) == pytest.approx([0.0, 1.0, 2.0])
    assert [at - 1000.0 for at, _ in world.echoes] == pytest.approx([0.0, 1.0, 2.0])
    assert world.now - 1000.0 == pytest.approx(3.0)


@pytest.mark.parametrize("ignore", [0, 1, 2])
def test_gateway_is_reachable_at_the_first_reply(ignore: int) -> None:
    """No further probe is sent."""
    world = World(routed=False)
    gateway = Gateway(ignore=ignore)
    world.put(7, gateway)
    world.probe(7, target(GATEWAY, from_dhcp=False), ask_dhcp=False)
    found = world.only()
    assert (found.targets[0].vlan.outcome, gateway.asked) == (ReachOutcome.REACHABLE, ignore + 1)
    assert world.now - 1000.0 == pytest.approx(ignore + 0.001)


def test_round_trip_counts_from_the_request_that_was_answered() -> None:
    """A reply to the first echo that arrives after the second was sent has a long round trip."""
    world = known()
    world._exchange()
    echoes = world.engine.echoes
    assert echoes is not None
    echoes.check_gateway(
        frames.number("10.0.9.9"), callback=lambda _, result, __: results.append(result), now=1000.0
    )
    results: list[object] = []
    ((_, message, _),) = echoes.take_packets()
    world.engine.advance(1001.0)
    echoes.receive(frames.echo_reply(message, source="10.0.9.9"), 1001.2)
    (result,) = results
    assert result.rtt_s == pytest.approx(1.2)  # type: ignore[attr-defined]


def test_forged_echo_replies_change_nothing() -> None:
    """N16: another address, identifier, sequence number or payload."""
    world = known()
    echoes = world.engine.echoes
    assert echoes is not None
    ((_, message, _),) = echoes.take_packets()
    for forged, source in (
        (message, "10.0.7.2"),
        (message[:4] + bytes((message[4] ^ 1,)) + message[5:], GATEWAY),
        (message[:6] + b"\xff\xff" + message[8:], GATEWAY),
        (message[:8] + bytes((message[8] ^ 1,)) + message[9:], GATEWAY),
    ):
        echoes.receive(frames.echo_reply(forged, source=source), world.now)
    assert world.only().targets[0].routed.outcome is ReachOutcome.SILENT


def test_forged_arp_replies_change_nothing() -> None:
    """N15: a reply to another station, for another address or on another VLAN, or a request."""
    world = known()
    mac = world.trunk.identity.mac(7)
    for vlan, reply in (
        (7, frames.arp_reply(sender="10.0.7.2", to=mac)),
        (7, frames.arp_reply(sender=GATEWAY, to=frames.SERVER_MAC)),
        (7, frames.arp_reply(sender=GATEWAY, to=mac, operation=1)),
        (8, frames.arp_reply(sender=GATEWAY, to=mac)),
    ):
        world.deliver(0.1, vlan, reply)
    assert world.only().targets[0].vlan.outcome is ReachOutcome.SILENT


def test_lost_echo_replies_are_requested_again() -> None:
    """Drops on the routed path make it inconclusive, and leave the VLAN path alone."""
    world = known()
    echoes = world.engine.echoes
    assert echoes is not None
    for at in (0.5, 3.5):
        world.at(at, lambda: echoes.losses.dropped(1))
    found = world.only()
    assert (found.targets[0].routed.outcome, found.targets[0].routed.attempts) == (
        ReachOutcome.INCONCLUSIVE,
        6,
    )
    assert (found.targets[0].vlan.outcome, found.targets[0].vlan.attempts) == (ReachOutcome.SILENT, 3)


def test_targets_with_one_gateway_share_its_check() -> None:
    """However many networks name a gateway, it is checked once."""
    world = World()
    gateway = Gateway()
    world.put(7, gateway)
    targets = [target(GATEWAY, from_dhcp=False, digest=f"{n:016x}") for n in range(10)]
    world.probe(7, *targets, ask_dhcp=False)
    found = world.only()
    assert gateway.asked == 1
    assert [t.digest for t in found.targets] == [t.digest for t in targets]
    assert {t.vlan.outcome for t in found.targets} == {ReachOutcome.REACHABLE}


def test_offered_gateway_is_checked_beside_the_known_one() -> None:
    """With from_dhcp, a gateway that has moved is found at its new address, too."""
    world = World()
    world.put(7, DHCPServer(options=frames.offer_options(router="10.0.7.254")), Gateway("10.0.7.254"))
    world.probe(7, target(GATEWAY))
    found = world.only()
    known, moved = found.targets
    assert (known.gateway, known.vlan.outcome) == (frames.number(GATEWAY), ReachOutcome.SILENT)
    assert (moved.gateway, moved.vlan.outcome) == (frames.number("10.0.7.254"), ReachOutcome.REACHABLE)


def test_manual_gateway_is_kept_whatever_is_offered() -> None:
    """Without from_dhcp an offer is reported and does not count."""
    world = World()
    world.put(7, DHCPServer(options=frames.offer_options(router="10.0.7.254")), Gateway())
    world.probe(7, target(GATEWAY, from_dhcp=False))
    found = world.only()
    assert found.dhcp is not None
    assert len(found.dhcp.offers) == 1
    assert (found.targets[0].gateway, found.targets[0].offer) == (frames.number(GATEWAY), None)


@pytest.mark.parametrize("offer", [None, frames.offer_options(router=None)], ids=["silent", "no router"])
def test_known_gateway_is_checked_when_dhcp_names_none(offer: bytes | None) -> None:
    """DHCP is silent, or names no router."""
    world = World()
    if offer is not None:
        world.put(7, DHCPServer(options=offer))
    world.put(7, Gateway())
    world.probe(7, target(GATEWAY))
    found = world.only()
    assert found.targets[0].gateway == frames.number(GATEWAY)
    assert found.targets[0].vlan.outcome is ReachOutcome.REACHABLE


def test_known_gateway_does_not_flap_between_two_servers() -> None:
    """N6: while two servers name two gateways, the known one is kept."""
    for gateway in ("10.0.7.2", "10.0.7.9"):
        world = World()
        world.put(7, DHCPServer(server="10.0.7.2"), DHCPServer(server="10.0.7.9"))
        world.probe(7, target(gateway))
        assert world.only().targets[0].gateway == frames.number(gateway)


def test_offer_with_a_gateway_is_preferred() -> None:
    """An offer without a gateway does not hide one that works."""
    world = World()
    world.put(7, DHCPServer(server="10.0.7.2", options=frames.offer_options(server="10.0.7.2", router=None)))
    world.put(7, DHCPServer(server="10.0.7.9"))
    world.probe(7)
    assert world.only().targets[0].gateway == frames.number("10.0.7.9")


def test_arp_rate_is_limited() -> None:
    """A switch that inspects ARP disables a port at more than 15 a second: a rate of 10 stays below."""
    world = World(EngineSettings(arp_rate=10.0), routed=False)
    for vlan in range(1, 41):
        world.probe(vlan, target("10.0.0.1", from_dhcp=False), ask_dhcp=False)
    world.run(until_s=60)
    times = world.times_of(arp=True)
    assert len(times) == 120
    assert all(sum(start <= at < start + 1.0 for at in times) <= 11 for start in times)


def test_start_rate_is_limited_and_deadlines_count_from_the_start() -> None:
    """The number of open exchanges is not limited: 300 silent VLANs each end 12 s after their start."""
    world = World(EngineSettings(start_rate=100.0), routed=False)
    for vlan in range(1, 301):
        world.probe(vlan)
    world.run()
    firsts: dict[int, float] = {}
    for at, sent in world.sent:
        firsts.setdefault(sent.vlan, at)
    starts = sorted(firsts.values())
    assert starts[-1] - starts[0] == pytest.approx(2.98, abs=0.05)
    assert all(world.found_at[v] - at == pytest.approx(12.0) for v, at in firsts.items())


def test_silent_vlan_delays_no_other() -> None:
    """VLANs that answer are reported at once, among any number of silent ones."""
    world = World(EngineSettings(start_rate=None, arp_rate=None), routed=False)
    for vlan in range(1, 201):
        if vlan % 2:
            world.put(vlan, DHCPServer(), Gateway())
        world.probe(vlan)
    found = world.run()
    for vlan, result in found.items():
        answers = result.targets[0].vlan.outcome is ReachOutcome.REACHABLE
        assert answers is bool(vlan % 2)
        assert world.found_at[vlan] - 1000.0 == pytest.approx(0.31 if answers else 12.0, abs=0.01)
