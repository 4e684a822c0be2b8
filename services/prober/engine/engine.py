"""The engine: probes all segments of all uplinks at once, without a socket and without a clock.

Frames and time are passed in, frames to send are returned as lists, and results go to callbacks.
services.prober.loop.runner supplies the sockets and the clock.
"""

import random

from services.contract.outcomes import Depth, Fault
from services.prober.engine.identity import Identity
from services.prober.engine.probes import Probe
from services.prober.engine.routed_echoes import RoutedEchoes
from services.prober.engine.segment import ResultCallback, SegmentJob
from services.prober.engine.settings import EngineSettings
from services.prober.engine.timers import Timers
from services.prober.engine.trunk import Trunk
from services.prober.engine.trunk_jobs import TrunkJobs
from services.prober.engine.trunk_state import TrunkState
from services.prober.frames.ignore_reasons import IgnoreReason
from services.prober.frames.templates import Templates


class Engine:
    """Not thread-safe: one thread uses it, except where a method says otherwise."""

    def __init__(
        self,
        *,
        host: str,
        settings: EngineSettings,
        templates: Templates,
        randomness: random.Random,
        routed: bool = True,
        one_mac: bool = False,
        depth: Depth = Depth.OFFER,
    ) -> None:
        """routed: check gateways through the host's routing too. depth: the least for every DHCP exchange."""
        self._host = host
        self._settings = settings
        self._templates = templates
        self._random = randomness
        self._one_mac = one_mac
        self._depth = depth
        self._timers = Timers()
        self._groups: dict[str, TrunkJobs] = {}
        """By cluster network."""
        self.echoes: RoutedEchoes | None = None
        if routed:
            self.echoes = RoutedEchoes(
                template=templates.echo, settings=settings, timers=self._timers, randomness=randomness
            )

    def trunk(self, cluster_network: str) -> Trunk:
        """Return the trunk of a cluster network; created at first use."""
        return self._group(cluster_network).trunk

    def start(self, cluster_network: str, probe: Probe, *, done: ResultCallback, now: float) -> None:
        """Start probing a segment. done is called once with the result, perhaps before this returns."""
        SegmentJob(self._group(cluster_network), probe, done).start(now)

    def open_segments(self, cluster_network: str) -> int:
        """Return the number of segments whose probe has not finished."""
        return len(self._group(cluster_network).jobs)

    def uplink_failed(self, cluster_network: str, fault: Fault, *, now: float) -> None:
        """End every probe on the trunk of a failed uplink; checks through routing continue."""
        group = self._group(cluster_network)
        for job in list(group.jobs):
            job.fail(fault)
        group.trunk.discard_frames()
        group.trunk.abandon(now)
        group.trunk.discard_frames()

    def stop(self, now: float) -> None:
        """End every segment with the fault STOPPED and what is known; the frames left release addresses."""
        for group in self._groups.values():
            group.trunk.discard_frames()
            for job in list(group.jobs):
                job.stop(now)
            group.trunk.abandon(now)
            group.trunk.flush(now)
        if self.echoes is not None:
            self.echoes.abandon(now)

    def ignored_frames(self) -> dict[IgnoreReason, int]:
        """Count the frames ignored on all uplinks, by reason, zeros included; callable from any thread."""
        counters = [group.trunk.ignored for group in list(self._groups.values())]
        return {reason: sum([counter[reason] for counter in counters]) for reason in IgnoreReason}

    def advance(self, now: float) -> None:
        """Run the timers that are due.

        Pass in received frames first: the caller's delay must not make a reply late that arrived in time.
        """
        self._timers.run_due(now)

    def next_deadline(self) -> float | None:
        """Return when to call advance next; None if nothing waits."""
        return self._timers.next_deadline()

    def _group(self, cluster_network: str) -> TrunkJobs:
        group = self._groups.get(cluster_network)
        if group is None:
            state = TrunkState(
                identity=Identity(host=self._host, cluster_network=cluster_network, one_mac=self._one_mac),
                templates=self._templates,
                settings=self._settings,
                timers=self._timers,
                randomness=self._random,
            )
            group = TrunkJobs(cluster_network, Trunk(state), self.echoes, self._depth)
            self._groups[cluster_network] = group
        return group
