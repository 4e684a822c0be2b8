"""Settings of the whole machine that thousands of interfaces need, for as long as they need them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

_WANTED = {
    # Every attached program waits for a grace period otherwise: a minute for 4094 of them.
    Path("/sys/kernel/rcu_expedited"): 1,
    # Neighbours are counted over all namespaces: a gateway on each VLAN is more than the 1024 that may be.
    Path("/proc/sys/net/ipv4/neigh/default/gc_thresh1"): 8192,
    Path("/proc/sys/net/ipv4/neigh/default/gc_thresh2"): 16384,
    Path("/proc/sys/net/ipv4/neigh/default/gc_thresh3"): 32768,
}


@contextlib.contextmanager
def raised_limits() -> Iterator[None]:
    """Raise them, and put them back in the end. To be called in the machine's own network namespace.

    One that is not there or may not be written stays as it is: a small site works all the same.
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
        # The thresholds must stay in order at any moment: back from the lowest up.
        for path, before in former.items():
            with contextlib.suppress(OSError):
                path.write_text(before)
