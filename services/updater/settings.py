"""The updater's settings."""

from typing import Annotated

from pydantic import Field

from services.cluster.settings import LeaseSettings, PolicySettings
from services.runtime.connection.settings import Seconds, TCPPort, TelemetrySettings


class UpdaterSettings(PolicySettings, LeaseSettings, TelemetrySettings):
    """Settings of the service that reduces verdicts and writes the results."""

    sweep_interval_s: Seconds = 300.0
    """Seconds between two sweeps of the watcher: set the same there. A verdict older than two sweeps is not
    fresh. The updater does not start if the watcher sweeps less often."""
    observe_only: bool = False
    """Write nothing to any network. `nadroute status`, Events and metrics show the states, `nadroute diff`
    what would be written."""
    report_concurrency: Annotated[int, Field(ge=1, le=64)] = 4
    """Reports processed concurrently."""
    write_concurrency: Annotated[int, Field(ge=1, le=64)] = 8
    """Networks written concurrently. A write that takes longer than a second counts no more, so that a frozen
    webhook does not hold up others; there are at most four times as many writes."""

    lease_name: str = "nadroute-updater"
    """The name of the Lease that decides which updater writes."""
    metrics_port: TCPPort = 9403
    """The TCP port that serves /metrics, /healthz and /readyz; 0 disables them."""
    metrics_series: Annotated[int, Field(ge=0, le=1_000_000)] = 5_000
    """Limit of series per metric for metrics with one series per network, or per gateway and host. Those with
    a problem come first."""

    @property
    def fresh_s(self) -> float:
        """Seconds for which a verdict is fresh."""
        return 2 * self.sweep_interval_s
