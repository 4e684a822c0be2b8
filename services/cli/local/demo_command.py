"""`nadroute demo`: break and heal the demo's site, enter it, and take a guided tour."""

import os
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, TypeVar

import click

from services.cli.failures import usage_error
from services.cli.local.demo_site import (
    SOCKET_VARIABLE,
    find_socket,
    read_environment,
    read_site,
    send,
)
from services.cli.terminal import plain
from services.runtime.process.clock import SystemClock

Function = TypeVar("Function", bound=Callable[..., object])


@click.group()
def demo() -> None:
    """Work with a running demo (`make demo`): break and heal its site, enter a host, take a tour."""


def _socket_option(function: Function) -> Function:
    return click.option(
        "--socket",
        "given",
        type=click.Path(path_type=Path),
        help=f"The demo's control socket; default: {SOCKET_VARIABLE}, else the newest demo.",
    )(function)


def _add_fault(verb: str, argument: str, text: str) -> None:
    @demo.command(verb, help=text)
    @_socket_option
    @click.argument("name", metavar=argument)
    def run(name: str, given: Path | None) -> None:
        send(f"{verb} {name}", find_socket(given))
        click.echo(f"{verb} {plain(name)}: done; see `nadroute status --watch`")


_add_fault("break", "VLAN", "Silence gateway and DHCP servers of a VLAN (7, or extra/7).")
_add_fault("heal", "VLAN", "Undo break.")
_add_fault("host-down", "HOST", "Take down the uplinks of a host.")
_add_fault("host-up", "HOST", "Undo host-down.")


@demo.command()
@_socket_option
def env(given: Path | None) -> None:
    """Print the variables that reach the demo, as shell commands.

    Use it as: eval "$(nadroute demo env)"
    """
    for name, value in read_environment(find_socket(given)).items():
        click.echo(f"export {name}={shlex.quote(value)}")
    click.echo(f'export PATH={shlex.quote(str(_program_folder()))}:"$PATH"')


@demo.command(context_settings={"allow_interspersed_args": False})
@_socket_option
@click.argument("host")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def shell(given: Path | None, host: str, command: tuple[str, ...]) -> NoReturn:
    """Start a shell on a host of the site, or run a command there.

    Both run in the host's network namespace, as root: `ip address`, `ping` and `nadroute scan` see what the
    host sees.
    """
    site = read_site(find_socket(given))
    if host not in site.hosts:
        raise usage_error(f"{plain(host)!r}: no such host; expected one of {plain(', '.join(site.hosts))}")
    entry = site.hosts[host]
    nsenter = shutil.which("nsenter")
    if nsenter is None:
        raise usage_error("nsenter is not installed (Debian package util-linux)")
    user = ["--user", "--preserve-credentials"] if site.user_namespace else []
    if not command:
        uplinks = ", ".join(f"{interface} ({network})" for network, interface in entry.uplinks.items())
        click.echo(plain(f"Shell on {host}. Uplinks: {uplinks}. Leave it with `exit`."))
        command = (os.environ.get("SHELL", "/bin/sh"),)
    environment = {
        **os.environ,
        "PATH": f"{_program_folder()}:{os.environ.get('PATH', os.defpath)}",
        # Debian's shells show it in the prompt.
        "debian_chroot": host,
    }
    sys.stdout.flush()
    os.execve(nsenter, ["nsenter", "--target", str(entry.pid), *user, "--net", "--", *command], environment)


@demo.command()
@_socket_option
@click.option("--no-wait", is_flag=True, help="Do not wait for Enter before each command.")
def tour(given: Path | None, no_wait: bool) -> int:
    """Take a guided tour: break a gateway, watch, explain, heal.

    Each step shows a command and runs it when you press Enter. The tour heals what it broke, also when you
    end it by Ctrl-C.
    """
    from services.cli.local.demo_tour import terminal_tour

    path = find_socket(given)
    environment = {**read_environment(path), SOCKET_VARIABLE: str(path)}
    return terminal_tour(environment, clock=SystemClock(), wait_for_enter=not no_wait).go()


def _program_folder() -> Path:
    """The folder of the nadroute that runs."""
    return Path(sys.executable).parent
