"""Which of several processes of a service acts: the one that holds its Lease, or each without election."""

import platform
import uuid
from collections.abc import Callable
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge

from services.cluster.client import Cluster
from services.cluster.leadership.lease import LeaderLease
from services.cluster.settings import LeaseSettings
from services.runtime.process.clock import Clock

POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


class Leadership:
    """Whether this process leads, by the settings; stop() gives the Lease back."""

    def __init__(
        self,
        settings: LeaseSettings,
        cluster: Cluster,
        clock: Clock,
        *,
        registry: CollectorRegistry,
        on_change: Callable[[bool], None],
    ) -> None:
        """on_change: see LeaderLease; never called without election."""
        self._lease = None
        if settings.leader_election:
            self._lease = LeaderLease(
                cluster,
                name=settings.lease_name,
                namespace=settings.lease_namespace or _pod_namespace(),
                identity=settings.lease_identity or f"{platform.node()}-{uuid.uuid4().hex[:8]}",
                clock=clock,
                on_change=on_change,
            )
        leader = Gauge("nadroute_leader", "1 on the leader, 0 on standby.", ["lease"], registry=registry)
        leader.labels(settings.lease_name).set_function(lambda: float(self.is_leader))

    @property
    def is_leader(self) -> bool:
        """Whether this process leads now."""
        return self._lease is None or self._lease.is_leader

    @property
    def is_alive(self) -> bool:
        """False only when the Lease's thread has ended without being asked to."""
        return self._lease is None or self._lease.is_alive

    def start(self) -> None:
        """Begin to hold or wait for the Lease."""
        if self._lease is not None:
            self._lease.start()

    def stop(self) -> None:
        """Give the Lease back, so that another process need not wait for it to expire."""
        if self._lease is not None:
            self._lease.stop()


def _pod_namespace() -> str:
    try:
        return POD_NAMESPACE.read_text().strip() or "default"
    except OSError:
        return "default"
