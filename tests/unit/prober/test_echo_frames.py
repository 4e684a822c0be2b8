"""Echo replies in whole frames: read at once, and refused for each single thing that is wrong."""

import pytest

from services.prober.frames import icmp
from tests.unit.prober import frames

MESSAGE = b"\0\0\0\0\x12\x34\0\x05" + b"a nonce." + b"and more of it"


def echo(message: bytes = MESSAGE, *, protocol: int = 1, fragment: int = 0, trailer: bytes = b"") -> bytes:
    """An Ethernet frame with an ICMP message, whose checksum is made right."""
    checksum = frames.internet_checksum(message[:2] + b"\0\0" + message[4:]).to_bytes(2, "big")
    packet = frames.ip_packet(protocol, message[:2] + checksum + message[4:], fragment=fragment)
    return frames.ethernet(packet, kind=0x0800) + trailer


@pytest.mark.parametrize(
    "data",
    [
        echo(fragment=0x2000),
        echo(fragment=0x0001),
        echo(b"\0\1" + MESSAGE[2:]),
        echo(b"\x08" + MESSAGE[1:]),
        echo(protocol=17),
        echo()[:24] + b"\0\0" + echo()[26:],
        echo()[:-1],
    ],
    ids=["more fragments", "a later fragment", "code", "request", "protocol", "header checksum", "cut"],
)
def test_what_is_no_whole_echo_reply_in_a_frame_is_refused(data: bytes) -> None:
    """Each by itself: all else about it is right."""
    assert icmp.parse_reply(data, start=14, verify_header=True) is None


@pytest.mark.parametrize("fragment", [0, 0x4000], ids=["may be fragmented", "must not"])
@pytest.mark.parametrize("trailer", [b"", b"\xde\xad\xbe"], ids=["alone", "with a trailer"])
def test_echo_reply_in_a_frame_is_read(fragment: int, trailer: bytes) -> None:
    """What follows the packet in its frame is none of it, and "do not fragment" is no fragment."""
    reply = icmp.parse_reply(echo(fragment=fragment, trailer=trailer), start=14, verify_header=True)
    assert reply is not None
    assert (reply.identifier, reply.sequence, reply.nonce) == (0x1234, 5, b"a nonce.")


@pytest.mark.parametrize("damage", [0, 1])
def test_echo_reply_behind_ip_options_is_verified_too(damage: int) -> None:
    """It takes the long way, on which a damaged message is no answer either."""
    data = bytearray(frames.with_ip_options(echo()))
    data[-1] ^= damage
    assert (icmp.parse_reply(bytes(data), start=14, verify_header=True) is None) == bool(damage)


@pytest.mark.parametrize("tail", [b"", b"tail", b"odd"])
def test_checksum_of_an_echo_counts_what_follows_the_nonce(tail: bytes) -> None:
    """The share of what never changes is computed once, and is not nothing."""
    template = icmp.EchoTemplate(b"\x08" + bytes(15) + tail)
    message = template.render(identifier=1, sequence=2, nonce=b"12345678")
    assert message.endswith(b"12345678" + tail)
    assert frames.internet_checksum(message) == 0
