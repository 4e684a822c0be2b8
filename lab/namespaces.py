"""Anonymous network namespaces: each lives as long as a small process holds it; nothing stays on disk."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO

from lab.kernel import die_with_parent, enter_network, new_network
from lab.prerequisites import program
from lab.site import SiteError

_KILL_SECONDS = 5.0


def python_environment() -> dict[str, str]:
    """Return the environment in which a child Python finds this package from any working directory."""
    here = str(Path(__file__).resolve().parent.parent)
    former = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([here, former] if former else [here])}


class Namespace:
    """A network namespace of the lab. The process that created it may enter and leave it at will."""

    def __init__(self, name: str) -> None:
        self.name = name
        # When Popen returns, the holder has called exec, so it is in its new namespace.
        self._holder = _start([program("sleep"), "infinity"], prepare=new_network)
        self._descriptor = os.open(f"/proc/{self._holder.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self.inode = os.fstat(self._descriptor).st_ino

    @property
    def pid(self) -> int:
        """Return the ID of the process whose /proc/PID/ns/net this is."""
        return self._holder.pid

    @property
    def holder(self) -> subprocess.Popen[bytes]:
        """Return the process that keeps the namespace alive."""
        return self._holder

    def enter(self) -> None:
        """Move this process into the namespace."""
        enter_network(self._descriptor)

    def run_ip(self, lines: Iterable[str]) -> None:
        """Run `lines` through `ip -batch`. Raises SiteError with the first error message."""
        self.enter()
        done = subprocess.run(
            [program("ip"), "-batch", "-"],
            input="\n".join(lines) + "\n",
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            complaint = (done.stderr.strip().splitlines() or ["no reason given"])[0]
            raise SiteError(f"ip in namespace {self.name}: {complaint}")

    def write_settings(self, settings: Mapping[str, int]) -> None:
        """Write `settings`; keys are paths under /proc/sys/net. Raises SiteError if one is refused."""
        self.enter()
        for path, value in settings.items():
            setting = Path("/proc/sys/net", path)
            # A kernel without IPv6 has no IPv6 settings, and needs none.
            if path.startswith("ipv6/") and not setting.exists():
                continue
            try:
                setting.write_text(str(value))
            except OSError as error:
                raise SiteError(f"/proc/sys/net/{path}: {error.strerror}") from error

    def start(
        self, argv: Sequence[str], *, stdout: IO[bytes] | int, stderr: IO[bytes] | int, stdin: bytes = b""
    ) -> subprocess.Popen[bytes]:
        """Start `argv` in the namespace; it ends with this process. `stdin` is its whole standard input."""
        self.enter()
        child = _start(argv, stdin=subprocess.PIPE, stdout=stdout, stderr=stderr)
        assert child.stdin is not None
        with contextlib.suppress(BrokenPipeError), child.stdin:
            child.stdin.write(stdin)
        return child

    def close(self) -> None:
        """Release the namespace. It ends when its last process has ended."""
        self._holder.kill()
        self._holder.wait()
        os.close(self._descriptor)


def _start(
    argv: Sequence[str],
    *,
    prepare: Callable[[], None] | None = None,
    stdin: int = subprocess.DEVNULL,
    stdout: IO[bytes] | int = subprocess.DEVNULL,
    stderr: IO[bytes] | int = subprocess.DEVNULL,
) -> subprocess.Popen[bytes]:
    parent = os.getpid()

    def in_child() -> None:
        die_with_parent()
        # The parent may have ended before the line above took effect.
        if os.getppid() != parent:
            os._exit(1)
        if prepare is not None:
            prepare()

    return subprocess.Popen(
        argv,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        env=python_environment(),
        # Ctrl-C in the terminal is for the lab, which then ends its children in order.
        start_new_session=True,
        # Safe, because the lab's process has one thread.
        preexec_fn=in_child,  # noqa: PLW1509
    )


def end_processes_in(inodes: frozenset[int]) -> None:
    """Kill every other process whose network namespace is one of `inodes`, and wait until they are gone.

    A process left on a host would keep the host's namespace alive for ever. It ends as if its machine were
    switched off.
    """
    killed: list[int] = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        # Processes come and go, and most belong to other users.
        with contextlib.suppress(OSError):
            descriptor = os.pidfd_open(int(entry.name))
            if (entry / "ns" / "net").stat().st_ino in inodes:
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                killed.append(descriptor)
            else:
                os.close(descriptor)
    for descriptor in killed:
        select.select([descriptor], [], [], _KILL_SECONDS)
        os.close(descriptor)


def python_module(name: str) -> list[str]:
    """Return the command that runs module `name` with this Python."""
    return [sys.executable, "-m", name]
