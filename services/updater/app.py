"""`nadroute updater`: the watch, and once this process leads, a Celery worker on the report queue."""

import contextlib
import os
import platform
import random
import signal
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import redis
import structlog
from celery import Celery, bootsteps
from celery.signals import worker_shutting_down
from kombu.exceptions import OperationalError

from services.cluster.client import Cluster
from services.cluster.events.event_posting import EventPoster
from services.cluster.leadership.leading import Leadership
from services.cluster.metrics import EventMetrics, WatchMetrics
from services.cluster.watching import NetworkWatch
from services.cluster.writing import ClusterWriter
from services.contract.errors import MessageRefused
from services.contract.messages import Segment
from services.contract.names import FULL_TASK, REPORT_QUEUE, REPORT_TASK, probe_queue, worker_name
from services.contract.reports import MAX_REPEATS, FullRequest, Report
from services.runtime.process import signals
from services.runtime.process.clock import Clock, SystemClock
from services.runtime.process.gc_tuning import tune_gc
from services.runtime.process.logs import configure
from services.runtime.process.outside_log import tell
from services.runtime.queues.celery_app import consume_only, make_app, to_host
from services.runtime.queues.guarded_transport import guarded_transport
from services.runtime.queues.message_guard import MessageGuard
from services.runtime.queues.worker import WorkerCheck, run_worker
from services.runtime.stored import dead_letters
from services.runtime.stored.doubts import DoubtLog
from services.runtime.stored.guarded_redis import connect_guarded
from services.runtime.stored.key_patrol import KeyPatrol
from services.runtime.stored.verdict_store import VerdictStore
from services.runtime.telemetry.progress import Progress, QueueProgress
from services.runtime.telemetry.telemetry import Telemetry
from services.updater.gauges import NetworkGauges
from services.updater.hosts import AnnouncedHosts, PauseSwitch
from services.updater.memory.memories import RedisMemories
from services.updater.memory.orphans import Orphans
from services.updater.metrics import UpdaterMetrics
from services.updater.open_windows import OpenWindows
from services.updater.review.retaking import Retaking
from services.updater.service import Updater
from services.updater.settings import UpdaterSettings
from services.updater.site_causes import SiteCauses
from services.updater.sweep_check import check_sweep
from services.version import __version__

LOST_LEASE = 1
"""Exit code when another updater may lead."""
LOOK_S = 0.2
"""Between two looks at the Lease while standing by."""
ASKED_WITHIN_S = 60.0
"""A host that takes longer to report in full has found something newer meanwhile."""
UNACKED_SCOPE = "updater"
"""Shared by all updaters, so that one takes over what another left unacknowledged."""

log = structlog.get_logger(__name__)


def main(settings: UpdaterSettings) -> int:
    """Run until SIGTERM or SIGINT, in the main thread; return the exit code. Raise ConfigurationError."""
    configure(level=settings.log_level, log_format=settings.log_format, service="updater")
    clock, chance = SystemClock(), random.Random()
    address = settings.redis_address
    telemetry = Telemetry(settings, service="updater", clock=clock)
    metrics = UpdaterMetrics(telemetry.registry)
    with contextlib.ExitStack() as stack:
        telemetry.start()
        stack.callback(telemetry.stop)
        cluster = stack.enter_context(contextlib.closing(Cluster(settings)))
        client = stack.enter_context(connect_guarded(address, registry=telemetry.registry))
        check_sweep(client, settings.sweep_interval_s)
        store = VerdictStore(client)
        events = EventPoster(
            cluster, clock=clock, random=chance.random, metrics=EventMetrics(telemetry.registry)
        )
        working = threading.Event()
        leadership = Leadership(
            settings,
            cluster,
            clock,
            registry=telemetry.registry,
            on_change=lambda leads: _end_unless(leads, working),
        )
        pause = PauseSwitch(client, clock)
        hosts = AnnouncedHosts(client, clock, observed_ms=store.observed_ms, ignored=metrics.ignored)

        def is_paused() -> bool:
            # A Lease may be lost at any time; another updater may lead then.
            return not leadership.is_leader or pause.is_paused()

        updater = Updater(
            ClusterWriter(cluster, events),
            store,
            hosts,
            RedisMemories(client),
            DoubtLog(client),
            clock,
            settings,
            is_paused=is_paused,
            random=chance.random,
            metrics=metrics,
            touched_causes=lambda uids: causes.touch(uids),
        )
        watch = NetworkWatch(
            cluster,
            updater,
            random=chance.random,
            clock=clock,
            silence_s=settings.watch_silence_s,
            metrics=WatchMetrics(telemetry.registry),
        )
        causes = SiteCauses(
            client,
            updater,
            hosts,
            clock,
            fresh_s=updater.fresh_s,
            leads=lambda: watch.synced.is_set() and not is_paused(),
        )
        app = make_app(address, name="nadroute-updater", unacked_scope=UNACKED_SCOPE)
        stack.callback(app.close)
        worker = WorkerCheck(app, clock=clock, redis=telemetry.redis, random=chance.random)
        telemetry.health.add_liveness_check("reviewer", lambda: updater.iterated_at)
        telemetry.health.add_liveness_check("worker", worker.iterated_at)
        telemetry.health.add_thread_check("updater", lambda: updater.is_alive)
        telemetry.health.add_thread_check("events", lambda: events.is_alive)
        telemetry.health.add_thread_check("causes", lambda: causes.is_alive)
        telemetry.health.add_thread_check("watch", lambda: watch.is_alive)
        telemetry.health.add_readiness_check("watch", watch.problem)
        telemetry.health.add_readiness_check("reviews", updater.problem)
        telemetry.health.add_readiness_check("worker", lambda: worker.problem() if working.is_set() else None)
        telemetry.health.add_thread_check("lease", lambda: leadership.is_alive)
        reports = Retaking(updater.take_report, clock=clock)
        telemetry.health.add_readiness_check("reports", reports.problem)
        orphans = Orphans(
            client,
            has_network=updater.has_network,
            forget_others=updater.forget_others,
            knows_all=lambda: watch.synced.is_set() and leadership.is_leader,
        )
        patrol = KeyPatrol(client, clock=clock, passed=orphans.look)
        telemetry.health.add_thread_check("key patrol", lambda: patrol.is_alive)
        queue = QueueProgress(client, REPORT_QUEUE, clock=clock)
        progress = Progress(telemetry.health, clock=clock, registry=telemetry.registry)
        progress.add("reports", "reports wait, and none was taken", queue.since)
        progress.add("reviews", "no network was reviewed", lambda: updater.reviewed_at)
        progress.add("observed time", "observed time was not counted", lambda: updater.ticked_at)
        telemetry.complete()
        guard = MessageGuard(
            client, queue=REPORT_QUEUE, tasks=frozenset({REPORT_TASK}), registry=telemetry.registry
        )
        consume_only(app, REPORT_QUEUE, transport=guarded_transport(guard, worker.consumed))
        register(app, reports, client, metrics)
        stack.enter_context(_stopped_with_worker(reports))
        _run_beside_worker(app, updater, events)
        watch.start()
        stack.callback(watch.stop)
        leadership.start()
        stack.callback(leadership.stop)
        log.info("updater started", version=__version__, redis=str(address))
        if not _leads(leadership, clock):
            return 0
        windows = OpenWindows(client, clock=clock)
        telemetry.registry.register(
            NetworkGauges(
                updater.networks,
                updater.verdicts,
                metrics,
                windows=windows.current,
                causes=causes.current,
                fresh_s=updater.fresh_s,
                max_series=settings.metrics_series,
            )
        )
        for thread in (patrol, queue, windows, causes):
            thread.start()
            stack.callback(thread.stop)
        working.set()
        tune_gc()
        name = worker_name("updater", platform.node())
        exit_code = run_worker(app, name=name, concurrency=settings.report_concurrency)
        working.clear()
        if not leadership.is_leader:
            log.warning("another updater may lead: this one ends")
            exit_code = exit_code or LOST_LEASE
    log.info("updater stopped", exit_code=exit_code)
    return exit_code


def _leads(leadership: Leadership, clock: Clock) -> bool:
    """Wait until this updater leads; return False if it is to end."""
    with signals.event_on_signal(threading.Event()) as ended:
        while not (leadership.is_leader or ended.is_set()):
            clock.wait(ended, LOOK_S)
    return not ended.is_set()


def _end_unless(leads: bool, working: threading.Event) -> None:
    """End the worker if the Lease is lost: what is in memory is outdated once another updater leads."""
    if working.is_set() and not leads:
        os.kill(os.getpid(), signal.SIGTERM)


@contextlib.contextmanager
def _stopped_with_worker(reports: Retaking) -> Iterator[None]:
    """Let a worker that is to end not wait for reports that cannot be stored."""

    def stop(**_: object) -> None:
        reports.stop()

    worker_shutting_down.connect(stop)
    try:
        yield
    finally:
        worker_shutting_down.disconnect(stop)


def register(app: Celery, reports: Retaking, client: redis.Redis, metrics: UpdaterMetrics) -> None:
    """Register the report task. It accepts any arguments: a malformed report becomes a dead letter."""

    @app.task(name=REPORT_TASK)  # type: ignore[untyped-decorator]
    def receive(*args: object, **kwargs: object) -> None:
        try:
            report = Report.from_wire(_only_argument(args, kwargs))
        except MessageRefused as error:
            metrics.report("refused")
            body = [list(args), kwargs]
            dead_letters.record(client, where=REPORT_TASK, reason=str(error), body=body)
            return
        try:
            _ask_in_full(app, report.host, reports.take(report))
            metrics.report("taken")
        except redis.RedisError as error:
            metrics.report("lost")
            # The next sweep repeats what is lost here, and failing the task would not bring it back.
            tell(log, "report lost", host=report.host, verdicts=report.count, error=str(error))


def _ask_in_full(app: Celery, host: str, segments: Sequence[Segment]) -> None:
    """Ask the host to report these segments in full. Does not raise: what it repeats next is asked again."""
    try:
        for start in range(0, len(segments), MAX_REPEATS):
            request = FullRequest(host=host, segments=tuple(segments[start : start + MAX_REPEATS]))
            app.send_task(
                FULL_TASK,
                kwargs={"request": request.to_json()},
                **to_host(probe_queue(host), within_s=ASKED_WITHIN_S),
                ignore_result=True,
                retry=False,
            )
    except (OperationalError, redis.RedisError, OSError) as error:
        tell(log, "verdicts not asked for in full", host=host, segments=len(segments), error=str(error))


def _only_argument(args: tuple[object, ...], kwargs: dict[str, object]) -> object:
    """Return the report, passed by position or by name; raise MessageRefused for other arguments."""
    given = [*args, *(value for name, value in kwargs.items() if name == "report")]
    if len(given) != 1 or kwargs.keys() - {"report"}:
        raise MessageRefused(f"expected one argument, report; got {len(args)} and {len(kwargs)} named ones")
    return given[0]


def _run_beside_worker(app: Celery, updater: Updater, events: EventPoster) -> None:
    """Start and stop the writers with this app's worker."""

    class BesideWorker(bootsteps.StartStopStep):  # type: ignore[misc]
        """A report that comes after stop() is still stored in Redis; the next start writes it."""

        def start(self, parent: Any) -> None:  # noqa: ARG002 - Celery's signature
            events.start()
            updater.start()

        def stop(self, parent: Any) -> None:  # noqa: ARG002 - Celery's signature
            updater.stop()
            events.stop()

        terminate = stop

    app.steps["worker"].add(BesideWorker)
