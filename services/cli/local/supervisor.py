"""Services as child processes: one output stream, restarted when they end, ended with their parent."""

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO

from services.cli.local.parent_death import bound_to_parent
from services.runtime.process.clock import Clock

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0
HEALTHY_AFTER_S = 60.0
"""After running this long, a child that ends is restarted after the first pause again."""
GRACE_S = 20.0
"""Seconds from SIGTERM to SIGKILL: longer than a prober's longest batch."""
POLL_S = 0.2
WRONG_CONFIGURATION = 2

Report = Callable[[str, str], None]
"""Called with (service, line)."""


@dataclass(frozen=True)
class Program:
    """A command and the name for its output."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]


def pause_s(deaths: int) -> float:
    """Seconds to wait before a restart, after this many failures in a row."""
    return float(min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(deaths - 1, 10)))


class Child:
    """One program, running or waiting to be started again."""

    def __init__(self, program: Program, *, report: Report, clock: Clock) -> None:
        self.program = program
        self._report = report
        self._clock = clock
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._started_at = 0.0
        self._deaths = 0
        self._start_at = 0.0

    @property
    def pid(self) -> int | None:
        """None while it is not running."""
        return self._process.pid if self._process else None

    def poll(self) -> int | None:
        """Start the child when it is due; returns its exit code if it has ended since the last call.

        Call it from the main thread: the kernel ends the child when the thread that started it ends.
        """
        now = self._clock.monotonic()
        if self._process is None:
            if now >= self._start_at:
                self._start(now)
            return None
        code = self._process.poll()
        if code is None:
            return None
        self._reap()
        self._deaths = 1 if now - self._started_at >= HEALTHY_AFTER_S else self._deaths + 1
        wait_s = pause_s(self._deaths)
        self._start_at = now + wait_s
        self._report(self.program.name, f"ended, {_describe(code)}; restart in {wait_s:g} s")
        return code

    def _start(self, now: float) -> None:
        self._started_at = now
        self._process = subprocess.Popen(
            # SIGKILL: a worker whose Redis hangs may take a minute to end on SIGTERM.
            bound_to_parent(self.program.command, signal=signal.SIGKILL),
            env=dict(self.program.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            # Its own group: Ctrl-C reaches the parent alone, and the child's own children end with it.
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._reader.start()

    def _read(self, stream: IO[str]) -> None:
        with stream, contextlib.suppress(ValueError):
            for line in stream:
                self._report(self.program.name, line.rstrip("\n"))

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._signal(signal.SIGTERM)

    def end(self, timeout_s: float) -> None:
        """Wait for its end, then send SIGKILL."""
        if self._process is None:
            return
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._report(self.program.name, f"did not end within {GRACE_S:g} s of SIGTERM; killed")
        # Also after its end: children that it left behind are in its group.
        self._signal(signal.SIGKILL)
        self._process.wait()
        self._reap()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def _reap(self) -> None:
        if self._reader is not None:
            self._reader.join(1.0)
        self._process = None


def supervise(programs: Sequence[Program], *, ended: threading.Event, report: Report, clock: Clock) -> int:
    """Run all until `ended` is set (returns 0), or until one exits with 2 for its configuration (returns 2).

    Programs are started, and later asked to end, in their order.
    """
    children = [Child(program, report=report, clock=clock) for program in programs]
    try:
        while True:
            for child in children:
                if child.poll() == WRONG_CONFIGURATION:
                    report(child.program.name, "wrong configuration: ending all services")
                    return WRONG_CONFIGURATION
            if clock.wait(ended, POLL_S):
                return 0
    finally:
        for child in children:
            child.terminate()
        deadline = clock.monotonic() + GRACE_S
        for child in children:
            child.end(max(0.1, deadline - clock.monotonic()))


def _describe(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"by {signal.Signals(-code).name}"
    except ValueError:
        return f"by signal {-code}"
