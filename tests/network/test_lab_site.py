"""A site as its hosts see it: DHCP on tagged frames, gateways on VLANs and through routing, and faults."""

import subprocess
import sys
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from lab.namespaces import python_environment
from lab.running import RunningSite, start_site
from lab.site import ServerKind, Vlan
from lab.site_builder import build_site, build_vlan
from tests.network.lab_site import ask, offers, ping, require_lab

DNSMASQ, UDHCPD, BUILTIN = ServerKind.DNSMASQ, ServerKind.UDHCPD, ServerKind.BUILTIN
SERVERS = {1: DNSMASQ, 2: UDHCPD, 3: BUILTIN, 11: ServerKind.ISC}
TWO_SERVERS, UNROUTED, SILENT, NO_GATEWAY, MANUAL, EMPTY, NOT_TRUNKED = 4, 5, 6, 7, 8, 9, 10
RELAYED = {
    21: (ServerKind.ISC, IPv4Address("172.30.0.200")),
    22: (DNSMASQ, IPv4Address("172.30.0.201")),
    23: (BUILTIN, IPv4Address("172.30.0.202")),
    24: (ServerKind.ISC, IPv4Address("172.30.0.200")),
}
MANY = range(101, 165)
QUIET = ("--timeout", "0.3")
PATIENCE_S = 30
PATIENT = ("--timeout", str(PATIENCE_S))
"""For an expected answer, which ends the wait."""
SITE = build_site(
    [
        *(build_vlan(vlan, server=kind) for vlan, kind in SERVERS.items()),
        build_vlan(TWO_SERVERS, server=DNSMASQ, second_server=BUILTIN),
        build_vlan(UNROUTED, server=BUILTIN, routed=False),
        build_vlan(SILENT, server=UDHCPD, gateway_answers=False),
        build_vlan(NO_GATEWAY, server=DNSMASQ, gateway=False),
        build_vlan(MANUAL, server=None),
        Vlan(vlan=EMPTY, cluster_network="extra"),
        *(build_vlan(vlan, server=kind, relay_to=at) for vlan, (kind, at) in RELAYED.items()),
        *(build_vlan(vlan, server=DNSMASQ) for vlan in MANY),
    ],
    trunked={"node2": frozenset(range(1, NOT_TRUNKED)) - {MANUAL}},
)
GATEWAY = {vlan.vlan: str(vlan.gateway) for vlan in SITE.vlans}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSite]:
    """Start one site for all tests of this module; a test that breaks it also heals it."""
    require_lab(SITE)
    with start_site(SITE, tmp_path_factory.mktemp("lab") / "state") as running:
        yield running


@pytest.mark.parametrize("vlan", SERVERS)
def test_each_kind_of_server_offers_an_address_of_its_pool(site: RunningSite, vlan: int) -> None:
    """dnsmasq, udhcpd and the lab's own server answer a tagged DISCOVER, and their gateway answers ARP."""
    finding = ask(site, "node1", [vlan], *PATIENT)[vlan]
    (offer,) = offers(finding)
    assert (offer["server"], offer["router"]) == (GATEWAY[vlan], GATEWAY[vlan])
    network = IPv4Network(f"{GATEWAY[vlan]}/20", strict=False)
    assert network[100] <= IPv4Address(offer["address"]) <= network[199]
    assert finding["arp"] is not None


@pytest.mark.parametrize("vlan", RELAYED)
def test_a_relayed_server_answers_from_the_management_network(site: RunningSite, vlan: int) -> None:
    """The gateway relays a DISCOVER; the OFFER names a server elsewhere and an address of the VLAN."""
    (offer,) = offers(ask(site, "node1", [vlan], *PATIENT)[vlan])
    assert (offer["server"], offer["router"]) == (str(RELAYED[vlan][1]), GATEWAY[vlan])
    assert IPv4Address(offer["address"]) in IPv4Network(f"{GATEWAY[vlan]}/20", strict=False)


def test_64_vlans_answer_at_once(site: RunningSite) -> None:
    """A burst of DISCOVERs on 64 VLANs loses none, and no reply arrives on another VLAN."""
    found = ask(site, "node1", MANY, *PATIENT)
    assert {vlan: offers(finding)[0]["server"] for vlan, finding in found.items() if offers(finding)} == {
        vlan: GATEWAY[vlan] for vlan in MANY
    }
    assert [vlan for vlan, finding in found.items() if finding["arp"] is None] == []


def test_a_second_server_answers_beside_the_first(site: RunningSite) -> None:
    """Both offers arrive, each from its own address."""
    found = offers(ask(site, "node2", [TWO_SERVERS], "--servers", "2", *PATIENT)[TWO_SERVERS])
    second = str(SITE.find_vlan(str(TWO_SERVERS)).dhcp[1].address)
    assert sorted(offer["server"] for offer in found) == sorted([GATEWAY[TWO_SERVERS], second])


def test_a_server_without_a_gateway_names_no_router(site: RunningSite) -> None:
    """DHCP works, and names no gateway."""
    (offer,) = offers(ask(site, "node1", [NO_GATEWAY], *PATIENT)[NO_GATEWAY])
    assert offer["router"] is None


def test_a_silent_gateway_does_not_answer_arp(site: RunningSite) -> None:
    """DHCP names the gateway's address, and no station has it."""
    finding = ask(site, "node1", [SILENT], "--timeout", "4")[SILENT]
    assert offers(finding)[0]["router"] == GATEWAY[SILENT]
    assert finding["arp"] is None


def test_nobody_offers_on_a_vlan_without_a_server(site: RunningSite) -> None:
    """A VLAN without DHCP is silent, with or without a gateway."""
    found = ask(site, "node1", [MANUAL, EMPTY], *QUIET)
    assert [offers(finding) for finding in found.values()] == [[], []]


def test_a_gateway_answers_on_its_own_vlan_alone(site: RunningSite) -> None:
    """ARP for the gateway of a VLAN is answered on that VLAN only."""
    found = ask(site, "node1", [MANUAL, 1, 2, UNROUTED], "--arp", GATEWAY[MANUAL], "--timeout", "1")
    assert [vlan for vlan, finding in found.items() if finding["arp"]] == [MANUAL]


def test_a_vlan_that_is_not_trunked_to_a_host_is_dead_there(site: RunningSite) -> None:
    """A VLAN that answers on one host is dead on another whose port does not carry it."""
    assert ask(site, "node1", [MANUAL], "--arp", GATEWAY[MANUAL])[MANUAL]["arp"] is not None
    assert ask(site, "node2", [MANUAL], "--arp", GATEWAY[MANUAL], *QUIET)[MANUAL]["arp"] is None


def test_routing_reaches_routed_gateways_alone(site: RunningSite) -> None:
    """Pings from a host reach routed gateways only; the island and the silent gateway are silent."""
    routed = [GATEWAY[vlan] for vlan in (1, 2, 3, MANUAL)]
    assert ping(site, "node2", *routed, timeout=PATIENCE_S) == dict.fromkeys(routed, "reply")
    apart = [GATEWAY[UNROUTED], GATEWAY[SILENT]]
    assert ping(site, "node2", *apart, timeout=0.5) == dict.fromkeys(apart, "silent")


def test_a_gateway_that_is_not_routed_lives_on_its_vlan(site: RunningSite) -> None:
    """The island answers ARP and DHCP on the VLAN."""
    assert ask(site, "node2", [UNROUTED])[UNROUTED]["arp"] is not None


def test_hosts_reach_each_other_on_the_management_network(site: RunningSite) -> None:
    """The router and the hosts answer each other's pings."""
    addresses = [str(SITE.management.gateway), *(str(host.address) for host in SITE.hosts)]
    assert set(ping(site, "node1", *addresses, timeout=PATIENCE_S).values()) == {"reply"}


def test_hosts_hear_each_other_on_a_vlan(site: RunningSite) -> None:
    """A broadcast of one host arrives at another, tagged, on the same VLAN."""
    hear = (
        "from lab.tagged_socket import *; link = open_tagged_socket(); print('hearing', flush=True)\n"
        "while (got := receive(link)) is None or got.tci is None: pass\n"
        "print(got.interface, got.tci, got.frame[:6].hex())"
    )
    with subprocess.Popen(
        [*site.command("node2"), sys.executable, "-c", hear],
        stdout=subprocess.PIPE,
        text=True,
        env=python_environment(),
    ) as listener:
        assert listener.stdout is not None
        assert listener.stdout.readline() == "hearing\n"
        ask(site, "node1", [EMPTY], *QUIET)
        assert listener.stdout.readline() == f"extra-bo {EMPTY} ffffffffffff\n"


@pytest.mark.parametrize("vlan", [*SERVERS, 21])
def test_a_broken_vlan_is_silent_until_it_is_healed(site: RunningSite, vlan: int) -> None:
    """`break` silences DHCP, ARP and routed pings of that VLAN only; `heal` restores them."""
    other = next(candidate for candidate in SERVERS if candidate != vlan)
    site.break_vlan(vlan)
    try:
        assert offers(ask(site, "node1", [vlan], *QUIET)[vlan]) == []
        assert len(offers(ask(site, "node1", [other], *PATIENT)[other])) == 1
        assert ask(site, "node1", [vlan], "--arp", GATEWAY[vlan], *QUIET)[vlan]["arp"] is None
        assert ping(site, "node1", GATEWAY[vlan], timeout=0.3) == {GATEWAY[vlan]: "silent"}
        assert ping(site, "node1", GATEWAY[other], timeout=PATIENCE_S) == {GATEWAY[other]: "reply"}
    finally:
        site.heal_vlan(f"extra/{vlan}")
    finding = ask(site, "node1", [vlan], *PATIENT)[vlan]
    assert len(offers(finding)) == 1
    assert finding["arp"] is not None
    assert ping(site, "node1", GATEWAY[vlan], timeout=PATIENCE_S) == {GATEWAY[vlan]: "reply"}


def test_a_host_without_its_cables_hears_nothing(site: RunningSite) -> None:
    """`host-down` disconnects the uplink of one host only, and not its management network."""
    site.host_down("node1")
    try:
        assert offers(ask(site, "node1", [1], *QUIET)[1]) == []
        assert len(offers(ask(site, "node2", [1], *PATIENT)[1])) == 1
        assert ping(site, "node1", GATEWAY[1], timeout=PATIENCE_S) == {GATEWAY[1]: "reply"}
    finally:
        site.host_up("node1")
    assert len(offers(ask(site, "node1", [1], *PATIENT)[1])) == 1


def test_a_vlan_is_taken_off_one_trunk_and_put_back(site: RunningSite) -> None:
    """`untrunk` cuts one VLAN from one host only; `trunk` restores it."""
    site.untrunk("node1", "extra/1")
    try:
        found = ask(site, "node1", [1, 2], *QUIET)
        assert offers(found[1]) == []
        assert len(offers(ask(site, "node1", [2], *PATIENT)[2])) == 1
        assert len(offers(ask(site, "node2", [1], *PATIENT)[1])) == 1
    finally:
        site.trunk("node1", 1)
    assert len(offers(ask(site, "node1", [1], *PATIENT)[1])) == 1


def test_a_host_whose_cables_lose_everything_hears_nothing(site: RunningSite) -> None:
    """`loss` concerns the uplinks of one host only, and ends with 0."""
    site.lose("node1", 100)
    try:
        assert offers(ask(site, "node1", [1], *QUIET)[1]) == []
        assert len(offers(ask(site, "node2", [1], *PATIENT)[1])) == 1
    finally:
        site.lose("node1", 0)
    assert len(offers(ask(site, "node1", [1], *PATIENT)[1])) == 1


def test_a_tagged_socket_does_not_hear_what_is_sent_beside_it(site: RunningSite) -> None:
    """On a host with several programs each receives frames from the wire, not the others' own."""
    beside = (
        "import sys; from ipaddress import IPv4Address; from lab.tagged_socket import *\n"
        "from lab.wire_client import arp_probe\n"
        "one, other = open_tagged_socket(), open_tagged_socket()\n"
        "probe = arp_probe(1, bytes.fromhex('020000000001'), IPv4Address(sys.argv[1]))\n"
        "other.sendto(probe, ('extra-bo', 0))\n"
        "while (got := receive(one)) is None or got.interface != 'extra-bo': pass\n"
        "print(got.tci, got.frame[20:22].hex())"
    )
    command = [*site.command("node1"), sys.executable, "-c", beside, GATEWAY[1]]
    assert subprocess.check_output(command, text=True, env=python_environment(), timeout=60) == "1 0002\n"


def test_commands_that_make_no_sense_are_refused(site: RunningSite) -> None:
    """An unknown VLAN or host is an error that names it, and the site keeps running."""
    with pytest.raises(ValueError, match="no VLAN '4000'"):
        site.break_vlan(4000)
    with pytest.raises(ValueError, match="no host 'node9'"):
        site.host_down("node9")
    with pytest.raises(ValueError, match="expected break"):
        site.lose("node1", 101)
    assert site.is_running()


def test_site_json_says_where_everything_is(site: RunningSite) -> None:
    """The description on disk equals what the API returns."""
    assert (site.state / "site.json").is_file()
    assert Path(f"/proc/{site.description.hosts['node1'].pid}").is_dir()
    assert site.uplinks("node1") == {"extra": "extra-bo"}
    assert set(site.description.servers.values()) == {"dnsmasq", "udhcpd", "isc", "builtin", "relay"}
