"""Floods a host's cable with frames that answer nothing.

    python -m tests.faults.flooding PORT KIND VLAN MAC SECONDS

KIND `foreign`: frames that the kernel's filter drops; `forged`: replies to MAC on VLAN that pass the filter,
with unknown transaction IDs and for addresses that were not requested. Prints `ready` after the first
thousands, sends up to 100,000 a second, ends at the end of its input or after SECONDS, and prints how many
frames it sent.
"""

import argparse
import random
import select
import socket
import sys
import time

from tests.faults.hostile import tagged
from tests.unit.prober import frames

RATE = 100_000
BURST = 500
DIFFERENT = 1_000


def junk(kind: str, vlan: int, mac: bytes) -> list[bytes]:
    """Build the frames that are sent repeatedly."""
    dice = random.Random(17)
    made: list[bytes] = []
    for at in range(DIFFERENT):
        if kind == "foreign":
            client, somewhere = b"\x02" + dice.randbytes(5), dice.randrange(1, 4095)
            junk_frame = frames.ethernet(
                dice.randbytes(46), kind=dice.choice((0x0800, 0x0806, 0x86DD, 0x8847))
            )
        else:
            client, somewhere = mac, vlan
            junk_frame = frames.arp_reply(sender=frames.dotted(0x0A000000 | dice.getrandbits(24)), to=mac)
        if at % 2:
            options = frames.offer_options(server="10.0.7.66", router="10.0.7.66")
            junk_frame = frames.dhcp_frame(
                frames.bootp(xid=dice.randbytes(4), chaddr=client, options=options), server="10.0.7.66"
            )
        made.append(tagged(junk_frame, somewhere))
    return made


def main() -> None:
    """Flood until the end of the input."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port")
    parser.add_argument("kind", choices=("foreign", "forged"))
    parser.add_argument("vlan", type=int)
    parser.add_argument("mac", type=bytes.fromhex)
    parser.add_argument("seconds", type=float)
    arguments = parser.parse_args()
    made = junk(arguments.kind, arguments.vlan, arguments.mac)
    sent = 0
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as link:
        link.bind((arguments.port, 0))
        began = time.monotonic()
        while (elapsed := time.monotonic() - began) < arguments.seconds:
            for at in range(sent, sent + BURST):
                link.send(made[at % DIFFERENT])
            sent += BURST
            if sent == 10 * BURST:
                sys.stdout.write("ready\n")
                sys.stdout.flush()
            ahead_s = sent / RATE - elapsed
            if select.select([sys.stdin], [], [], max(0.0, ahead_s))[0]:
                break
    sys.stdout.write(f"{sent}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
