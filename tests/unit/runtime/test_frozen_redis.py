"""The timeout of a client whose Redis is frozen."""

import contextlib
import socket
from pathlib import Path

import pytest
import redis

from services.runtime.connection import redis_client


def test_a_frozen_redis_costs_one_timeout(short_folder: Path) -> None:
    """A command on a new connection is not retried: retries at every level of redis-py would take minutes."""
    path = short_folder / "redis.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        # The kernel accepts connections, as for a stopped Redis, and nothing answers.
        listener.bind(str(path))
        listener.listen()
        listener.setblocking(False)
        with contextlib.closing(redis_client.connect(f"unix://{path}", read_timeout_s=0.02)) as client:
            with pytest.raises(redis.TimeoutError):
                client.set("key", "value")
            assert _pending(listener) == 1


def _pending(listener: socket.socket) -> int:
    """Return the number of connections made."""
    count = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            listener.accept()[0].close()
            count += 1
    return count
