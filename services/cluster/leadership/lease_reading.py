"""Whether somebody holds a Lease: told by watching whether it is renewed, since clocks of machines differ."""

import threading
from collections.abc import Mapping
from enum import Enum
from urllib.parse import quote

from services.cluster.errors import NotFound
from services.cluster.http.transport import Transport
from services.runtime.process.clock import Clock

POLL_S = 1.0
LONGEST_S = 60.0
"""Of a Lease that promises more."""
TIMEOUT_S = (3.0, 6.0)


class Holding(Enum):
    """What is known of a Lease."""

    HELD = "held"
    """It was renewed while we looked."""
    FREE = "free"
    """It was given back, or not renewed for as long as its holder had promised."""
    ABSENT = "absent"
    """There is none of this name."""


def watch_lease(transport: Transport, *, namespace: str, name: str, clock: Clock) -> Holding:
    """Return whether the Lease is held, within its own duration (15 s); raise ClusterError."""
    path = (
        f"/apis/coordination.k8s.io/v1/namespaces/{quote(namespace, safe='')}/leases/{quote(name, safe='')}"
    )
    began, never = clock.monotonic(), threading.Event()
    try:
        first = _spec(transport, path)
        while first.get("holderIdentity"):
            if clock.monotonic() - began > _promised_s(first):
                return Holding.FREE
            clock.wait(never, POLL_S)
            if _spec(transport, path) != first:
                # By whomever: also one that is given back now was held.
                return Holding.HELD
    except NotFound:
        return Holding.ABSENT
    return Holding.FREE


def _spec(transport: Transport, path: str) -> Mapping[str, object]:
    spec = transport.request("GET", path, timeout_s=TIMEOUT_S).get("spec")
    return spec if isinstance(spec, Mapping) else {}


def _promised_s(spec: Mapping[str, object]) -> float:
    value = spec.get("leaseDurationSeconds")
    return min(float(value), LONGEST_S) if isinstance(value, int) and value > 0 else LONGEST_S
