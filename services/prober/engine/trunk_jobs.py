"""The open segment jobs of one cluster network, and what they share."""

from typing import Protocol

from services.contract.outcomes import Depth, Fault
from services.prober.engine.routed_echoes import RoutedEchoes
from services.prober.engine.trunk import Trunk


class Job(Protocol):
    """A segment that is being probed."""

    def fail(self, fault: Fault) -> None:
        """Record why the open checks on the VLAN will have no result; the first fault stands."""
        ...

    def stop(self, now: float) -> None:
        """Report what is known now, and release the address."""
        ...


class TrunkJobs:
    """The open jobs of one trunk."""

    __slots__ = ("cluster_network", "depth", "echoes", "jobs", "trunk")

    def __init__(self, cluster_network: str, trunk: Trunk, echoes: RoutedEchoes | None, depth: Depth) -> None:
        """echoes: None if gateways are not checked through routing. depth: the least for every probe."""
        self.cluster_network = cluster_network
        self.trunk = trunk
        self.echoes = echoes
        self.depth = depth
        self.jobs: dict[Job, None] = {}
        """In the order of their start."""
