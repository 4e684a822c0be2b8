"""The bridge and the bond of a Harvester host, in a real kernel that has them."""

import pytest

from tests.network.harvester_host import RANGE
from tests.support import user_mode_linux

pytestmark = pytest.mark.uml


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What tests.network.harvester_host finds on such a host."""
    return user_mode_linux.run("tests.network.harvester_host", tmp_path_factory.mktemp("uml"))


def test_what_the_table_lacks_answers_the_host_but_no_vm(found: dict[str, object]) -> None:
    """A VLAN that the uplink's port does not carry ends at the bridge, though the fabric answers."""
    assert found["on the bond"] == [True, True]
    assert found["from a vm"] == [True, False]
    assert found["carried"] == [1, 100, *RANGE]


def test_a_bridge_s_ports_are_told_from_other_interfaces(found: dict[str, object]) -> None:
    """Neither the bridge itself nor a bond's member is a port, and the uplink forwards."""
    assert (found["ports"], found["blocked"]) == (["extra-bo", "tap"], False)


def test_the_kernel_tells_of_a_vlan_that_is_added(found: dict[str, object]) -> None:
    """So the table is read again only then; the VM's frames pass from then on."""
    assert found["noticed"] == [False, True, False]
    assert found["added"] == [True, True]


def test_a_blocked_port_answers_the_host_but_no_vm(found: dict[str, object]) -> None:
    """The bond itself still sends and receives."""
    assert found["blocking"] == [True, False, True]


def test_a_bridge_that_does_not_filter_carries_all(found: dict[str, object]) -> None:
    """Its table stays, and has no effect."""
    assert found["unfiltered"] is True


def test_each_member_of_a_bond_is_asked(found: dict[str, object]) -> None:
    """Also the one that is not active: the bond drops its answer, and the socket on the NIC has it."""
    assert found["members"] == [["nic1", "nic2"], [True, True]]


def test_a_vlan_that_one_switch_port_lacks_is_found(found: dict[str, object]) -> None:
    """The bond itself notices nothing: it sends by the other one."""
    assert found["half a trunk"] == [True, [True, False]]


def test_a_member_without_carrier_is_told_from_a_silent_one(found: dict[str, object]) -> None:
    """The other one still answers."""
    assert found["one down"] == [True, False, True]


def test_an_answer_by_another_member_counts_for_the_one_that_asked(found: dict[str, object]) -> None:
    """A switch with a bundle sends it by the port that its hash names."""
    assert found["bundle"] == [True, True]
    macs = found["macs"]
    assert isinstance(macs, list)
    assert len([mac for mac in macs if mac.startswith("62:")]) == 2, "each member has a MAC of its own"
