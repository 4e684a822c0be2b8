"""The watcher's settings."""

from typing import Annotated

from pydantic import Field

from services.cluster.settings import PolicySettings
from services.runtime.settings import Seconds, TCPPort, TelemetrySettings


class WatcherSettings(PolicySettings, TelemetrySettings):
    """Settings of the service that schedules probes."""

    sweep_interval_s: Annotated[Seconds, Field(ge=1)] = 300.0
    """Seconds between two probes of a segment from one host, with 10 % jitter."""
    retry_interval_s: Annotated[Seconds, Field(ge=1)] = 30.0
    """The same while a network on the segment is not Active."""
    ask_window_s: Annotated[Seconds, Field(ge=1)] = 15.0
    """Seconds for which a host may wait for a DHCPOFFER, longer than the probers' DHCP deadline. Meanwhile no
    other host asks."""
    request_max_age_s: Annotated[Seconds, Field(ge=1, le=3_600)] = 60.0
    """Age in seconds, by Redis' clock, at which a prober drops a waiting request."""
    host_poll_interval_s: Seconds = 1.0
    """Seconds between two polls of the hosts' announcements."""
    leader_election: bool = True
    """Whether a Lease decides which of several watchers sends. Without it, run only one."""
    lease_name: str = "nadroute-watcher"
    """The Lease's name."""
    lease_namespace: str = ""
    """The Lease's namespace; empty: the pod's own, or `default`."""
    metrics_port: TCPPort = 9401
    """The TCP port that serves /metrics, /healthz and /readyz; 0 disables them."""
    lease_identity: str = ""
    """This watcher's identity in the Lease; empty: the host name and a random suffix."""
