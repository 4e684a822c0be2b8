"""How long a client waits for a Redis that is frozen."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from services.contract import redis_client


class Frozen:
    """Takes connections, as the kernel does for a Redis that is stopped, and never answers."""

    def __init__(self, path: Path) -> None:
        self.url = f"unix://{path}"
        self.connections: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self.connections.append(self._listener.accept()[0])

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        for end in (self._listener, *self.connections):
            end.close()


@pytest.fixture
def frozen(short_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Frozen]:
    monkeypatch.setattr(redis_client, "READ_TIMEOUT_S", 0.02)
    with contextlib.closing(Frozen(short_folder / "redis.sock")) as server:
        yield server


def test_a_frozen_redis_costs_one_timeout(frozen: Frozen) -> None:
    """A command on a new connection asks once: tried again at every level, it would wait for minutes."""
    with contextlib.closing(redis_client.connect(frozen.url)) as client, pytest.raises(redis.TimeoutError):
        client.set("key", "value")
    assert len(frozen.connections) == 1
