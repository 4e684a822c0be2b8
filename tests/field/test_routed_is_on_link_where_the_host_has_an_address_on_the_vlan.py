"""A host with an address of its own on the VLAN reaches the gateway without a router: that is said.

Harvester's HostNetworkConfig (1.8) gives hosts an interface BRIDGE.VLAN with an address; the management
network with a VLAN is such an interface, too.
"""

import struct
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from lab.namespaces import Namespace
from services.cli.explain.answers import answers_of
from services.contract.messages import HostAnnouncement
from services.contract.outcomes import Reason, State
from services.contract.vlan_addresses import VlanAddress
from services.network.policy import DEFAULT_POLICY
from services.prober.heartbeat import Heartbeat
from services.prober.sockets.addresses import RTM_NEWADDR, parse_addresses
from services.prober.uplinks import Uplinks
from services.prober.vlan_addresses import on_vlans, read_vlan_addresses
from services.view.documents import explained_document
from services.view.explained_network import ExplainedNetwork, explain_network
from services.view.rows import network_row
from tests.support.manual_clock import ManualClock
from tests.support.seen_networks import found, network_with_status, view
from tests.unit.prober.test_uplinks import _Recorder as Recorder


def own(address: str, *, cluster_network: str = "extra", vlan: int = 100, prefix: int = 20) -> VlanAddress:
    return VlanAddress(cluster_network=cluster_network, vlan=vlan, address=address, prefix=prefix)


def explained(*addresses: VlanAddress) -> ExplainedNetwork:
    """Explain an Active network whose first host has these addresses; the second one has none."""
    seen = view(found("node1"), found("node2"))
    announced = HostAnnouncement(
        host="node1", uplinks={"extra": "extra-bo"}, version="1", incarnation=1, vlan_addresses=addresses
    )
    seen = replace(seen, hosts={**seen.hosts, "node1": announced})
    given = network_with_status(State.ACTIVE, Reason.GATEWAY_ANSWERS)
    return explain_network(given, network_row(given, DEFAULT_POLICY), [given], DEFAULT_POLICY, seen)


def routed_of(result: ExplainedNetwork, host: int) -> str:
    assert result.checks is not None
    (text,) = [a.text for a in answers_of(result.checks[host], result.facts) if a.path == "routed"]
    return text


def test_explain_says_from_which_address_and_on_which_way_the_echo_went() -> None:
    """Of that host; what the other one found is routed. JSON names the address."""
    result = explained(own("10.0.112.20"))
    assert "on this VLAN from the host's own 10.0.112.20/20: answered" in routed_of(result, 0)
    assert "on this VLAN" not in routed_of(result, 1)
    said = " ".join(result.meaning)
    assert "these hosts have an address of their own: node1 (10.0.112.20/20)." in said
    assert "no router forwards it" in said
    assert "The other hosts' echoes do use routing." in said
    document = explained_document(result)
    checks = document["checks"]
    assert isinstance(checks, list)
    assert [check.get("own_address") for check in checks] == ["10.0.112.20/20", None]


@pytest.mark.parametrize(
    "other",
    [
        own("10.0.112.20", vlan=101),
        own("10.0.112.20", cluster_network="mgmt"),
        own("10.0.200.20"),
        own("10.0.112.20", prefix=30),
    ],
    ids=["another VLAN", "another cluster network", "another subnet", "a subnet without the gateway"],
)
def test_an_address_elsewhere_says_nothing_of_this_network(other: VlanAddress) -> None:
    """The echo to this gateway is routed all the same."""
    result = explained(other)
    assert "on this VLAN" not in routed_of(result, 0)
    assert "address of their own" not in " ".join(result.meaning)


@pytest.mark.root
def test_the_prober_finds_the_hosts_addresses_on_vlans() -> None:
    """In a network namespace with interfaces that are named as Harvester names them: of the bridge, of the
    bond, with two addresses; not those of other interfaces."""
    namespace = Namespace("host")
    inside = ThreadPoolExecutor(1, initializer=namespace.enter)
    try:
        names = {
            "extra-br.7": ["10.0.7.20/24", "10.0.7.21/24"],
            "mgmt-bo.2012": ["192.0.2.9/25"],
            "extra-br": ["10.1.0.1/24"],
            "eth0.7": ["10.2.0.1/24"],
            "x-br.5000": ["10.3.0.1/24"],
            "-br.7": ["10.4.0.1/24"],
        }
        lines = [f"link add {name} type veth peer name p{index}" for index, name in enumerate(names)]
        lines += [f"addr add {each} dev {name}" for name, addresses in names.items() for each in addresses]
        inside.submit(lambda: namespace.run_ip(lines)).result()
        seen = inside.submit(read_vlan_addresses).result()
    finally:
        inside.shutdown()
        namespace.close()
    assert seen == (
        own("10.0.7.20", vlan=7, prefix=24),
        own("10.0.7.21", vlan=7, prefix=24),
        own("192.0.2.9", cluster_network="mgmt", vlan=2012, prefix=25),
    )


def test_what_is_no_address_on_a_vlan_is_passed_over() -> None:
    """Short messages, IPv6, no label, no local address, a prefix that no VLAN has: nothing raises."""

    def attribute(kind: int, value: bytes) -> bytes:
        return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)

    def message(family: int, prefix: int, *attributes: bytes) -> tuple[int, bytes]:
        return RTM_NEWADDR, struct.pack("=BBBBI", family, prefix, 0, 0, 3) + b"".join(attributes)

    local, label = attribute(2, bytes((10, 0, 7, 20))), attribute(3, b"extra-br.7\0")
    good = message(2, 24, local, label)
    labels = (b"\xff-br.7\0", b"Extra-br.7\0", b"a-br.0\0", b"a-br.4095\0")
    bad = [
        (RTM_NEWADDR, b"\2"),
        (99, good[1]),
        message(10, 64, local, label),
        message(2, 24, local),
        message(2, 24, label),
        message(2, 0, local, label),
        *(message(2, 24, local, attribute(3, other)) for other in labels),
    ]
    assert list(on_vlans(parse_addresses([*bad, good]))) == [own("10.0.7.20", vlan=7, prefix=24)]


def test_the_announcement_follows_the_hosts_addresses() -> None:
    """A new address is announced at once; an error of the kernel changes nothing."""
    one, other = own("10.0.7.20", vlan=7), own("10.0.8.20", vlan=8)
    polls: list[tuple[VlanAddress, ...] | OSError] = [(one,), OSError("no netlink"), (one, other)]

    def addresses() -> tuple[VlanAddress, ...]:
        polled = polls.pop(0)
        if isinstance(polled, OSError):
            raise polled
        return polled

    uplinks, recorder = Uplinks({"extra": "extra-bo"}), Recorder()
    heartbeat = Heartbeat(
        client=recorder,  # type: ignore[arg-type]
        lock=recorder,  # type: ignore[arg-type]
        announcement=HostAnnouncement(
            host="node1", uplinks={"extra": "extra-bo"}, version="1", incarnation=5
        ),
        uplinks=uplinks,
        clock=ManualClock(on_wait="return", stop_after=3),
        networks=list,
        vlan_addresses=addresses,
    )
    heartbeat._run()
    announced = [HostAnnouncement.from_wire(text).vlan_addresses for text in recorder.announced]
    assert announced == [(one,), (one, other)]
