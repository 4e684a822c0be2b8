"""What the watcher can be told."""

from typing import Annotated

from pydantic import Field

from services.cluster.settings import PolicySettings
from services.runtime.settings import Seconds, TCPPort, TelemetrySettings


class WatcherSettings(PolicySettings, TelemetrySettings):
    """How often is probed, and who leads."""

    sweep_interval_s: Annotated[Seconds, Field(ge=1)] = 300.0
    """Seconds between two probes of a segment from one host, give or take a tenth."""
    retry_interval_s: Annotated[Seconds, Field(ge=1)] = 30.0
    """The same while a network on the segment is not Active."""
    ask_window_s: Annotated[Seconds, Field(ge=1)] = 15.0
    """Seconds that a host may wait for a DHCPOFFER: longer than the probers' own deadline. While one asks, no
    other does."""
    request_max_age_s: Annotated[Seconds, Field(ge=1, le=3_600)] = 60.0
    """Seconds after which a prober drops a request that nobody took up; by Redis' clock."""
    host_poll_interval_s: Seconds = 1.0
    """Seconds between two looks at the hosts' announcements."""
    leader_election: bool = True
    """Whether a Lease decides which of several watchers sends; without it, run one only."""
    lease_name: str = "nadroute-watcher"
    """The Lease's name."""
    lease_namespace: str = ""
    """The Lease's namespace; empty: the pod's own, or `default`."""
    metrics_port: TCPPort = 9401
    """The TCP port of /metrics, /healthz and /readyz; 0 tells them nowhere."""
    lease_identity: str = ""
    """Who we are in the Lease; empty: the host's name and a random word."""
