"""Services as children of one process: lines in one stream, restarted when they die, ended with us."""

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO

from services.cli.local.mortal import mortal
from services.runtime.clock import Clock

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0
HEALTHY_AFTER_S = 60.0
"""A child that ran for this long starts at the first pause again."""
GRACE_S = 20.0
"""From SIGTERM to SIGKILL: longer than a prober's longest batch."""
LOOK_S = 0.2
WRONG_CONFIGURATION = 2

Say = Callable[[str, str], None]
"""(service, line)."""


@dataclass(frozen=True)
class Program:
    """What to run under which name."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]


def pause_s(deaths: int) -> float:
    """How long to wait before a start that follows this many deaths in a row."""
    return float(min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(deaths - 1, 10)))


class Child:
    """One program, running or waiting to be started again."""

    def __init__(self, program: Program, *, say: Say, clock: Clock) -> None:
        self.program = program
        self._say = say
        self._clock = clock
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._started_at = 0.0
        self._deaths = 0
        self._start_at = 0.0

    @property
    def pid(self) -> int | None:
        """None while it does not run."""
        return self._process.pid if self._process else None

    def look(self) -> int | None:
        """Start it when it is time, notice its death; its exit code when it has just died.

        To be called by the main thread: the kernel ends the child when the thread that started it ends.
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
        self._say(self.program.name, f"ended, {_describe(code)}; again in {wait_s:g} s")
        return code

    def _start(self, now: float) -> None:
        self._started_at = now
        self._process = subprocess.Popen(
            # By SIGKILL: a worker whose Redis hangs may take a minute to end on SIGTERM.
            mortal(self.program.command, ended_by=signal.SIGKILL),
            env=dict(self.program.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            # Its own group: Ctrl-C at the terminal is for us, and whatever it starts can be ended with it.
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._reader.start()

    def _read(self, stream: IO[str]) -> None:
        with stream, contextlib.suppress(ValueError):
            for line in stream:
                self._say(self.program.name, line.rstrip("\n"))

    def terminate(self) -> None:
        """Ask it to end."""
        self._signal(signal.SIGTERM)

    def end(self, timeout_s: float) -> None:
        """Wait for its end, then insist."""
        if self._process is None:
            return
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._say(self.program.name, f"did not end within {GRACE_S:g} s of SIGTERM; killed")
        # Also where it has ended: what it started and left behind is in its group.
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


def supervise(programs: Sequence[Program], *, ended: threading.Event, say: Say, clock: Clock) -> int:
    """Run all until `ended` is set: 0; or until one says that its configuration is wrong: 2.

    Programs are started in their order, and asked to end in it.
    """
    children = [Child(program, say=say, clock=clock) for program in programs]
    try:
        while True:
            for child in children:
                if child.look() == WRONG_CONFIGURATION:
                    say(child.program.name, "its configuration is wrong, so it would never start: all end")
                    return WRONG_CONFIGURATION
            if clock.wait(ended, LOOK_S):
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
