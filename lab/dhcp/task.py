"""What is to be served, and the program that does it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lab.dhcp.answering import Subnet
from lab.site import ServerKind


@dataclass(frozen=True, kw_only=True)
class ServerProgram:
    """A program to start in `namespace`: after writing `files` and making `copies`, run `argv` with `stdin`.

    `kind` is what a person calls it. It is ready when it holds `sockets` UDP sockets on port 67. `files` are
    paths and what is in them, `copies` the paths of copies and of what is copied. `reads_frames`: it answers
    what it reads from packet sockets.
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
    """One subnet to be served, and by what; `label` is its own in its namespace."""

    kind: ServerKind
    namespace: str
    label: str
    ping_check: bool
    subnet: Subnet


def pool_size(subnet: Subnet) -> int:
    """How many addresses it may give away."""
    return int(subnet.pool_end) - int(subnet.pool_start) + 1
