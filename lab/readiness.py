"""Knowing when something is so that nobody tells: a DHCP server listens, a link runs."""

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
    """Wait until child `pid` holds `count` UDP sockets on port 67: what arrives from then on is answered.

    False when it ends before, or `timeout` seconds are up.
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
    """Wait until `interface` of this network namespace runs, or does not; False when the time is up.

    The kernel may work through changes of carrier once a second; until then IFF_RUNNING tells of the past.
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
            # It may be closed between listing and looking.
            with contextlib.suppress(OSError):
                held.add(str(entry.readlink()))
    return len(bound & held)
