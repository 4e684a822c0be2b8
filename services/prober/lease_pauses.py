"""The pauses in leasing: after an address conflict on a segment, no host leases there for some hours.

Behind proxy ARP every address is in use: each probe would decline one more (RFC 2131 section 3.1), and the
server's pool would be used up. The conflicts are kept in Redis: they hold for all hosts, and across restarts.
"""

import threading
from collections.abc import Sequence
from ipaddress import IPv4Address
from typing import cast

import redis
import structlog

from services.contract.errors import MessageRefused
from services.contract.lease_conflicts import LeaseConflict
from services.contract.limits import MAX_SERVERS
from services.contract.messages import Segment, SegmentProbe, segment_of
from services.contract.names import LEASE_CONFLICT_TTL_S, lease_conflict_key
from services.contract.outcomes import Depth, LeaseOutcome
from services.prober.engine.results import LeaseResult, SegmentResult
from services.prober.frames.ethernet import mac_text
from services.runtime.connection.redis_client import milliseconds, time_ms
from services.runtime.process.outside_log import tell
from services.runtime.stored.guarded_redis import set_aside

log = structlog.get_logger(__name__)


class LeasePauses:
    """Knows where no address is to be leased. Thread-safe. Without Redis, what was known holds."""

    def __init__(self, client: redis.Redis, *, hours: float, depth: Depth) -> None:
        """hours: length of a pause; 0 for none. depth: the prober's, the least for every probe."""
        self._client = client
        self._pause_ms = round(hours * 3_600_000)
        self._is_deep = depth is Depth.LEASE
        self._lock = threading.Lock()
        self._paused: dict[Segment, LeaseConflict] = {}

    def apply(self, cluster_network: str, probes: Sequence[SegmentProbe]) -> Sequence[SegmentProbe]:
        """Return the probes, without a lease where there is a pause."""
        leasing = [probe for probe in probes if self._leases(probe)]
        if not leasing:
            return probes
        self._read([segment_of(cluster_network, probe.vlan) for probe in leasing])
        with self._lock:
            vlans = {at.vlan for at in self._paused if at.cluster_network == cluster_network}
        paused = {probe.vlan for probe in leasing} & vlans
        return [p.model_copy(update={"may_lease": False}) if p.vlan in paused else p for p in probes]

    def complete(self, result: SegmentResult) -> SegmentResult:
        """Return the result with what is known of a conflict there; record a new one."""
        lease, segment = result.lease, segment_of(result.cluster_network, result.vlan)
        if lease is not None and lease.outcome is LeaseOutcome.CONFLICT and lease.owner is not None:
            others = self._record(segment, lease, mac_text(lease.owner)) if self._pause_ms else ()
            return result._replace(lease=lease._replace(others=tuple(map(int, others))))
        with self._lock:
            known = self._paused.get(segment)
        if known is None or lease is not None or result.dhcp is None or not self._is_deep:
            return result
        owner = bytes.fromhex(known.owner.replace(":", ""))
        paused = LeaseResult(LeaseOutcome.PAUSED, int(known.server), int(known.address), 0, 0.0, owner)
        return result._replace(lease=paused._replace(others=tuple(map(int, known.others))))

    def _leases(self, probe: SegmentProbe) -> bool:
        is_deep = self._is_deep or probe.depth is Depth.LEASE
        return bool(self._pause_ms) and is_deep and probe.ask_dhcp and probe.source is None

    def _read(self, segments: Sequence[Segment]) -> None:
        try:
            with self._client.pipeline(transaction=False) as pipe:
                pipe.time()
                for segment in segments:
                    pipe.get(lease_conflict_key(segment))
                now, *found = pipe.execute(raise_on_error=False)
            now_ms = milliseconds(cast("tuple[int, int]", now))
        except (redis.RedisError, TypeError) as error:
            log.warning("pauses in leasing not read", error=str(error))
            return
        conflicts = {each: self._parse(each, text) for each, text in zip(segments, found, strict=True)}
        with self._lock:
            for segment, conflict in conflicts.items():
                if conflict is not None and 0 <= now_ms - conflict.at_ms < self._pause_ms:
                    self._paused[segment] = conflict
                else:
                    self._paused.pop(segment, None)

    def _parse(self, segment: Segment, text: object) -> LeaseConflict | None:
        if text is None:
            return None
        try:
            return LeaseConflict.from_wire(text)
        except MessageRefused as error:
            set_aside(self._client, lease_conflict_key(segment), str(error))
            return None

    def _record(self, segment: Segment, lease: LeaseResult, owner: str) -> tuple[IPv4Address, ...]:
        """Keep the conflict; return the other addresses for which the same station answered before."""
        key, address = lease_conflict_key(segment), IPv4Address(lease.address)
        tell(log, "an offered address is in use", segment=str(segment), address=str(address), owner=owner)
        others: tuple[IPv4Address, ...] = ()
        try:
            before = self._parse(segment, self._client.get(key))
            if before is not None and before.owner == owner:
                others = tuple(sorted({*before.others, before.address} - {address}))[:MAX_SERVERS]
            conflict = LeaseConflict(
                at_ms=time_ms(self._client), server=IPv4Address(lease.server), address=address, owner=owner,
                others=others,
            )  # fmt: skip
            self._client.set(key, conflict.to_json(), ex=LEASE_CONFLICT_TTL_S)
            with self._lock:
                self._paused[segment] = conflict
        except redis.RedisError as error:
            log.warning("address conflict not recorded", segment=str(segment), error=str(error))
        return others
