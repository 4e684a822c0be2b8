"""The watcher's settings."""

import math
from typing import Annotated, Self

from pydantic import Field, model_validator

from services.cluster.settings import LeaseSettings, PolicySettings
from services.contract.limits import FRAMES_PER_S
from services.runtime.connection.settings import Seconds, TCPPort, TelemetrySettings, expect_at_most
from services.watcher.limits.pace import PATROL_SHARE, Pace


class WatcherSettings(PolicySettings, LeaseSettings, TelemetrySettings):
    """Settings of the service that schedules probes."""

    sweep_interval_s: Annotated[Seconds, Field(ge=5)] = 300.0
    """Seconds between two probes of a segment from one host, with 10 % jitter. Set the same for the updater,
    where a result counts for twice as long."""
    retry_interval_s: Annotated[Seconds, Field(ge=1)] = 30.0
    """The same while a network on the segment is not Active; at most sweep_interval_s. A silent gateway
    is not probed more often than every 5 s, and DHCP not asked more often than every ask_window_s."""
    pace: Annotated[float, Field(ge=0, le=1_000_000)] = FRAMES_PER_S
    """ARP and DHCP frames a second on one cluster network, and to one router that has gateways on several, by
    all hosts together, on average over 10 s, and up to three times as many within one. Switches and routers
    drop what is more than they can answer, some above 300 a second. Where there are too many hosts and
    segments for it, sweeps take longer, and results count for longer. Three quarters of it keep gateways from
    being unchecked for 15 s, so that a silent one is told within 30 s, of up to 1,125. 0 lifts the limit."""
    ask_window_s: Annotated[Seconds, Field(ge=1)] = 15.0
    """Seconds for which a host may wait for a DHCPOFFER, longer than the probers' DHCP deadline, and at most
    sweep_interval_s. The next host in the rotation asks when they are over."""
    request_max_age_s: Annotated[Seconds, Field(ge=1, le=3_600)] = 60.0
    """Age in seconds, by Redis' clock, at which a prober drops a waiting request; at most sweep_interval_s. A
    request that was lost is sent again only then."""
    host_poll_interval_s: Annotated[Seconds, Field(le=5)] = 1.0
    """Seconds between two polls of the hosts' announcements, which expire after 15 s."""
    lease_name: str = "nadroute-watcher"
    """The name of the Lease that decides which watcher sends."""
    metrics_port: TCPPort = 9401
    """The TCP port that serves /metrics, /healthz and /readyz; 0 disables them."""

    @property
    def plan_pace(self) -> Pace:
        """Return the pace and the intervals as the plan takes them."""
        return Pace(
            self.sweep_interval_s,
            self.retry_interval_s,
            self.ask_window_s,
            patrol_per_s=PATROL_SHARE * self.pace or math.inf,
            frames_per_s=self.pace,
        )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        expect_at_most(self, "sweep_interval_s", "retry_interval_s", "ask_window_s", "request_max_age_s")
        return self
