"""The engine: all segments of all uplinks at once, without a socket and without a clock.

Frames and time come in as arguments, frames go out as lists, results through callbacks. Its runner does the
rest: see services.prober.loop.runner.
"""

import random

from services.contract.messages import SegmentProbe
from services.contract.outcomes import Depth, Fault
from services.prober.engine.identity import Identity
from services.prober.engine.routed_echoes import RoutedEchoes
from services.prober.engine.segment import Done, SegmentJob, TrunkJobs
from services.prober.engine.settings import EngineSettings
from services.prober.engine.timers import Timers
from services.prober.engine.trunk import Trunk
from services.prober.frames.ignore_reasons import IgnoreReason
from services.prober.frames.templates import Templates


class Engine:
    """Not safe for threads: whoever runs it is its only user."""

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
        """routed: also probe gateways through the host's routing. depth: of every DHCP exchange, at least."""
        self._host = host
        self._settings = settings
        self._templates = templates
        self._random = randomness
        self._one_mac = one_mac
        self._depth = depth
        self._timers = Timers()
        self._uplinks: dict[str, TrunkJobs] = {}
        self.echoes = (
            RoutedEchoes(
                template=templates.echo, settings=settings, timers=self._timers, randomness=randomness
            )
            if routed
            else None
        )

    def trunk(self, cluster_network: str) -> Trunk:
        """The state of one uplink: frames in and out, its identity, its losses."""
        return self._uplink(cluster_network).trunk

    def start(self, cluster_network: str, probe: SegmentProbe, *, done: Done, now: float) -> None:
        """Begin one segment; done is called with its result, perhaps before this returns."""
        SegmentJob(self._uplink(cluster_network), probe, done).start(now)

    def open_segments(self, cluster_network: str) -> int:
        """Segments begun and not finished on one uplink."""
        return len(self._uplink(cluster_network).jobs)

    def uplink_failed(self, cluster_network: str, fault: Fault, *, now: float) -> None:
        """Nothing more comes through this uplink: what waits for it ends, what is routed goes on."""
        uplink = self._uplink(cluster_network)
        for job in list(uplink.jobs):
            job.blame(fault)
        uplink.trunk.discard_frames()
        uplink.trunk.abandon(now)
        uplink.trunk.discard_frames()

    def stop(self, now: float) -> None:
        """End every segment with the fault STOPPED and what was found until now."""
        for uplink in self._uplinks.values():
            uplink.trunk.discard_frames()
            # What they still have to say gives addresses back.
            for job in list(uplink.jobs):
                job.stop(now)
            uplink.trunk.abandon(now)
        if self.echoes is not None:
            self.echoes.abandon(now)

    def ignored_frames(self) -> dict[IgnoreReason, int]:
        """Count the frames ignored on all uplinks, by reason, zeros included; callable from any thread."""
        counters = [uplink.trunk.ignored for uplink in list(self._uplinks.values())]
        return {reason: sum([counter[reason] for counter in counters]) for reason in IgnoreReason}

    def advance(self, now: float) -> None:
        """Do what is due.

        Hand in what was received before: an answer that came in time must not be late by our delay.
        """
        self._timers.run_due(now)

    def next_deadline(self) -> float | None:
        """When advance is to be called next; None when nothing waits."""
        return self._timers.next_deadline()

    def _uplink(self, cluster_network: str) -> TrunkJobs:
        uplink = self._uplinks.get(cluster_network)
        if uplink is None:
            trunk = Trunk(
                identity=Identity(host=self._host, cluster_network=cluster_network, one_mac=self._one_mac),
                templates=self._templates,
                settings=self._settings,
                timers=self._timers,
                randomness=self._random,
            )
            uplink = TrunkJobs(cluster_network, trunk, self.echoes, self._depth)
            self._uplinks[cluster_network] = uplink
        return uplink
