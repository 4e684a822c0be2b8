"""The reader of LLDP, against scapy's and against frames that no switch sends."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.contrib.lldp import (
    LLDPDUChassisID,
    LLDPDUEndOfLLDPDU,
    LLDPDUGenericOrganisationSpecific,
    LLDPDUManagementAddress,
    LLDPDUPortDescription,
    LLDPDUPortID,
    LLDPDUSystemCapabilities,
    LLDPDUSystemDescription,
    LLDPDUSystemName,
    LLDPDUTimeToLive,
)
from scapy.layers.l2 import Ether

from lab.lldp import PortLabel, lldp_frame
from services.contract.limits import MAX_TOLD_CHARACTERS, MAX_VLAN_RANGES
from services.prober.frames import lldp

MAC = bytes.fromhex("020000000001")
LABEL = PortLabel(switch="sw-rack3", port="Gi1/0/14")
VLANS = st.integers(1, 4094)
NAMES = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="`"),
    min_size=1,
    max_size=MAX_TOLD_CHARACTERS,
)


HEAD = lldp.DESTINATIONS[0] + MAC + lldp.TYPE


def field(kind: int, value: bytes) -> bytes:
    return (kind << 9 | len(value)).to_bytes(2, "big") + value


def frame(*fields: bytes, ttl: int = 120) -> bytes:
    """Return a frame with the mandatory fields, followed by these."""
    first = [field(1, b"\x04" + MAC), field(2, b"\x05Gi1/0/14"), field(3, ttl.to_bytes(2, "big"))]
    return HEAD + b"".join([*first, *fields])


def organization(subtype: int, body: bytes) -> bytes:
    return field(127, bytes([0x00, 0x80, 0xC2, subtype]) + body)


def vlan_name(vlan: int, name: bytes = b"") -> bytes:
    return organization(3, vlan.to_bytes(2, "big") + bytes([len(name)]) + name)


@given(
    name=NAMES, port=NAMES, description=NAMES, ttl=st.integers(0, 0xFFFF), native=st.none() | VLANS,
    vlans=st.sets(VLANS, max_size=60), address=st.none() | st.ip_addresses(), forwards=st.booleans(),
    destination=st.sampled_from(lldp.DESTINATIONS),
)  # fmt: skip
def test_what_scapy_builds_is_read(
    name: str,
    port: str,
    description: str,
    ttl: int,
    native: int | None,
    vlans: set[int],
    address: IPv4Address | IPv6Address | None,
    forwards: bool,
    destination: bytes,
) -> None:
    """Every field means to this reader what it means to scapy's layer."""
    packet = Ether(dst=destination, src=MAC, type=0x88CC)
    packet /= LLDPDUChassisID(subtype=4, id="02:00:00:00:00:01") / LLDPDUPortID(subtype=5, id=port)
    packet /= LLDPDUTimeToLive(ttl=ttl) / LLDPDUPortDescription(description=description)
    packet /= LLDPDUSystemName(system_name=name) / LLDPDUSystemDescription(description="an OS")
    packet /= LLDPDUSystemCapabilities(mac_bridge_available=1, mac_bridge_enabled=int(forwards))
    if address is not None:
        family = 1 if address.version == 4 else 2
        packet /= LLDPDUManagementAddress(
            management_address_subtype=family, management_address=address.packed, interface_number=7
        )
    if native is not None:
        packet /= LLDPDUGenericOrganisationSpecific(
            org_code=0x0080C2, subtype=1, data=native.to_bytes(2, "big")
        )
    for vlan in vlans:
        body = vlan.to_bytes(2, "big") + b"\x04name"
        packet /= LLDPDUGenericOrganisationSpecific(org_code=0x0080C2, subtype=3, data=body)
    found = lldp.parse(bytes(packet / LLDPDUEndOfLLDPDU()))
    assert found is not None
    assert (found.chassis, found.port, found.ttl_s) == ("02:00:00:00:00:01", port, ttl)
    assert (found.name, found.description) == (name, description)
    assert (found.address, found.forwards, found.native_vlan) == (address, forwards, native)
    assert {vlan for first, last in found.vlans for vlan in range(first, last + 1)} == vlans


@given(vlans=st.sets(VLANS, max_size=90), native=st.none() | VLANS)
def test_what_the_labs_switch_sends_is_read(vlans: set[int], native: int | None) -> None:
    """So that what is shown of the lab is what its site file says."""
    label = PortLabel(
        switch="sw-rack3", port="Gi1/0/14", description="to node2", address=IPv4Address("10.0.0.9"),
        native_vlan=native, vlans=frozenset(vlans),
    )  # fmt: skip
    found = lldp.parse(lldp_frame(label, mac=MAC))
    assert found is not None
    assert (found.name, found.port, found.description) == ("sw-rack3", "Gi1/0/14", "to node2")
    assert (found.native_vlan, found.address, found.forwards) == (native, IPv4Address("10.0.0.9"), True)
    assert sum(last - first + 1 for first, last in found.vlans) == len(vlans)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"\x03" + MAC, "02:00:00:00:00:01"),
        (b"\x04\x01\x0a\x00\x00\x09", "10.0.0.9"),
        (b"\x04\x02" + bytes(15) + b"\x01", "::1"),
        (b"\x04\x01\x0a", "010a"),
        (b"\x07622", "622"),
        (b"\x05Gi1/0/14\0", "Gi1/0/14"),
        (b"\x06\x00\x01\x02", "000102"),
        (b"\x03\x01", "01"),
    ],
)
def test_an_id_is_text_by_its_subtype(value: bytes, text: str) -> None:
    """A MAC or an IP address in its usual form; hexadecimal if it has nothing to print."""
    made = HEAD + field(1, b"\x04" + MAC) + field(2, value) + field(3, b"\0x")
    found = lldp.parse(made)
    assert found is not None
    assert found.port == text


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        (b"sw\x1b[31m-rack3", "sw[31m-rack3"),
        (b"two\r\nlines\tof it\0", "two lines of it"),
        ("sw\u202ereverse\u200b".encode(), "swreverse"),
        ("Stra\u00dfe".encode(), "Stra\u00dfe"),
        (b"latin \xe9", "latin \ufffd"),
        (b"x" * 64, "x" * 64),
        (b"x" * 65, "x" * 63 + "\u2026"),
        (b"\0\0", ""),
        (b"`reboot`", "'reboot'"),
    ],
)
def test_a_senders_text_is_one_short_line_without_control_characters(sent: bytes, shown: str) -> None:
    """Whoever is on the link may send it: it moves no cursor, turns no line around, and fills no screen."""
    found = lldp.parse(frame(field(5, sent), field(4, sent)))
    assert found is not None
    assert (found.name, found.description) == (shown, shown)


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        frame()[:14],
        frame()[:-1],
        frame() + field(4, b"x" * 20)[:-1],
        frame() + field(3, b"\0x"),
        frame() + field(1, b"\x04" + MAC),
        HEAD + field(2, b"\x05p") + field(1, b"\x04" + MAC) + field(3, b"\0x"),
        HEAD + field(1, b"\x04") + field(2, b"\x05p") + field(3, b"\0x"),
        HEAD + field(1, b"\x04" + MAC) + field(2, b"\x05p") + field(3, b"x"),
        HEAD + field(1, b"\x07" + b"x" * 256) + frame()[22:],
        MAC + frame()[6:],
        b"\x01\x80\xc2\x00\x00\x0d" + frame()[6:],
        frame()[:12] + b"\x88\xcd" + frame()[14:],
    ],
)  # fmt: skip
def test_what_is_no_lldpdu_is_ignored(bad: bytes) -> None:
    """A field beyond the frame's end, mandatory ones that are missing, twice there or in another order."""
    assert lldp.parse(bad) is None
    assert lldp.parse(frame()) is not None


def test_vlans_that_cannot_be_are_left_out() -> None:
    """0 and 4095; a protocol VLAN counts if it is enabled; a native VLAN of 0 is none."""
    fields = [vlan_name(0), vlan_name(4095), vlan_name(7), vlan_name(8), vlan_name(10)]
    fields += [organization(2, b"\x06\x00\x14"), organization(2, b"\x02\x00\x1e"), organization(1, b"\0\0")]
    fields += [organization(3, b"\0"), organization(1, b"\7"), field(127, b""), field(8, b""), field(7, b"")]
    found = lldp.parse(frame(*fields))
    assert found is not None
    assert (found.vlans, found.native_vlan) == (((7, 8), (10, 10), (20, 20)), None)


@pytest.mark.parametrize(("more", "kept"), [(0, MAX_VLAN_RANGES), (1, 0)])
def test_a_list_that_does_not_fit_is_none(more: int, kept: int) -> None:
    """A part of it would say of the other VLANs that the port does not carry them."""
    found = lldp.parse(frame(*(vlan_name(2 * number + 1) for number in range(MAX_VLAN_RANGES + more))))
    assert found is not None
    assert len(found.vlans) == kept


def test_what_follows_the_end_is_padding() -> None:
    """Short frames are filled up to 60 octets; a frame without an end is read to its end."""
    whole = frame(field(5, b"sw"))
    padded = lldp.parse(whole + field(0, b"") + field(5, b"other") + b"\xff" * 30)
    assert padded == lldp.parse(whole)
    assert padded is not None
    assert padded.name == "sw"
