"""Whether the VLANs that are probed on an uplink reach the VMs, which are behind the uplink's bridge."""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import NamedTuple

import structlog

from services.contract.outcomes import BridgeFault
from services.prober.engine.results import SegmentResult
from services.prober.known_verdicts import Key
from services.prober.sockets.bridges import BridgePort, LinkNotices, read_bridge_ports
from services.runtime.connection.outages import Outage
from services.runtime.process.clock import Clock

log = structlog.get_logger(__name__)

SETTLED_S = 15.0
"""How long a VLAN must be missing: Harvester adds it to the bridge of each host once its network is created.

Shorter than the time in which another host may contradict (contract.limits.REPORT_WITHIN_S), so that a
prober that restarts says it again before its silence counts.
"""
READ_EVERY_S = 60.0
"""The bridges are read when the kernel tells of a change, and this often, should it not have told."""
_ASKED_EVERY_S = 0.2
"""How often the kernel is asked whether something has changed."""


class VMPaths:
    """The bridge ports of this host's uplinks. Of one thread."""

    def __init__(
        self,
        uplinks: Callable[[], Mapping[str, str]],
        *,
        clock: Clock,
        read: Callable[[Collection[str]], Mapping[str, BridgePort]] = read_bridge_ports,
        open_notices: Callable[[], LinkNotices] = LinkNotices,
    ) -> None:
        """uplinks: each cluster network's interface, as it is now. read and open_notices raise OSError."""
        self._uplinks = uplinks
        self._clock = clock
        self._read = read
        self._open_notices = open_notices
        self._notices: LinkNotices | None = None
        self._ports: Mapping[str, BridgePort] = {}
        self._asked_at = self._read_at = float("-inf")
        self._missing: dict[Key, float] = {}
        """Since when the VLANs that were asked for are known not to reach the VMs."""
        self._outage = Outage(log, "bridges not read", over="bridges are read again")

    def fault(self, cluster_network: str, vlan: int) -> BridgeFault | None:
        """Return why this VLAN does not reach the VMs; None if it does, or if that cannot be told."""
        now = self._clock.monotonic()
        if now - self._asked_at >= _ASKED_EVERY_S:
            self._asked_at = now
            self._refresh(now)
        found = self._found(cluster_network, vlan)
        if found is None:
            return None
        since = self._missing.setdefault((cluster_network, vlan), now)
        return found if now - since >= SETTLED_S else BridgeFault.UNSETTLED

    def _found(self, cluster_network: str, vlan: int) -> BridgeFault | None:
        port = self._ports.get(self._uplinks().get(cluster_network, ""))
        if port is None:
            return None
        if port.is_blocked:
            return BridgeFault.PORT_BLOCKED
        return None if port.carries(vlan) else BridgeFault.NOT_IN_BRIDGE

    def _refresh(self, now: float) -> None:
        try:
            if self._notices is None:
                self._notices = self._open_notices()
            if not self._notices.changed() and now - self._read_at < READ_EVERY_S:
                return
            self._ports = self._read(frozenset(self._uplinks().values()))
            self._outage.succeeded()
        except OSError as error:
            # What was read before may be outdated, and would accuse.
            self._ports = {}
            self._outage.failed(error)
        self._read_at = now
        self._missing = {key: since for key, since in self._missing.items() if self._found(*key) is not None}


class _Unsettled(NamedTuple):
    due_at: float
    result: SegmentResult
    request_id: str


class SettlingResults:
    """Adds to results whether they hold for the VMs, and keeps those for which that is not settled yet."""

    def __init__(self, fault: Callable[[str, int], BridgeFault | None]) -> None:
        """fault: see VMPaths.fault."""
        self._fault = fault
        self._unsettled: dict[Key, _Unsettled] = {}
        """At most one for each segment; the oldest first."""

    def complete(self, result: SegmentResult, request_id: str, now: float) -> SegmentResult:
        """Return the result with what keeps it from the VMs."""
        key = result.cluster_network, result.vlan
        # An older one must not come after it.
        self._unsettled.pop(key, None)
        if result.fault is not None:
            return result
        fault = self._fault(*key)
        if fault is None:
            return result
        if fault is BridgeFault.UNSETTLED:
            self._unsettled[key] = _Unsettled(now + SETTLED_S, result, request_id)
        return result._replace(bridge=fault)

    def settled(self, now: float) -> Iterator[tuple[SegmentResult, str]]:
        """Yield results to be reported once more, with their requests: what was not settled is now."""
        while self._unsettled:
            key, first = next(iter(self._unsettled.items()))
            if first.due_at > now:
                return
            del self._unsettled[key]
            yield self.complete(first.result, first.request_id, now), first.request_id
