"""ICMP echo replies in whole frames."""

import pytest

from services.prober.frames import icmp
from tests.unit.prober import frames

MESSAGE = b"\0\0\0\0\x12\x34\0\x05" + b"a nonce." + b"and more of it"


def echo(message: bytes = MESSAGE, *, protocol: int = 1, fragment: int = 0, trailer: bytes = b"") -> bytes:
    """Return an Ethernet frame with an ICMP message and correct checksums."""
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
def test_frame_without_a_valid_echo_reply_is_rejected(data: bytes) -> None:
    """For each single defect."""
    assert icmp.parse_reply(data, start=14, verify_header=True) is None


@pytest.mark.parametrize("fragment", [0, 0x4000], ids=["may be fragmented", "must not"])
@pytest.mark.parametrize("trailer", [b"", b"\xde\xad\xbe"], ids=["alone", "with a trailer"])
def test_echo_reply_in_a_frame_is_parsed(fragment: int, trailer: bytes) -> None:
    """A trailer is not part of the packet, and "do not fragment" is not a fragment."""
    reply = icmp.parse_reply(echo(fragment=fragment, trailer=trailer), start=14, verify_header=True)
    assert reply is not None
    assert (reply.identifier, reply.sequence, reply.nonce) == (0x1234, 5, b"a nonce.")


@pytest.mark.parametrize("damage", [0, 1])
def test_echo_reply_behind_ip_options_is_verified_too(damage: int) -> None:
    """A damaged message is rejected there too."""
    data = bytearray(frames.with_ip_options(echo()))
    data[-1] ^= damage
    assert (icmp.parse_reply(bytes(data), start=14, verify_header=True) is None) == bool(damage)


@pytest.mark.parametrize("tail", [b"", b"tail", b"odd"])
def test_checksum_of_an_echo_covers_the_payload_after_the_nonce(tail: bytes) -> None:
    """The sum of the constant part is computed once, and is not zero."""
    template = icmp.EchoTemplate(b"\x08" + bytes(15) + tail)
    message = template.render(identifier=1, sequence=2, nonce=b"12345678")
    assert message.endswith(b"12345678" + tail)
    assert frames.internet_checksum(message) == 0
