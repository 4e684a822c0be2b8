"""The lab's control socket: one command per line, answered by `ok` or `error: ...`.

    python -m lab.control --state DIR break 7

Commands: `break VLAN`, `heal VLAN` (`7`, or `extra/7`), `host-down NAME`, `host-up NAME`,
`untrunk NAME VLAN`, `trunk NAME VLAN`, `loss NAME PERCENT`. A connection may send several.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import selectors
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from lab.machinery import Machinery
from lab.site import Site, SiteError

SOCKET_NAME = "control.sock"
_COMMANDS = (
    "break|heal VLAN, host-down|host-up NAME, trunk|untrunk NAME VLAN or loss NAME PERCENT (up to 100)"
)
_MAX_LINE = 256
_MAX_CLIENTS = 32
_TIMEOUT_SECONDS = 10.0


def execute(command: str, *, site: Site, machinery: Machinery) -> str:
    """Execute `command`; return the answer without its newline."""
    words = command.split()
    try:
        match words:
            case ["break" | "heal" as verb, name]:
                machinery.set_vlan(site.find_vlan(name), alive=verb == "heal")
            case ["host-down" | "host-up" as verb, name]:
                machinery.set_host(site.find_host(name), alive=verb == "host-up")
            case ["untrunk" | "trunk" as verb, host, vlan]:
                machinery.set_trunk(site.find_host(host), site.find_vlan(vlan), carried=verb == "trunk")
            case ["loss", host, percent] if percent.isascii() and percent.isdecimal() and int(percent) <= 100:
                machinery.set_loss(site.find_host(host), percent=int(percent))
            case _:
                return f"error: {command[:_MAX_LINE]!r}: expected {_COMMANDS}"
    except SiteError as error:
        return f"error: {error}"
    return "ok"


def send(state: Path, command: str) -> None:
    """Send `command` to the lab that runs with state directory `state`.

    Raises:
        SiteError: the lab refuses the command, does not run, or does not answer.
    """
    try:
        with _reachable(state) as path, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            link.settimeout(_TIMEOUT_SECONDS)
            link.connect(path)
            link.sendall(f"{command}\n".encode())
            with link.makefile(encoding="utf-8", errors="replace") as answers:
                answer = answers.readline().strip()
    except OSError as error:
        raise SiteError(f"no lab answers at {state / SOCKET_NAME}: {error}") from error
    if answer != "ok":
        raise SiteError(answer.removeprefix("error: ") or f"no answer to {command!r}")


def is_answering(state: Path) -> bool:
    """Return whether a lab listens on the control socket in `state`."""
    try:
        with _reachable(state) as path, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            link.connect(path)
    except OSError:
        return False
    return True


@contextlib.contextmanager
def _reachable(state: Path) -> Iterator[str]:
    """Yield a short path of the control socket: the address of a Unix socket holds only 107 bytes."""
    directory = os.open(state, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{SOCKET_NAME}"
    finally:
        os.close(directory)


class ControlServer:
    """A server for the control socket in `state`, in an event loop that calls the data of each ready key."""

    def __init__(
        self, state: Path, *, selector: selectors.BaseSelector, execute: Callable[[str], str]
    ) -> None:
        self._selector = selector
        self._execute = execute
        self._clients: dict[socket.socket, bytes] = {}
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.setblocking(False)
        with _reachable(state) as path:
            self._listener.bind(path)
        # Only users who may write to the directory may control the lab.
        (state / SOCKET_NAME).chmod(0o600)
        self._listener.listen(_MAX_CLIENTS)
        selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def close(self) -> None:
        """Stop serving; the owner of the directory removes the file."""
        for client in list(self._clients):
            self._drop(client)
        self._selector.unregister(self._listener)
        self._listener.close()

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        if len(self._clients) >= _MAX_CLIENTS:
            client.close()
            return
        client.setblocking(False)
        self._clients[client] = b""
        self._selector.register(client, selectors.EVENT_READ, lambda: self._read(client))

    def _read(self, client: socket.socket) -> None:
        try:
            data = client.recv(_MAX_LINE)
        except OSError:
            data = b""
        *lines, rest = (self._clients[client] + data).split(b"\n")
        self._clients[client] = rest
        try:
            for line in lines:
                client.send(f"{self._execute(line.decode(errors='replace'))}\n".encode())
        except OSError:
            data = b""
        if not data or len(rest) > _MAX_LINE:
            self._drop(client)

    def _drop(self, client: socket.socket) -> None:
        del self._clients[client]
        self._selector.unregister(client)
        client.close()


def main() -> int:
    """Send one command to a running lab."""
    parser = argparse.ArgumentParser(
        prog="python -m lab.control", description="Send a command to a running lab."
    )
    parser.add_argument("--state", type=Path, required=True, help="the lab's state directory")
    parser.add_argument("command", nargs="+", help=_COMMANDS)
    arguments = parser.parse_args()
    try:
        send(arguments.state, " ".join(arguments.command))
    except SiteError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    print("ok")
    return 0


if __name__ == "__main__":
    sys.exit(main())
