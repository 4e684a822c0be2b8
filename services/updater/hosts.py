"""What the updater reads in Redis at most once a second: announced hosts, and whether all is paused."""

import threading
from ipaddress import IPv4Address

import redis
import structlog

from services.contract.messages import HostAnnouncement
from services.contract.names import HOST_TTL_S, PAUSED_KEY
from services.runtime.announcements import AnnouncementReader
from services.runtime.clock import Clock

CACHED_S = 1.0

log = structlog.get_logger(__name__)


class AnnouncedHosts:
    """The announced hosts, read at most once a second. Thread-safe.

    When more than half of them vanish at once, Redis has more likely lost its data than the hosts are gone:
    they are kept until they have had time to announce themselves again.
    """

    def __init__(self, client: redis.Redis, clock: Clock) -> None:
        self._announcements = AnnouncementReader(client)
        self._clock = clock
        self._lock = threading.Lock()
        self._hosts: dict[str, HostAnnouncement] = {}
        self._addresses: frozenset[IPv4Address] = frozenset()
        self._default_gateways: frozenset[IPv4Address] = frozenset()
        self._read_at: float | None = None
        self._doubted_since: float | None = None

    def carrying(self, cluster_network: str) -> frozenset[str]:
        """Return the hosts with an uplink of this cluster network; may raise redis.RedisError."""
        with self._lock:
            self._refresh()
            return frozenset(
                host for host, announced in self._hosts.items() if cluster_network in announced.uplinks
            )

    def addresses(self) -> frozenset[IPv4Address]:
        """Return the hosts' own addresses, as read last."""
        with self._lock:
            return self._addresses

    def default_gateways(self) -> frozenset[IPv4Address]:
        """Return the hosts' default gateways, as read last."""
        with self._lock:
            return self._default_gateways

    def _refresh(self) -> None:
        now = self._clock.monotonic()
        if self._read_at is not None and now - self._read_at < CACHED_S:
            return
        found = self._announcements.read()
        for entry in found.refused:
            log.warning("announcement ignored", key=entry.key, error=entry.reason)
        present = {announced.host: announced for announced in found.hosts}
        vanished = self._hosts.keys() - present.keys()
        if len(vanished) * 2 > len(self._hosts):
            if self._doubted_since is None:
                self._doubted_since = now
                log.warning("most hosts vanished at once", hosts=sorted(vanished)[:10])
            if now - self._doubted_since < HOST_TTL_S:
                present = {**self._hosts, **present}
        else:
            self._doubted_since = None
        self._hosts = present
        self._addresses = frozenset(address for host in present.values() for address in host.addresses)
        self._default_gateways = frozenset(
            gateway for host in present.values() for gateway in host.default_gateways
        )
        self._read_at = now


class PauseSwitch:
    """Whether an operator has paused nadroute, read at most once a second. Thread-safe."""

    def __init__(self, client: redis.Redis, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._lock = threading.Lock()
        self._paused = False
        self._read_at: float | None = None

    def is_paused(self) -> bool:
        """Return whether nothing may be written now; may raise redis.RedisError."""
        with self._lock:
            now = self._clock.monotonic()
            if self._read_at is None or now - self._read_at >= CACHED_S:
                paused = bool(self._client.exists(PAUSED_KEY))
                if paused != self._paused:
                    log.info("paused by an operator" if paused else "resumed")
                self._paused = paused
                self._read_at = now
            return self._paused
