"""Flower, the page of workers and tasks, on nadroute's own Celery app, in the foreground.

Flower keeps its options in one global object, which is filled here from our settings; its own flags, files
and FLOWER_ variables are not read.
"""

import asyncio
import logging
import os
import secrets
import signal
import sys
import threading
from collections.abc import Mapping
from typing import NoReturn

import click
import structlog
from celery.events import EventReceiver
from flower.app import Flower
from flower.events import Events
from flower.options import default_options
from flower.urls import handlers
from flower.urls import settings as flower_application_settings
from flower.views.monitor import Metrics
from prometheus_client import CollectorRegistry
from tornado.ioloop import IOLoop, PeriodicCallback
from tornado.web import RequestHandler

from services.cli.failures import usage_error
from services.cli.local.service_commands import FlowerSettings
from services.runtime.connection.redis_address import RedisAddress, celery_url
from services.runtime.connection.redis_check import RedisCheck
from services.runtime.process.clock import Clock, SystemClock
from services.runtime.process.secret_files import read_secret
from services.runtime.queues.celery_app import make_app

RECONNECT_S = 2.0
NEW_WORKERS_INTERVAL_MS = 2_000
INSPECT_TIMEOUT_MS = 5_000.0
"""A named worker answers within milliseconds; Flower's default of 1 s is too short on a busy machine."""
MAX_TASKS = 10_000
"""Tasks kept in memory: the last half hour of a large site."""
MAX_VALUE_CHARACTERS = 2_000
"""Of one value of an event: more than the longest description of a task."""
PURGE_OFFLINE_S = 3_600

log = structlog.get_logger(__name__)


class SteadyEvents(Events):  # type: ignore[misc]  # flower ships no types
    """Listens for events, and reconnects after a constant pause.

    Flower's own pause doubles without limit: after an hour without Redis the page would show no tasks for
    another hour.
    """

    def __init__(self, *args: object, clock: Clock, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self._clock = clock
        self._never = threading.Event()

    def on_event(self, event: Mapping[str, object]) -> None:
        """Take an event; Flower keeps thousands, and whoever reaches Redis can send any."""
        super().on_event({name: _bounded(value) for name, value in event.items()})

    def run(self) -> None:
        while True:
            try:
                with self.capp.connection() as connection:
                    receiver = EventReceiver(connection, handlers={"*": self.on_event}, app=self.capp)
                    # wakeup asks all workers to announce themselves.
                    receiver.capture(limit=None, timeout=None, wakeup=True)
            except Exception as error:  # noqa: BLE001  # whatever the error, listen again
                log.warning("listening for events failed, retrying", error=str(error), again_in_s=RECONNECT_S)
                self._clock.wait(self._never, RECONNECT_S)


def _bounded(value: object) -> object:
    """Return the value, cut to MAX_VALUE_CHARACTERS; anything else as large is left out."""
    if isinstance(value, str):
        return value[:MAX_VALUE_CHARACTERS]
    return value if len(repr(value)) <= MAX_VALUE_CHARACTERS else None


class _Flower(Flower):  # type: ignore[misc]
    """Flower, whose page of queues signs in to Redis as we do: it takes a URL and asks for it each time."""

    address: RedisAddress

    @property
    def broker_uri_with_password(self) -> str:
        return celery_url(self.address.url_with_password())


def _readiness(check: RedisCheck) -> type[RequestHandler]:
    """Return the page that says, to everybody, whether Redis answers: without it there is nothing to show."""

    class Ready(RequestHandler):  # type: ignore[misc]
        def get(self) -> None:
            problem = check.problem()
            self.set_status(503 if problem else 200)
            self.finish("Redis does not answer\n" if problem else "ready\n")

    return Ready


class _Metrics(Metrics):  # type: ignore[misc]
    """Flower's metrics, which name workers and tasks, behind the password of the other pages."""

    async def get(self) -> None:
        self.get_current_user()
        await super().get()


def _admit(settings: FlowerSettings, password: str) -> None:
    """Let the user sign in: by the password in the file, if there is one, or else by this."""
    if settings.flower_password_file is not None:
        try:
            password = read_secret(settings.flower_password_file)
        except ValueError as error:
            log.warning("password file not read", error=str(error))
            return
    default_options.basic_auth = [f"{settings.flower_user}:{password}"]


def main(settings: FlowerSettings) -> NoReturn:
    """Serve until SIGINT or SIGTERM, then end the process with exit code 0."""
    given, file = settings.flower_password, settings.flower_password_file
    if given is not None and file is not None:
        raise usage_error("--password and --password-file are given: expected one of them")
    generated = secrets.token_urlsafe(12) if given is None and file is None else None
    secret = generated or (given.get_secret_value() if given else "")
    asyncio.run(_serve(settings, secret, announce_password=generated is not None))


async def _serve(settings: FlowerSettings, password: str, *, announce_password: bool) -> NoReturn:
    # Errors only: otherwise each request is logged, also the first of each browser, which has no password.
    logging.getLogger("tornado.access").setLevel(logging.ERROR)
    options = default_options
    options.address = settings.flower_address
    options.port = settings.flower_port
    _admit(settings, password)
    options.read_only = settings.flower_read_only
    options.persistent = False
    options.inspect_timeout = INSPECT_TIMEOUT_MS
    options.max_tasks = MAX_TASKS
    options.purge_offline_workers = PURGE_OFFLINE_S
    options.tasks_columns = "name,state,worker,received,runtime,uuid"

    app = make_app(settings.redis_address, name="nadroute-flower")
    loop = IOLoop.current()
    events = SteadyEvents(
        app,
        io_loop=loop,
        clock=SystemClock(),
        enable_events=True,
        max_workers_in_memory=options.max_workers,
        max_tasks_in_memory=options.max_tasks,
    )
    # The first rule that matches counts.
    handlers.insert(0, ("/metrics", _Metrics))
    check = RedisCheck(
        settings.redis_address,
        clock=SystemClock(),
        registry=CollectorRegistry(),
        writes=False,
        part="flower",
    )
    handlers.insert(0, ("/readyz", _readiness(check)))
    flower = _Flower(capp=app, options=options, events=events, io_loop=loop, **flower_application_settings)
    flower.address = settings.redis_address
    try:
        port = flower.start_http_server()
    except OSError as error:
        raise usage_error(
            f"--address={settings.flower_address} --port={settings.flower_port}: {error.strerror or error}; "
            "expected an address of this machine and a free port; 0 takes a free one"
        ) from None
    check.start()
    flower.events.start()
    flower.started = True
    for work in (lambda: _inspect_new_workers(flower), lambda: _admit(settings, password)):
        PeriodicCallback(work, NEW_WORKERS_INTERVAL_MS).start()

    shown = f"[{settings.flower_address}]" if ":" in settings.flower_address else settings.flower_address
    click.echo(f"Flower: http://{shown}:{port}/")
    shown_password = f", password {password}" if announce_password else ""
    click.echo(f"Sign in as user {settings.flower_user}{shown_password}")

    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await ended.wait()
    # Flower's threads may wait seconds for workers to answer, and Python would wait for them. They hold no
    # state.
    logging.shutdown()
    sys.stdout.flush()
    os._exit(0)


def _inspect_new_workers(flower: Flower) -> None:
    """Ask new workers for their queues and settings; Flower itself asks only at its start."""
    state = flower.events.state
    alive = {name for name, worker in list(state.workers.items()) if worker.alive}
    for name in alive - set(flower.inspector.workers):
        flower.update_workers(name)
