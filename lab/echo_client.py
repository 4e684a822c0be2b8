"""A small ping through the routing of whatever host it runs on.

    python -m lab.echo_client 10.0.112.1 10.30.0.1 [--timeout 3]

It prints JSON, address -> `reply`, `unreachable` (a router said so) or `silent`.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import socket
import struct
import time
from collections.abc import Sequence

from lab.wire_client import checksum

REPLY, UNREACHABLE, SILENT = "reply", "unreachable", "silent"
_ECHO_REQUEST, _ECHO_REPLY, _DESTINATION_UNREACHABLE = 8, 0, 3
_ICMP_HEADER = struct.Struct("!BBHHH")


def ping(addresses: Sequence[str], *, timeout: float) -> dict[str, str]:
    """Ask all `addresses` at once for an echo (RFC 792), and wait up to `timeout` seconds for the answers."""
    identifier = os.getpid() & 0xFFFF
    found = dict.fromkeys(addresses, SILENT)
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as link:
        for address in found:
            header = _ICMP_HEADER.pack(_ECHO_REQUEST, 0, 0, identifier, 1)
            link.sendto(header[:2] + checksum(header).to_bytes(2, "big") + header[4:], (address, 0))
        deadline = time.monotonic() + timeout
        while SILENT in found.values() and (left := deadline - time.monotonic()) > 0:
            if not select.select([link], [], [], left)[0]:
                break
            packet = link.recv(2048)
            kind, _, _, echoed, _ = _ICMP_HEADER.unpack_from(_payload(packet))
            source = socket.inet_ntoa(packet[12:16])
            if (kind, echoed) == (_ECHO_REPLY, identifier) and source in found:
                found[source] = REPLY
            elif kind == _DESTINATION_UNREACHABLE:
                # It carries the beginning of the packet that it is about.
                asked = socket.inet_ntoa(_payload(packet)[_ICMP_HEADER.size :][16:20])
                if asked in found:
                    found[asked] = UNREACHABLE
    return found


def _payload(packet: bytes) -> bytes:
    return packet[(packet[0] & 0x0F) * 4 :]


def main() -> None:
    """Ping, and print who answered."""
    parser = argparse.ArgumentParser(prog="python -m lab.echo_client", description="Ping, routed.")
    parser.add_argument("address", nargs="+")
    parser.add_argument("--timeout", type=float, default=3.0, help="seconds to wait for all answers")
    arguments = parser.parse_args()
    print(json.dumps(ping(arguments.address, timeout=arguments.timeout)))


if __name__ == "__main__":
    main()
