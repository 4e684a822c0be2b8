"""The announcement of this host in Redis: renewed while the process runs, and expires soon after."""

from collections.abc import Callable, Collection, Mapping, Sequence
from ipaddress import IPv4Network

import redis
import structlog

from services.contract.member_nics import MemberNIC
from services.contract.messages import MAX_HOST_NETWORKS, HostAnnouncement
from services.contract.names import HOST_RENEWAL_S, host_key
from services.contract.vlan_addresses import VlanAddress
from services.prober.host_lock import HostLock
from services.prober.sockets.routes import read_host_networks
from services.prober.uplinks import Uplinks
from services.prober.vlan_addresses import read_vlan_addresses
from services.runtime.connection.outages import Outage
from services.runtime.connection.redis_client import delete_if_equal
from services.runtime.process.clock import Clock
from services.runtime.process.repeating import RepeatingThread

log = structlog.get_logger(__name__)

POLL_S = 2.0
"""Interval at which uplinks and routes are polled: Harvester may create a bond after its pod has
started."""


class Heartbeat(RepeatingThread):
    """Announces this host, its uplinks and its own networks.

    start() may be called again: Celery signals "ready" after each reconnect.
    """

    def __init__(
        self,
        *,
        client: redis.Redis,
        lock: HostLock,
        announcement: HostAnnouncement,
        uplinks: Uplinks,
        clock: Clock,
        networks: Callable[[], Sequence[IPv4Network]] = read_host_networks,
        vlan_addresses: Callable[[], tuple[VlanAddress, ...]] = read_vlan_addresses,
        members: Callable[[Mapping[str, str]], tuple[MemberNIC, ...]] = lambda _: (),
        paused: Callable[[Collection[str]], frozenset[str]] = lambda _: frozenset(),
    ) -> None:
        """lock: nothing is announced without it. announcement: the first one; uplinks, networks, members and
        incarnation are updated as they change. members: see SwitchPorts.poll. paused: see Maintenance.paused.
        """
        super().__init__("prober-heartbeat", self._beat, clock=clock, interval_s=min(POLL_S, HOST_RENEWAL_S))
        self._client = client
        self._lock = lock
        self._key = host_key(announcement.host)
        self._announcement = announcement
        self._uplinks = uplinks
        self._networks = networks
        self._vlan_addresses = vlan_addresses
        self._members = members
        self._paused = paused
        self._due_at = clock.monotonic()
        self._outage = Outage(log, "announcement not renewed", over="the announcement is renewed again")

    def stop(self) -> None:
        """Stop, and delete the announcement, unless a successor on this host has written its own."""
        super().stop()
        try:
            delete_if_equal(self._client, self._key, self._text())
        except redis.RedisError as error:
            log.warning("announcement not deleted; it expires", error=str(error))

    def _text(self) -> str:
        return self._announcement.model_dump_json()

    def _beat(self) -> None:
        changed = self._poll_network() | self._is_new_incarnation()
        now = self._clock.monotonic()
        if changed or now >= self._due_at:
            self._due_at = now + HOST_RENEWAL_S
            self._announce()

    def _poll_network(self) -> bool:
        """Poll the uplinks, the NICs behind them and the routes; return whether they changed."""
        before = self._announcement
        try:
            self._uplinks.refresh()
        except OSError as error:
            log.warning("uplinks not polled", error=str(error))
        try:
            networks, own = tuple(self._networks()[:MAX_HOST_NETWORKS]), self._vlan_addresses()
        except OSError as error:
            log.warning("routes not polled", error=str(error))
            networks, own = before.own_networks, before.vlan_addresses
        # Compare with the announcement: another thread may have refreshed the uplinks in between.
        uplinks = dict(self._uplinks.current())
        for name in self._paused(uplinks):
            del uplinks[name]
        found = {
            "uplinks": uplinks,
            "own_networks": networks,
            "vlan_addresses": own,
            "members": self._members(uplinks),
        }
        after = before.model_copy(update=found)
        if after == before:
            return False
        if uplinks != before.uplinks:
            log.info("uplinks changed", uplinks=uplinks, before=before.uplinks)
        self._announcement = after
        return True

    def _is_new_incarnation(self) -> bool:
        if self._lock.incarnation == self._announcement.incarnation:
            return False
        update = {"incarnation": self._lock.incarnation}
        self._announcement = self._announcement.model_copy(update=update)
        return True

    def _announce(self) -> None:
        try:
            self._lock.set_if_held(self._key, self._text())
            self._outage.succeeded()
        except redis.RedisError as error:
            self._outage.failed(error)
