"""The watcher's process: the watch on networks, the poll of hosts, the Lease, and the deciding loop."""

import contextlib
import random
import threading

import structlog

from services.cluster.client import Cluster
from services.cluster.leadership.leading import Leadership
from services.cluster.metrics import WatchMetrics
from services.cluster.watching import NetworkWatch
from services.contract.names import UNWRITTEN_KEY, VERDICTS_KEY_PREFIX, conclusion_key
from services.runtime.process import signals
from services.runtime.process.clock import SystemClock
from services.runtime.process.gc_tuning import tune_gc
from services.runtime.process.logs import configure
from services.runtime.queues.celery_app import make_app
from services.runtime.stored.doubts import DoubtReader
from services.runtime.stored.guarded_redis import connect_guarded
from services.runtime.telemetry.progress import Progress
from services.runtime.telemetry.telemetry import Telemetry
from services.version import __version__
from services.watcher.deciding import Decider
from services.watcher.dispatch import Dispatcher
from services.watcher.hosts import HostPoll, HostReader
from services.watcher.mailbox import Mailbox
from services.watcher.metrics import WatcherMetrics
from services.watcher.plan.schedule import Schedule
from services.watcher.routers import RouterPoll
from services.watcher.settings import WatcherSettings
from services.watcher.unwritten import UnwrittenPoll

OF_THE_UPDATER = (UNWRITTEN_KEY, conclusion_key(""), VERDICTS_KEY_PREFIX)
"""Keys that the updater alone sets aside: it makes them anew, and nobody else knows what was there."""

log = structlog.get_logger(__name__)


def main(settings: WatcherSettings, stop: threading.Event | None = None) -> int:
    """Run until stop is set, SIGTERM or SIGINT; return the exit code. Raise ConfigurationError."""
    configure(level=settings.log_level, log_format=settings.log_format, service="watcher")
    # The loop checks the event once a second.
    with signals.event_on_signal(stop or threading.Event()) as ended:
        run(settings, ended)
    return 0


def run(settings: WatcherSettings, stop: threading.Event) -> None:
    """Watch until stop is set, without touching logging and signals; raise ConfigurationError."""
    clock, chance = SystemClock(), random.Random()
    address = settings.redis_address
    telemetry = Telemetry(settings, service="watcher", clock=clock)
    with contextlib.ExitStack() as stack:
        telemetry.start()
        stack.callback(telemetry.stop)
        cluster = stack.enter_context(contextlib.closing(Cluster(settings)))
        client = stack.enter_context(
            connect_guarded(address, registry=telemetry.registry, left_alone=OF_THE_UPDATER)
        )
        app = make_app(address, name="nadroute-watcher")
        stack.callback(app.close)
        mailbox = Mailbox(clock)
        leadership = Leadership(
            settings, cluster, clock, registry=telemetry.registry, on_change=lambda _: mailbox.wake()
        )
        decider = Decider(
            Schedule(pace=settings.plan_pace, random=chance.random, policy=settings.policy),
            mailbox,
            Dispatcher(
                app,
                client,
                clock=clock,
                sweep_s=settings.sweep_interval_s,
                max_age_s=settings.request_max_age_s,
            ),
            is_leader=lambda: leadership.is_leader,
            clock=clock,
            random=chance.random,
            metrics=WatcherMetrics(telemetry.registry),
        )
        leadership.start()
        stack.callback(leadership.stop)
        telemetry.health.add_thread_check("lease", lambda: leadership.is_alive)
        interval_s = settings.host_poll_interval_s
        hosts = HostPoll(HostReader(client), mailbox.polled, clock=clock, interval_s=interval_s)
        hosts.start()
        stack.callback(hosts.stop)
        doubts = DoubtReader(client, mailbox.doubted, clock=clock)
        doubts.start()
        stack.callback(doubts.stop)
        unwritten = UnwrittenPoll(client, mailbox.take_unwritten, clock=clock)
        unwritten.start()
        stack.callback(unwritten.stop)
        routers = RouterPoll(client, lambda: decider.segments, mailbox.take_routers, clock=clock)
        if settings.pace:
            routers.start()
            stack.callback(routers.stop)
            telemetry.health.add_thread_check("routers", lambda: routers.is_alive)
        watch = NetworkWatch(
            cluster,
            mailbox,
            random=chance.random,
            clock=clock,
            silence_s=settings.watch_silence_s,
            metrics=WatchMetrics(telemetry.registry),
        )
        telemetry.health.add_liveness_check("decider", lambda: decider.iterated_at)
        telemetry.health.add_thread_check("host poll", lambda: hosts.is_alive)
        telemetry.health.add_thread_check("doubts", lambda: doubts.is_alive)
        telemetry.health.add_thread_check("unwritten", lambda: unwritten.is_alive)
        telemetry.health.add_thread_check("watch", lambda: watch.is_alive)
        telemetry.health.add_readiness_check("watch", watch.problem)
        telemetry.health.add_readiness_check("hosts", hosts.problem)
        telemetry.health.add_readiness_check("requests", decider.problem)
        progress = Progress(telemetry.health, clock=clock, registry=telemetry.registry)
        progress.add("probes", "probes are due, and none was sent", lambda: decider.waiting_since)
        progress.add("hosts", "hosts were not read", lambda: hosts.polled_at)
        progress.add("doubts", "doubts were not read", lambda: doubts.read_at)
        telemetry.complete()
        watch.start()
        stack.callback(watch.stop)
        tune_gc()
        log.info("watcher started", version=__version__, redis=str(address))
        decider.run(stop)
        log.info("watcher stopping")
    log.info("watcher stopped")
