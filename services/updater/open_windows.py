"""The maintenance windows that are open, as the updater's gauges need them."""

from dataclasses import dataclass

import redis
import structlog

from services.contract.names import maintenance_key, maintenance_subject
from services.runtime.connection.outages import Outage
from services.runtime.process.clock import Clock
from services.runtime.process.repeating import RepeatingThread
from services.runtime.stored.open_maintenance import find_windows

INTERVAL_S = 5.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Windows:
    """What is in maintenance at one time."""

    keys: frozenset[str] = frozenset()
    """As maintenance_key() names them."""

    def hosts(self) -> list[str]:
        """Return the hosts that are in maintenance as a whole, sorted."""
        names = map(maintenance_subject, self.keys)
        return sorted(host for host, cluster_network in names if host and not cluster_network)

    def is_open(self, host: str, cluster_network: str) -> bool:
        """Return whether this host is not to be asked on this cluster network now."""
        of_each = ((host, ""), ("", cluster_network), (host, cluster_network))
        return not self.keys.isdisjoint(maintenance_key(*names) for names in of_each)


class OpenWindows(RepeatingThread):
    """Reads them from time to time, so that no scrape waits for Redis."""

    def __init__(self, client: redis.Redis, *, clock: Clock) -> None:
        super().__init__("maintenance-windows", self.read, clock=clock, interval_s=INTERVAL_S)
        self._client = client
        self._known = Windows()
        self._outage = Outage(log, "maintenance windows not read", over="maintenance windows are read again")

    def current(self) -> Windows:
        """Return what was read last."""
        return self._known

    def read(self) -> None:
        """Read them once. While Redis cannot be read, what was read last holds."""
        try:
            found = find_windows(self._client)
        except redis.RedisError as error:
            self._outage.failed(error)
            return
        self._outage.succeeded()
        self._known = Windows(frozenset(found))
