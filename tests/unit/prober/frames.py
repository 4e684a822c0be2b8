"""Frames as servers, gateways and attackers send them, written without the prober's own codecs."""

import struct
from ipaddress import IPv4Address
from typing import NamedTuple

COOKIE = bytes.fromhex("63825363")
SERVER_MAC = bytes.fromhex("02fe00000001")
BROADCAST = b"\xff" * 6


def internet_checksum(data: bytes) -> int:
    """Return the Internet checksum, added up word by word (RFC 1071)."""
    total = 0
    for (word,) in struct.iter_unpack("!H", data + b"\0" * (len(data) % 2)):
        total += word
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def packed(address: str | int) -> bytes:
    return IPv4Address(address).packed


def number(address: str) -> int:
    return int(IPv4Address(address))


def dotted(address: int) -> str:
    return str(IPv4Address(address))


def option(code: int, value: bytes) -> bytes:
    return bytes((code, len(value))) + value


def ip_packet(
    protocol: int,
    payload: bytes,
    *,
    source: str = "10.0.0.1",
    destination: str = "10.0.0.2",
    fragment: int = 0,
) -> bytes:
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 1, fragment, 64, protocol, 0)
    header += packed(source) + packed(destination)
    return header[:10] + struct.pack("!H", internet_checksum(header)) + header[12:] + payload


def udp_datagram(
    payload: bytes,
    *,
    source: str = "10.0.0.1",
    destination: str = "255.255.255.255",
    ports: tuple[int, int] = (67, 68),
    checksum: int | None = None,
) -> bytes:
    """Return an IPv4 packet with a UDP datagram. checksum: replaces the correct one."""
    length = 8 + len(payload)
    header = struct.pack("!HHHH", *ports, length, 0)
    pseudo = packed(source) + packed(destination) + struct.pack("!BBH", 0, 17, length)
    right = internet_checksum(pseudo + header + payload) or 0xFFFF
    header = struct.pack("!HHHH", *ports, length, right if checksum is None else checksum)
    return ip_packet(17, header + payload, source=source, destination=destination)


def ethernet(
    payload: bytes, *, kind: int, destination: bytes = BROADCAST, source: bytes = SERVER_MAC
) -> bytes:
    return destination + source + struct.pack("!H", kind) + payload


def bootp(
    *,
    xid: bytes,
    chaddr: bytes,
    options: bytes,
    op: int = 2,
    address: str = "10.0.7.100",
    relay: str = "0.0.0.0",
    sname: bytes = b"",
    file: bytes = b"",
    cookie: bytes = COOKIE,
) -> bytes:
    head = struct.pack("!BBBB4sHH", op, 1, 6, 0, xid, 0, 0x8000)
    addresses = packed("0.0.0.0") + packed(address) + packed("0.0.0.0") + packed(relay)
    tail = chaddr.ljust(16, b"\0") + sname.ljust(64, b"\0") + file.ljust(128, b"\0") + cookie + options
    return (head + addresses + tail).ljust(300, b"\0")


def offer_options(
    *,
    kind: int = 2,
    server: str | None = "10.0.7.1",
    mask: str | None = "255.255.255.0",
    router: str | None = "10.0.7.1",
    lease: int | None = 3600,
    more: bytes = b"",
) -> bytes:
    """Return the options of a DHCPOFFER with the end option; None omits an option."""
    fields = [option(53, bytes((kind,)))]
    fields += [option(54, packed(server))] if server else []
    fields += [option(51, struct.pack("!I", lease))] if lease is not None else []
    fields += [option(1, packed(mask))] if mask else []
    fields += [option(3, packed(router))] if router else []
    return b"".join(fields) + more + b"\xff"


class Sent(NamedTuple):
    """A tagged frame of the prober, split into the parts that a server reads."""

    vlan: int
    source: bytes
    destination: bytes
    kind: int
    body: bytes

    @property
    def dhcp(self) -> bytes | None:
        """The BOOTP message; None if it is anything else."""
        is_udp = self.kind == 0x0800 and self.body[9] == 17
        return self.body[28:] if is_udp and self.body[22:24] == b"\x00\x43" else None

    @property
    def arp_target(self) -> str | None:
        """The target address of an ARP request; None if it is anything else."""
        is_request = self.kind == 0x0806 and self.body[6:8] == b"\0\1"
        return str(IPv4Address(self.body[24:28])) if is_request else None


def take_apart(frame: bytes) -> Sent:
    assert frame[12:14] == b"\x81\x00", "frames are sent with their tag"
    tci, kind = struct.unpack_from("!HH", frame, 14)
    return Sent(tci & 0xFFF, frame[6:12], frame[0:6], kind, frame[18:])


def options_of(message: bytes) -> dict[int, bytes]:
    """Return the options of a BOOTP message that the prober sent, which is well-formed."""
    at, found = 240, {}
    while message[at] != 255:
        if message[at] == 0:
            at += 1
            continue
        found[message[at]] = message[at + 2 : at + 2 + message[at + 1]]
        at += 2 + message[at + 1]
    return found


def dhcp_frame(
    message: bytes,
    *,
    server: str = "10.0.7.1",
    destination: bytes = BROADCAST,
    mac: bytes = SERVER_MAC,
) -> bytes:
    """Return an untagged frame from a server, or from its relay."""
    datagram = udp_datagram(message, source=server)
    return ethernet(datagram, kind=0x0800, destination=destination, source=mac)


def answer(
    discover: Sent,
    *,
    options: bytes,
    server: str = "10.0.7.1",
    unicast: bool = False,
    mac: bytes = SERVER_MAC,
    **fields: str,
) -> bytes:
    """Return the server's reply to a DHCPDISCOVER. fields: address, relay."""
    assert discover.dhcp is not None
    message = bootp(xid=discover.dhcp[4:8], chaddr=discover.source, options=options, **fields)  # type: ignore[arg-type]
    destination = discover.source if unicast else BROADCAST
    return dhcp_frame(message, server=server, destination=destination, mac=mac)


def arp_reply(
    *, sender: str, to: bytes, mac: bytes = SERVER_MAC, operation: int = 2, target: str = "0.0.0.0"
) -> bytes:
    """Return an untagged ARP reply; by default to a probe, whose sender address is 0.0.0.0."""
    body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation) + mac + packed(sender) + to + packed(target)
    return ethernet(body, kind=0x0806, destination=to, source=mac)


def arp_request(*, sender: str, target: str, mac: bytes = SERVER_MAC) -> bytes:
    """Return an untagged ARP request."""
    return arp_reply(sender=sender, to=bytes(6), mac=mac, operation=1, target=target)


def echo_reply(message: bytes, *, source: str, kind: int = 0, destination: str = "10.0.0.2") -> bytes:
    """Return the packet that a raw socket receives when source answers this echo request."""
    body = bytes((kind, 0, 0, 0)) + message[4:]
    body = body[:2] + struct.pack("!H", internet_checksum(body)) + body[4:]
    return ip_packet(1, body, source=source, destination=destination)


def with_ip_options(data: bytes) -> bytes:
    """Return the frame with an IPv4 header of 24 octets, the last four of which are empty options."""
    head = b"\x46\0" + (len(data) - 10).to_bytes(2, "big") + data[18:24]
    checksum = internet_checksum(head + data[26:34]).to_bytes(2, "big")
    return data[:14] + head + checksum + data[26:34] + bytes(4) + data[34:]
