"""This host's network: the uplink of each cluster network, and the host's own IPv4 addresses."""

import re
import socket
from collections.abc import Callable, Iterable, Mapping
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final, Literal

from pydantic import TypeAdapter, ValidationError

from services.contract.wire import ClusterNetworkName

AUTO: Final = "auto"
BOND_SUFFIX = "-bo"
"""Harvester names a cluster network's uplink <cluster network>-bo."""
_NAME = TypeAdapter(ClusterNetworkName)
FIB_TRIE = Path("/proc/net/fib_trie")
"""The IPv4 routing table of this network namespace (proc_net(5))."""
_LOCAL = re.compile(r"\|-- ([0-9.]+)\n\s+/32 host LOCAL$", re.MULTILINE)


def list_interfaces() -> list[str]:
    """Return the names of the interfaces in this network namespace; raises OSError."""
    return [name for _, name in socket.if_nameindex()]


class Uplinks:
    """The interface of each cluster network. Thread-safe: a mapping that was returned never changes."""

    def __init__(
        self,
        configured: Mapping[str, str] | Literal["auto"],
        *,
        interfaces: Callable[[], Iterable[str]] = list_interfaces,
    ) -> None:
        """configured: the mapping, or auto: every interface <name>-bo is the uplink of <name>."""
        self._interfaces = interfaces
        self._auto = configured == AUTO
        self._current: Mapping[str, str] = {} if isinstance(configured, str) else dict(configured)
        self.refresh()

    def current(self) -> Mapping[str, str]:
        """Return the uplinks as of the last refresh."""
        return self._current

    def refresh(self) -> None:
        """List the interfaces again. Raises OSError."""
        if self._auto:
            self._current = {
                name: interface for interface in self._interfaces() if (name := cluster_network_of(interface))
            }


def cluster_network_of(interface: str) -> str | None:
    """Return the cluster network whose uplink has this name; None for other interfaces."""
    match = re.fullmatch(f"(.+){BOND_SUFFIX}", interface)
    if match is None:
        return None
    try:
        return _NAME.validate_python(match[1])
    except ValidationError:
        return None


def own_addresses(path: Path = FIB_TRIE) -> tuple[IPv4Address, ...]:
    """Return this host's IPv4 addresses except loopback, sorted; none when the kernel's table is unreadable.

    None of them can be the gateway of a network.
    """
    try:
        text = path.read_text()
    except OSError:
        return ()
    found = {IPv4Address(address) for address in _LOCAL.findall(text)}
    return tuple(sorted(address for address in found if not address.is_loopback))
