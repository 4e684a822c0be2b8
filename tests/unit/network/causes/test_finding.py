"""The search for causes: the fewest that explain all, none that something contradicts."""

import random
from collections.abc import Iterable
from ipaddress import IPv4Address

import pytest

from bench.broken_sites import FAULTS, BrokenSite, healthy_site, observe
from bench.causes import evidence_of, found_first, injected
from services.contract.outcomes import Fault
from services.network.causes.evidence import Evidence, Half, Server
from services.network.causes.finding import Cause, explain_site
from services.network.causes.kinds import CauseKind

HOSTS = frozenset({"node1", "node2", "node3"})
NODE2 = frozenset({"node2"})
DHCP = Server("10.0.0.10", "52:54:00:00:00:01")
SITES = 90
"""Generated sites for each statement; `make bench` tries thousands."""


def healthy(vlan: int, **fields: object) -> Evidence:
    """A network on which all is well."""
    found: dict[str, object] = {
        "networks": (f"default/vlan{vlan}",),
        "cluster_network": "extra",
        "vlan": vlan,
        "answering": HOSTS,
        "offered": frozenset({"node1"}),
        "is_routed": True,
        "gateway": IPv4Address(f"10.0.{vlan}.1"),
        "gateway_mac": f"02:00:00:00:00:{vlan:02x}",
        "servers": frozenset({DHCP}),
    }
    return Evidence(**{**found, **fields})  # type: ignore[arg-type]


def missing_on(vlan: int, hosts: Iterable[str], **fields: object) -> Evidence:
    """A network whose gateway does not answer these hosts, and answers the others."""
    silent = frozenset(hosts)
    return healthy(vlan, answering=HOSTS - silent, silent=silent, **fields)


def dead(vlan: int, **fields: object) -> Evidence:
    """A network whose gateway answers nobody, on no path."""
    default: dict[str, object] = {"is_unrouted": True, "is_routed": False}
    return missing_on(vlan, HOSTS, **{**default, **fields})


def named(causes: Iterable[Cause]) -> list[tuple[CauseKind, tuple[int, ...]]]:
    """Return what is found, in short."""
    return [(cause.kind, cause.vlans) for cause in causes]


def test_a_healthy_site_has_no_cause() -> None:
    """Where nothing is wrong, nothing is explained."""
    assert explain_site([healthy(vlan) for vlan in range(1, 40)]) == ()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_the_right_cause_comes_first(fault: object) -> None:
    """On generated sites with lossy links, one injected fault is the first cause that is found."""
    assert callable(fault)
    for seed in range(SITES // len(FAULTS)):
        rng = random.Random(seed)
        site = healthy_site(rng)
        fault(site, rng)
        assert found_first(site, causes_in(site, rng)), (seed, site.answers)


def test_two_faults_are_both_found() -> None:
    """On generated sites with two faults of different kinds, both come first."""
    for seed in range(SITES):
        rng = random.Random(seed)
        site = injected(rng, 2)
        assert found_first(site, causes_in(site, rng)), (seed, site.answers)


def test_losses_alone_have_no_cause() -> None:
    """On generated healthy sites whose links lose 2 % of the frames, none is found."""
    for seed in range(SITES):
        rng = random.Random(seed)
        assert causes_in(healthy_site(rng), rng) == ()


def causes_in(site: BrokenSite, rng: random.Random) -> tuple[Cause, ...]:
    """Return the causes in what the site's hosts tell; the order of the networks must not count."""
    rows = [evidence_of(found) for found in observe(site, rng)]
    causes = explain_site(rows)
    rng.shuffle(rows)
    assert explain_site(rows) == causes
    return causes


def test_one_uplink_explains_all_its_vlans() -> None:
    """A host that hears nothing on any VLAN has one cause with all networks, and other clusters none."""
    sick = [missing_on(vlan, NODE2) for vlan in range(1, 41)]
    (cause,) = explain_site([*sick, healthy(41, cluster_network="other")])
    assert (cause.kind, cause.hosts, len(cause.networks)) == (CauseKind.UPLINK, ("node2",), 40)


def test_a_host_that_hears_one_vlan_has_no_dead_uplink() -> None:
    """One answer contradicts a dead uplink: VLANs are missing on its port."""
    found = explain_site([missing_on(1, NODE2), missing_on(2, NODE2), healthy(3)])
    assert named(found) == [(CauseKind.VLANS_MISSING, (1, 2))]
    assert found[0].hosts == ("node2",)


def test_an_offer_contradicts_a_dead_uplink_too() -> None:
    """Whoever received an offer hears something on the uplink, even if no gateway answers it."""
    heard = missing_on(1, NODE2, offered=NODE2)
    assert named(explain_site([heard, missing_on(2, NODE2)])) == [(CauseKind.VLANS_MISSING, (2,))]


def test_the_fault_that_a_host_reports_is_named() -> None:
    """A host that cannot send says so itself: one network is enough."""
    row = healthy(1, answering=HOSTS - NODE2, faults={"node2": Fault.UPLINK_DOWN})
    (cause,) = explain_site([row])
    assert (cause.kind, cause.fault) == (CauseKind.UPLINK, Fault.UPLINK_DOWN)


def test_a_router_that_answers_anywhere_is_not_down() -> None:
    """Two of three gateways with one MAC address are silent: each is its own cause."""
    mac = "00:1b:0d:00:00:01"
    rows = [dead(1, gateway_mac=mac), dead(2, gateway_mac=mac), healthy(3, gateway_mac=mac)]
    assert named(explain_site(rows)) == [(CauseKind.GATEWAY, (1,)), (CauseKind.GATEWAY, (2,))]
    assert named(explain_site(rows[:2])) == [(CauseKind.ROUTER, (1, 2))]


def test_what_cannot_be_told_apart_is_one_cause_with_its_alternative() -> None:
    """Where only the gateway was ever asked, a dead gateway looks like a VLAN that is gone."""
    (cause,) = explain_site([dead(1, offered=frozenset(), servers=frozenset()), healthy(2)])
    kinds = {cause.kind, *(other.kind for other in cause.alternatives)}
    assert kinds == {CauseKind.GATEWAY, CauseKind.VLANS_GONE}


def test_an_offer_tells_a_dead_gateway_from_a_vlan_that_is_gone() -> None:
    """Where DHCP answers, the VLAN is there."""
    (cause,) = explain_site([dead(1), healthy(2)])
    assert (cause.kind, cause.alternatives) == (CauseKind.GATEWAY, ())


def test_a_gateway_that_is_routed_is_not_down() -> None:
    """It answers through routing, so its VLAN does not reach the hosts."""
    row = dead(1, is_unrouted=False, is_routed=True, offered=frozenset())
    (cause,) = explain_site([row, healthy(2)])
    assert (cause.kind, cause.vlans, cause.alternatives) == (CauseKind.VLANS_GONE, (1,), ())


def test_a_dhcp_server_that_answers_elsewhere_is_not_down() -> None:
    """Two VLANs without an offer, whose relay agent is silent everywhere: the relay agent is the cause."""
    relayed = frozenset({Server("10.0.0.10", "00:1b:0d:00:00:01")})
    silent = [healthy(v, offered=frozenset(), is_unoffered=True, servers=relayed) for v in (1, 2)]
    assert named(explain_site([*silent, healthy(3)])) == [(CauseKind.DHCP_RELAY, (1, 2))]
    assert named(explain_site(silent)) == [(CauseKind.DHCP_SERVER, (1, 2))]
    assert named(explain_site([*silent, healthy(3, servers=relayed)])) == []


def test_a_prefix_without_a_route_holds_no_routed_gateway() -> None:
    """The cause names the prefix, which leaves out the gateways that are reached."""
    rows = [healthy(v, is_routed=v >= 8, is_unrouted=v < 8) for v in range(1, 16)]
    (cause,) = explain_site(rows)
    assert (cause.kind, cause.subject) == (CauseKind.NO_ROUTE, "management ↔ 10.0.0.0/21")
    assert cause.vlans == tuple(range(1, 8))


def test_a_bridge_is_one_cause_for_all_vlans_that_it_lacks() -> None:
    """Of each host, whatever else is wrong with a network; another cluster network has another bridge."""
    rows = [healthy(vlan, behind=NODE2) for vlan in (1, 2, 3)]
    rows += [healthy(4, behind=NODE2, cluster_network="other"), missing_on(5, NODE2), healthy(6)]
    found = {(cause.kind, cause.cluster_network): cause for cause in explain_site(rows)}
    assert found.keys() == {
        (CauseKind.BRIDGE, "extra"), (CauseKind.BRIDGE, "other"), (CauseKind.VLANS_MISSING, "extra"),
    }  # fmt: skip
    bridge = found[CauseKind.BRIDGE, "extra"]
    assert (bridge.vlans, bridge.hosts, bridge.subject) == ((1, 2, 3), ("node2",), "extra-br on node2")


def test_a_switch_port_is_one_cause_for_all_vlans_that_it_lacks() -> None:
    """Of each NIC; the networks may be Active."""
    first, second = Half("node2", "eno2"), Half("node2", "eno1")
    rows = [healthy(1, halves=frozenset({first})), healthy(2, halves=frozenset({first, second})), healthy(3)]
    one, other = explain_site(rows)
    assert (one.kind, one.vlans, one.hosts) == (CauseKind.HALF_TRUNK, (1, 2), ("node2",))
    assert (one.subject, other.subject, other.vlans) == ("eno2 of node2", "eno1 of node2", (2,))


def test_untagged_vlans_of_the_same_hosts_are_one_cause() -> None:
    """They explain that DHCP is out where no host hears the VLAN otherwise."""
    nobody, both = frozenset[str](), frozenset({"node1", "node2"})
    heard: dict[str, object] = {"native": both, "answering": nobody, "offered": nobody, "is_unoffered": True}
    (cause,) = explain_site([healthy(1, **heard), healthy(2, **heard), healthy(3)])
    assert (cause.kind, cause.hosts, cause.vlans) == (CauseKind.NATIVE, ("node1", "node2"), (1, 2))


def test_a_stranger_is_one_cause_on_all_its_vlans() -> None:
    """The same server and MAC address on two VLANs is one stranger."""
    stranger = frozenset({Server("192.168.1.1", "52:54:00:12:34:56")})
    (cause,) = explain_site([healthy(1, strangers=stranger), healthy(2, strangers=stranger), healthy(3)])
    assert (cause.kind, cause.vlans) == (CauseKind.STRANGER, (1, 2))


def test_all_vlans_at_once_are_one_cause() -> None:
    """Where nothing answers on any VLAN, that is the cause, not each router and server."""
    rows = [
        dead(v, offered=frozenset(), is_unoffered=True, gateway_mac=f"02:00:00:00:00:{v % 4:02x}")
        for v in range(1, 60)
    ]
    (cause,) = explain_site(rows)
    assert (cause.kind, cause.subject) == (CauseKind.VLANS_GONE, "all 59 VLANs of extra")


def test_where_two_causes_meet_both_are_found() -> None:
    """VLANs that two hosts miss, and others that one of these misses besides."""
    rows = [missing_on(v, {"node2", "node3"}) for v in (1, 2)] + [missing_on(v, NODE2) for v in (5, 6, 7)]
    found = {(cause.hosts, cause.vlans) for cause in explain_site([*rows, healthy(9)])}
    assert found == {(("node2", "node3"), (1, 2)), (("node2",), (5, 6, 7))}


def test_a_thing_that_is_down_explains_better_than_a_list() -> None:
    """Six gateways of one router and another VLAN, on which nothing is heard: the router, and that VLAN."""
    mac, quiet = "00:1b:0d:00:00:01", frozenset[str]()
    router = [dead(v, gateway_mac=mac, offered=quiet, servers=frozenset()) for v in range(1, 7)]
    other = dead(8, offered=quiet, is_unoffered=True)
    found = explain_site([*router, other, healthy(9)])
    assert named(found) == [
        (CauseKind.ROUTER, (1, 2, 3, 4, 5, 6)),
        (CauseKind.VLANS_GONE, (8,)),
    ]


def test_what_the_others_explain_is_left_out() -> None:
    """A prefix seems the largest cause, until two routers explain its gateways and further ones."""
    first, second = "00:1b:0d:00:00:01", "00:1b:0d:00:00:02"
    macs = {16: first, 17: first, 18: second, 19: second, 40: first, 80: first, 120: second, 160: second}
    broken = [healthy(v, gateway_mac=mac, is_routed=False, is_unrouted=True) for v, mac in macs.items()]
    found = explain_site([*broken, *(healthy(v) for v in (1, 30, 41, 81, 121, 161, 200))])
    assert {(cause.kind, cause.vlans) for cause in found} == {
        (CauseKind.ROUTER_NOT_ROUTED, (16, 17, 40, 80)),
        (CauseKind.ROUTER_NOT_ROUTED, (18, 19, 120, 160)),
    }
