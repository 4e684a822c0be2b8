"""Creates the virtual environment and installs packages into it, with progress: demo|dev FOLDER

    python3 scripts/install_environment.py demo .venv

`demo` installs the packages that `make demo` needs, `dev` those of the tests and tools as well: what the lock
names, and only files whose hash it has. It runs with any Python 3 and needs only the standard library.
"""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import IO, TextIO

MINIMUM = (3, 11)
LINES_SHOWN = 20
"""Of pip's output, when it fails."""
REFRESH_S = 0.5
LOCKS = {"demo": "requirements/demo.lock", "dev": "requirements.lock"}
PROJECT = ["--no-deps", "--no-build-isolation", "--editable", "."]
"""What pip is asked for after the lock: a folder has no hash, and what builds it is there by then."""


class Progress:
    """What pip does, in one line."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._collected = 0
        self._installing = 0

    def take(self, line: str) -> None:
        """Read one line of pip's output."""
        if line.startswith("Collecting "):
            self._collected += 1
        elif line.startswith("Installing collected packages: "):
            self._installing = len(line.partition(": ")[2].split(", "))

    def line(self, elapsed_s: float) -> str:
        """The state after elapsed_s seconds."""
        if self._installing:
            doing = f"installing {self._installing} packages"
        elif self._collected:
            doing = f"{self._collected} packages collected"
        else:
            doing = "checking packages"
        return f"{self._what}: {doing}, {elapsed_s:.0f} s"


def show(lines: Iterable[str | None], progress: Progress, out: TextIO) -> list[str]:
    """Follow pip's output and return its lines; None stands for an interval without a line.

    A terminal gets a line that is rewritten; anything else gets the first and the last one.
    """
    began, seen = time.monotonic(), list[str]()
    if not out.isatty():
        print(f"{progress.line(0)} …", file=out, flush=True)
    for line in lines:
        if line is not None:
            seen.append(line)
            progress.take(line)
        if out.isatty():
            print(f"\r{progress.line(time.monotonic() - began)}\x1b[K", end="", file=out, flush=True)
    if out.isatty():
        print(file=out)
    else:
        print(progress.line(time.monotonic() - began), file=out, flush=True)
    return seen


def install(kind: str, folder: Path) -> int:
    """Return the exit code of pip, after its last lines when that is not 0."""
    python = folder / "bin" / "python"
    if not python.exists():
        print(f"Creating {folder} …", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    # Python compiles a module when it is first imported: compiling all of them takes longer than installing.
    options = ["--disable-pip-version-check", "--progress-bar=off", "--no-compile"]
    pip = [str(python), "-m", "pip", "install", *options]
    steps = {
        f"Setting up {folder}": ["--require-hashes", "--requirement", LOCKS[kind]],
        "Adding nadroute": PROJECT,
    }
    for what, asked in steps.items():
        with subprocess.Popen(
            [*pip, *asked], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            assert process.stdout is not None
            seen = show(_lines(process.stdout), Progress(what), sys.stdout)
        if process.returncode != 0:
            print(*seen[-LINES_SHOWN:], sep="\n", file=sys.stderr)
            print("pip failed: see the lines above", file=sys.stderr)
            return process.returncode
    return 0


def missing() -> str | None:
    """Return what this interpreter lacks, and what to do; None when it can be used."""
    if sys.version_info < MINIMUM:
        version = ".".join(map(str, sys.version_info[:3]))
        return f"nadroute needs Python 3.11 or later, {sys.executable} is {version}: make PYTHON=..."
    try:
        import ensurepip  # noqa: F401  # Debian splits it off
        import venv  # noqa: F401
    except ImportError:
        return f"{sys.executable} cannot create an environment: on Debian, apt-get install python3-venv"
    return None


def main() -> int:
    """Return the exit code."""
    if (reason := missing()) is not None:
        print(reason, file=sys.stderr)
        return 1
    kind, folder = sys.argv[1:]
    return install(kind, Path(folder))


def _lines(stream: IO[str]) -> Iterable[str | None]:
    """The lines as they come, and None after each interval without one."""
    waiting: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def pump() -> None:
        for line in stream:
            waiting.put(line.rstrip("\n"))
        waiting.put(None)

    thread = threading.Thread(target=pump, daemon=True)
    thread.start()
    while True:
        try:
            line = waiting.get(timeout=REFRESH_S)
        except queue.Empty:
            yield None
            continue
        if line is None:
            return
        yield line


if __name__ == "__main__":
    sys.exit(main())
