"""Listens on an uplink as a prober does, without reading before the end.

    python -m tests.faults.listening INTERFACE

Prints `ready`; at the end of its input it prints, as JSON, how many frames were `received` and how many the
kernel `dropped` because the ring was full.
"""

import json
import sys

from services.prober.engine.identity import Identity
from services.prober.sockets.packet_link import DEFAULT_SLOTS, PacketLink


def main() -> None:
    """Open the socket, wait, print the counters."""
    identity = Identity(host="node1", cluster_network="extra")
    link = PacketLink(sys.argv[1], mac_prefix=identity.prefix)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.read()
    counted = {"received": len(link.receive(2 * DEFAULT_SLOTS)), "dropped": link.dropped()}
    link.close()
    sys.stdout.write(json.dumps(counted) + "\n")


if __name__ == "__main__":
    main()
