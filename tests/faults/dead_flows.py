"""A firewall that keeps dead flows: what it dropped once, it drops from then on.

    python -m tests.faults.dead_flows UPLINK INTERFACE

Drops every ICMP echo reply that arrives at INTERFACE, and prints `ready`. At each line of its input it heals:
from then on it drops the flows that it has dropped so far, by source, destination and identifier, and prints
their number. Ends at the end of its input, and leaves nothing behind.
"""

import select
import socket
import subprocess
import sys

from lab.prerequisites import program

_ETH_P_IP = 0x0800
_ETH_P_ALL = 3
"""A packet socket for all protocols gets a frame before the filter does."""
_PASS, _DROP = 0, 2
"""TC_ACT_OK and TC_ACT_SHOT."""
_HEAD = [(0x28, 0, 0, 12), (0x15, 0, None, _ETH_P_IP), (0x30, 0, 0, 23), (0x15, 0, None, 1), (0x30, 0, 0, 34)]
"""Classic BPF: IPv4, ICMP, and the type of its message; None jumps to the end, which passes."""
_ECHO_REPLY = (0x15, 0, None, 0)
Flow = tuple[bytes, bytes, bytes]


def filter_for(flows: set[Flow] | None) -> str:
    """Return the program that drops these flows' echo replies (None: all), as `tc` reads it."""
    steps: list[tuple[int, int, int | None, int]] = [*_HEAD, _ECHO_REPLY]
    if flows is None:
        steps.append((0x06, 0, 0, _DROP))
    for source, destination, identifier in sorted(flows or ()):
        found = [(0x20, 26, source), (0x20, 30, destination), (0x28, 38, identifier)]
        for at, (load, offset, value) in enumerate(found):
            # The next flow follows the rest of this one: two steps a field, and the drop.
            steps += [
                (load, 0, 0, offset),
                (0x15, 0, 2 * (len(found) - at) - 1, int.from_bytes(value, "big")),
            ]
        steps.append((0x06, 0, 0, _DROP))
    steps.append((0x06, 0, 0, _PASS))
    last = len(steps) - 1
    lines = [
        f"{code} {yes} {last - at - 1 if no is None else no} {operand}"
        for at, (code, yes, no, operand) in enumerate(steps)
    ]
    return ",".join([str(len(lines)), *lines])


def tc(*words: str) -> None:
    """Run tc."""
    subprocess.run([program("tc"), *words], check=True, capture_output=True, timeout=20)


def drop(interface: str, flows: set[Flow] | None) -> None:
    """Drop these flows from now on."""
    tc(
        *["filter", "replace", "dev", interface, "ingress", "pref", "1", "handle", "1"],
        *["bpf", "bytecode", filter_for(flows), "direct-action"],
    )


def seen(tap: socket.socket) -> set[Flow]:
    """Return the flows of the echo replies that have arrived since the last call."""
    flows: set[Flow] = set()
    while select.select([tap], [], [], 0)[0]:
        frame = tap.recv(4096)
        if frame[12:14] == _ETH_P_IP.to_bytes(2, "big") and frame[23] == 1 and frame[34] == 0:
            flows.add((frame[26:30], frame[30:34], frame[38:40]))
    return flows


def main() -> None:
    """Be the firewall until the end of the input."""
    interface = sys.argv[2]
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL)) as tap:
        tap.bind((interface, _ETH_P_ALL))
        tc("qdisc", "add", "dev", interface, "clsact")
        try:
            drop(interface, None)
            dead: set[Flow] = set()
            sys.stdout.write("ready\n")
            sys.stdout.flush()
            for _ in sys.stdin:
                dead |= seen(tap)
                drop(interface, dead)
                sys.stdout.write(f"{len(dead)}\n")
                sys.stdout.flush()
        finally:
            tc("qdisc", "del", "dev", interface, "clsact")


if __name__ == "__main__":
    main()
