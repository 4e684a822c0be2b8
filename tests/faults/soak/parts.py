"""The processes of nadroute and its Redis, each to be ended, frozen and started again."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lab.namespaces import python_environment
from tests.support import programs

EXIT_S = 60.0
"""For the orderly end of any process, as the manifests give prober and updater."""
LAST_LINES, LINE_END = 8, 300
SOCKET = "redis.sock"
FAULTS_USER = "faults"
"""Of Redis; any password is right."""
ROOT = Path(__file__).parents[3]


@dataclass
class Part:
    """One process, and since when it runs or does not."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    process: "subprocess.Popen[bytes] | None" = None
    is_frozen: bool = False
    was_frozen: bool = False
    """Whether it goes on after it was frozen last."""
    since: float = field(default_factory=time.monotonic)
    """When it began or ceased to run last."""
    overstayed: bool = False
    """Whether it had to be killed because it did not end in time."""
    is_disk_full: bool = False
    """Whether it is started with an output that takes nothing."""
    began: float = 0.0
    """When it was started last."""
    starts: int = 0
    """How often it was started."""

    @property
    def runs(self) -> bool:
        """Whether it is there and not frozen."""
        return self.process is not None and not self.is_frozen

    def start(self) -> None:
        """Start it, unless it is there."""
        if self.process is not None:
            return
        with Path("/dev/full" if self.is_disk_full else self.log).open("ab") as output:
            self.process = subprocess.Popen(
                self.command, env=self.environment, cwd=ROOT, stdout=output, stderr=output
            )
        self.began = self.since = time.monotonic()
        self.was_frozen = False
        self.starts += 1

    def end(self, how: signal.Signals = signal.SIGKILL) -> None:
        """End it, if it is there; return when it has ended."""
        process, self.process = self.process, None
        if process is None:
            return
        self._resume(process)
        process.send_signal(how)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(EXIT_S)
        if process.poll() is None:
            self.overstayed = True
            process.kill()
            process.wait()
        self.since = time.monotonic()

    def freeze(self) -> None:
        """Stop it where it is."""
        if self.process is not None and not self.is_frozen:
            self.process.send_signal(signal.SIGSTOP)
            self.is_frozen, self.since = True, time.monotonic()

    def thaw(self) -> None:
        """Let it go on."""
        if self.process is not None:
            self._resume(self.process)

    def has_ended(self) -> bool:
        """Whether it has ended by itself."""
        return self.process is not None and self.process.poll() is not None

    def last_words(self) -> str:
        """Return the end of its log: the last lines, and of a long one, as with a traceback, both ends."""
        lines = self.log.read_text(errors="replace").splitlines()[-LAST_LINES:]
        return "\n".join(
            line if len(line) <= 2 * LINE_END else f"{line[:LINE_END]} … {line[-LINE_END:]}" for line in lines
        )

    def _resume(self, process: "subprocess.Popen[bytes]") -> None:
        if self.is_frozen:
            process.send_signal(signal.SIGCONT)
            self.is_frozen, self.was_frozen, self.since = False, True, time.monotonic()


def service(
    name: str,
    folder: Path,
    environment: Mapping[str, str],
    *options: str,
    prefix: Sequence[str] = (),
    word: str = "",
) -> Part:
    """Return `nadroute NAME` with these NADROUTE_ variables, not started. word: before its label."""
    command = ["setpriv", "--pdeathsig", "KILL", sys.executable, "-m", "services.cli.main", name, *options]
    variables = {key: value for key, value in os.environ.items() if not key.startswith("NADROUTE_")}
    common = {"NADROUTE_METRICS_PORT": "0", "NADROUTE_LOG_FORMAT": "json"}
    label = "-".join([*([word] if word else []), name, *options[1:2]])
    return Part(
        label,
        [*prefix, *command],
        {**variables, **python_environment(), **common, **environment},
        folder / f"{label}.log",
    )


def redis_part(folder: Path) -> Part:
    """Return a Redis on folder/SOCKET that keeps its data when it is killed, not started.

    The faults come by a user of their own, whom no rights are taken.
    """
    command = ["setpriv", "--pdeathsig", "KILL", programs.redis_server(), "--port", "0", "--save", ""]
    options = ["--unixsocket", str(folder / SOCKET), "--dir", str(folder), "--appendonly", "yes"]
    user = ["--user", FAULTS_USER, "on", "nopass", "~*", "&*", "+@all"]
    return Part("redis", [*command, *options, *user], dict(os.environ), folder / "redis.log")
