"""A site as a subprocess, for tests, benchmarks and the demo.

with start_site(Path("examples/site.yaml"), state) as site:
    subprocess.run([*site.command("node1"), "ip", "address"])
"""

from __future__ import annotations

import selectors
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from lab.control import is_answering, send
from lab.namespaces import python_environment, python_module
from lab.prerequisites import missing_prerequisites, program
from lab.site import Site, SiteError
from lab.site_file import dump_site, load_site
from lab.site_rules import check_site
from lab.state_directory import SiteDescription, read_description, remove_state

__all__ = ["RunningSite", "missing_prerequisites", "start_site"]

_START_SECONDS = 60.0
_STOP_SECONDS = 20.0


def start_site(site: Site | Path, state: Path, *, timeout: float = _START_SECONDS) -> RunningSite:
    """Start `site`, or the site that a file describes, and wait at most `timeout` seconds for it.

    `state` is its state directory, created if missing. The site also ends when this process ends.

    Raises:
        SiteError: it could not be started; the message is the line that it printed.
    """
    if isinstance(site, Path):
        site = load_site(site)
    else:
        check_site(site)
    existed = state.is_dir()
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [*python_module("lab.site_main"), "--file", "-", "--state", str(state)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=python_environment(),
            # The caller decides when the site ends, also on Ctrl-C.
            start_new_session=True,
        )
        running = RunningSite(site, state, process, remove_directory=not existed)
        try:
            assert process.stdin is not None
            with process.stdin:
                process.stdin.write(dump_site(site).encode())
            if not _says_something(process, timeout):
                running.stop()
                errors.seek(0)
                said = errors.read().decode(errors="replace").strip().splitlines()
                raise SiteError(said[-1].removeprefix("lab: ") if said else f"not ready after {timeout} s")
            running.description = read_description(state)
        except BaseException:
            running.stop()
            raise
    return running


def _says_something(process: subprocess.Popen[bytes], timeout: float) -> bool:
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        return bool(selector.select(timeout)) and bool(process.stdout.readline())


class RunningSite:
    """A running site. `description` is its site.json. Created by `start_site`."""

    description: SiteDescription

    def __init__(
        self, site: Site, state: Path, process: subprocess.Popen[bytes], *, remove_directory: bool
    ) -> None:
        self.site = site
        self.state = state
        self._process = process
        self._remove_directory = remove_directory

    def __enter__(self) -> RunningSite:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Return the ID of the site's process."""
        return self._process.pid

    def is_running(self) -> bool:
        """Return whether the site is still running."""
        return self._process.poll() is None

    def command(self, host: str) -> list[str]:
        """Return the prefix for a command to run as root on `host`. Raises SiteError for an unknown host."""
        self.site.find_host(host)
        target = str(self.description.hosts[host].pid)
        user = ["-U", "--preserve-credentials"] if self.description.user_namespace else []
        return [program("nsenter"), "-t", target, *user, "-n", "--"]

    def uplinks(self, host: str) -> Mapping[str, str]:
        """Return the uplinks of `host`: cluster network to interface."""
        self.site.find_host(host)
        return self.description.hosts[host].uplinks

    def break_vlan(self, vlan: int | str) -> None:
        """Silence gateway and DHCP servers of `vlan` (`7` or `extra/7`); takes effect before this returns."""
        send(self.state, f"break {vlan}")

    def heal_vlan(self, vlan: int | str) -> None:
        """Undo `break_vlan`."""
        send(self.state, f"heal {vlan}")

    def host_down(self, host: str) -> None:
        """Disconnect the cables of all uplinks of `host`; its management network stays connected."""
        send(self.state, f"host-down {host}")

    def host_up(self, host: str) -> None:
        """Undo `host_down`."""
        send(self.state, f"host-up {host}")

    def untrunk(self, host: str, vlan: int | str) -> None:
        """Take `vlan` off the trunk of `host`; takes effect before this returns."""
        send(self.state, f"untrunk {host} {vlan}")

    def trunk(self, host: str, vlan: int | str) -> None:
        """Undo `untrunk`."""
        send(self.state, f"trunk {host} {vlan}")

    def lose(self, host: str, percent: int) -> None:
        """Make the cables of all uplinks of `host` lose so many frames, in each direction; 0: none."""
        send(self.state, f"loss {host} {percent}")

    def stop(self) -> None:
        """Stop the site and all processes on its hosts. May be called again."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        # The site removes its files itself unless it was killed; by now the directory may belong to another
        # lab.
        if self._process.returncode < 0 and self.state.is_dir() and not is_answering(self.state):
            remove_state(self.state, with_directory=self._remove_directory)
