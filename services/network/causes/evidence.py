"""What is known of one network, as the search for causes reads it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address
from typing import NamedTuple

from services.contract.outcomes import Fault

NOBODY: frozenset[str] = frozenset()


class Server(NamedTuple):
    """A DHCP server as its offers show it."""

    address: str
    mac: str = ""
    """Where its offers came from: the server, or the router that relayed them. Empty if unknown."""

    def __str__(self) -> str:
        return f"{self.address} ({self.mac})" if self.mac else self.address


class Half(NamedTuple):
    """A NIC of a host's bond by which the gateway does not answer, while it does by another."""

    host: str
    nic: str

    def __str__(self) -> str:
        return f"{self.nic} of {self.host}"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What all hosts found of one checked gateway on one segment.

    Only what is told counts: a silence that is still in doubt is not among it.
    """

    networks: tuple[str, ...]
    """The networks that ask for it, as namespace/name."""
    cluster_network: str
    vlan: int
    answering: frozenset[str] = NOBODY
    """Hosts that the gateway answers on the VLAN."""
    silent: frozenset[str] = NOBODY
    """Hosts that it does not answer."""
    faults: Mapping[str, Fault] = field(default_factory=dict)
    """Hosts that could not probe, and why."""
    offered: frozenset[str] = NOBODY
    """Hosts that a DHCP server answered since the present trouble began."""
    is_unoffered: bool = False
    """Whether it is told that no DHCP server makes an offer."""
    is_unrouted: bool = False
    """Whether it is told that no host reaches the gateway through its routing."""
    is_routed: bool = False
    """Whether some host does."""
    gateway: IPv4Address | None = None
    gateway_mac: str = ""
    """The MAC address by which the gateway answered last; empty if unknown."""
    servers: frozenset[Server] = frozenset()
    """The DHCP servers that have served it; they may be silent now."""
    strangers: frozenset[Server] = frozenset()
    """DHCP servers that should not be there."""
    native: frozenset[str] = NOBODY
    """Hosts that hear the VLAN without its tag: it is native, or untagged, on their switch ports."""
    behind: frozenset[str] = NOBODY
    """Hosts whose bridge does not pass the VLAN on to their VMs."""
    halves: frozenset[Half] = frozenset()
    """NICs whose switch port seems to lack the VLAN."""

    @property
    def is_clean(self) -> bool:
        """Whether there is nothing to explain."""
        hosts = self.silent or self.faults or self.native or self.behind or self.halves
        return not (hosts or self.is_unoffered or self.is_unrouted or self.strangers)

    @property
    def is_silent_everywhere(self) -> bool:
        """Whether the gateway answers no host on the VLAN, and some could tell."""
        return bool(self.silent) and not self.answering

    @property
    def is_heard(self) -> bool:
        """Whether anything answered on the VLAN, on any host."""
        return bool(self.answering or self.offered)

    @property
    def segment(self) -> tuple[str, int]:
        """The cluster network and the VLAN."""
        return self.cluster_network, self.vlan


class SymptomKind(StrEnum):
    """What is wrong, before it is known why."""

    FAULT = "fault"
    """A host could not probe."""
    SILENT = "silent"
    """The gateway does not answer a host on the VLAN."""
    NATIVE = "native"
    """A host hears the VLAN without its tag."""
    BEHIND = "behind"
    """A host's bridge does not pass the VLAN on to its VMs."""
    HALF = "half"
    """The gateway does not answer by one NIC of a bond."""
    UNOFFERED = "unoffered"
    """No DHCP server makes an offer."""
    UNROUTED = "unrouted"
    """No host reaches the gateway through its routing."""
    STRANGER = "stranger"
    """A DHCP server makes offers that should not be there."""


class Symptom(NamedTuple):
    """One thing to explain."""

    row: int
    """Index of the Evidence."""
    kind: SymptomKind
    who: str = ""
    """The host, its NIC, or the stranger; empty if it concerns the whole network."""


def symptoms_of(row: int, found: Evidence) -> list[Symptom]:
    """Return what is to be explained about the network."""
    symptoms = [Symptom(row, SymptomKind.FAULT, host) for host in sorted(found.faults)]
    symptoms += [Symptom(row, SymptomKind.SILENT, host) for host in sorted(found.silent)]
    symptoms += [Symptom(row, SymptomKind.NATIVE, host) for host in sorted(found.native)]
    symptoms += [Symptom(row, SymptomKind.BEHIND, host) for host in sorted(found.behind)]
    symptoms += [Symptom(row, SymptomKind.HALF, str(half)) for half in sorted(found.halves)]
    if found.is_unoffered:
        symptoms.append(Symptom(row, SymptomKind.UNOFFERED))
    if found.is_unrouted:
        symptoms.append(Symptom(row, SymptomKind.UNROUTED))
    symptoms += [Symptom(row, SymptomKind.STRANGER, str(server)) for server in sorted(found.strangers)]
    return symptoms
