"""What the updater can be told."""

from typing import Annotated

from pydantic import Field

from services.cluster.settings import PolicySettings
from services.runtime.settings import Seconds, TCPPort, TelemetrySettings


class UpdaterSettings(PolicySettings, TelemetrySettings):
    """The service that writes what was found."""

    sweep_interval_s: Seconds = 300.0
    """Seconds between two sweeps of the watcher: a verdict that is older than two of them is not fresh."""
    observe_only: bool = False
    """Write nothing to any network: what would be written is told by Events and metrics alone."""
    reduce_interval_s: Seconds = 5.0
    """Seconds between two looks at all networks, so that what grew old is told without any event."""
    report_concurrency: Annotated[int, Field(ge=1, le=64)] = 4
    """Reports that are taken at the same time."""
    write_concurrency: Annotated[int, Field(ge=1, le=64)] = 8
    """Networks that are written at the same time: a frozen webhook holds one of them for 20 seconds."""

    metrics_port: TCPPort = 9403
    """The TCP port of /metrics, /healthz and /readyz; 0 tells them nowhere."""
    metrics_series: Annotated[int, Field(ge=0, le=1_000_000)] = 5_000
    """Series that a metric on each network, or on each gateway as a host sees it, may have; those of which
    something is the matter come first."""

    @property
    def fresh_s(self) -> float:
        """Seconds for which a verdict counts."""
        return 2 * self.sweep_interval_s
