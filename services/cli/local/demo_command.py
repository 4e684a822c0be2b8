"""`nadroute demo`: break and heal the demo's site, through its control socket."""

import os
import socket
from pathlib import Path

import click

from services.cli.failures import unreachable, wrong
from services.cli.outputs import plain

SOCKET_VARIABLE = "LAB_CONTROL_SOCKET"
"""The demo prints it. It is no NADROUTE_ variable: each of those is a service's setting."""
SOCKET_PATTERN = "nadroute-*/site/control.sock"
TIMEOUT_S = 10.0
MAX_PATH_BYTES = 107
"""What the address of a unix socket holds."""


@click.group()
def demo() -> None:
    """Break and heal the site of a demo that runs (`make demo`), and see what nadroute says of it."""


def _socket_option(function: click.Command) -> click.Command:
    return click.option(
        "--socket",
        "given",
        type=click.Path(path_type=Path),
        help=f"The demo's control socket; otherwise {SOCKET_VARIABLE}, otherwise that of the newest demo.",
    )(function)


def _add(verb: str, argument: str, text: str) -> None:
    @click.argument("name", metavar=argument)
    def send(name: str, given: Path | None) -> None:
        _send(f"{verb} {name}", given)
        click.echo(f"{verb} {plain(name)}: done; see `nadroute status --watch`")

    demo.add_command(click.command(verb, help=text)(_socket_option(send)))  # type: ignore[arg-type]


_add("break", "VLAN", "The gateway and the DHCP servers of this VLAN fall silent: 7, or extra/7.")
_add("heal", "VLAN", "They answer again.")
_add("host-down", "HOST", "This host's uplinks lose their link.")
_add("host-up", "HOST", "They have it again.")


def _send(command: str, given: Path | None) -> None:
    path = _find(given)
    if any(not character.isprintable() for character in command) or len(command) > 200:
        raise wrong("expected a VLAN such as 7 or extra/7, or a host's name")
    if len(os.fsencode(path)) > MAX_PATH_BYTES:
        raise wrong(f"{path}: {len(os.fsencode(path))} bytes, expected at most {MAX_PATH_BYTES}")
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            link.settimeout(TIMEOUT_S)
            link.connect(str(path))
            link.sendall(f"{command}\n".encode())
            with link.makefile(encoding="utf-8", errors="replace") as answers:
                answer = answers.readline(1_000).strip()
    except OSError as error:
        raise unreachable(
            f"demo at {path}: {error}; expected a demo that runs (`make demo`): name its socket with "
            f"--socket or {SOCKET_VARIABLE}"
        ) from None
    if answer != "ok":
        raise wrong(plain(f"demo: {answer.removeprefix('error: ') or 'it ended without an answer'}"))


def _find(given: Path | None) -> Path:
    named = os.environ.get(SOCKET_VARIABLE)
    if given is not None:
        return given
    if named:
        return Path(named)
    found = [path for path in Path("/tmp").glob(SOCKET_PATTERN) if path.is_socket()]
    if not found:
        raise unreachable(
            f"no demo runs on this machine: /tmp/{SOCKET_PATTERN} is not there; expected one: start it with "
            "`make demo` and try again in another terminal"
        )
    return max(found, key=lambda path: path.stat().st_mtime)
