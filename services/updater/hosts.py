"""What the updater reads in Redis at most once a second: announced hosts, the watcher's pace, and whether all
is paused."""

import threading
from collections.abc import Callable, Iterable, Mapping
from ipaddress import IPv4Address, IPv4Network

import redis
import structlog

from services.contract.limits import REPORT_WITHIN_S, WIDEST_OWN_PREFIX
from services.contract.messages import HostAnnouncement, Segment
from services.contract.names import HOST_TTL_S, PAUSED_KEY
from services.contract.reports import Report
from services.network.claims import AddressClaims, NetworkClaims, networks_on_vlans, possible_networks
from services.network.judge.evidence import Carriers
from services.runtime.process.clock import Clock
from services.runtime.process.outside_log import tell
from services.runtime.stored.announcements import AnnouncementReader
from services.updater.announced_pace import AnnouncedPace
from services.updater.report_times import ReportTimes

CACHED_S = 1.0
RESTART_MS = round(REPORT_WITHIN_S * 1000)
"""How long a host whose announcement ended still counts, as the time in which it may restart."""

log = structlog.get_logger(__name__)


class AnnouncedHosts:
    """The hosts that carry each cluster network, read at most once a second. Thread-safe.

    A host whose announcement has just ended is restarting: a prober's restart, or a Redis that came back
    empty, is no news about a network.
    """

    def __init__(
        self,
        client: redis.Redis,
        clock: Clock,
        *,
        observed_ms: Callable[[], int],
        ignored: Callable[[str], None] = lambda _: None,
    ) -> None:
        """observed_ms: see runtime.verdict_store; while nobody probes, no host is gone for longer.

        ignored: called with one of metrics.IGNORED for each host of which that begins to be ignored.
        """
        self._announcements = AnnouncementReader(client)
        self._pace = AnnouncedPace(client)
        self._clock = clock
        self._observed_ms = observed_ms
        self._ignored = ignored
        self._times = ReportTimes()
        self._slow: frozenset[str] = frozenset()
        self._lock = threading.Lock()
        self._announced: Mapping[str, HostAnnouncement] = {}
        self._ended: dict[str, tuple[int, HostAnnouncement]] = {}
        """Hosts that restart: when their announcement was found missing, and the announcement."""
        self._first_read_ms: int | None = None
        self._is_settled = False
        self._claims = AddressClaims()
        self._networks = NetworkClaims()
        self._too_wide: frozenset[tuple[str, IPv4Network]] = frozenset()
        self._on_vlans: Mapping[Segment, frozenset[IPv4Network]] = {}
        self._carriers: dict[str, Carriers] = {}
        self._read_at: float | None = None

    def refresh(self) -> None:
        """Read Redis, unless that was less than CACHED_S ago; may raise redis.RedisError."""
        with self._lock:
            now = self._clock.monotonic()
            if self._read_at is None or now - self._read_at >= CACHED_S:
                self._read()
                self._read_at = now

    def reported(self, report: Report) -> None:
        """Record that a host has reported: invented ones crowd it out no more, and its time counts."""
        with self._lock:
            self._announcements.reported(report.host)
            self._times.reported(report)

    def carrying(self, cluster_network: str) -> Carriers:
        """Return the hosts with an uplink of this cluster network, as read last."""
        with self._lock:
            known = self._carriers.get(cluster_network)
            if known is None:
                known = self._carriers[cluster_network] = self._find_carriers(cluster_network)
            return known

    def announced(self) -> Mapping[str, HostAnnouncement]:
        """Return the announcements by host, as read last."""
        with self._lock:
            return self._announced

    def addresses(self) -> frozenset[IPv4Address]:
        """Return the hosts' own addresses that are believed; see network.claims."""
        with self._lock:
            return self._claims.believed

    def claimed(self) -> frozenset[IPv4Address]:
        """Return the addresses that hosts announce as their own, which are not believed yet."""
        with self._lock:
            return self._claims.unsure

    def own_networks(self) -> frozenset[IPv4Network]:
        """Return the hosts' own networks that are believed; see network.claims."""
        with self._lock:
            return self._networks.believed

    def claimed_networks(self) -> frozenset[IPv4Network]:
        """Return the networks that hosts announce as their own, which are not believed yet."""
        with self._lock:
            return self._networks.unsure

    def on_vlans(self) -> Mapping[Segment, frozenset[IPv4Network]]:
        """Return the networks in which live hosts have an address on a VLAN, as they announce."""
        with self._lock:
            return self._on_vlans

    def _find_carriers(self, cluster_network: str) -> Carriers:
        found = [host for host in self._live() if cluster_network in host.uplinks]
        slowest_s = max(map(self._times.of, found), default=REPORT_WITHIN_S)
        hosts = frozenset(host.host for host in found)
        return Carriers(
            hosts,
            round(slowest_s * 1000),
            self._is_settled,
            pace=self._pace.pace,
            sweep_s=self._pace.sweep_s(cluster_network),
        )

    def _live(self) -> list[HostAnnouncement]:
        return [*self._announced.values(), *(announced for _, announced in self._ended.values())]

    def _read(self) -> None:
        found, now_ms = self._announcements.read(), self._observed_ms()
        self._pace.read(now_ms / 1000)
        for entry in found.refused:
            tell(log, "announcement ignored", key=entry.key, error=entry.reason)
            self._ignored("announcement")
        announced = {host.host: host for host in found.hosts}
        missing = {name: (now_ms, host) for name, host in self._announced.items() if name not in announced}
        if missing:
            tell(
                log,
                "hosts not announced any more",
                level="info",
                hosts=sorted(missing)[:10],
                number=len(missing),
            )
        self._ended = {
            name: (since_ms, host)
            for name, (since_ms, host) in {**self._ended, **missing}.items()
            if name not in announced and now_ms - since_ms < RESTART_MS
        }
        self._announced = announced
        live = self._live()
        now, restarting = self._clock.monotonic(), [host for _, host in self._ended.values()]
        self._claims.take(_addresses(announced.values()), now, restarting=_addresses(restarting))
        self._networks.take(
            possible_networks(announced.values()), now, restarting=possible_networks(restarting)
        )
        too_wide = frozenset(
            (host.host, network)
            for host in live
            for network in host.own_networks
            if network.prefixlen < WIDEST_OWN_PREFIX
        )
        for name, network in sorted(too_wide - self._too_wide):
            expected = f"a prefix of at least /{WIDEST_OWN_PREFIX}"
            tell(log, "own network ignored", host=name, network=str(network), expected=expected)
            self._ignored("own_network")
        self._too_wide = too_wide
        self._on_vlans = networks_on_vlans(live)
        self._times.take(live, now_ms)
        slow = frozenset(self._times.unbelieved())
        for host in sorted(slow - self._slow):
            tell(log, "time to report not believed before a report", host=host)
            self._ignored("report_time")
        self._slow = slow
        if self._first_read_ms is None:
            self._first_read_ms = now_ms
        self._is_settled = now_ms - self._first_read_ms >= HOST_TTL_S * 1000
        self._carriers = {}


def _addresses(hosts: Iterable[HostAnnouncement]) -> frozenset[IPv4Address]:
    return frozenset(address for host in hosts for address in host.addresses)


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
