"""The names of switch ports in texts."""

import pytest

from services.contract.member_nics import LLDPState, MemberNIC, SwitchPort
from services.contract.messages import HostAnnouncement
from services.network.reasons.switch_ports import MAX_NAMED, name_port, name_ports

PORT = SwitchPort(switch="sw-rack3", port="Gi1/0/14")


def member(name: str, port: SwitchPort | None = PORT, *, lldp: LLDPState = LLDPState.HEARD) -> MemberNIC:
    return MemberNIC(interface=name, cluster_networks=("extra",), lldp=lldp, port=port)


def announced(**hosts: tuple[MemberNIC, ...]) -> dict[str, HostAnnouncement]:
    """Return hosts with these NICs."""
    return {
        host: HostAnnouncement(
            host=host, uplinks={"extra": "extra-bo"}, version="1", incarnation=1, members=members
        )
        for host, members in hosts.items()
    }


def test_a_port_is_named_as_its_switch_names_it() -> None:
    """With the host and the NIC that is plugged into it; all members of a bond are named."""
    other = PORT.model_copy(update={"switch": "sw-rack4"})
    hosts = announced(node1=(member("eno1"),), node2=(member("eno1"), member("eno2", other)))
    assert name_ports(["node1"], "extra", hosts) == "Gi1/0/14 of sw-rack3 (node1, eno1)"
    assert (
        name_ports(["node2"], "extra", hosts)
        == "Gi1/0/14 of sw-rack3 (node2, eno1) and Gi1/0/14 of sw-rack4 (node2, eno2)"
    )


def test_without_lldp_the_host_is_named() -> None:
    """Of its bond, the members that hear none; a NIC of another cluster network is none of it."""
    silent = member("eno2", None, lldp=LLDPState.SILENT)
    hosts = announced(node1=(member("eno1"), silent), node2=(silent,), node3=())
    assert name_ports(["node2", "node3", "node4"], "extra", hosts) == "the switch port of node2, node3, node4"
    assert name_ports(["node1", "node2"], "extra", hosts) == (
        "Gi1/0/14 of sw-rack3 (node1, eno1), the switch port of eno2 (node1) and the switch port of node2"
    )
    assert name_ports(["node1"], "mgmt", hosts) == "the switch port of node1"


def test_what_is_not_sure_is_told() -> None:
    """The last port of a NIC that is down; the port where several senders are heard."""
    down = member("eno1", lldp=LLDPState.DOWN)
    assert (
        name_ports(["node1"], "extra", announced(node1=(down,)))
        == "Gi1/0/14 of sw-rack3 (node1, eno1, last heard)"
    )
    assert name_port(PORT.model_copy(update={"others": 1})) == "probably Gi1/0/14 of sw-rack3"


@pytest.mark.parametrize(
    ("port", "description", "name"),
    [
        ("622", "ge-0/0/3 to node2", "ge-0/0/3 to node2 (622)"),
        ("50:64:2b:aa:e2:94", "lan2", "lan2 (50:64:2b:aa:e2:94)"),
        ("50:64:2b:aa:e2:94", "", "50:64:2b:aa:e2:94"),
        ("Ethernet112", "to node2", "Ethernet112"),
    ],
)
def test_an_index_or_a_mac_address_is_no_name(port: str, description: str, name: str) -> None:
    """Some switches send one of them as the port's ID, and the name as its description."""
    said = SwitchPort(switch="sw", port=port, description=description)
    assert name_port(said) == f"{name} of sw"


def test_of_many_ports_the_rest_is_counted() -> None:
    """So that a text stays a sentence."""
    hosts = {f"node{n}": (member("eno1"),) for n in range(MAX_NAMED + 3)}
    said = name_ports(hosts, "extra", announced(**hosts))
    assert said.endswith("(node7, eno1) and 3 more")
    unknown = name_ports([f"node{n}" for n in range(MAX_NAMED + 1)], "extra", {})
    assert unknown.endswith("node7 and 1 more")
