"""How long a client waits for a Redis that is frozen."""

import contextlib
import socket
from pathlib import Path

import pytest
import redis

from services.runtime import redis_client


def test_a_frozen_redis_costs_one_timeout(short_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command on a new connection asks once: tried again at every level, it would wait for minutes."""
    monkeypatch.setattr(redis_client, "READ_TIMEOUT_S", 0.02)
    path = short_folder / "redis.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        # The kernel takes connections for it, as for a Redis that is stopped, and nobody answers.
        listener.bind(str(path))
        listener.listen()
        listener.setblocking(False)
        with contextlib.closing(redis_client.connect(f"unix://{path}")) as client:
            with pytest.raises(redis.TimeoutError):
                client.set("key", "value")
            assert _pending(listener) == 1


def _pending(listener: socket.socket) -> int:
    """How many connections were made."""
    count = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            listener.accept()[0].close()
            count += 1
    return count
