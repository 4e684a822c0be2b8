"""The demo's processes: each has a log, all are monitored, and all are stopped in order."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lab.prerequisites import program

STOP_TIMEOUT_S = 20.0
LINES_SHOWN = 20


class ProcessDied(RuntimeError):
    """A process ended by itself; the message names it and shows the end of its log."""


def mortal(command: Sequence[str]) -> list[str]:
    """Wrap a command so that the kernel kills it when its parent ends: no process outlives a killed demo."""
    return [program("setpriv"), "--pdeathsig", "KILL", *command]


@dataclass
class Processes:
    """The running processes, in the order in which they were started."""

    logs: Path
    environment: Mapping[str, str]
    _running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, command: Sequence[str], secrets: Mapping[str, str] | None = None) -> None:
        """Start a process whose output goes to logs/NAME.log; `secrets` are variables for it alone.

        It gets its own session, so that Ctrl-C at the terminal reaches only the demo, which then stops each
        process in order.
        """
        with self.log(name).open("wb") as log:
            self._running[name] = subprocess.Popen(
                mortal(command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.environment, **(secrets or {})},
                start_new_session=True,
            )

    def log(self, name: str) -> Path:
        """Return the path of the log of a process."""
        return self.logs / f"{name}.log"

    def check(self) -> None:
        """Raise ProcessDied if a process has ended."""
        for name, process in self._running.items():
            code = process.poll()
            if code is not None:
                tail = "\n".join(self.log(name).read_text(errors="replace").splitlines()[-LINES_SHOWN:])
                raise ProcessDied(f"{name} ended with code {code}; its log ends:\n{tail}")

    def stop(self) -> None:
        """Stop all processes: the services first, then Redis, the API server and the site."""
        stateless = [name for name in self._running if name not in ("redis", "kubernetes", "site")]
        self._stop(stateless)
        for name in reversed([name for name in self._running if name not in stateless]):
            self._stop([name])
        self._running.clear()

    def _stop(self, names: Sequence[str]) -> None:
        processes = [self._running[name] for name in names]
        for process in processes:
            if process.poll() is None:
                process.terminate()
        for process in processes:
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
