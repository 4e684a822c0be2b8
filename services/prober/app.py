"""The prober's process: the engine, a Celery worker on this host's queue, and the host's announcement."""

import os
import random
import signal
import threading

import structlog
from celery import Celery, signals

from services.contract.messages import MAX_ADDRESSES, HostAnnouncement
from services.contract.names import FULL_TASK, PROBE_TASK, probe_queue, worker_name
from services.prober.engine.engine import Engine
from services.prober.frames import templates
from services.prober.heartbeat import Heartbeat
from services.prober.host_lock import HostLock
from services.prober.lease_pauses import LeasePauses
from services.prober.loop.runner import Runner
from services.prober.maintenance import Maintenance
from services.prober.members.running import MemberThread, is_up
from services.prober.metrics import ProberMetrics, UplinkCollector
from services.prober.reporter import Reporter
from services.prober.settings import ProberSettings
from services.prober.sockets.icmp_socket import ICMPSocket
from services.prober.sockets.packet_link import PacketLink
from services.prober.switch_ports import SwitchPorts
from services.prober.tasks import ProbeService, register
from services.prober.uplinks import Uplinks, own_addresses
from services.prober.vm_paths import VMPaths
from services.runtime.process.clock import SystemClock
from services.runtime.process.gc_tuning import tune_gc
from services.runtime.process.logs import configure
from services.runtime.process.signals import event_on_signal
from services.runtime.queues.celery_app import consume_only, make_app
from services.runtime.queues.guarded_transport import guarded_transport
from services.runtime.queues.message_guard import MessageGuard
from services.runtime.queues.worker import WorkerCheck, run_worker
from services.runtime.stored.guarded_redis import connect_guarded
from services.runtime.telemetry.progress import Progress, QueueProgress
from services.runtime.telemetry.telemetry import Telemetry
from services.version import __version__

log = structlog.get_logger(__name__)


def main(settings: ProberSettings) -> int:
    """Run in the main thread until SIGTERM or SIGINT; returns the exit code, 1 when the engine failed or the
    host's name was lost.
    """
    configure(level=settings.log_level, log_format=settings.log_format, service="prober", host=settings.host)
    # Until Celery's worker handles the signals.
    with event_on_signal(threading.Event()) as ended:
        return _run(settings, ended)


def _run(settings: ProberSettings, ended: threading.Event) -> int:
    clock = SystemClock()
    address = settings.redis_address
    telemetry = Telemetry(settings, service="prober", clock=clock)
    client = connect_guarded(address, registry=telemetry.registry)
    metrics = ProberMetrics(telemetry.registry)
    telemetry.start()
    failed = threading.Event()

    def fail() -> None:
        # End the process, for its supervisor to restart it: without an engine it would only consume requests,
        # and without the host's name it would take those of the prober that has it.
        failed.set()
        os.kill(os.getpid(), signal.SIGTERM)

    addresses = own_addresses()[:MAX_ADDRESSES]
    lock = HostLock(
        client=client,
        host=settings.host,
        address=next(iter(addresses), None),
        clock=clock,
        metrics=metrics,
        lost=fail,
    )
    telemetry.health.add_readiness_check("host name", lock.problem)
    if not lock.acquire(ended):
        telemetry.stop()
        return 0
    app = make_app(address, unacked_scope=settings.host)
    chance = random.Random()
    worker_check = WorkerCheck(app, clock=clock, redis=telemetry.redis, random=chance.random)
    queue = probe_queue(settings.host)
    guard = MessageGuard(
        client, queue=queue, tasks=frozenset({PROBE_TASK, FULL_TASK}), registry=telemetry.registry
    )
    consume_only(app, queue, transport=guarded_transport(guard, worker_check.consumed))
    uplinks = Uplinks(settings.uplinks)
    runner = Runner(
        engine=Engine(
            host=settings.host,
            settings=settings.engine_settings(own_addresses=addresses),
            templates=templates.load(),
            randomness=chance,
            one_mac=settings.one_mac,
            depth=settings.depth,
        ),
        uplinks=uplinks.current,
        clock=clock,
        open_link=lambda interface, mac_prefix: PacketLink(interface, mac_prefix=mac_prefix),
        open_echo_socket=lambda mark: ICMPSocket(mark=mark),
        failed=fail,
    )
    members = MemberThread(
        host=settings.host, interval_s=settings.member_check_interval_s, uplinks=uplinks, clock=clock
    )
    pauses = LeasePauses(client, hours=settings.lease_pause_hours, depth=settings.depth)
    reporter = Reporter(
        app=app,
        client=client,
        host=settings.host,
        lock=lock,
        clock=clock,
        metrics=metrics,
        bridge_fault=VMPaths(uplinks.current, clock=clock).fault,
        with_members=lambda result: pauses.complete(members.complete(result)),
    )
    announcement = HostAnnouncement(
        host=settings.host,
        uplinks=dict(uplinks.current()),
        version=__version__,
        incarnation=lock.incarnation,
        addresses=addresses,
        one_mac=settings.one_mac,
        report_within_s=settings.report_within_s,
        port_rate=settings.engine_settings().port_rate,
    )
    maintenance = Maintenance(client, settings.host)
    ports = SwitchPorts(clock=clock, is_listening=settings.lldp)
    heartbeat = Heartbeat(
        client=client,
        lock=lock,
        announcement=announcement,
        uplinks=uplinks,
        clock=clock,
        members=ports.poll,
        paused=maintenance.paused,
    )
    service = ProbeService(
        host=settings.host,
        uplinks=uplinks,
        runner=runner,
        reporter=reporter,
        client=client,
        lock=lock,
        metrics=metrics,
        pauses=pauses,
    )
    requests = QueueProgress(client, queue, clock=clock)
    Progress(telemetry.health, clock=clock, registry=telemetry.registry).add(
        "requests", "requests wait, and none was taken", requests.since
    )
    _add_telemetry(
        telemetry,
        uplinks,
        maintenance=maintenance,
        runner=runner,
        reporter=reporter,
        worker_check=worker_check,
    )
    register(app, service)
    runner.start()
    reporter.start()
    requests.start()
    members.start()
    tune_gc()
    log.info("prober started", host=settings.host, uplinks=dict(uplinks.current()))
    try:
        exit_code = _run_worker(app, settings, runner=runner, heartbeat=heartbeat, ended=ended)
    finally:
        heartbeat.stop()
        ports.close()
        members.stop()
        requests.stop()
        runner.stop()
        reporter.stop()
        # Last: the successor begins when the name is free.
        lock.stop()
        telemetry.stop()
    return 1 if failed.is_set() else exit_code


def _add_telemetry(
    telemetry: Telemetry,
    uplinks: Uplinks,
    *,
    maintenance: Maintenance,
    runner: Runner,
    reporter: Reporter,
    worker_check: WorkerCheck,
) -> None:
    """Register the health checks, and the metrics that are read at each scrape."""
    telemetry.registry.register(
        UplinkCollector(
            uplinks.current,
            is_up=is_up,
            dropped_frames=runner.dropped_frames,
            ignored_frames=runner.ignored_frames,
            paused=maintenance.known,
        )
    )
    telemetry.health.add_liveness_check("engine", lambda: runner.iterated_at)
    telemetry.health.add_liveness_check("reporter", lambda: reporter.iterated_at)
    telemetry.health.add_liveness_check("worker", worker_check.iterated_at)
    telemetry.health.add_readiness_check("worker", worker_check.problem)
    telemetry.health.add_readiness_check("reports", reporter.problem)
    telemetry.complete()


def _run_worker(
    app: Celery,
    settings: ProberSettings,
    *,
    runner: Runner,
    heartbeat: Heartbeat,
    ended: threading.Event,
) -> int:
    def on_ready(**_: object) -> None:
        if ended.is_set():
            # The signal came before the worker handled it.
            os.kill(os.getpid(), signal.SIGTERM)
        # Announce the host only once the worker consumes and handles signals.
        heartbeat.start()

    def on_shutdown(**_: object) -> None:
        # Celery waits for its tasks, and they for the engine. In a thread: this is a signal handler.
        threading.Thread(target=runner.stop, name="prober-stop", daemon=True).start()

    signals.worker_ready.connect(on_ready)
    signals.worker_shutting_down.connect(on_shutdown)
    try:
        return run_worker(app, name=worker_name("prober", settings.host), concurrency=settings.concurrency)
    finally:
        signals.worker_ready.disconnect(on_ready)
        signals.worker_shutting_down.disconnect(on_shutdown)
