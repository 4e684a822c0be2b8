"""Waiting for states that nothing announces: a DHCP server listens, a link has a carrier."""

from __future__ import annotations

import contextlib
import os
import select
import time
from pathlib import Path

from lab.kernel import is_link_running

_LOOK_AGAIN_SECONDS = 0.005
_SERVER_PORT = 67


def wait_for_sockets(pid: int, *, count: int, timeout: float) -> bool:
    """Wait until child `pid` holds `count` UDP sockets on port 67; datagrams from then on are answered.

    Returns False if it ends before, or after `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    descriptor = os.pidfd_open(pid)
    try:
        while _sockets_of(pid) < count:
            ended, _, _ = select.select([descriptor], [], [], _LOOK_AGAIN_SECONDS)
            if ended or time.monotonic() > deadline:
                return False
    finally:
        os.close(descriptor)
    return True


def wait_for_link(interface: str, *, running: bool, timeout: float) -> bool:
    """Wait until `interface` of this network namespace runs, or does not; return False on a timeout.

    The kernel may process carrier changes only once a second; until then IFF_RUNNING shows the old state.
    """
    deadline = time.monotonic() + timeout
    while is_link_running(interface) is not running:
        if time.monotonic() > deadline:
            return False
        select.select([], [], [], _LOOK_AGAIN_SECONDS)
    return True


def _sockets_of(pid: int) -> int:
    bound: set[str] = set()
    held: set[str] = set()
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/net/udp").read_text().splitlines()[1:]:
            fields = line.split()
            if int(fields[1].rpartition(":")[2], 16) == _SERVER_PORT:
                bound.add(f"socket:[{fields[9]}]")
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            # The descriptor may be closed between listing and reading.
            with contextlib.suppress(OSError):
                held.add(str(entry.readlink()))
    return len(bound & held)
