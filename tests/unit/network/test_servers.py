"""Whose offer counts against the known gateway, and what is told of the servers."""

from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contract.limits import MAX_SERVERS
from services.contract.messages import Offer, TargetVerdict
from services.contract.outcomes import ReachOutcome, Reason, State
from services.contract.verdicts import AgedVerdict
from services.network.judge.reduction import Conclusion
from services.network.parse.intent import Intent, read_intent
from services.network.parse.status import ServerIdentity, Status
from services.network.write.writing import decide
from tests.unit.network.builders import (
    CIDR,
    GATEWAY,
    NOW,
    dhcp,
    network,
    offer,
    reach,
    seen,
    verdict,
)
from tests.unit.network.test_reduction import AUTO, KNOWN, L, R, S
from tests.unit.network.test_reduction import reduce_now as _reduce

TRUE, STRANGER, MOVED = "10.0.112.1", "10.0.112.66", "10.0.112.254"
TRUE_MAC, OTHER_MAC, THIRD_MAC = (f"02:fe:00:00:00:0{n}" for n in (1, 6, 7))
TRUE_SERVER = ServerIdentity(TRUE, TRUE_MAC)
REMEMBERED = replace(KNOWN, named_by=frozenset({TRUE_SERVER}))

TRUE_OFFER = offer(server=TRUE, mac=TRUE_MAC)
STRANGERS_OFFER = offer(STRANGER, server=STRANGER, mac=OTHER_MAC)
FORGED_OFFER = offer(STRANGER, server=TRUE, mac=OTHER_MAC)
RENUMBERED = offer(MOVED, server=TRUE, mac=TRUE_MAC)


def asked(
    intent: Intent,
    *offers: Offer,
    host: str = "node1",
    known: ReachOutcome = R,
    age_s: float = 1.0,
    omitted: int = 0,
) -> AgedVerdict:
    """A host that asked DHCP: known is what it found on the known gateway; every offered one answers."""
    gateways = {o.gateway for o in offers} - {intent.known_gateway}
    found = verdict(
        intent.digest, host=host, vlan=known, routed=known, dhcp=dhcp(*offers, omitted=omitted),
        gateway=intent.known_gateway,
    )  # fmt: skip
    others = tuple(
        TargetVerdict(digest=intent.digest, gateway=gateway, vlan=reach(R), routed=reach(R))
        for gateway in gateways
    )
    return seen(found.model_copy(update={"targets": found.targets + others}), age_s)


def checked(intent: Intent, host: str, known: ReachOutcome) -> AgedVerdict:
    """A host that checked the known gateway only."""
    return seen(verdict(intent.digest, host=host, vlan=known, routed=known))


@pytest.mark.parametrize("intent", [KNOWN, REMEMBERED], ids=["new to us", "remembered"])
@pytest.mark.parametrize("made", [STRANGERS_OFFER, FORGED_OFFER], ids=["stranger", "true id"])
@pytest.mark.parametrize("known", [R, L], ids=["answers", "cannot tell"])
def test_n20_stranger_does_not_take_the_place_of_the_known_gateway(
    intent: Intent, made: Offer, known: ReachOutcome
) -> None:
    """N20: the confirming offer is missing. It is told who answered, with the MAC address."""
    conclusion = _reduce(intent, [asked(intent, made, known=known)])
    assert conclusion.gateway == GATEWAY
    assert conclusion.cidr == CIDR
    assert (conclusion.state is State.ACTIVE) == (known is R)
    text = conclusion.findings[Reason.OTHER_SERVER_ANSWERED]
    assert f"{made.server} ({OTHER_MAC}) offers {CIDR} via {STRANGER}" in text
    assert str(GATEWAY) in text


def test_stranger_is_followed_once_the_known_gateway_is_silent() -> None:
    """The network may have moved: DHCP names a usable gateway, and the old one answers nobody."""
    conclusion = _reduce(KNOWN, [asked(KNOWN, STRANGERS_OFFER, known=S)])
    assert (conclusion.gateway, conclusion.state) == (IPv4Address(STRANGER), State.ACTIVE)
    assert conclusion.findings == {}


def test_stranger_is_not_followed_while_any_host_reaches_the_known_gateway() -> None:
    """The host that asked may be cut off from the gateway."""
    latest = [asked(KNOWN, STRANGERS_OFFER, known=S), checked(KNOWN, "node2", R)]
    conclusion = _reduce(KNOWN, latest, hosts=("node1", "node2"))
    assert (conclusion.gateway, conclusion.state) == (GATEWAY, State.PARTIAL)
    silent = _reduce(KNOWN, [latest[0], checked(KNOWN, "node2", S)], hosts=("node1", "node2"))
    assert silent.gateway == IPv4Address(STRANGER)


def test_server_that_named_the_known_gateway_is_followed_when_it_names_another() -> None:
    """A renumbering, although the old gateway still answers: same address, same MAC address."""
    conclusion = _reduce(REMEMBERED, [asked(REMEMBERED, RENUMBERED)])
    assert (conclusion.gateway, conclusion.findings) == (IPv4Address(MOVED), {})
    again = _reduce(REMEMBERED, [asked(REMEMBERED, STRANGERS_OFFER, RENUMBERED)])
    assert again.gateway == IPv4Address(MOVED)


@pytest.mark.parametrize(
    "made",
    [
        STRANGERS_OFFER,
        offer(str(GATEWAY), server=STRANGER, mac=OTHER_MAC, cidr="10.0.0.0/16"),
        offer(str(GATEWAY), server=STRANGER, mac=OTHER_MAC, cidr="10.9.0.0/24"),
    ],
    ids=["another gateway", "another subnet", "a subnet that rules the gateway out"],
)
def test_stranger_that_once_named_the_known_gateway_takes_no_place_of_it(made: Offer) -> None:
    """While the other server that named it is silent, and as long as the gateway answers."""
    both = frozenset({TRUE_SERVER, ServerIdentity(STRANGER, OTHER_MAC)})
    intent = replace(KNOWN, named_by=both)
    conclusion = _reduce(intent, [asked(intent, made)])
    assert (conclusion.state, conclusion.gateway or intent.known_gateway) == (State.ACTIVE, GATEWAY)
    assert conclusion.cidr in (None, intent.known_cidr)


def test_known_gateway_that_any_server_confirms_stays() -> None:
    """Of two servers that named it, one names another now, as in the middle of a renumbering."""
    moved = offer(MOVED, server="10.0.112.0", mac=THIRD_MAC)
    both = frozenset({TRUE_SERVER, ServerIdentity("10.0.112.0", THIRD_MAC)})
    intent = replace(KNOWN, named_by=both)
    assert _reduce(intent, [asked(intent, moved, TRUE_OFFER)]).gateway == GATEWAY


def test_older_offers_of_other_hosts_tell_who_named_the_known_gateway() -> None:
    """Nothing is remembered, as where the status cannot be written."""
    before = asked(KNOWN, TRUE_OFFER, host="node2", age_s=300.0)
    for now, gateway in ((RENUMBERED, MOVED), (STRANGERS_OFFER, TRUE), (FORGED_OFFER, TRUE)):
        conclusion = _reduce(KNOWN, [asked(KNOWN, now), before], hosts=("node1", "node2"))
        assert conclusion.gateway == IPv4Address(gateway)


@pytest.mark.parametrize(
    ("named_by", "made", "gateway"),
    [
        (frozenset(), STRANGERS_OFFER, STRANGER),
        ({TRUE_SERVER}, STRANGERS_OFFER, STRANGER),
        ({ServerIdentity(STRANGER, OTHER_MAC)}, STRANGERS_OFFER, STRANGER),
        ({ServerIdentity(STRANGER, THIRD_MAC)}, STRANGERS_OFFER, TRUE),
    ],
    ids=["first offer", "another named it before", "renumbered", "known by another MAC address"],
)
def test_configured_server_wins(named_by: set[ServerIdentity], made: Offer, gateway: str) -> None:
    """Although the known gateway answers; but another MAC address under its address is a stranger's."""
    intent = replace(KNOWN, server=IPv4Address(STRANGER), named_by=frozenset(named_by))
    conclusion = _reduce(intent, [asked(intent, made, TRUE_OFFER)])
    assert conclusion.gateway == IPv4Address(gateway)


def test_different_offers_under_one_server_id_are_told() -> None:
    """With both MAC addresses, and without a word on which is the right one."""
    conclusion = _reduce(KNOWN, [asked(KNOWN, TRUE_OFFER, FORGED_OFFER)])
    assert conclusion.gateway == GATEWAY
    assert list(conclusion.findings) == [Reason.SERVER_ID_SHARED]
    text = conclusion.findings[Reason.SERVER_ID_SHARED]
    assert f"{TRUE} ({TRUE_MAC}) offers {CIDR} via {GATEWAY}" in text
    assert f"{TRUE} ({OTHER_MAC}) offers {CIDR} via {STRANGER}" in text
    assert [server.mac for server in conclusion.servers] == [TRUE_MAC, OTHER_MAC]


def test_two_routers_that_relay_the_same_offer_are_no_finding() -> None:
    """VRRP or HSRP: each has a MAC address and a giaddr of its own."""
    pair = [
        offer(server="192.0.2.5", mac=mac, relay=relay)
        for mac, relay in ((OTHER_MAC, "10.0.112.2"), (THIRD_MAC, "10.0.112.3"))
    ]
    conclusion = _reduce(KNOWN, [asked(KNOWN, *pair)])
    assert (conclusion.gateway, conclusion.findings) == (GATEWAY, {})
    assert [(s.server, s.mac, s.relay) for s in conclusion.servers] == [
        ("192.0.2.5", OTHER_MAC, "10.0.112.2")
    ]


def test_relay_is_named_with_its_mac_address() -> None:
    """The MAC address is the relay's, not the server's."""
    relayed = offer(STRANGER, server="192.0.2.5", mac=OTHER_MAC, relay="10.0.112.2")
    text = _reduce(KNOWN, [asked(KNOWN, relayed)]).findings[Reason.OTHER_SERVER_ANSWERED]
    assert text.startswith(f"192.0.2.5 through the relay 10.0.112.2 ({OTHER_MAC}) offers")


def _flood(start: int) -> list[Offer]:
    return [
        offer(STRANGER, server=f"10.0.113.{n}", mac=OTHER_MAC) for n in range(start, start + MAX_SERVERS - 1)
    ]


@pytest.mark.parametrize("true", [TRUE_OFFER, None], ids=["confirmed", "not confirmed"])
def test_n20_flood_is_told_in_words_that_stay_the_same(true: Offer | None) -> None:
    """N20: the servers are invented anew at every probe, and a change of the status is a write."""
    conclusions = [
        _reduce(KNOWN, [asked(KNOWN, *_flood(start), *([true] if true else []), omitted=50 + start)])
        for start in (1, 100)
    ]
    assert conclusions[0] == conclusions[1]
    assert conclusions[0].gateway == GATEWAY
    assert Reason.TOO_MANY_DHCP_SERVERS in conclusions[0].findings
    assert (Reason.OTHER_SERVER_ANSWERED in conclusions[0].findings) == (true is None)
    assert [server.server for server in conclusions[0].servers] == ([TRUE] if true else [])


def test_n20_flood_does_not_take_the_place_of_a_silent_gateway() -> None:
    """N20: a router that reboots; it expires as any other that nothing confirms."""
    flooded = [asked(REMEMBERED, *_flood(1), omitted=50, known=S)]
    conclusion = _reduce(REMEMBERED, flooded)
    assert (conclusion.state, conclusion.gateway, conclusion.dhcp_out) == (State.UNREACHABLE, None, True)
    assert set(conclusion.findings) == {Reason.TOO_MANY_DHCP_SERVERS, Reason.OTHER_SERVER_ANSWERED}
    assert "until it is silent" not in conclusion.findings[Reason.OTHER_SERVER_ANSWERED]
    expired = _reduce(REMEMBERED, flooded, unconfirmed_s=1e6)
    assert (expired.state, bool(expired.forgotten)) == (State.DHCP_FAILED, True)


SMALLER = "10.0.112.0/25"
STRANGERS_SUBNET = offer(server="10.0.112.0", mac=OTHER_MAC, cidr=SMALLER)


def test_n20_stranger_does_not_give_the_known_gateway_another_subnet() -> None:
    """N20: it names the known gateway, so the true server is not waited for; it is not remembered."""
    alone = _reduce(REMEMBERED, [asked(REMEMBERED, STRANGERS_SUBNET)])
    assert (alone.cidr, alone.gateway, alone.state) == (CIDR, GATEWAY, State.ACTIVE)
    text = alone.findings[Reason.OTHER_SERVER_ANSWERED]
    assert text.startswith(f"10.0.112.0 ({OTHER_MAC}) offers {SMALLER} via {GATEWAY}; no offer names")
    both = _reduce(REMEMBERED, [asked(REMEMBERED, STRANGERS_SUBNET, TRUE_OFFER)])
    assert (both.cidr, both.named_by) == (CIDR, frozenset({TRUE_SERVER}))
    assert Reason.DHCP_SERVERS_DISAGREE in both.findings


def test_n20_stranger_does_not_rule_the_known_gateway_out() -> None:
    """N20: by a subnet without it, while the true server is out; a server that named it may."""
    elsewhere = offer(server=STRANGER, mac=OTHER_MAC, cidr="10.9.0.0/16")
    kept = _reduce(REMEMBERED, [asked(REMEMBERED, elsewhere)])
    assert (kept.state, kept.connectivity, kept.dhcp_out) == (State.ACTIVE, "true", True)
    assert Reason.ROUTER_OUTSIDE_SUBNET in kept.findings
    by_its_own = offer(server=TRUE, mac=TRUE_MAC, cidr="10.9.0.0/16")
    gone = _reduce(REMEMBERED, [asked(REMEMBERED, elsewhere, by_its_own)])
    assert (gone.state, bool(gone.forgotten)) == (State.DHCP_FAILED, True)


def test_known_server_may_give_the_known_gateway_another_subnet() -> None:
    """It does so once none names the known subnet; where nobody is known to have named it, any may."""
    masked = offer(server=TRUE, mac=TRUE_MAC, cidr=SMALLER)
    again = _reduce(REMEMBERED, [asked(REMEMBERED, STRANGERS_OFFER, masked)])
    assert (str(again.cidr), again.gateway) == (SMALLER, GATEWAY)
    assert str(_reduce(KNOWN, [asked(KNOWN, STRANGERS_SUBNET)]).cidr) == SMALLER


def test_servers_that_have_named_the_gateway_are_remembered_in_the_status() -> None:
    """Also while they do not answer; and for another gateway, or another intent, they mean nothing."""
    written = _written(_reduce(AUTO, [asked(AUTO, TRUE_OFFER)]), AUTO)
    assert written.named_by == {TRUE_SERVER}
    route = f'{{"mode":"auto","cidr":"{CIDR}","gateway":"{GATEWAY}","connectivity":"true"}}'
    intent = read_intent(network(route, status=written.dump()))
    assert isinstance(intent, Intent)
    assert intent.named_by == {TRUE_SERVER}
    for later in (STRANGERS_OFFER, offer(server=STRANGER, mac=OTHER_MAC)):
        again = _written(_reduce(intent, [asked(intent, later)]), intent)
        assert TRUE_SERVER in again.named_by
    for other in (replace(written, gateway=MOVED), replace(written, digest="0" * 16)):
        unknown = read_intent(network(route, status=other.dump()))
        assert isinstance(unknown, Intent)
        assert unknown.named_by == frozenset()


def _written(conclusion: Conclusion, intent: Intent) -> Status:
    change = decide(network(), intent, conclusion, now=NOW)
    assert change is not None
    parsed = Status.parse(change.after.dump())
    assert parsed == change.after
    return change.after


def test_servers_that_follow_a_new_gateway_are_those_that_name_it() -> None:
    """What named the old one is forgotten with it."""
    conclusion = _reduce(REMEMBERED, [asked(REMEMBERED, STRANGERS_OFFER, known=S)])
    assert conclusion.named_by == frozenset({ServerIdentity(STRANGER, OTHER_MAC)})


def test_remembered_servers_are_bounded_and_the_first_ones_stay() -> None:
    """However many invented servers name the known gateway."""
    invented = [offer(server=f"10.0.64.{n}", mac=OTHER_MAC) for n in range(1, MAX_SERVERS + 1)]
    named_by = _reduce(REMEMBERED, [asked(REMEMBERED, *invented)]).named_by
    assert named_by is not None
    assert (len(named_by), TRUE_SERVER in named_by) == (MAX_SERVERS, True)


ADDRESS = st.sampled_from([TRUE, STRANGER, MOVED, "10.0.112.2", "10.0.127.254"])
STRANGERS = st.lists(
    st.builds(
        offer,
        ADDRESS,
        server=ADDRESS | st.just("192.0.2.5"),
        mac=st.sampled_from([OTHER_MAC, THIRD_MAC]),
        relay=st.none() | st.just("10.0.112.2"),
    ),
    max_size=MAX_SERVERS - 1,
    unique_by=lambda made: (made.server, made.mac),
)
CONFIGURED = replace(REMEMBERED, server=IPv4Address(TRUE))


@given(
    st.sampled_from([KNOWN, REMEMBERED, CONFIGURED]),
    st.lists(st.tuples(STRANGERS, st.booleans(), st.sampled_from([R, S, L])), min_size=1, max_size=4),
    st.data(),
)
def test_n20_known_gateway_that_answers_is_the_choice_whatever_strangers_offer(
    intent: Intent, hosts: list[tuple[list[Offer], bool, ReachOutcome]], data: st.DataObject
) -> None:
    """N20: any offers in any order, on any hosts, with the true one on all, some or none of them."""
    latest = [
        asked(
            intent,
            *data.draw(st.permutations([*strangers, *([TRUE_OFFER] if is_true else [])])),
            host=f"node{n}",
            known=known,
            age_s=1.0 + n,
        )
        for n, (strangers, is_true, known) in enumerate(hosts)
    ]
    names = tuple(seen.verdict.host for seen in latest)
    named_it = {
        (made.server, made.mac) for strangers, _, _ in hosts for made in strangers if made.gateway == GATEWAY
    }
    # Who named the known gateway is no stranger: what such a server names later may be a renumbering.
    is_strange = all(
        (made.server, made.mac) not in named_it or made.gateway == GATEWAY
        for strangers, _, _ in hosts
        for made in strangers
    )
    conclusion = _reduce(intent, latest, hosts=names)
    if is_strange and R in [known for _, _, known in hosts]:
        # Without a usable offer none is named, and what the annotation says stays.
        assert conclusion.gateway in (GATEWAY, None)
