"""The inbox of the loop: probes submitted by any thread, taken in batches by the engine's thread."""

import os
import threading
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from services.prober.engine.probes import Probe
from services.prober.engine.segment import ResultCallback

BATCH_SEGMENTS = 512
"""Probes started per loop iteration before replies are polled; pacing is separate. With smaller batches,
probes start late where DHCP servers use the same CPU; with larger ones, the state of a probe has left the CPU
caches when its replies arrive."""


class SubmittedProbe(NamedTuple):
    """One probe to start."""

    cluster_network: str
    probe: Probe
    done: ResultCallback


class _Submission(NamedTuple):
    cluster_network: str
    probes: deque[Probe]
    """Those not taken yet."""
    done: ResultCallback


class ProbeInbox:
    """Submitted probes, with a file descriptor that wakes the loop. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._submissions: deque[_Submission] = deque()
        self._eventfd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.closed = False
        """Whether no further probes are accepted."""

    def fileno(self) -> int:
        """Return the file descriptor that is readable after put() and close(), until clear_wakeup()."""
        return self._eventfd

    def clear_wakeup(self) -> None:
        """Make the file descriptor unreadable until the next put() or close()."""
        os.eventfd_read(self._eventfd)

    def put(self, cluster_network: str, probes: Iterable[Probe], done: ResultCallback) -> bool:
        """Add probes; returns False, and adds none, once closed."""
        submission = _Submission(cluster_network, deque(probes), done)
        with self._lock:
            if not self.closed:
                self._submissions.append(submission)
                os.eventfd_write(self._eventfd, 1)
            return not self.closed

    def take_batch(self) -> tuple[list[SubmittedProbe], bool]:
        """Return up to BATCH_SEGMENTS probes in order of submission, and whether more are left."""
        batch: list[SubmittedProbe] = []
        with self._lock:
            while self._submissions and (room := BATCH_SEGMENTS - len(batch)):
                cluster_network, probes, done = self._submissions[0]
                batch += [
                    SubmittedProbe(cluster_network, probes.popleft(), done)
                    for _ in range(min(room, len(probes)))
                ]
                if not probes:
                    self._submissions.popleft()
            return batch, bool(self._submissions)

    def close(self) -> None:
        """Accept no further probes, and wake the loop. Idempotent."""
        with self._lock:
            if not self.closed:
                self.closed = True
                os.eventfd_write(self._eventfd, 1)

    def release(self) -> list[SubmittedProbe]:
        """Close the inbox and its file descriptor; returns the probes that were never taken."""
        self.close()
        os.close(self._eventfd)
        left, self._submissions = self._submissions, deque()
        return [
            SubmittedProbe(cluster_network, probe, done)
            for cluster_network, probes, done in left
            for probe in probes
        ]
