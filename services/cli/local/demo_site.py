"""The running demo as the other commands see it: its control socket, its environment and its hosts."""

import contextlib
import os
import socket
from pathlib import Path
from typing import TypeVar

import click
from pydantic import BaseModel, Field, RootModel, ValidationError

from services.cli.failures import unreachable, usage_error
from services.cli.terminal import plain

SOCKET_VARIABLE = "LAB_CONTROL_SOCKET"
"""Names the demo's control socket. It does not begin with NADROUTE_ because it is not a service's setting."""
SOCKET_PATTERN = "nadroute-*/site/control.sock"
TIMEOUT_S = 10.0
MAX_PATH_BYTES = 107
"""The longest address of a unix socket."""


Model = TypeVar("Model", bound=BaseModel)


class HostEntry(BaseModel):
    """A host in the lab's site.json."""

    pid: int = Field(gt=1)
    """A process in the host's network namespace."""
    uplinks: dict[str, str]
    """Cluster network to interface."""


class SiteEntry(BaseModel):
    """The part of the lab's site.json that is used here."""

    user_namespace: bool
    """Whether the hosts are in a user namespace, which has to be entered as well."""
    hosts: dict[str, HostEntry]


class DemoEnvironment(RootModel[dict[str, str]]):
    """The demo's environment.json: variable to value."""


def find_socket(given: Path | None) -> Path:
    """Return the control socket: the given one, else LAB_CONTROL_SOCKET, else that of the newest own demo.

    Demos of other users are not considered: `demo shell` enters the namespaces that the demo's files name.
    """
    if given is not None:
        return given
    if named := os.environ.get(SOCKET_VARIABLE):
        return Path(named)
    own = [
        path
        for path in Path("/tmp").glob(SOCKET_PATTERN)
        if path.is_socket() and path.stat().st_uid == os.geteuid()
    ]
    running = [path for path in own if _answers(path)]
    if running:
        newest = max(running, key=lambda path: path.stat().st_mtime)
        if len(running) > 1:
            click.echo(
                f"{len(running)} demos of yours run, this is the newest: {newest.parent.parent}; name "
                f"another with --socket or {SOCKET_VARIABLE}",
                err=True,
            )
        return newest
    raise unreachable(
        f"no demo of yours runs on this machine: nothing answers at /tmp/{SOCKET_PATTERN}; start one with "
        "`make demo` and try again in another terminal"
    )


def _answers(path: Path) -> bool:
    """Return whether a demo listens: one that was killed leaves its socket behind."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(str(path))
        return True
    return False


def send(command: str, path: Path) -> None:
    """Send one command to the control socket and wait until it has taken effect."""
    if any(not character.isprintable() for character in command) or len(command) > 200:
        raise usage_error("expected a VLAN such as 7 or extra/7, or the name of a host")
    if len(os.fsencode(path)) > MAX_PATH_BYTES:
        raise usage_error(f"{path}: {len(os.fsencode(path))} bytes, expected at most {MAX_PATH_BYTES}")
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(TIMEOUT_S)
            connection.connect(str(path))
            connection.sendall(f"{command}\n".encode())
            with connection.makefile(encoding="utf-8", errors="replace") as replies:
                reply = replies.readline(1_000).strip()
    except OSError as error:
        raise unreachable(
            f"demo at {path}: {error}; expected a running demo (`make demo`): name its socket with "
            f"--socket or {SOCKET_VARIABLE}"
        ) from None
    if reply != "ok":
        raise usage_error(plain(f"demo: {reply.removeprefix('error: ') or 'it closed the connection'}"))


def read_environment(path: Path) -> dict[str, str]:
    """Return the variables with which commands reach the demo that has this control socket."""
    return _read(path.parent.parent / "environment.json", DemoEnvironment).root


def read_site(path: Path) -> SiteEntry:
    """Return the hosts of the demo that has this control socket."""
    return _read(path.parent / "site.json", SiteEntry)


def _read(file: Path, model: type[Model]) -> Model:
    try:
        return model.model_validate_json(file.read_bytes())
    except OSError as error:
        raise unreachable(
            f"{file}: {error.strerror}; expected a running demo: start one with `make demo`"
        ) from None
    except ValidationError as error:
        raise usage_error(f"{file}: not written by a demo: {error.errors()[0]['msg']}") from None
