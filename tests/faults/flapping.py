"""Disconnects and reconnects a cable many times a second.

    python -m tests.faults.flapping PORT SECONDS

Prints `ready` and begins; ends with the cable connected, at the end of its input or after SECONDS.
"""

import argparse
import fcntl
import select
import socket
import struct
import sys
import time

TIMES_A_SECOND = 10
_GET_FLAGS, _SET_FLAGS = 0x8913, 0x8914
_UP = 1


def set_up(control: socket.socket, interface: str, *, up: bool) -> None:
    """Set the administrative state (netdevice(7)), which the other end of a veth sees as its carrier."""
    request = bytearray(struct.pack("16sH22x", interface.encode(), 0))
    fcntl.ioctl(control, _GET_FLAGS, request)
    (flags,) = struct.unpack_from("=H", request, 16)
    struct.pack_into("=H", request, 16, flags | _UP if up else flags & ~_UP)
    fcntl.ioctl(control, _SET_FLAGS, bytes(request))


def main() -> None:
    """Flap until the end of the input."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port")
    parser.add_argument("seconds", type=float)
    arguments = parser.parse_args()
    deadline = time.monotonic() + arguments.seconds
    up = True
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        try:
            while time.monotonic() < deadline:
                up = not up
                set_up(control, arguments.port, up=up)
                if select.select([sys.stdin], [], [], 0.5 / TIMES_A_SECOND)[0]:
                    return
        finally:
            set_up(control, arguments.port, up=True)


if __name__ == "__main__":
    main()
