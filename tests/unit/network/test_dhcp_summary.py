"""The summary of DHCP: which offer counts, which are unusable and why, and when DHCP is out."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest

from services.contract.messages import Offer
from services.contract.outcomes import DHCPOutcome, Fault, Reason, State
from services.contract.verdicts import AgedVerdict
from services.network.parse.intent import Intent
from tests.unit.network.builders import CIDR, GATEWAY, dhcp, offer, seen, verdict
from tests.unit.network.test_reduction import AUTO, KNOWN, N
from tests.unit.network.test_reduction import reduce_now as _reduce


def test_an_offer_gives_cidr_and_gateway() -> None:
    """They are what is written to the annotation."""
    conclusion = _reduce(AUTO, [seen(verdict(AUTO.digest, dhcp=dhcp(offer())))])
    assert (conclusion.state, conclusion.cidr, conclusion.gateway) == (State.ACTIVE, CIDR, GATEWAY)
    assert [server.server for server in conclusion.servers] == ["10.0.112.1"]


@pytest.mark.parametrize(
    ("answer", "server", "reason"),
    [
        (dhcp(), None, Reason.NO_DHCP_OFFER),
        (dhcp(offer(gateway=None)), None, Reason.NO_ROUTER_OPTION),
        (dhcp(offer(gateway="0.0.0.0")), None, Reason.ROUTER_NOT_A_HOST),
        (dhcp(offer(gateway="127.0.0.1")), None, Reason.ROUTER_NOT_A_HOST),
        (dhcp(offer(gateway="224.0.0.1")), None, Reason.ROUTER_NOT_A_HOST),
        (dhcp(offer(gateway="169.254.1.1")), None, Reason.ROUTER_NOT_A_HOST),
        (dhcp(offer(gateway="255.255.255.255")), None, Reason.ROUTER_NOT_A_HOST),
        (dhcp(offer(gateway="10.0.112.0")), None, Reason.ROUTER_NOT_A_HOST),
        (dhcp(offer(gateway="10.0.127.255")), None, Reason.ROUTER_NOT_A_HOST),
        (dhcp(offer(gateway="10.0.112.50")), None, Reason.ROUTER_IS_OFFERED_ADDRESS),
        (dhcp(offer(gateway="10.9.0.1")), None, Reason.ROUTER_OUTSIDE_SUBNET),
        (dhcp(offer(gateway="10.0.112.50", cidr="10.0.112.50/32")), None, Reason.ROUTER_IS_OFFERED_ADDRESS),
        (dhcp(offer(gateway="10.52.0.1", cidr="10.52.0.0/16")), None, Reason.ROUTER_REFUSED),
        (dhcp(offer(gateway="10.9.9.9", cidr="0.0.0.0/1")), None, Reason.SUBNET_TOO_WIDE),
        (dhcp(offer(gateway="10.9.9.9", cidr="10.0.0.0/7")), None, Reason.SUBNET_TOO_WIDE),
        (dhcp(offer(gateway="10.9.9.9", cidr="10.0.0.0/8")), None, Reason.SUBNET_REFUSED),
        (dhcp(offer(cidr=None)), None, Reason.NO_SUBNET_MASK),
        (dhcp(offer(cidr="0.0.0.0/0")), None, Reason.NO_SUBNET_MASK),
        (dhcp(offer()), IPv4Address("10.0.112.2"), Reason.CONFIGURED_SERVER_SILENT),
    ],
    ids=str,
)
def test_no_usable_offer_is_dhcp_failed_or_dhcp_out(
    answer: object, server: IPv4Address | None, reason: Reason
) -> None:
    """Without a known gateway the state is DHCPFailed; with one its state holds, and DHCP is out."""
    intent = replace(AUTO, server=server)
    given_dhcp = [seen(verdict(intent.digest, dhcp=answer, gateway=None, vlan=N, routed=N))]  # type: ignore[arg-type]
    failed = _reduce(intent, given_dhcp)
    assert (failed.state, failed.reason, failed.connectivity) == (State.DHCP_FAILED, reason, "DHCP failed")
    assert (failed.cidr, failed.gateway) == (None, None)
    known = replace(intent, known_gateway=GATEWAY, known_cidr=CIDR)
    still = _reduce(known, [seen(verdict(known.digest))], given_dhcp)
    assert (still.state, still.dhcp_out, still.gateway) == (State.ACTIVE, True, None)
    assert reason in still.findings


@pytest.mark.parametrize(
    ("router", "subnet", "forgotten"),
    [
        ("10.9.0.1", "10.0.112.0/20", True),
        ("10.0.112.50", "10.0.112.0/20", True),
        ("10.9.0.1", None, False),
        ("10.9.0.2", "10.0.112.0/20", False),
    ],
)
def test_a_known_gateway_that_the_offer_itself_rules_out_is_forgotten(
    router: str, subnet: str | None, forgotten: bool
) -> None:
    """It came from this offer. An offer with another router, or without a subnet, does not rule it out."""
    gateway = IPv4Address("10.9.0.1") if router.startswith("10.9") else IPv4Address(router)
    known = replace(AUTO, known_gateway=gateway, known_cidr=IPv4Network((gateway, 24), strict=False))
    asked = [seen(verdict(known.digest, gateway=gateway, dhcp=dhcp(offer(router, cidr=subnet))))]
    conclusion = _reduce(known, asked)
    assert (conclusion.state is State.DHCP_FAILED) == forgotten
    assert conclusion.dhcp_out != forgotten


def test_frames_lost_on_the_host_are_never_a_failure_of_dhcp() -> None:
    """An inconclusive result is not a missing offer."""
    lost = dhcp(outcome=DHCPOutcome.INCONCLUSIVE)
    conclusion = _reduce(AUTO, [seen(verdict(AUTO.digest, dhcp=lost, gateway=None, vlan=N, routed=N))])
    assert (conclusion.state, conclusion.reason) == (State.PENDING, Reason.INCONCLUSIVE)


def _no_offer(host: str, age_s: float = 1.0) -> AgedVerdict:
    return seen(verdict(AUTO.digest, host=host, dhcp=dhcp(), gateway=None, vlan=N, routed=N), age_s)


@pytest.mark.parametrize(("present", "needed"), [(1, 1), (2, 2), (3, 3), (8, 3)])
def test_a_missing_offer_is_reported_once_other_hosts_confirm_it(present: int, needed: int) -> None:
    """By two other hosts, or by all there are; until then the state is Pending."""
    hosts = tuple(f"node{i}" for i in range(present))
    for asked in range(1, needed + 1):
        conclusion = _reduce(AUTO, [_no_offer(host) for host in hosts[:asked]], hosts=hosts)
        confirmed = (State.DHCP_FAILED, Reason.NO_DHCP_OFFER)
        pending = (State.PENDING, Reason.CONFIRMING_NO_OFFER)
        assert (conclusion.state, conclusion.reason) == (confirmed if asked == needed else pending)
        assert (conclusion.connectivity is None) == (asked < needed)


def test_a_host_that_cannot_probe_confirms_nothing_and_is_not_waited_for() -> None:
    """Its uplink is down, so the results of the others decide."""
    broken = seen(verdict(AUTO.digest, host="node2", fault=Fault.UPLINK_DOWN))
    assert _reduce(AUTO, [_no_offer("node1"), broken], hosts=("node1", "node2")).state is State.DHCP_FAILED


def test_an_unusable_offer_needs_no_confirmation() -> None:
    """It is an answer, not silence."""
    asked = [seen(verdict(AUTO.digest, dhcp=dhcp(offer(gateway=None)), gateway=None, vlan=N, routed=N))]
    conclusion = _reduce(AUTO, asked, hosts=("node1", "node2", "node3"))
    assert (conclusion.state, conclusion.reason) == (State.DHCP_FAILED, Reason.NO_ROUTER_OPTION)
    assert conclusion.detail == "10.0.112.1 offered 10.0.112.50 (10.0.112.0/20)"


def test_a_refused_subnet_is_named_with_the_one_that_it_overlaps() -> None:
    """The operator has to see which of the denied subnets it is."""
    wide = offer("10.9.9.9", cidr="10.0.0.0/8")
    said = seen(verdict(AUTO.digest, dhcp=dhcp(wide), gateway=None, vlan=N, routed=N))
    conclusion = _reduce(AUTO, [said])
    assert conclusion.detail == (
        "10.0.112.1 offered 10.0.112.50 (10.0.0.0/8, which overlaps 10.52.0.0/16) with router 10.9.9.9"
    )


SECOND = "10.0.112.66"


@pytest.mark.parametrize(
    ("intent", "offers", "chosen"),
    [
        (AUTO, (offer(), offer(SECOND, server=SECOND)), GATEWAY),
        (AUTO, (offer(SECOND, server=SECOND), offer()), GATEWAY),
        (replace(AUTO, server=IPv4Address(SECOND)), (offer(), offer(SECOND, server=SECOND)), SECOND),
        (replace(KNOWN, known_gateway=IPv4Address(SECOND)), (offer(), offer(SECOND, server=SECOND)), SECOND),
        (AUTO, (offer(gateway=None), offer(SECOND, server=SECOND)), SECOND),
        (AUTO, (offer("10.9.0.1"), offer(SECOND, server=SECOND)), SECOND),
    ],
)
def test_the_choice_between_servers_that_disagree_is_stable(
    intent: Intent, offers: tuple[Offer, ...], chosen: IPv4Address | str
) -> None:
    """The configured one, else the known gateway's, else the lowest usable one; and it is a finding."""
    asked = [seen(verdict(intent.digest, dhcp=dhcp(*offers), gateway=IPv4Address(chosen)))]
    conclusion = _reduce(intent, asked)
    assert conclusion.gateway == IPv4Address(chosen)
    text = conclusion.findings[Reason.DHCP_SERVERS_DISAGREE]
    assert SECOND in text
    assert "nadroute uses the offer of" in text


def test_a_rogue_server_that_one_host_receives_does_not_take_over() -> None:
    """Hosts ask in rotation: the gateway must not change with the host that asked last."""
    asked = [
        seen(verdict(KNOWN.digest, dhcp=dhcp(offer())), 200.0),
        seen(verdict(KNOWN.digest, dhcp=dhcp(offer("10.0.112.3", server="10.0.112.0")), host="node2"), 2.0),
    ]
    conclusion = _reduce(KNOWN, asked, hosts=("node1", "node2"))
    assert conclusion.gateway == GATEWAY
    assert Reason.DHCP_SERVERS_DISAGREE in conclusion.findings


def test_servers_that_agree_are_no_finding() -> None:
    """Two servers with the same offer are redundant by intent."""
    asked = [seen(verdict(AUTO.digest, dhcp=dhcp(offer(), offer(server=SECOND))))]
    assert _reduce(AUTO, asked).findings == {}


def test_the_first_usable_of_several_routers_is_used() -> None:
    """The others are a finding."""
    several = offer("10.9.0.1").model_copy(
        update={"routers": (IPv4Address("10.9.0.1"), GATEWAY, GATEWAY + 1)}
    )
    conclusion = _reduce(AUTO, [seen(verdict(AUTO.digest, dhcp=dhcp(several)))])
    assert (conclusion.gateway, conclusion.cidr) == (GATEWAY, CIDR)
    text = "10.0.112.1 names 10.9.0.1, 10.0.112.1, 10.0.112.2; nadroute uses 10.0.112.1"
    assert conclusion.findings == {Reason.SEVERAL_ROUTERS: text}


def test_a_point_to_point_subnet_has_room_for_a_gateway() -> None:
    """Both addresses of a /31 are hosts' (RFC 3021)."""
    pair = offer("10.0.112.51", cidr="10.0.112.50/31")
    found = verdict(AUTO.digest, dhcp=dhcp(pair), gateway=IPv4Address("10.0.112.51"))
    assert _reduce(AUTO, [seen(found)]).gateway == IPv4Address("10.0.112.51")


def test_dhcp_is_out_when_all_other_hosts_receive_no_offer() -> None:
    """Three hosts that asked since the offer, or all there are."""
    offered = seen(verdict(KNOWN.digest, dhcp=dhcp(offer())), 300.0)
    hosts = ("node1", "node2", "node3", "node4")
    silent = [_no_offer(host, 5.0) for host in hosts[1:]]
    assert _reduce(KNOWN, [offered, *silent[:2]], hosts=hosts).dhcp_out is False
    assert _reduce(KNOWN, [offered, *silent], hosts=hosts).dhcp_out is True


def test_one_host_without_an_offer_does_not_outweigh_one_with_an_offer() -> None:
    """Hosts ask in rotation: the state must not change with the host that asked last."""
    offered = seen(verdict(AUTO.digest, dhcp=dhcp(offer())), 300.0)
    conclusion = _reduce(AUTO, [offered, _no_offer("node2", 5.0)], hosts=("node1", "node2"))
    assert (conclusion.gateway, conclusion.dhcp_out) == (GATEWAY, False)
    all_silent = _reduce(AUTO, [offered, _no_offer("node2", 5.0), _no_offer("node3", 9.0)],
                         hosts=("node1", "node2", "node3"))  # fmt: skip
    assert all_silent.gateway == GATEWAY
    confirmed = _reduce(KNOWN, [offered, _no_offer("node2", 5.0)], hosts=("node1", "node2"))
    assert confirmed.dhcp_out is False
    out = _reduce(KNOWN, [_no_offer("node1", 3.0), _no_offer("node2", 5.0)], hosts=("node1", "node2"))
    assert out.dhcp_out is True


def test_the_newest_offer_counts() -> None:
    """A gateway that moved is followed before the older offer is stale."""
    moved = IPv4Address("10.0.112.254")
    asked = [
        seen(verdict(AUTO.digest, dhcp=dhcp(offer()), host="node1"), 200.0),
        seen(verdict(AUTO.digest, dhcp=dhcp(offer(moved)), host="node2", gateway=moved), 2.0),
    ]
    assert _reduce(AUTO, asked, hosts=("node1", "node2")).gateway == moved


def test_servers_of_all_hosts_are_listed() -> None:
    """A rogue server stays listed whichever host asked last."""
    rogue = offer("10.0.112.66", server="10.0.112.66")
    asked = [
        seen(verdict(AUTO.digest, dhcp=dhcp(offer(), rogue), host="node1"), 200.0),
        seen(verdict(AUTO.digest, dhcp=dhcp(offer()), host="node2"), 2.0),
    ]
    conclusion = _reduce(AUTO, asked, hosts=("node1", "node2"))
    assert [server.server for server in conclusion.servers] == ["10.0.112.1", "10.0.112.66"]
    assert conclusion.gateway == GATEWAY
