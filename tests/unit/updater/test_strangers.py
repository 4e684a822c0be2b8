"""A stranger among the DHCP servers, seen by the whole updater: one host's word hands nothing to it."""

from ipaddress import IPv4Address

import pytest

from services.contract.messages import DHCPVerdict, Offer, TargetVerdict
from services.contract.outcomes import DHCPOutcome, ReachOutcome, Reason
from services.contract.reports import Report
from tests.unit.network.builders import GATEWAY, dhcp, reach, verdict
from tests.unit.network.test_servers import (
    FORGED_OFFER,
    MOVED,
    RENUMBERED,
    STRANGER,
    STRANGERS_OFFER,
    TRUE_OFFER,
)
from tests.unit.updater.world import HOSTS, R, S, World

BOUND_S = 25


def standing(*offers: Offer) -> World:
    """A network that is Active, with the gateway that these offers name."""
    world = World("auto", "routed")
    for host in HOSTS:
        report(world, host, R, *offers)
    world.review()
    assert (world.status()["state"], world.route()["gateway"]) == ("Active", str(GATEWAY))
    world.clock.seconds += 60
    return world


def report(
    world: World, host: str, known: ReachOutcome, *offers: Offer, gateway: IPv4Address = GATEWAY,
    loses_offers: bool = False,
) -> None:  # fmt: skip
    """Report what a host found on the known gateway, and what it was offered; what is offered answers."""
    world.counter += 1
    intent = world.intent
    asked = DHCPVerdict(outcome=DHCPOutcome.INCONCLUSIVE) if loses_offers else None
    found = verdict(
        intent.digest, host=host, vlan=known, routed=known, counter=world.counter,
        gateway=gateway, dhcp=dhcp(*offers) if offers else asked,
    )  # fmt: skip
    others = tuple(
        TargetVerdict(digest=intent.digest, gateway=made.gateway, vlan=reach(R), routed=reach(R))
        for made in offers
        if made.gateway != GATEWAY
    )
    said = found.model_copy(update={"targets": found.targets + others})
    world.updater.take_report(Report(host=host, verdicts=(said,)))
    world.review()


@pytest.mark.parametrize("made", [STRANGERS_OFFER, FORGED_OFFER], ids=["stranger", "true id"])
def test_n20_gateway_stays_while_the_stranger_alone_answers(made: Offer) -> None:
    """N20: on every host, for an hour; the state does not change either, and it is written once."""
    world = standing(TRUE_OFFER)
    for _ in range(12):
        world.clock.seconds += 300
        for host in HOSTS:
            report(world, host, R, made)
    assert (world.status()["state"], world.route()["gateway"]) == ("Active", str(GATEWAY))
    assert list(world.status()["findings"]) == [Reason.OTHER_SERVER_ANSWERED]  # type: ignore[call-overload]
    told = {tuple(written.items()) for written in world.cluster.written[1:]}
    assert len(world.cluster.written) - 1 == len(told), "nothing is written twice"


@pytest.mark.parametrize("forgetful", [False, True], ids=["others answered before", "Redis was emptied"])
def test_n20_one_host_that_misses_the_gateway_does_not_hand_it_to_a_stranger(forgetful: bool) -> None:
    """N20: the others are asked first, and the gateway answers them."""
    world = standing(TRUE_OFFER)
    if forgetful:
        world.store.lose()
    report(world, HOSTS[0], S, STRANGERS_OFFER)
    assert (world.status()["state"], world.route()["gateway"]) == ("Active", str(GATEWAY))
    for host in HOSTS[1:]:
        report(world, host, R)
    world.clock.seconds += BOUND_S
    world.review()
    assert (world.status()["state"], world.route()["gateway"]) == ("Partial", str(GATEWAY))


def test_moved_gateway_is_followed_once_every_host_misses_the_old_one() -> None:
    """Another server names it, as after the router and its DHCP server were replaced."""
    world = standing(TRUE_OFFER)
    # So that no fresh offer names the old gateway.
    world.store.lose()
    for host in HOSTS:
        report(world, host, S, STRANGERS_OFFER)
    world.clock.seconds += BOUND_S
    world.review()
    assert world.route()["gateway"] == STRANGER


def test_renumbered_network_is_followed_though_the_old_gateway_answers() -> None:
    """By the server that named the old one: the status remembers it, even if Redis was emptied."""
    world = standing(TRUE_OFFER)
    world.store.lose()
    for host in HOSTS:
        report(world, host, R, RENUMBERED)
    world.clock.seconds += BOUND_S
    world.review()
    assert world.route()["gateway"] == MOVED


def test_renumbered_network_stays_so_when_hosts_lose_the_next_offers() -> None:
    """What another host was offered before is older than what they were offered last."""
    world = standing(TRUE_OFFER)
    for host in HOSTS[:2]:
        report(world, host, R, RENUMBERED)
    world.clock.seconds += BOUND_S
    world.review()
    assert world.route()["gateway"] == MOVED
    for _ in range(4):
        world.clock.seconds += 250
        for host in HOSTS:
            report(world, host, R, gateway=IPv4Address(MOVED), loses_offers=host != HOSTS[2])
    assert (world.status()["state"], world.route()["gateway"]) == ("Active", MOVED)
