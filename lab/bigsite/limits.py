"""Machine-wide settings that thousands of interfaces need, raised for the time they are needed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

_WANTED = {
    # Otherwise every attached program waits for a grace period: a minute for 4094 of them.
    Path("/sys/kernel/rcu_expedited"): 1,
    # Neighbours are counted over all namespaces: a gateway per VLAN exceeds the limit of 1024.
    Path("/proc/sys/net/ipv4/neigh/default/gc_thresh1"): 8192,
    Path("/proc/sys/net/ipv4/neigh/default/gc_thresh2"): 16384,
    Path("/proc/sys/net/ipv4/neigh/default/gc_thresh3"): 32768,
}


@contextlib.contextmanager
def raised_limits() -> Iterator[None]:
    """Raise the limits, and restore them afterwards; call it in the machine's own network namespace.

    A setting that does not exist or is not writable stays as it is, which is enough for a small site.
    """
    former: dict[Path, str] = {}
    for path, wanted in _WANTED.items():
        with contextlib.suppress(OSError, ValueError):
            before = path.read_text().strip()
            if int(before) < wanted:
                path.write_text(str(wanted))
                former[path] = before
    try:
        yield
    finally:
        # The thresholds must stay in order at any moment, so the lowest is restored first.
        for path, before in former.items():
            with contextlib.suppress(OSError):
                path.write_text(before)
