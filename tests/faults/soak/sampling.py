"""Samples what each process and Redis hold, in a thread."""

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import redis

from services.contract.names import DEAD_LETTERS_KEY, DOUBTS_KEY
from tests.faults.soak.flatness import Sample
from tests.faults.soak.parts import Part
from tests.faults.soak.world import World

EVERY_S = 5.0
MB = 1_000_000.0
KB = 1_024.0
CAPPED = (DEAD_LETTERS_KEY, DOUBTS_KEY)
QUARANTINE = "nadroute:quarantine:"
"""Where what strangers left is kept. All these grow to their limits, which tests hold them to, and are left
out."""


class Sampling:
    """Keeps samples from begin() to end()."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._began = time.monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampling")
        self.samples: list[Sample] = []

    def begin(self) -> None:
        """Start the thread."""
        self._thread.start()

    def end(self) -> None:
        """Stop it."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(EVERY_S):
            for part in self._world.parts():
                if part is not self._world.redis and part not in self._world.spares():
                    self.samples += self._of_process(part)
            self.samples += self._of_redis()

    def _of_process(self, part: Part) -> Iterator[Sample]:
        process, life, since = part.process, part.starts, part.began
        if process is None:
            return
        # It may end meanwhile.
        with contextlib.suppress(OSError, LookupError, ValueError):
            folder = Path("/proc") / str(process.pid)
            status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
            values = {
                # Not what is mapped: a prober's rings, of 8 MB, come and go with the uplinks, and the kernel
                # drops the pages of files and reads them again as it likes.
                "memory MB": int(status["RssAnon"].split()[0]) * KB / MB,
                "threads": float(status["Threads"]),
                "files": float(sum(1 for _ in (folder / "fd").iterdir())),
            }
            if process.poll() is None and part.starts == life:
                for measure, value in values.items():
                    yield Sample(part.name, measure, life, time.monotonic() - since, value)

    def _of_redis(self) -> Iterator[Sample]:
        client = self._world.client
        with contextlib.suppress(redis.RedisError):
            named = cast("list[str]", client.keys("*"))
            keys = [key for key in named if key not in CAPPED and not key.startswith(QUARANTINE)]
            with client.pipeline(transaction=False) as pipe:
                for key in keys:
                    pipe.memory_usage(key)
                # Not what the server calls its dataset: most of that is its own.
                total = sum(size or 0 for size in pipe.execute())
            age_s = time.monotonic() - self._began
            yield Sample("redis", "keys", 0, age_s, float(len(keys)))
            yield Sample("redis", "key MB", 0, age_s, total / MB)
