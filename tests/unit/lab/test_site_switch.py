"""The switch's forwarding: which ports receive a frame, tagged or untagged."""

from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab import forwarding
from lab.forwarding import AccessPort, Forwarding, Port, TrunkPort
from lab.lldp import PortLabel
from lab.site import ALL_VLANS
from lab.switch import decode_ports, encode_ports

PORTS: dict[str, Port] = {
    "trunk0": TrunkPort(cluster_network="extra", vlans=ALL_VLANS),
    "trunk1": TrunkPort(cluster_network="extra", vlans=frozenset({7})),
    "port0": AccessPort(cluster_network="extra", vlan=7),
    "port1": AccessPort(cluster_network="extra", vlan=8),
    "other": AccessPort(cluster_network="other", vlan=7),
}
A, B, EVERYBODY = b"\x02\0\0\0\0\x01", b"\x02\0\0\0\0\x02", b"\xff" * 6
BODY = b"\x08\x00" + b"x" * 46


def frame(destination: bytes, source: bytes) -> bytes:
    """Build an untagged frame."""
    return destination + source + BODY


def tagged(destination: bytes, source: bytes, tci: int) -> bytes:
    """Build the same frame with an 802.1Q tag."""
    return destination + source + b"\x81\x00" + tci.to_bytes(2, "big") + BODY


def test_a_broadcast_reaches_its_vlan_alone() -> None:
    """A tagged broadcast leaves access ports untagged and trunks tagged, on its segment only."""
    out = Forwarding(PORTS).forward("trunk0", 7, frame(EVERYBODY, A))
    assert dict(out) == {"trunk1": tagged(EVERYBODY, A, 7), "port0": frame(EVERYBODY, A)}


def test_a_trunk_does_not_carry_what_it_was_not_given() -> None:
    """A VLAN outside a trunk's list neither leaves nor enters there."""
    switch = Forwarding(PORTS)
    assert dict(switch.forward("trunk0", 8, frame(EVERYBODY, A))) == {"port1": frame(EVERYBODY, A)}
    assert switch.forward("trunk1", 8, frame(EVERYBODY, A)) == []


@pytest.mark.parametrize(
    ("port", "tci"), [("trunk0", None), ("trunk0", 0), ("port0", 7), ("port0", 8), ("lo", None)]
)
def test_what_belongs_to_no_vlan_is_dropped(port: str, tci: int | None) -> None:
    """Untagged frames on a trunk, tagged ones on an access port, and unknown ports are dropped."""
    assert Forwarding(PORTS).forward(port, tci, frame(EVERYBODY, A)) == []


def test_an_address_is_learned_per_vlan() -> None:
    """A frame to a learned address goes to its port only; on another VLAN it is flooded."""
    switch = Forwarding(PORTS)
    assert len(switch.forward("trunk0", 7, frame(B, A))) == 2
    assert switch.forward("port0", None, frame(A, B)) == [("trunk0", tagged(A, B, 7))]
    assert switch.forward("trunk1", 7, frame(B, EVERYBODY)) == [("port0", frame(B, EVERYBODY))]
    assert dict(switch.forward("trunk0", 8, frame(B, A))) == {"port1": frame(B, A)}


def test_a_station_that_moves_is_found_again() -> None:
    """A station's place is the last port that received its address."""
    switch = Forwarding(PORTS)
    switch.forward("trunk0", 7, frame(EVERYBODY, A))
    switch.forward("trunk1", 7, frame(EVERYBODY, A))
    assert [port for port, _ in switch.forward("port0", None, frame(A, B))] == ["trunk1"]


def test_a_frame_never_goes_back() -> None:
    """A frame to an address on its own port is dropped."""
    switch = Forwarding(PORTS)
    switch.forward("trunk0", 7, frame(EVERYBODY, A))
    assert switch.forward("trunk0", 7, frame(A, B)) == []


def test_the_priority_survives() -> None:
    """The switch keeps the priority bits of a tag."""
    out = dict(Forwarding(PORTS).forward("trunk0", 0xE007, frame(EVERYBODY, A)))
    assert out["trunk1"] == tagged(EVERYBODY, A, 0xE007)


def test_a_cable_loses_frames_in_both_directions() -> None:
    """A trunk's loss takes that share of the frames from it and to it; other ports lose none."""
    lossy = {**PORTS, "trunk1": TrunkPort(cluster_network="extra", vlans=frozenset({7}), loss=0.5)}
    drawn = iter([0.4, 0.6, 0.4, 0.6])
    switch = Forwarding(lossy, random=lambda: next(drawn))
    sent = [dict(switch.forward("trunk0", 7, frame(EVERYBODY, A))).keys() for _ in range(2)]
    assert sent == [{"port0"}, {"trunk1", "port0"}]
    received = [len(switch.forward("trunk1", 7, frame(EVERYBODY, B))) for _ in range(2)]
    assert received == [0, 2]


def test_a_flood_of_addresses_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full table learns nothing more and forgets nothing; unknown addresses are flooded."""
    monkeypatch.setattr(forwarding, "_MAX_ADDRESSES", 1)
    switch = Forwarding(PORTS)
    switch.forward("trunk0", 7, frame(EVERYBODY, A))
    switch.forward("trunk1", 7, frame(EVERYBODY, B))
    assert [port for port, _ in switch.forward("port0", None, frame(A, b"\2" * 6))] == ["trunk0"]
    assert len(switch.forward("port0", None, frame(B, b"\2" * 6))) == 2


@given(st.sampled_from([*PORTS, "nowhere"]), st.none() | st.integers(0, 0xFFFF), st.binary(max_size=80))
def test_any_bytes_stay_on_their_segment(port: str, tci: int | None, data: bytes) -> None:
    """Any frame goes only to other ports of its cluster network that carry its VLAN."""
    for name, _ in Forwarding(PORTS).forward(port, tci, data):
        came, goes = PORTS[port], PORTS[name]
        vlan = came.vlan if isinstance(came, AccessPort) else (tci or 0) & 0xFFF
        assert name != port
        assert goes.cluster_network == came.cluster_network
        assert vlan in (goes.vlans if isinstance(goes, TrunkPort) else {goes.vlan})


def test_ports_survive_the_way_to_the_switch() -> None:
    """The switch's process reads back the ports that are passed to it."""
    lossy = TrunkPort(cluster_network="extra", vlans=ALL_VLANS, loss=0.25)
    label = PortLabel(switch="sw-rack3", port="Gi1/0/14", address=IPv4Address("10.0.0.3"), native_vlan=1)
    listing = replace(label, vlans=frozenset({5, 6, 9}), native_vlan=None, address=None)
    ports = {
        **PORTS,
        "trunk2": replace(lossy, lldp=label),
        "trunk3": replace(lossy, lldp=listing),
        "trunk4": lossy,
    }
    assert decode_ports(encode_ports(ports)) == ports


def test_the_native_vlan_leaves_untagged_and_is_taken_with_and_without_a_tag() -> None:
    """Other VLANs of the port are tagged; a tag that names a priority alone is none."""
    ports = {**PORTS, "trunk0": TrunkPort(cluster_network="extra", vlans=frozenset({7, 8}), native=7)}
    switch = Forwarding(decode_ports(encode_ports(ports)))
    assert dict(switch.forward("port0", None, frame(EVERYBODY, A)))["trunk0"] == frame(EVERYBODY, A)
    assert dict(switch.forward("port1", None, frame(EVERYBODY, A)))["trunk0"] == tagged(EVERYBODY, A, 8)
    for tci in (None, 0, 7):
        assert dict(switch.forward("trunk0", tci, frame(EVERYBODY, B)))["port0"] == frame(EVERYBODY, B)
