"""Maintenance windows: cluster networks that this host does not announce for a while.

So nobody asks it to probe them, and what it found there counts no more: the same as when an uplink is taken
away. A window is a key in Redis that expires by itself.
"""

from collections.abc import Collection

import redis
import structlog

from services.contract.names import maintenance_key
from services.runtime.connection.outages import Outage

log = structlog.get_logger(__name__)


class Maintenance:
    """Reads the windows of one host."""

    def __init__(self, client: redis.Redis, host: str) -> None:
        self._client = client
        self._host = host
        self._known: frozenset[str] = frozenset()
        self._outage = Outage(log, "maintenance windows not read", over="maintenance windows are read again")

    def known(self) -> frozenset[str]:
        """Return what was read last."""
        return self._known

    def paused(self, cluster_networks: Collection[str]) -> frozenset[str]:
        """Return those of these cluster networks that are not to be announced now.

        While Redis cannot be read, what was read last; never raises.
        """
        names = sorted(cluster_networks)
        try:
            with self._client.pipeline(transaction=False) as pipe:
                pipe.exists(maintenance_key(self._host, ""))
                for name in names:
                    pipe.exists(maintenance_key("", name), maintenance_key(self._host, name))
                is_whole, *each = pipe.execute()
        except redis.RedisError as error:
            self._outage.failed(error)
            return self._known
        self._outage.succeeded()
        found = frozenset(name for name, number in zip(names, each, strict=True) if is_whole or number)
        if found != self._known:
            log.info("maintenance", cluster_networks=sorted(found), before=sorted(self._known))
        self._known = found
        return found
