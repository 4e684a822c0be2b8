"""The process of a site: it starts the site, serves commands, and stops everything again.

    python -m lab.site_main --file examples/site.yaml --state DIR

DIR/site.json appears when the site is ready. The process ends on SIGTERM, SIGINT or SIGHUP, when its parent
ends, or when a part of the site fails.
"""

from __future__ import annotations

import argparse
import os
import resource
import selectors
import signal
import socket
import sys
import time
from pathlib import Path

from lab.control import ControlServer, execute
from lab.kernel import become_root_of_new_user_namespace
from lab.machinery import Machinery
from lab.prerequisites import has_namespace_rights, missing_prerequisites
from lab.site import Site, SiteError
from lab.site_file import load_site, parse_site
from lab.state_directory import HostDescription, SiteDescription, state_directory, write_description

_STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def main() -> int:
    """Run a site until a signal; return 0, or 1 after one line with the reason."""
    parser = argparse.ArgumentParser(prog="python -m lab.site_main", description="Run a lab site.")
    parser.add_argument("--file", required=True, help="site file, or - for standard input")
    parser.add_argument("--state", type=Path, required=True, help="directory for site.json and control.sock")
    arguments = parser.parse_args()
    try:
        if arguments.file == "-":
            site = parse_site(sys.stdin.read(), origin="standard input")
        else:
            site = load_site(Path(arguments.file))
        missing = missing_prerequisites(site)
        if missing:
            raise SiteError("; ".join(missing))
        run(site, state=arguments.state)
    except SiteError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    return 0


def run(site: Site, *, state: Path) -> None:
    """Start `site`, serve until a signal, stop it.

    Raises:
        SiteError: it could not be started, or a part of it ended.
    """
    began = time.monotonic()
    parent = os.getppid()
    user_namespace = not has_namespace_rights()
    _raise_file_limit()
    with Events() as events, state_directory(state) as directory:
        events.watch_parent(parent)
        if user_namespace:
            try:
                become_root_of_new_user_namespace()
            except OSError as error:
                raise SiteError(f"user namespaces are denied: {error}") from error
        machinery = Machinery(site, directory=directory)
        try:
            machinery.up()
            events.watch_children(machinery)
            control = ControlServer(
                state,
                selector=events.selector,
                execute=lambda command: execute(command, site=site, machinery=machinery),
            )
            write_description(state, _describe(site, machinery, user_namespace=user_namespace))
            seconds = time.monotonic() - began
            print(f"ready: {len(site.hosts)} hosts, {len(site.vlans)} VLANs, {seconds:.1f} s", flush=True)
            try:
                events.serve()
            finally:
                control.close()
        finally:
            machinery.down()


class Events:
    """An event loop for signals, the parent's end, a child's end, and everything registered at `selector`.

    A signal only ends the loop, so a shutdown is never interrupted half-way.
    """

    def __init__(self) -> None:
        self.selector = selectors.DefaultSelector()
        self._stopped = False
        self._failure: str | None = None
        self._descriptors: list[int] = []

    def __enter__(self) -> Events:
        self._wake, self._sleep = socket.socketpair()
        for end in (self._wake, self._sleep):
            end.setblocking(False)
        self._former_descriptor = signal.set_wakeup_fd(self._wake.fileno())
        self._former = {number: signal.signal(number, self._stop) for number in _STOPPING}
        self.selector.register(self._sleep, selectors.EVENT_READ, lambda: self._sleep.recv(64))
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._former_descriptor)
        self.selector.close()
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._wake.close()
        self._sleep.close()

    def serve(self) -> None:
        """Handle events until a stop is requested. Raises SiteError if a child ended."""
        while not self._stopped:
            for key, _ in self.selector.select():
                key.data()
        if self._failure is not None:
            raise SiteError(self._failure)

    def watch_parent(self, pid: int) -> None:
        """Stop when process `pid`, the parent of this one, ends. Its threads may come and go."""
        if pid <= 1:
            return
        try:
            self._watch(pid, self._stop)
        except ProcessLookupError:
            self._stopped = True
        if os.getppid() != pid:
            self._stopped = True

    def watch_children(self, machinery: Machinery) -> None:
        """Stop with the reason when a process of `machinery` ends."""
        for name, child in machinery.children():

            def failed(name: str = name) -> None:
                self._failure = f"{name} ended: {machinery.last_words(name)}"
                self._stopped = True

            self._watch(child.pid, failed)

    def _watch(self, pid: int, ended: object) -> None:
        descriptor = os.pidfd_open(pid)
        self._descriptors.append(descriptor)
        self.selector.register(descriptor, selectors.EVENT_READ, ended)

    def _stop(self, *_: object) -> None:
        self._stopped = True


def _describe(site: Site, machinery: Machinery, *, user_namespace: bool) -> SiteDescription:
    return SiteDescription(
        pid=os.getpid(),
        user_namespace=user_namespace,
        hosts={
            host.name: HostDescription(
                pid=machinery.host_pid(host.name),
                address=str(host.address),
                uplinks={uplink.cluster_network: uplink.interface for uplink in host.uplinks},
            )
            for host in site.hosts
        },
        namespaces=machinery.namespace_pids(),
        servers={server.name: server.kind for server in machinery.servers},
        vlans=[vlan.label for vlan in site.vlans],
    )


def _raise_file_limit() -> None:
    # One descriptor per child, and children inherit the limit: the lab's DHCP server has a socket per VLAN.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    sys.exit(main())
