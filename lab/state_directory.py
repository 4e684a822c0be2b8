"""What a running lab keeps on disk, and nothing of it afterwards."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from lab.control import SOCKET_NAME, is_answering
from lab.site import SiteError

DESCRIPTION_NAME = "site.json"
_RUN_NAME = "run"


@dataclass(frozen=True, kw_only=True)
class HostDescription:
    """Where a host is: `pid` is a process in its namespace, `uplinks` cluster network -> interface."""

    pid: int
    address: str
    uplinks: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class SiteDescription:
    """site.json: what others need to know of a running site.

    `user_namespace`: whoever enters a host has to enter the user namespace of its process too. `servers` maps
    a DHCP server's name to the program behind it.
    """

    pid: int
    user_namespace: bool
    hosts: dict[str, HostDescription]
    namespaces: dict[str, int]
    servers: dict[str, str]
    vlans: list[str]


def write_description(state: Path, description: SiteDescription) -> None:
    """Write site.json whole or not at all: its appearance tells that the site is ready."""
    fresh = state / _RUN_NAME / DESCRIPTION_NAME
    fresh.write_text(json.dumps(asdict(description), indent=2) + "\n")
    fresh.replace(state / DESCRIPTION_NAME)


def read_description(state: Path) -> SiteDescription:
    """The site.json of a running site; SiteError when there is none."""
    try:
        values = json.loads((state / DESCRIPTION_NAME).read_text())
        hosts = {name: HostDescription(**host) for name, host in values.pop("hosts").items()}
        return SiteDescription(hosts=hosts, **values)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise SiteError(f"{state / DESCRIPTION_NAME}: {error}") from error


def remove_state(state: Path, *, with_directory: bool) -> None:
    """Remove what a lab put into `state`, and `state` itself if it is wanted and then empty."""
    for name in (DESCRIPTION_NAME, SOCKET_NAME):
        (state / name).unlink(missing_ok=True)
    shutil.rmtree(state / _RUN_NAME, ignore_errors=True)
    if with_directory:
        with contextlib.suppress(OSError):
            state.rmdir()


@contextlib.contextmanager
def state_directory(state: Path) -> Iterator[Path]:
    """Own `state` for the time of the block; yields a directory in it for logs, leases and configuration.

    Raises:
        SiteError: it cannot be made, or another lab runs in it. What a lab that was killed left is removed.
    """
    existed = state.is_dir()
    try:
        state.mkdir(parents=True, exist_ok=True)
        if is_answering(state):
            raise SiteError(f"{state}: another lab is running with this state directory")
        remove_state(state, with_directory=False)
        run = state / _RUN_NAME
        run.mkdir()
    except OSError as error:
        raise SiteError(f"{state}: {error.strerror or error}") from error
    try:
        yield run
    finally:
        remove_state(state, with_directory=not existed)
