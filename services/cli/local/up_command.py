"""`nadroute up`: all services on this machine, against a kubeconfig."""

import contextlib
import os
import re
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import click

from services.cli.failures import plain_errors
from services.cli.local.redis_server import Listening, running_redis
from services.cli.local.supervisor import Program, supervise
from services.cli.options.services_table import FLOWER, PROBER, UPDATER, WATCHER, Service
from services.cli.options.settings_options import load_settings
from services.cli.terminal import plain
from services.runtime.connection.settings import ENV_PREFIX
from services.runtime.process import signals
from services.runtime.process.clock import SystemClock

COLOURS = {"watcher": "cyan", "prober": "green", "updater": "magenta", "flower": "yellow", "redis": "blue"}
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
REDIS_URL = f"{ENV_PREFIX}REDIS_URL"


@click.command()
@click.option(
    "--kubeconfig", type=click.Path(path_type=Path), help="The kubeconfig.  [default: as kubectl finds it]"
)
@click.option("--host", help="Probe from this machine under this name: its node's name in Kubernetes.")
@click.option(
    "--uplink",
    "uplinks",
    multiple=True,
    metavar="NAME=IFACE",
    help="The interface of a cluster network on this machine. May be repeated.",
)
@click.option(
    "--redis-url",
    metavar="URL",
    help=f"A Redis that is running.  [default: {REDIS_URL}, otherwise one is started]",
)
@click.option("--flower/--no-flower", default=True, show_default=True, help="Run Flower too.")
@click.option("--flower-port", help="Flower's port; 0 takes a free one.")
def up(
    kubeconfig: Path | None,
    host: str | None,
    uplinks: tuple[str, ...],
    redis_url: str | None,
    flower: bool,
    flower_port: str | None,
) -> int:
    """Run watcher, updater, prober and Flower on this machine until Ctrl-C.

    The prober runs if --host and --uplink are given (or NADROUTE_HOST and NADROUTE_UPLINKS). Other settings
    come from environment variables: see `nadroute config`. A service that ends is restarted.
    """
    if kubeconfig is not None:
        os.environ[f"{ENV_PREFIX}KUBECONFIG"] = str(kubeconfig.expanduser().absolute())
    if flower_port is not None:
        os.environ[f"{ENV_PREFIX}FLOWER_PORT"] = flower_port
    if redis_url is not None:
        os.environ[REDIS_URL] = redis_url
    probing = {"host": host, "uplinks": uplinks}
    services: list[tuple[Service, dict[str, object]]] = [(UPDATER, {}), (WATCHER, {})]
    if host or uplinks or f"{ENV_PREFIX}UPLINKS" in os.environ:
        services.append((PROBER, dict(probing)))
    else:
        _report(
            "prober", "not started: expected --host HOST and --uplink NAME=IFACE to probe from this machine"
        )
    if flower:
        services.append((FLOWER, {}))
    for service, flags in services:
        load_settings(service, flags)
    with plain_errors():
        from services.cluster.credentials import find_kubeconfig

        find_kubeconfig(kubeconfig or _kubeconfig_of_environment())
    clock = SystemClock()
    # SIGHUP arrives when the terminal is closed.
    with signals.event_on_signal(threading.Event(), (*signals.END, signal.SIGHUP)) as ended, _redis(clock):
        programs = [_program(service, flags) for service, flags in services]
        return supervise(programs, ended=ended, report=_report, clock=clock)


def _kubeconfig_of_environment() -> Path | None:
    named = os.environ.get(f"{ENV_PREFIX}KUBECONFIG")
    return Path(named) if named else None


@contextlib.contextmanager
def _redis(clock: SystemClock) -> Iterator[None]:
    """The given Redis, or a child process for as long as the block lasts."""
    if os.environ.get(REDIS_URL):
        yield
        return
    with tempfile.TemporaryDirectory(prefix="nadroute-") as folder:
        listening = Listening(socket=Path(folder) / "redis.sock")
        with running_redis(listening, data=None, clock=clock) as process:
            os.environ[REDIS_URL] = listening.url
            _report("redis", f"process {process.pid}, {listening.url} (for --redis-url of other commands)")
            yield


def _program(service: Service, flags: dict[str, object]) -> Program:
    """`nadroute SERVICE` run by this interpreter; logs for people at a terminal."""
    command = [sys.executable, "-m", "services.cli.main", service.name]
    for flag, value in flags.items():
        values = value if isinstance(value, tuple) else (value,)
        for each in values:
            if each is not None:
                command += ["--uplink" if flag == "uplinks" else f"--{flag}", str(each)]
    environment = dict(os.environ)
    if sys.stderr.isatty():
        environment.setdefault(f"{ENV_PREFIX}LOG_FORMAT", "console")
    return Program(service.name, command, environment)


_lock = threading.Lock()


def _report(service: str, line: str) -> None:
    """Print a line with the service's name; safe to call from several threads."""
    coloured = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    prefix = f"{service:>7} | "
    with _lock:
        click.echo(
            (click.style(prefix, fg=COLOURS[service]) if coloured else prefix) + _shown(line, coloured),
            err=True,
        )


def _shown(line: str, coloured: bool) -> str:
    """The line with its colours at a terminal, and without any other control sequence."""
    if not coloured:
        return plain(click.unstyle(line))
    parts = COLOUR.split(line)
    codes = [*COLOUR.findall(line), ""]
    return "".join(plain(part) + code for part, code in zip(parts, codes, strict=True))
