"""Subnets to serve, and the programs that serve them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lab.dhcp.answering import Subnet
from lab.site import ServerKind


@dataclass(frozen=True, kw_only=True)
class ServerProgram:
    """A program to start in `namespace`: write `files`, make `copies`, then run `argv` with `stdin`.

    `kind` is its name for people. It is ready when it holds `sockets` UDP sockets on port 67. `files` maps
    paths to contents, `copies` maps copies to originals. `reads_frames`: it answers what it reads from packet
    sockets.
    """

    name: str
    kind: str
    namespace: str
    argv: tuple[str, ...]
    files: tuple[tuple[Path, str], ...] = ()
    copies: tuple[tuple[Path, Path], ...] = ()
    stdin: str = ""
    sockets: int = 1
    reads_frames: bool = False


@dataclass(frozen=True, kw_only=True)
class Task:
    """One subnet and the server that serves it; `label` is unique in its namespace."""

    kind: ServerKind
    namespace: str
    label: str
    ping_check: bool
    subnet: Subnet


def pool_size(subnet: Subnet) -> int:
    """Return the number of addresses in the pool."""
    return int(subnet.pool_end) - int(subnet.pool_start) + 1
