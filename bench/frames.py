"""Untagged frames from the network, good and hostile, for the parsing benchmark."""

import struct
from ipaddress import IPv4Address

XID = b"\x12\x34\x56\x78"
CLIENT = bytes.fromhex("621234567007")
SERVER = bytes.fromhex("02fe00000007")
_GATEWAY = IPv4Address("10.0.112.1").packed
_OFFERED = IPv4Address("10.0.112.10").packed
_COOKIE = b"\x63\x82\x53\x63"
GOOD_OPTIONS = (
    b"\x35\x01\x02" + b"\x36\x04" + _GATEWAY + b"\x33\x04\x00\x00\x0e\x10" + b"\x01\x04\xff\xff\xf0\x00"
    b"\x03\x04" + _GATEWAY + b"\x06\x04" + _GATEWAY + b"\x0f\x0bexample.org" + b"\xff"
)


def arp_reply() -> bytes:
    """Build an ARP reply from the gateway to us."""
    body = b"\x00\x01\x08\x00\x06\x04\x00\x02" + SERVER + _GATEWAY + CLIENT + b"\0\0\0\0"
    return (CLIENT + SERVER + b"\x08\x06" + body).ljust(60, b"\0")


def dhcp_frame(options: bytes, *, fields: bytes = bytes(192)) -> bytes:
    """Build a broadcast BOOTREPLY with these options; fields holds sname and file."""
    bootp = b"\x02\x01\x06\x00" + XID + b"\0\0\x80\0" + bytes(4) + _OFFERED + bytes(8)
    message = (bootp + CLIENT + bytes(10) + fields + _COOKIE + options).ljust(300, b"\0")
    udp_length = 8 + len(message)
    udp = struct.pack("!HHHH", 67, 68, udp_length, 0) + message
    address = _GATEWAY + b"\xff\xff\xff\xff"
    udp_sum = _checksum(address + struct.pack("!BBH", 0, 17, udp_length) + udp)
    udp = udp[:6] + struct.pack("!H", udp_sum or 0xFFFF) + udp[8:]
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + udp_length, 0, 0, 64, 17, 0) + address
    ip = ip[:10] + struct.pack("!H", _checksum(ip)) + ip[12:]
    return b"\xff" * 6 + SERVER + b"\x08\x00" + ip + udp


def good_frames() -> dict[str, bytes]:
    """Return frames of a healthy network, by name."""
    return {"OFFER": dhcp_frame(GOOD_OPTIONS), "ARP reply": arp_reply()}


def hostile_frames() -> dict[str, bytes]:
    """Return frames of an attacker who wants parsing to be slow or to fail, by name."""
    many = b"\x35\x01\x02" + b"\xe0\x01\x00" * 380
    one_by_one = b"\x35\x01\x02" + b"\xe0\x00" * 570
    overload = b"\x35\x01\x02\x34\x01\x03" + b"\xff"
    pads = b"\0" * 1200 + b"\x35\x01\x02\xff"
    good = dhcp_frame(GOOD_OPTIONS)
    return {
        "380 options": dhcp_frame(many),
        "570 empty options": dhcp_frame(one_by_one),
        "1200 pads before the type": dhcp_frame(pads),
        "overload into fields of pads": dhcp_frame(overload),
        "an option longer than the message": dhcp_frame(b"\x35\x01\x02\x03\xff"),
        "a wrong UDP checksum": good[:-1] + bytes((good[-1] ^ 1,)),
        "cut off in the options": good[: 14 + 28 + 250],
        "32-bit routes in option 121": dhcp_frame(
            b"\x35\x01\x02\x79\xfc" + (b"\x20" + b"\x0a" * 8) * 28 + b"\xff"
        ),
    }


def _checksum(data: bytes) -> int:
    data += b"\0" * (len(data) % 2)
    total = sum(int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF
