"""Frame templates, and the checksums of the frames that are rendered from them."""

from hypothesis import given
from hypothesis import strategies as st

from scripts.build_templates import build
from services.prober.engine.identity import Identity
from services.prober.frames import template_bytes, templates
from services.prober.frames.dhcp_client import DHCPTemplate
from tests.unit.prober import frames

STATION = Identity(host="node1", cluster_network="extra").station(7)


def test_templates_are_what_scapy_builds() -> None:
    """`python -m scripts.build_templates` writes them."""
    assert build() == template_bytes.FRAMES


@given(st.binary(min_size=4, max_size=4), st.integers(0, 100_000), st.integers(1, 4094))
def test_patched_checksum_is_correct(xid: bytes, seconds: int, vlan: int) -> None:
    """It equals the sum over all octets, and secs does not overflow."""
    station = Identity(host="node1", cluster_network="extra").station(vlan)
    sent = frames.take_apart(templates.load().discover.render(station=station, xid=xid, secs=seconds))
    assert sent.dhcp is not None
    assert (sent.vlan, sent.dhcp[4:8]) == (vlan, xid)
    assert int.from_bytes(sent.dhcp[8:10], "big") == min(seconds, 0xFFFF)
    pseudo = sent.body[12:20] + b"\0\x11" + sent.body[24:26]
    assert sent.body[26:28] != b"\0\0"
    assert frames.internet_checksum(pseudo + sent.body[20:]) == 0


def test_patched_checksum_is_correct_at_an_odd_offset() -> None:
    """The client identifier may end within a 16-bit word."""
    frame = template_bytes.FRAMES["discover"]
    options = 18 + 28 + 240
    odd = frame[:options] + b"\0" + frame[options:-1]
    sent = frames.take_apart(DHCPTemplate(odd).render(station=STATION, xid=b"\1\2\3\4", secs=5))
    pseudo = sent.body[12:20] + b"\0\x11" + sent.body[24:26]
    assert frames.internet_checksum(pseudo + sent.body[20:]) == 0


ADDRESSES = st.integers(0, 2**32 - 1)


@given(ADDRESSES, ADDRESSES, st.sampled_from(["request", "decline"]), st.booleans())
def test_checksum_of_a_message_with_an_address_is_correct(
    address: int, server: int, name: str, odd: bool
) -> None:
    """Wherever the options are."""
    frame = template_bytes.FRAMES[name]
    options = 18 + 28 + 240
    template = DHCPTemplate(frame[:options] + b"\0" + frame[options:-1] if odd else frame)
    sent = frames.take_apart(
        template.render_with_address(station=STATION, xid=b"\1\2\3\4", secs=5, address=address, server=server)
    )
    assert sent.dhcp is not None
    options_sent = frames.options_of(sent.dhcp)
    assert (options_sent[50], options_sent[54]) == (frames.packed(address), frames.packed(server))
    pseudo = sent.body[12:20] + b"\0\x11" + sent.body[24:26]
    assert frames.internet_checksum(pseudo + sent.body[20:]) == 0
    assert frames.internet_checksum(sent.body[:20]) == 0


@given(ADDRESSES, ADDRESSES)
def test_checksums_of_a_release_are_correct(address: int, server: int) -> None:
    """Both of them: the addresses are in the header, the pseudo header and the message."""
    sent = frames.take_apart(
        templates.load().release.render_release(
            station=STATION, xid=b"\1\2\3\4", address=address, server=server, server_mac=frames.SERVER_MAC
        )
    )
    assert sent.dhcp is not None
    assert sent.body[12:20] == sent.dhcp[12:16] + frames.options_of(sent.dhcp)[54]
    pseudo = sent.body[12:20] + b"\0\x11" + sent.body[24:26]
    assert frames.internet_checksum(pseudo + sent.body[20:]) == 0
    assert frames.internet_checksum(sent.body[:20]) == 0
