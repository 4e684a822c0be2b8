"""DHCP servers that agree in subnet, mask and gateway are a pair, and none of them is a rogue.

ISC and Windows failover and Kea's load-balancing have two servers with a pool each; with Kea's hot-standby
the second one answers once the first is gone. Two relays that name themselves as the server (RFC 5107) look
alike.
"""

from dataclasses import fields, replace
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cli.explain.answers import answers_of
from services.cli.terminal import GOOD, UNCERTAIN
from services.contract.messages import DHCPVerdict, Target
from services.contract.outcomes import Reason, State
from services.network.judge.reduction import reduce
from services.network.policy import DEFAULT_POLICY
from services.network.reasons.texts import Facts
from services.prober import verdicts
from services.prober.engine.settings import EngineSettings
from services.view.host_checks import HostCheck
from tests.unit.network.builders import seen
from tests.unit.network.builders import verdict as judged_verdict
from tests.unit.network.test_reduction import AUTO
from tests.unit.prober import frames
from tests.unit.prober.frames import number, option, packed
from tests.unit.prober.world import DHCPServer, Gateway, World, target

FIRST, SECOND, THIRD, ROUTER, OTHER = "10.0.7.2", "10.0.7.3", "10.0.7.66", "10.0.7.1", "10.0.7.254"
MACS = {FIRST: "02fe00000002", SECOND: "02fe00000003", THIRD: "02fe00000066"}


def server(
    name: str, *, router: str | None = ROUTER, mask: str | None = "255.255.255.0", more: bytes = b"",
    address: str | None = None, relay: str = "0.0.0.0", came_from: str | None = None,
) -> DHCPServer:  # fmt: skip
    """Return a server with an address, a pool and a MAC address of its own."""
    options = frames.offer_options(server=name, router=router, mask=mask, more=more)
    return DHCPServer(
        server=name, options=options, address=address or f"10.0.7.1{name.rpartition('.')[2]}", relay=relay,
        mac=bytes.fromhex(MACS[came_from or name]),
    )  # fmt: skip


def told(*servers: DHCPServer, named: Target | None = None, allowed: tuple[str, ...] = ()) -> DHCPVerdict:
    """Ask on VLAN 7, and return what is told of DHCP there."""
    world = World(EngineSettings(allowed_servers=frozenset(map(number, allowed))), routed=False)
    world.put(7, *servers, Gateway(ROUTER), Gateway(OTHER))
    world.probe(7, named or target())
    made = verdicts.verdict(world.only(), host="n", request_id="r", incarnation=0, counter=0)
    assert made.dhcp is not None
    return made.dhcp


def rogues(found: DHCPVerdict) -> set[str]:
    return {str(offer.server) for offer in found.servers if offer.rogue}


def sign(found: DHCPVerdict) -> set[str]:
    """Return the signs that `explain` puts beside the offers."""
    return {
        answer.sign
        for answer in answers_of(HostCheck("n", age_s=1.0, dhcp=found), FACTS)
        if answer.path == "DHCP"
    }


FACTS = Facts(**{field.name: field.name for field in fields(Facts)})

PAIRS = {
    "failover": (server(FIRST), server(SECOND)),
    "through relays": (server(FIRST, relay=ROUTER, came_from=THIRD), server(SECOND, relay=ROUTER)),
    "two relays that name themselves": (server(FIRST, relay=FIRST), server(SECOND, relay=SECOND)),
    "one names the router in option 121": (
        server(FIRST),
        server(SECOND, router=None, more=option(121, b"\0" + packed(ROUTER))),
    ),
    "no router": (server(FIRST, router=None), server(SECOND, router=None)),
}


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
@pytest.mark.parametrize(
    "named", [target(), target(ROUTER), target(server=SECOND)], ids=["new", "known", "named"]
)
def test_a_pair_is_two_servers_and_no_rogue(pair: tuple[DHCPServer, DHCPServer], named: Target) -> None:
    """Both are listed as good: the network is new, its gateway known, or the owner named one of them."""
    found = told(*pair, named=named)
    assert [str(offer.server) for offer in found.servers] == [FIRST, SECOND]
    assert rogues(found) == set()
    assert sign(found) == {GOOD}


DIFFERENT = {
    "gateway": server(SECOND, router=OTHER),
    "mask": server(SECOND, mask="255.255.0.0"),
    "subnet": server(SECOND, address="10.0.8.100"),
    "no gateway": server(SECOND, router=None),
    "no mask": server(SECOND, mask=None),
    "classless route": server(SECOND, more=option(121, b"\0" + packed(OTHER))),
}


@pytest.mark.parametrize("second", DIFFERENT.values(), ids=DIFFERENT)
def test_a_second_server_that_differs_in_one_thing_is_told(second: DHCPServer) -> None:
    """A VM could get either: subnet, mask and gateway count each."""
    found = told(server(FIRST), second)
    assert rogues(found) == {SECOND}
    assert sign(found) == {UNCERTAIN}


def test_without_masks_nobody_agrees() -> None:
    """Offers without a mask name no subnet."""
    assert rogues(told(server(FIRST, mask=None), server(SECOND, mask=None))) == {SECOND}


def test_a_server_that_also_offers_something_else_is_no_pair() -> None:
    """Nobody becomes a pair by repeating the true offer beside one of its own."""
    assert rogues(told(server(FIRST), server(SECOND), server(SECOND, router=OTHER))) == {SECOND}


def test_a_stranger_beside_a_pair_is_told_alone() -> None:
    """Neither server of the pair is, whoever has the lowest address."""
    assert rogues(told(server(FIRST), server(SECOND), server(THIRD, router=OTHER))) == {THIRD}
    low = "10.0.6.6"
    stranger = replace(server(THIRD, router=OTHER), options=frames.offer_options(server=low, router=OTHER))
    assert rogues(told(server(FIRST), server(SECOND), stranger, named=target(ROUTER))) == {low}


@pytest.mark.parametrize(
    ("allowed", "expected"), [((FIRST,), {SECOND}), ((FIRST, SECOND), set()), ((THIRD,), {FIRST, SECOND})]
)
def test_the_list_of_allowed_servers_overrides(allowed: tuple[str, ...], expected: set[str]) -> None:
    """With the list, a server that agrees and is not in it is a rogue."""
    assert rogues(told(server(FIRST), server(SECOND), allowed=allowed)) == expected


def test_allowed_servers_that_disagree_are_not_shown_as_good() -> None:
    """None is a rogue, and VMs still get different gateways."""
    found = told(server(FIRST), server(SECOND, router=OTHER), allowed=(FIRST, SECOND))
    assert (rogues(found), sign(found)) == (set(), {UNCERTAIN})


@given(order=st.permutations([server(FIRST), server(SECOND), server(THIRD, router=OTHER)]))
def test_the_order_of_answers_changes_nothing(order: list[DHCPServer]) -> None:
    """Kea's and ISC's servers take turns in who is first."""
    world_order = [replace(one, delay_s=0.01 + place / 1000, seen=[]) for place, one in enumerate(order)]
    assert rogues(told(*world_order)) == {THIRD}


def test_a_standby_that_takes_over_changes_nothing() -> None:
    """One host heard the first server, and the next host, later, only the second: Active, nothing found."""
    before, after = told(server(FIRST)), told(server(SECOND))
    gateway = IPv4Address(ROUTER)
    latest = [
        seen(judged_verdict(AUTO.digest, host=host, dhcp=found, gateway=gateway), age_s)
        for host, found, age_s in (("node1", before, 100.0), ("node2", after, 1.0))
    ]
    for verdicts_now in (latest[:1], latest, latest[1:]):
        intent = replace(AUTO, known_gateway=gateway, known_cidr=before.servers[0].cidr)
        conclusion = reduce(
            intent, verdicts_now, verdicts_now, hosts=frozenset(s.verdict.host for s in verdicts_now),
            fresh_s=600.0, policy=DEFAULT_POLICY,
        )  # fmt: skip
        assert (conclusion.state, conclusion.findings) == (State.ACTIVE, {})
        assert conclusion.gateway == gateway
        assert Reason.DHCP_SERVERS_DISAGREE not in conclusion.findings
