"""The registry of each service, with at least one sample of every metric."""

from collections.abc import Callable, Iterable, Mapping
from ipaddress import IPv4Address
from typing import cast

import redis
from prometheus_client import CollectorRegistry

from services.cluster.client import Cluster
from services.cluster.errors import Conflict, Denied, Unavailable
from services.cluster.leadership.leading import Leadership
from services.cluster.metrics import EventMetrics, WatchMetrics
from services.contract.causes import CauseRecord, CausesRecord
from services.contract.messages import ProbeRequest, Segment, SegmentProbe, Target, Verdict
from services.contract.names import maintenance_key
from services.contract.outcomes import DHCPOutcome, ReachOutcome
from services.contract.verdicts import AgedVerdict, SegmentVerdicts
from services.network.parse.nad import Network, NetworkRef
from services.network.parse.status import Status
from services.prober.engine.results import (
    DHCPOffer,
    DiscoveryResult,
    ReachResult,
    SegmentResult,
    TargetResult,
)
from services.prober.frames.ignore_reasons import IgnoreReason
from services.prober.metrics import ProberMetrics, UplinkCollector
from services.prober.settings import ProberSettings
from services.runtime.connection.settings import TelemetrySettings
from services.runtime.queues.message_guard import MessageGuard
from services.runtime.stored.quarantine import Quarantine
from services.runtime.telemetry.progress import Progress
from services.runtime.telemetry.telemetry import Telemetry
from services.updater.gauges import NetworkGauges
from services.updater.metrics import UpdaterMetrics
from services.updater.open_windows import Windows
from services.updater.settings import UpdaterSettings
from services.watcher.metrics import WatcherMetrics
from services.watcher.settings import WatcherSettings
from tests.support.manual_clock import ManualClock
from tests.unit.network.builders import network, verdict

ROUTER = int(IPv4Address("10.0.7.1"))
OFFER = DHCPOffer(ROUTER, ROUTER + 9, 24, ROUTER, (ROUTER,), 0, 3600, 0.2)
NO_WINDOWS = Windows()
NOWHERE = "unix:///nowhere/redis.sock"
SETTINGS: Mapping[str, Callable[[], TelemetrySettings]] = {
    "watcher": lambda: WatcherSettings.load(redis_url=NOWHERE),
    "prober": lambda: ProberSettings.load(redis_url=NOWHERE, host="node1", uplinks={"extra": "extra-bo"}),
    "updater": lambda: UpdaterSettings.load(redis_url=NOWHERE),
}

NO_CAUSES = CausesRecord()
CAUSES = CausesRecord(
    causes=(
        CauseRecord(
            id="c1",
            kind="HostUplink",
            subject="node2: extra",
            since="2026-11-28T10:00:00Z",
            networks=("default/a", "default/b"),
        ),
    )
)


def registries() -> dict[str, CollectorRegistry]:
    """Return the registries by service."""
    made = {}
    for service, settings in SETTINGS.items():
        telemetry = _telemetry(settings(), service)
        Progress(telemetry.health, clock=ManualClock(), registry=telemetry.registry).add(
            "reports", "none was taken", lambda: None
        )
        made[service] = telemetry.registry
    _fill_watcher(made["watcher"])
    _fill_prober(made["prober"])
    _fill_updater(made["updater"])
    return made


def segment_result(**changed: object) -> SegmentResult:
    """Return the result of one segment."""
    answers, silent = ReachResult(ReachOutcome.REACHABLE, 0.001, 1), ReachResult(ReachOutcome.SILENT, None, 3)
    target = TargetResult("0" * 16, OFFER, ROUTER, answers, silent)
    known: dict[str, object] = {
        "cluster_network": "extra",
        "vlan": 7,
        "dhcp": DiscoveryResult(DHCPOutcome.OFFERED, (OFFER,), 1, 0.2),
        "targets": (target,),
        "fault": None,
        "dropped_frames": 0,
    }
    return SegmentResult(**{**known, **changed})  # type: ignore[arg-type]


def request(host: str = "node1", *asking: bool) -> ProbeRequest:
    """A request for a segment for each of asking, or for one."""
    target = Target(digest="0" * 16)
    probes = tuple(
        SegmentProbe(vlan=vlan, ask_dhcp=ask, targets=(target,))
        for vlan, ask in enumerate(asking or (True,), start=1)
    )
    return ProbeRequest(
        id="r", host=host, cluster_network="extra", sent_at_ms=1, max_age_ms=60_000, segments=probes
    )


def _telemetry(settings: TelemetrySettings, service: str) -> Telemetry:
    telemetry = Telemetry(settings, service=service, clock=ManualClock())
    telemetry.redis.check()
    return telemetry


def _fill_watch(registry: CollectorRegistry) -> None:
    watch = WatchMetrics(registry)
    watch.failed(Unavailable("away"))
    watch.synced()
    watch.upserted()
    watch.deleted()


def _fill_leader(registry: CollectorRegistry) -> None:
    settings = WatcherSettings.load(redis_url=NOWHERE, leader_election=False)
    Leadership(settings, cast("Cluster", None), ManualClock(), registry=registry, on_change=lambda _: None)


def _fill_worker(registry: CollectorRegistry) -> None:
    MessageGuard(cast("redis.Redis", None), queue="report", tasks=frozenset(), registry=registry)


def _fill_watcher(registry: CollectorRegistry) -> None:
    Quarantine(cast("redis.Redis", None), registry=registry)
    _fill_watch(registry)
    _fill_leader(registry)
    metrics = WatcherMetrics(registry)
    metrics.iterated({"networks": 3, "segments": 2, "hosts": 1}, postponed=4, lag_s=0.5, paused=False)
    metrics.sent([request("node1", True, False)], covered=1)
    metrics.not_sent()


def _fill_prober(registry: CollectorRegistry) -> None:
    _fill_worker(registry)
    metrics = ProberMetrics(registry)
    metrics.request_taken()
    metrics.segment_opened()
    metrics.segment_done(segment_result())
    metrics.segment_closed()
    metrics.request_refused("too_old")
    metrics.verdicts_sent(1, waiting=0)
    metrics.verdicts_discarded(1)
    registry.register(
        UplinkCollector(
            lambda: {"extra": "extra-bo"},
            is_up=lambda _: True,
            dropped_frames=lambda: {"extra": 5},
            ignored_frames=lambda: {IgnoreReason.ETHERTYPE: 2},
        )
    )


def _fill_updater(registry: CollectorRegistry) -> None:
    _fill_worker(registry)
    _fill_watch(registry)
    _fill_leader(registry)
    metrics = UpdaterMetrics(registry)
    clock = ManualClock()
    metrics.report("taken")
    metrics.verdicts([verdict("0" * 16)], frozenset())
    for error in (None, Conflict("x"), Denied("x")):
        metrics.wrote(error, 0.1)
    EventMetrics(registry).handled("posted")
    metrics.reduced(0.1)
    registry.register(
        gauges(
            clock,
            [reported("net", "Active")],
            [verdict("0" * 16)],
            windows=Windows(frozenset({maintenance_key("node2", "")})),
            causes=CAUSES,
        )
    )


def reported(name: str, state: str | None) -> Network:
    """Return a network with this reported state."""
    status = None if state is None else Status(state, "GatewayAnswers").dump()
    return network(status=status, ref=NetworkRef("default", name), uid=f"uid-{name}")


def gauges(
    clock: ManualClock,
    networks: Iterable[Network],
    verdicts: Iterable[Verdict],
    *,
    max_series: int = 100,
    fresh_s: float = 600.0,
    windows: Windows = NO_WINDOWS,
    causes: CausesRecord = NO_CAUSES,
) -> NetworkGauges:
    """Gauges over these networks, and these verdicts of a second ago."""
    metrics, present, began = UpdaterMetrics(CollectorRegistry()), list(networks), clock.seconds
    by_segment: dict[Segment, list[Verdict]] = {}
    for each_verdict in verdicts:
        by_segment.setdefault(each_verdict.segment, []).append(each_verdict)

    def known() -> list[tuple[Segment, SegmentVerdicts]]:
        age_s = 1.0 + clock.seconds - began
        return [
            (segment, SegmentVerdicts(tuple(AgedVerdict(each, age_s) for each in found)))
            for segment, found in by_segment.items()
        ]

    return NetworkGauges(
        lambda: present,
        known,
        metrics,
        windows=lambda: windows,
        causes=lambda: causes,
        fresh_s=lambda _: fresh_s,
        max_series=max_series,
    )
