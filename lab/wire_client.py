"""A small client on tagged frames, to inspect a site independently of the code under test.

    python -m lab.wire_client --interface extra-bo --vlan 7 --vlan 100 [--arp 10.30.0.1] [--timeout 3]

On each VLAN it requests an address (DISCOVER), then resolves the offered router (an ARP probe, RFC 5227), and
prints one line of JSON per VLAN: `vlan`, `offers`, `arp` (an address or null). With `--arp ADDRESS` it
resolves that address on every VLAN, without DHCP.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import select
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from ipaddress import IPv4Address

from lab.tagged_socket import open_tagged_socket, receive

_SIOCGIFHWADDR = 0x8927
_BROADCAST = b"\xff" * 6
_TPID, _IPV4, _ARP = 0x8100, 0x0800, 0x0806
_UDP = 17
_CLIENT_PORT, _SERVER_PORT = 68, 67
_BROADCAST_FLAG = 0x8000
_COOKIE = b"\x63\x82\x53\x63"
_OPTIONS_AT = 240
_OFFER = 2


@dataclass(frozen=True)
class Offer:
    """An offer of one server."""

    server: str
    address: str
    router: str | None


@dataclass
class Finding:
    """The result for one VLAN."""

    vlan: int
    offers: list[Offer] = field(default_factory=list)
    arp: str | None = None


def checksum(data: bytes) -> int:
    """Compute the Internet checksum of `data` (RFC 1071)."""
    padded = data + b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def tagged(vlan: int, source: bytes, kind: int, payload: bytes) -> bytes:
    """Build a broadcast frame on `vlan`."""
    return _BROADCAST + source + struct.pack("!HHH", _TPID, vlan, kind) + payload


def discover(vlan: int, mac: bytes) -> bytes:
    """Build a DHCPDISCOVER on `vlan`, whose transaction ID is the VLAN."""
    bootp = struct.pack("!BBBBIHH16s16s192s", 1, 1, 6, 0, vlan, 0, _BROADCAST_FLAG, b"", mac, b"") + _COOKIE
    message = (bootp + bytes([53, 1, 1, 55, 2, 1, 3, 255])).ljust(300, b"\0")
    udp = struct.pack("!HHHH", _CLIENT_PORT, _SERVER_PORT, 8 + len(message), 0) + message
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, _UDP, 0, b"\0" * 4, b"\xff" * 4)
    ip = ip[:10] + checksum(ip).to_bytes(2, "big") + ip[12:]
    return tagged(vlan, mac, _IPV4, ip + udp)


def arp_probe(vlan: int, mac: bytes, address: IPv4Address) -> bytes:
    """Build an ARP probe for `address` on `vlan`, which claims no address itself (RFC 5227 section 1.1)."""
    header = struct.pack("!HHBBH", 1, _IPV4, 6, 4, 1)
    return tagged(vlan, mac, _ARP, header + mac + b"\0" * 4 + b"\0" * 6 + address.packed)


def read_offer(frame: bytes, *, vlan: int, mac: bytes) -> Offer | None:
    """Parse the offer in an untagged `frame` that answers `discover(vlan, mac)`; None for any other frame."""
    if int.from_bytes(frame[12:14], "big") != _IPV4 or frame[23:24] != bytes([_UDP]):
        return None
    datagram = frame[14 + (frame[14] & 0x0F) * 4 : 14 + int.from_bytes(frame[16:18], "big")]
    # As a real client would: a checksum left to hardware makes the offer useless.
    pseudo = frame[26:34] + struct.pack("!HH", _UDP, len(datagram))
    if datagram[6:8] != b"\0\0" and checksum(pseudo + datagram) != 0:
        return None
    message = datagram[8:]
    if message[4:8] != vlan.to_bytes(4, "big") or message[28:34] != mac:
        return None
    options = dict(_options(message[_OPTIONS_AT:]))
    if options.get(53) != bytes([_OFFER]):
        return None
    router = options.get(3)
    return Offer(
        server=str(IPv4Address(options.get(54, b"\0" * 4))),
        address=str(IPv4Address(message[16:20])),
        router=str(IPv4Address(router[:4])) if router else None,
    )


def _options(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 1 < len(data) and data[at] != 255:
        if data[at] == 0:
            at += 1
            continue
        yield data[at], data[at + 2 : at + 2 + data[at + 1]]
        at += 2 + data[at + 1]


class WireClient:
    """A client for many VLANs of `interface` at once."""

    def __init__(self, interface: str, *, timeout: float) -> None:
        self._interface = interface
        self._timeout = timeout
        self._link = open_tagged_socket()
        # Not from /sys, which still shows the network namespace that it was mounted in.
        request = struct.pack("256s", interface.encode()[:15])
        self._mac = fcntl.ioctl(self._link, _SIOCGIFHWADDR, request)[18:24]

    def ask_dhcp(self, findings: list[Finding], *, servers: int) -> None:
        """Fill in `offers` until there are `servers` per VLAN, or until the timeout."""
        by_vlan = {finding.vlan: finding for finding in findings}

        def hear(vlan: int, frame: bytes) -> None:
            offer = read_offer(frame, vlan=vlan, mac=self._mac)
            if offer is not None and vlan in by_vlan and offer not in by_vlan[vlan].offers:
                by_vlan[vlan].offers.append(offer)

        for vlan in by_vlan:
            self._link.sendto(discover(vlan, self._mac), (self._interface, 0))
        self._listen(hear, lambda: all(len(finding.offers) >= servers for finding in findings))

    def ask_arp(self, asked: dict[IPv4Address, list[Finding]]) -> None:
        """Fill in `arp` of the findings of each address in `asked`."""
        waiting = {
            (finding.vlan, address.packed): finding
            for address, findings in asked.items()
            for finding in findings
        }

        def hear(vlan: int, frame: bytes) -> None:
            if int.from_bytes(frame[12:14], "big") == _ARP and frame[20:22] == b"\0\2":
                finding = waiting.pop((vlan, frame[28:32]), None)
                if finding is not None:
                    finding.arp = frame[22:28].hex(":")

        for vlan, address in waiting:
            self._link.sendto(arp_probe(vlan, self._mac, IPv4Address(address)), (self._interface, 0))
        self._listen(hear, lambda: not waiting)

    def _listen(self, hear: Callable[[int, bytes], None], done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + self._timeout
        while not done() and (left := deadline - time.monotonic()) > 0:
            if not select.select([self._link], [], [], left)[0]:
                return
            received = receive(self._link)
            if received is not None and received.interface == self._interface and received.tci is not None:
                hear(received.tci & 0x0FFF, received.frame)

    def close(self) -> None:
        """Close the socket."""
        self._link.close()


def main() -> None:
    """Run the client, and print one line per VLAN."""
    parser = argparse.ArgumentParser(
        prog="python -m lab.wire_client", description="Send DHCP and ARP requests on tagged VLANs."
    )
    parser.add_argument("--interface", required=True)
    parser.add_argument("--vlan", type=int, action="append", required=True)
    parser.add_argument("--servers", type=int, default=1, help="number of offers to wait for on each VLAN")
    parser.add_argument("--arp", type=IPv4Address, help="resolve this address by ARP, without DHCP")
    parser.add_argument(
        "--timeout", type=float, default=3.0, help="seconds to wait for DHCP, and again for ARP"
    )
    arguments = parser.parse_args()
    client = WireClient(arguments.interface, timeout=arguments.timeout)
    findings = [Finding(vlan) for vlan in arguments.vlan]
    asked: dict[IPv4Address, list[Finding]] = {}
    if arguments.arp is None:
        client.ask_dhcp(findings, servers=arguments.servers)
        for finding in findings:
            for router in {offer.router for offer in finding.offers if offer.router}:
                asked.setdefault(IPv4Address(router), []).append(finding)
    else:
        asked[arguments.arp] = findings
    client.ask_arp(asked)
    client.close()
    for finding in findings:
        print(json.dumps(asdict(finding)))


if __name__ == "__main__":
    main()
