"""Valid and malformed messages of a DHCP server, and the messages of the client."""

import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.prober.frames import dhcp, dhcp_options, templates
from services.prober.frames.ethernet import Station
from services.prober.frames.ignore_reasons import IgnoreReason
from services.prober.scan.dissecting import summarize
from tests.unit.prober import frames
from tests.unit.prober.frames import number, option, packed

XID = b"\x01\x02\x03\x04"
MAC = bytes.fromhex("621f00abc007")
ROUTER = number("10.0.7.1")


def message(options: bytes, **fields: bytes) -> bytes:
    return frames.bootp(xid=XID, chaddr=MAC, options=options, **fields)  # type: ignore[arg-type]


def read(options: bytes, **fields: bytes) -> dhcp.Reply:
    found = dhcp.parse_reply(message(options, **fields))
    assert isinstance(found, dhcp.Reply), found
    return found


def test_offer_is_parsed() -> None:
    """Every field that a verdict uses."""
    found = dhcp.parse_reply(
        frames.bootp(
            xid=XID, chaddr=MAC, options=frames.offer_options(), relay="10.9.9.9", address="10.0.7.42"
        )
    )
    assert found == dhcp.Reply(
        kind=dhcp.OFFER,
        xid=XID,
        chaddr=MAC,
        address=number("10.0.7.42"),
        relay=number("10.9.9.9"),
        server=ROUTER,
        mask=0xFFFFFF00,
        routers=(ROUTER,),
        gateway=ROUTER,
        lease_s=3600,
    )


def test_offer_without_router_names_no_gateway() -> None:
    """DHCP works and the gateway is unknown; it is never guessed."""
    assert read(frames.offer_options(router=None)).gateway is None


def test_first_valid_router_is_the_gateway() -> None:
    """Option 3 is in order of preference; an address that no host can have is skipped."""
    routers = packed("0.0.0.0") + packed("255.255.255.255") + packed("10.0.7.9") + packed("10.0.7.1")
    found = read(frames.offer_options(router=None, more=option(3, routers)))
    assert found.gateway == number("10.0.7.9")
    assert len(found.routers) == 4


@pytest.mark.parametrize(
    ("routes", "gateway"),
    [
        (b"\x00" + packed("10.0.7.3"), "10.0.7.3"),
        (b"\x08\x0a" + packed("10.0.7.2") + b"\x00" + packed("10.0.7.3"), "10.0.7.3"),
        (b"\x19\x0a\x00\x07\x80" + packed("10.0.7.2") + b"\x00" + packed("10.0.7.3"), "10.0.7.3"),
        (b"\x08\x0a" + packed("10.0.7.2"), None),
        (b"\x00" + packed("0.0.0.0"), None),
        (b"\x00" + packed("10.0.7.3") + b"\x00" + packed("10.0.7.4"), "10.0.7.3"),
        (b"\x21" + bytes(9), "10.0.7.1"),
        (b"\x00" + packed("10.0.7.3")[:3], "10.0.7.1"),
        (b"", "10.0.7.1"),
        (b"\x00" + packed("10.0.7.3") + b"\x20" + packed("10.0.7.3") + bytes(4), "10.0.7.3"),
    ],
    ids=["alone", "after another", "25 bits", "none", "on the link", "two", "33 bits", "cut", "empty", "far"],
)
def test_option_121_overrides_option_3(routes: bytes, gateway: str | None) -> None:
    """RFC 3442: option 121 counts, even without a default route; a malformed one is ignored."""
    found = read(frames.offer_options(more=option(121, routes)))
    assert found.gateway == (None if gateway is None else number(gateway))


def test_split_option_is_joined() -> None:
    """RFC 3396: the parts of a long option are joined, wherever they are."""
    routes = b"".join(b"\x18\x0a\x00" + bytes((n,)) + packed("10.0.7.2") for n in range(40))
    routes += b"\x00" + packed("10.0.7.3")
    parts = option(121, routes[:255]) + option(121, routes[255:])
    assert read(frames.offer_options(more=parts)).gateway == number("10.0.7.3")


@pytest.mark.parametrize(
    ("overload", "gateway", "mask"),
    [(1, "10.0.7.8", None), (2, None, 0xFFFF0000), (3, "10.0.7.8", 0xFFFF0000)],
)
def test_overloaded_fields_are_parsed(overload: int, gateway: str | None, mask: int | None) -> None:
    """RFC 2132 option 52: 1 is the file field, 2 the sname field, 3 both."""
    found = read(
        frames.offer_options(mask=None, router=None, more=option(52, bytes((overload,)))),
        file=option(3, packed("10.0.7.8")) + b"\xff",
        sname=option(1, packed("255.255.0.0")) + b"\xff",
    )
    assert found.gateway == (None if gateway is None else number(gateway))
    assert found.mask == mask


def test_fields_that_are_not_overloaded_are_not_options() -> None:
    """A boot file name that looks like options is not parsed as options."""
    assert (
        read(frames.offer_options(router=None), file=option(3, packed("10.0.7.8")) + b"\xff").gateway is None
    )


def test_overload_in_an_overloaded_field_is_ignored() -> None:
    """N12: overloaded fields cannot make the parser loop."""
    again = option(52, b"\x03") + option(3, packed("10.0.7.8")) + b"\xff"
    found = dhcp.parse_reply(message(frames.offer_options(router=None, more=option(52, b"\x01")), file=again))
    assert isinstance(found, dhcp.Reply)
    assert found.gateway == number("10.0.7.8")


@pytest.mark.parametrize("overload", [b"\x00", b"\x04", b"\xff", b"\x01\x02", b""])
def test_undefined_overload_is_rejected(overload: bytes) -> None:
    """N12: only the values 1, 2 and 3 are defined."""
    found = dhcp.parse_reply(message(frames.offer_options(more=option(52, overload))))
    assert found is IgnoreReason.DHCP_OPTION_VALUE


@pytest.mark.parametrize("code", [1, 3, 51, 53, 54, 121])
@pytest.mark.parametrize("length", [0, 1, 3, 5, 255])
def test_option_of_a_wrong_length_is_absent_or_invalidates_the_message(code: int, length: int) -> None:
    """N11: no value is made of the octets of another option."""
    options = {53: option(53, b"\x02"), 54: option(54, packed("10.0.7.1"))}
    options[code] = option(code, b"\x07" * length)
    found = dhcp.parse_reply(message(b"".join(options.values()) + b"\xff"))
    if code == 53 and length == 0:
        assert found is IgnoreReason.DHCP_NO_MESSAGE_TYPE
        return
    assert isinstance(found, dhcp.Reply)
    if code == 53:
        # One octet is valid, and so is the same octet repeated.
        assert found.kind == 7
        return
    read_as = {1: found.mask, 3: found.gateway, 51: found.lease_s, 54: found.server, 121: found.gateway}[code]
    assert read_as in (None, 0)


@pytest.mark.parametrize("code", [51, 53, 54])
def test_option_repeated_with_another_value_is_absent(code: int) -> None:
    """Two different values give none; the same value twice counts."""
    size = 1 if code == 53 else 4
    base = {53: option(53, b"\x02"), 54: option(54, packed("10.0.7.1")), 51: option(51, bytes(4))}
    twice = option(code, b"\x02" * size) + option(code, b"\x02" * size)
    differing = option(code, b"\x02" * size) + option(code, b"\x05" * size)
    same = dhcp.parse_reply(message(b"".join(base[c] for c in base if c != code) + twice + b"\xff"))
    assert isinstance(same, dhcp.Reply)
    assert {51: same.lease_s, 53: same.kind, 54: same.server}[code] in (2, 0x02020202)
    other = dhcp.parse_reply(message(b"".join(base[c] for c in base if c != code) + differing + b"\xff"))
    if code == 53:
        assert other is IgnoreReason.DHCP_NO_MESSAGE_TYPE
    else:
        assert isinstance(other, dhcp.Reply)
        assert {51: other.lease_s, 54: other.server}[code] in (None, 0)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"op": 1}, IgnoreReason.DHCP_NOT_A_REPLY),
        ({"cookie": b"\x63\x82\x53\x64"}, IgnoreReason.DHCP_NO_COOKIE),
        ({"options": b"\xff"}, IgnoreReason.DHCP_NO_MESSAGE_TYPE),
        ({"options": option(53, b"\x02") * 200}, IgnoreReason.DHCP_TOO_MANY_OPTIONS),
        ({"options": option(53, b"\x02") + b"\x36\xff" + bytes(40)}, IgnoreReason.DHCP_OPTION_LENGTH),
        ({"options": bytes(2000)}, IgnoreReason.DHCP_TOO_LONG),
    ],
    ids=["request", "cookie", "no type", "endless", "length", "giant"],
)
def test_malformed_message_is_ignored_for_its_reason(change: dict[str, object], reason: IgnoreReason) -> None:
    """N11, N13, N14: each defect has its own reason."""
    fields: dict[str, object] = {"xid": XID, "chaddr": MAC, "options": frames.offer_options()}
    assert dhcp.parse_reply(frames.bootp(**{**fields, **change})) is reason  # type: ignore[arg-type]


def test_truncated_message_has_no_wrong_value() -> None:
    """N10: truncated at any octet, an offer is rejected or lacks fields."""
    whole = frames.bootp(xid=XID, chaddr=MAC, options=frames.offer_options())
    whole = whole[: whole.rindex(b"\xff") + 1]
    right = dhcp.parse_reply(whole)
    assert isinstance(right, dhcp.Reply)
    for length in range(len(whole)):
        found = dhcp.parse_reply(whole[:length])
        if isinstance(found, dhcp.Reply):
            for name, value in found._asdict().items():
                assert value in (None, 0, (), getattr(right, name)), (length, name)


@given(st.binary(max_size=1500))
@example(b"")
def test_arbitrary_bytes_never_raise(data: bytes) -> None:
    """The parser rejects arbitrary bytes, even after a valid header."""
    dhcp.parse_reply(data)
    dhcp.parse_reply(frames.bootp(xid=XID, chaddr=MAC, options=data[:1100]))
    dhcp.parse_reply(
        message(option(53, b"\x02") + option(52, b"\x03") + b"\xff", file=data[:128], sname=data[-64:])
    )


@given(st.lists(st.tuples(st.integers(1, 254), st.binary(max_size=40)), max_size=20))
def test_options_round_trip(options: list[tuple[int, bytes]]) -> None:
    """Each option once, its parts joined in order."""
    expected: dict[int, bytes] = {}
    for code, value in options:
        if code != dhcp_options.OVERLOAD:
            expected[code] = expected.get(code, b"") + value
    field = b"".join(option(c, v) + b"\0" for c, v in options if c != dhcp_options.OVERLOAD) + b"\xff"
    assert dhcp_options.collect(options=field, file=b"", sname=b"") == expected


@pytest.mark.parametrize(
    ("mask", "length"),
    [
        ("255.255.255.0", 24), ("255.255.240.0", 20), ("255.255.255.255", 32), ("128.0.0.0", 1),
        ("0.0.0.0", None), ("255.0.255.0", None), ("0.0.0.255", None), ("255.255.255.1", None),
    ],
)  # fmt: skip
def test_mask_is_contiguous_or_none(mask: str, length: int | None) -> None:
    """/0 is rejected like a mask with holes: as a CIDR it once cut a cluster off (harvester#3615)."""
    assert dhcp.prefix_length(number(mask)) == length


def test_discover_follows_rfc_2131() -> None:
    """Table 5: broadcast flag, our identity, no rapid commit, 300 octets, correct checksums."""
    client_id = bytes(range(17))
    frame = templates.load().discover.render(
        station=Station(vlan=4094, mac=MAC, client_id=client_id), xid=XID, secs=12
    )
    sent = frames.take_apart(frame)
    assert (sent.vlan, sent.source, sent.destination) == (4094, MAC, frames.BROADCAST)
    assert sent.dhcp is not None
    assert len(sent.dhcp) >= 300
    assert sent.dhcp[:4] == b"\x01\x01\x06\x00"
    assert (sent.dhcp[4:8], sent.dhcp[28:34]) == (XID, MAC)
    assert struct.unpack_from("!HH", sent.dhcp, 8) == (12, 0x8000)
    options = frames.options_of(sent.dhcp)
    assert (options[53], options[61], options[60]) == (b"\x01", client_id, b"nadroute")
    assert list(options[55]) == [1, 121, 3, 51, 54]
    assert 80 not in options
    assert frames.internet_checksum(sent.body[:20]) == 0
    pseudo = sent.body[12:20] + struct.pack("!BBH", 0, 17, len(sent.body) - 20)
    assert frames.internet_checksum(pseudo + sent.body[20:]) == 0


def test_evidence_is_readable() -> None:
    """One line names the message and its options."""
    frame = frames.dhcp_frame(message(frames.offer_options()))
    text = summarize(frame)
    assert "DHCP Offer" in text
    assert "server_id=10.0.7.1" in text


def test_release_follows_rfc_2131() -> None:
    """Table 5: unicast, ciaddr, server identifier, client identifier, correct checksums."""
    frame = templates.load().release.render_release(
        station=Station(vlan=7, mac=MAC, client_id=bytes(17)),
        xid=XID,
        address=number("10.0.7.42"),
        server=ROUTER,
        server_mac=frames.SERVER_MAC,
    )
    sent = frames.take_apart(frame)
    assert sent.destination == frames.SERVER_MAC
    assert sent.body[12:20] == packed("10.0.7.42") + packed("10.0.7.1")
    assert sent.dhcp is not None
    assert sent.dhcp[12:16] == packed("10.0.7.42")
    options = frames.options_of(sent.dhcp)
    assert (options[53], options[54], options[61]) == (b"\x07", packed("10.0.7.1"), bytes(17))
    assert frames.internet_checksum(sent.body[:20]) == 0
    pseudo = sent.body[12:20] + struct.pack("!BBH", 0, 17, len(sent.body) - 20)
    assert frames.internet_checksum(pseudo + sent.body[20:]) == 0
