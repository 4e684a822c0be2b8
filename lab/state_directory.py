"""Files of a running lab, all removed when it ends."""

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
    """Location of a host: `pid` is a process in its namespace; `uplinks`: cluster network to interface."""

    pid: int
    address: str
    uplinks: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class SiteDescription:
    """The content of site.json: what other processes need to know about a running site.

    `user_namespace`: to enter a host, a process must also enter the user namespace of its process. `servers`
    maps a DHCP server's name to its program.
    """

    pid: int
    user_namespace: bool
    hosts: dict[str, HostDescription]
    namespaces: dict[str, int]
    servers: dict[str, str]
    vlans: list[str]


def write_description(state: Path, description: SiteDescription) -> None:
    """Write site.json atomically; its appearance signals that the site is ready."""
    fresh = state / _RUN_NAME / DESCRIPTION_NAME
    fresh.write_text(json.dumps(asdict(description), indent=2) + "\n")
    fresh.replace(state / DESCRIPTION_NAME)


def read_description(state: Path) -> SiteDescription:
    """Read the site.json of a running site. Raises SiteError if there is none."""
    try:
        values = json.loads((state / DESCRIPTION_NAME).read_text())
        hosts = {name: HostDescription(**host) for name, host in values.pop("hosts").items()}
        return SiteDescription(hosts=hosts, **values)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise SiteError(f"{state / DESCRIPTION_NAME}: {error}") from error


def remove_state(state: Path, *, with_directory: bool) -> None:
    """Remove what a lab put into `state`; with_directory, also `state` itself if it is then empty."""
    for name in (DESCRIPTION_NAME, SOCKET_NAME):
        (state / name).unlink(missing_ok=True)
    shutil.rmtree(state / _RUN_NAME, ignore_errors=True)
    if with_directory:
        with contextlib.suppress(OSError):
            state.rmdir()


@contextlib.contextmanager
def state_directory(state: Path) -> Iterator[Path]:
    """Own `state` for the duration of the block; yield a directory in it for logs, leases and configuration.

    Files left by a killed lab are removed.

    Raises:
        SiteError: the directory cannot be created, or another lab uses it.
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
