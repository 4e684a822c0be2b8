"""What DHCP answers mean: which offer counts, which is of no use and why, and when DHCP is called out."""

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
    """What DHCP named is what is to be written."""
    finding = _reduce(AUTO, [seen(verdict(AUTO.digest, dhcp=dhcp(offer())))])
    assert (finding.state, finding.cidr, finding.gateway) == (State.ACTIVE, CIDR, GATEWAY)
    assert [server.server for server in finding.servers] == ["10.0.112.1"]


@pytest.mark.parametrize(
    ("finding", "server", "reason"),
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
        (dhcp(offer(gateway="10.0.112.51", cidr="10.0.112.50/32")), None, Reason.SUBNET_TOO_SMALL),
        (dhcp(offer(gateway="10.52.0.1", cidr="10.52.0.0/16")), None, Reason.ROUTER_REFUSED),
        (dhcp(offer(cidr=None)), None, Reason.NO_SUBNET_MASK),
        (dhcp(offer(cidr="0.0.0.0/0")), None, Reason.NO_SUBNET_MASK),
        (dhcp(offer()), IPv4Address("10.0.112.2"), Reason.CONFIGURED_SERVER_SILENT),
    ],
    ids=str,
)
def test_no_usable_offer_is_dhcp_failed_or_dhcp_out(
    finding: object, server: IPv4Address | None, reason: Reason
) -> None:
    """Without a known gateway the state says it; with one the gateway's state holds and DHCP is out."""
    intent = replace(AUTO, server=server)
    given_dhcp = [seen(verdict(intent.digest, dhcp=finding, gateway=None, vlan=N, routed=N))]  # type: ignore[arg-type]
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
        ("10.0.112.1", "10.0.112.1/32", False),
        ("10.9.0.2", "10.0.112.0/20", False),
    ],
)
def test_a_known_gateway_that_the_offer_itself_rules_out_is_forgotten(
    router: str, subnet: str | None, forgotten: bool
) -> None:
    """Somebody took this very offer at its word; with another router, or no subnet, it says nothing."""
    gateway = IPv4Address("10.9.0.1") if router.startswith("10.9") else IPv4Address(router)
    known = replace(AUTO, known_gateway=gateway, known_cidr=IPv4Network((gateway, 24), strict=False))
    asked = [seen(verdict(known.digest, gateway=gateway, dhcp=dhcp(offer(router, cidr=subnet))))]
    finding = _reduce(known, asked)
    assert (finding.state is State.DHCP_FAILED) == forgotten
    assert finding.dhcp_out != forgotten


def test_frames_lost_on_the_host_are_never_a_failure_of_dhcp() -> None:
    """Inconclusive is not no offer."""
    lost = dhcp(outcome=DHCPOutcome.INCONCLUSIVE)
    finding = _reduce(AUTO, [seen(verdict(AUTO.digest, dhcp=lost, gateway=None, vlan=N, routed=N))])
    assert (finding.state, finding.reason) == (State.PENDING, Reason.INCONCLUSIVE)


def _no_offer(host: str, age_s: float = 1.0) -> AgedVerdict:
    return seen(verdict(AUTO.digest, host=host, dhcp=dhcp(), gateway=None, vlan=N, routed=N), age_s)


@pytest.mark.parametrize(("present", "needed"), [(1, 1), (2, 2), (3, 3), (8, 3)])
def test_that_nobody_offers_is_told_when_others_heard_nothing_either(present: int, needed: int) -> None:
    """Two other hosts, or all that there are: until then it is being confirmed."""
    hosts = tuple(f"node{i}" for i in range(present))
    for asked in range(1, needed + 1):
        finding = _reduce(AUTO, [_no_offer(host) for host in hosts[:asked]], hosts=hosts)
        confirmed = (State.DHCP_FAILED, Reason.NO_DHCP_OFFER)
        pending = (State.PENDING, Reason.CONFIRMING_NO_OFFER)
        assert (finding.state, finding.reason) == (confirmed if asked == needed else pending)
        assert (finding.connectivity is None) == (asked < needed)


def test_a_host_that_cannot_probe_confirms_nothing_and_is_not_waited_for() -> None:
    """Its uplink is down: what the others heard stands."""
    broken = seen(verdict(AUTO.digest, host="node2", fault=Fault.UPLINK_DOWN))
    assert _reduce(AUTO, [_no_offer("node1"), broken], hosts=("node1", "node2")).state is State.DHCP_FAILED


def test_an_offer_that_cannot_be_used_needs_no_confirmation() -> None:
    """It is what DHCP says, and no silence."""
    asked = [seen(verdict(AUTO.digest, dhcp=dhcp(offer(gateway=None)), gateway=None, vlan=N, routed=N))]
    finding = _reduce(AUTO, asked, hosts=("node1", "node2", "node3"))
    assert (finding.state, finding.reason) == (State.DHCP_FAILED, Reason.NO_ROUTER_OPTION)
    assert finding.detail == "10.0.112.1 offered 10.0.112.50 (10.0.112.0/20)"


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
def test_of_two_servers_that_disagree_the_choice_is_always_the_same(
    intent: Intent, offers: tuple[Offer, ...], chosen: IPv4Address | str
) -> None:
    """The named one; else the known gateway's; else the lowest that is usable. And it is told."""
    asked = [seen(verdict(intent.digest, dhcp=dhcp(*offers), gateway=IPv4Address(chosen)))]
    finding = _reduce(intent, asked)
    assert finding.gateway == IPv4Address(chosen)
    text = finding.findings[Reason.DHCP_SERVERS_DISAGREE]
    assert SECOND in text
    assert "nadroute uses the offer of" in text


def test_a_rogue_server_that_only_one_host_hears_does_not_take_the_network_over() -> None:
    """In rotation one host after another asks: without this the gateway would flap with each."""
    asked = [
        seen(verdict(KNOWN.digest, dhcp=dhcp(offer())), 200.0),
        seen(verdict(KNOWN.digest, dhcp=dhcp(offer("10.0.112.3", server="10.0.112.0")), host="node2"), 2.0),
    ]
    finding = _reduce(KNOWN, asked, hosts=("node1", "node2"))
    assert finding.gateway == GATEWAY
    assert Reason.DHCP_SERVERS_DISAGREE in finding.findings


def test_servers_that_agree_are_no_finding() -> None:
    """Two that offer the same are a pair, as they should be."""
    asked = [seen(verdict(AUTO.digest, dhcp=dhcp(offer(), offer(server=SECOND))))]
    assert _reduce(AUTO, asked).findings == {}


def test_of_several_routers_the_first_usable_one_counts() -> None:
    """And it is told that there are more."""
    several = offer("10.9.0.1").model_copy(
        update={"routers": (IPv4Address("10.9.0.1"), GATEWAY, GATEWAY + 1)}
    )
    finding = _reduce(AUTO, [seen(verdict(AUTO.digest, dhcp=dhcp(several)))])
    assert (finding.gateway, finding.cidr) == (GATEWAY, CIDR)
    told = "10.0.112.1 names 10.9.0.1, 10.0.112.1, 10.0.112.2; nadroute uses 10.0.112.1"
    assert finding.findings == {Reason.SEVERAL_ROUTERS: told}


def test_a_point_to_point_subnet_has_room_for_a_gateway() -> None:
    """/31: both addresses are hosts' (RFC 3021)."""
    pair = offer("10.0.112.51", cidr="10.0.112.50/31")
    found = verdict(AUTO.digest, dhcp=dhcp(pair), gateway=IPv4Address("10.0.112.51"))
    assert _reduce(AUTO, [seen(found)]).gateway == IPv4Address("10.0.112.51")


def test_an_offer_is_given_up_when_all_others_hear_nothing() -> None:
    """Two others that were asked since, or all there are."""
    offered = seen(verdict(KNOWN.digest, dhcp=dhcp(offer())), 300.0)
    hosts = ("node1", "node2", "node3", "node4")
    silent = [_no_offer(host, 5.0) for host in hosts[1:]]
    assert _reduce(KNOWN, [offered, *silent[:2]], hosts=hosts).dhcp_out is False
    assert _reduce(KNOWN, [offered, *silent], hosts=hosts).dhcp_out is True


def test_one_host_without_dhcp_does_not_outweigh_one_that_was_offered() -> None:
    """Rotation asks one host after another: without this the state would flap with each."""
    offered = seen(verdict(AUTO.digest, dhcp=dhcp(offer())), 300.0)
    finding = _reduce(AUTO, [offered, _no_offer("node2", 5.0)], hosts=("node1", "node2"))
    assert (finding.gateway, finding.dhcp_out) == (GATEWAY, False)
    all_silent = _reduce(AUTO, [offered, _no_offer("node2", 5.0), _no_offer("node3", 9.0)],
                         hosts=("node1", "node2", "node3"))  # fmt: skip
    assert all_silent.gateway == GATEWAY
    confirmed = _reduce(KNOWN, [offered, _no_offer("node2", 5.0)], hosts=("node1", "node2"))
    assert confirmed.dhcp_out is False
    out = _reduce(KNOWN, [_no_offer("node1", 3.0), _no_offer("node2", 5.0)], hosts=("node1", "node2"))
    assert out.dhcp_out is True


def test_the_newest_offer_is_the_one_that_counts() -> None:
    """A gateway that moved is followed, without waiting for the older offer to grow stale."""
    moved = IPv4Address("10.0.112.254")
    asked = [
        seen(verdict(AUTO.digest, dhcp=dhcp(offer()), host="node1"), 200.0),
        seen(verdict(AUTO.digest, dhcp=dhcp(offer(moved)), host="node2", gateway=moved), 2.0),
    ]
    assert _reduce(AUTO, asked, hosts=("node1", "node2")).gateway == moved


def test_every_server_that_any_host_heard_is_told() -> None:
    """A second, rogue server does not flicker with the host that was asked last."""
    rogue = offer("10.0.112.66", server="10.0.112.66")
    asked = [
        seen(verdict(AUTO.digest, dhcp=dhcp(offer(), rogue), host="node1"), 200.0),
        seen(verdict(AUTO.digest, dhcp=dhcp(offer()), host="node2"), 2.0),
    ]
    finding = _reduce(AUTO, asked, hosts=("node1", "node2"))
    assert [server.server for server in finding.servers] == ["10.0.112.1", "10.0.112.66"]
    assert finding.gateway == GATEWAY
