"""Which interface carries which cluster network on this host: told, or seen."""

import re
import socket
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Literal

from pydantic import TypeAdapter, ValidationError

from services.contract.messages import ClusterNetworkName

AUTO: Final = "auto"
BOND_SUFFIX = "-bo"
"""Harvester calls a cluster network's uplink <cluster network>-bo."""
_NAME = TypeAdapter(ClusterNetworkName)


def interfaces_here() -> list[str]:
    """The names of this network namespace's interfaces; OSError when nobody can say."""
    return [name for _, name in socket.if_nameindex()]


class Uplinks:
    """Cluster network to interface. Safe for threads: a mapping that was handed out never changes."""

    def __init__(
        self,
        configured: Mapping[str, str] | Literal["auto"],
        *,
        interfaces: Callable[[], Iterable[str]] = interfaces_here,
    ) -> None:
        """configured: what was told; auto: every interface <name>-bo is the uplink of <name>."""
        self._interfaces = interfaces
        self._auto = configured == AUTO
        self._current: Mapping[str, str] = {} if isinstance(configured, str) else dict(configured)
        self.look()

    def current(self) -> Mapping[str, str]:
        """As they were when somebody looked last."""
        return self._current

    def look(self) -> bool:
        """Look again; whether they are others than before. OSError when nobody can say."""
        if not self._auto:
            return False
        seen = {name: interface for interface in self._interfaces() if (name := carried_by(interface))}
        changed = seen != self._current
        self._current = seen
        return changed


def carried_by(interface: str) -> str | None:
    """The cluster network that an interface is the uplink of, by its name."""
    match = re.fullmatch(f"(.+){BOND_SUFFIX}", interface)
    if match is None:
        return None
    try:
        return _NAME.validate_python(match[1])
    except ValidationError:
        return None
