"""A real Redis (or Valkey) for one test, on a unix socket."""

import contextlib
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import redis

from tests.support import programs

START_TIMEOUT_S = 60.0


@dataclass
class RedisServer:
    """A running server: its URL as nadroute takes it, a client, and the process for faults."""

    url: str
    client: redis.Redis
    process: subprocess.Popen[bytes]


@contextlib.contextmanager
def running_redis(folder: Path, *options: str, user: str | None = None) -> Iterator[RedisServer]:
    """Start a server on folder/redis.sock; the path must be short enough for a unix socket.

    user: as whom the test signs in, without a password; the user `default` if None.
    """
    socket = folder / "redis.sock"
    command = [
        *["setpriv", "--pdeathsig", "KILL"],
        programs.redis_server(),
        "--port",
        "0",
        "--unixsocket",
        str(socket),
        "--save",
        "",
        "--dir",
        str(folder),
    ]
    process = subprocess.Popen(
        [*command, *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    client = redis.Redis(unix_socket_path=str(socket), decode_responses=True, username=user)
    try:
        wait_for_redis(client, process)
        yield RedisServer(url=f"unix://{socket}", client=client, process=process)
    finally:
        client.close()
        process.terminate()
        process.wait(60)


def wait_for_redis(client: redis.Redis, process: subprocess.Popen[bytes]) -> None:
    """Wait until it answers; raise if the process ends or the timeout is over."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            if client.ping():
                return
        except redis.RedisError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
