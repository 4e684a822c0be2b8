"""A small ping through the routing of the host it runs on.

    python -m lab.echo_client 10.0.112.1 10.30.0.1 [--timeout 3]

Prints JSON: address to `reply`, `unreachable` (reported by a router) or `silent`.
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
    """Send an echo request (RFC 792) to all `addresses`; wait up to `timeout` seconds for the replies."""
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
                # The message contains the beginning of the packet that caused it.
                asked = socket.inet_ntoa(_payload(packet)[_ICMP_HEADER.size :][16:20])
                if asked in found:
                    found[asked] = UNREACHABLE
    return found


def _payload(packet: bytes) -> bytes:
    return packet[(packet[0] & 0x0F) * 4 :]


def main() -> None:
    """Ping, and print the result of each address."""
    parser = argparse.ArgumentParser(
        prog="python -m lab.echo_client", description="Ping addresses through the host's routing."
    )
    parser.add_argument("address", nargs="+")
    parser.add_argument("--timeout", type=float, default=3.0, help="seconds to wait for all replies")
    arguments = parser.parse_args()
    print(json.dumps(ping(arguments.address, timeout=arguments.timeout)))


if __name__ == "__main__":
    main()
