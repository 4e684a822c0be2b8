"""Settings of every service that uses the Kubernetes API."""

from ipaddress import IPv4Network
from pathlib import Path
from typing import ClassVar, Literal

from services.contract.gateways import DENIED_SUBNETS
from services.network.policy import Policy
from services.runtime.connection.settings import Seconds, ServiceSettings


class ClusterSettings(ServiceSettings):
    """The API server and its timeouts."""

    HEADING: ClassVar[str] = "Kubernetes"

    kubeconfig: Path | None = None
    """A kubeconfig. Default: the pod's service account, $KUBECONFIG or ~/.kube/config."""
    api_connect_timeout_s: Seconds = 5.0
    """Timeout in seconds for connecting to the API server."""
    api_read_timeout_s: Seconds = 15.0
    """Timeout in seconds for reading from the API server: the longest silence."""
    api_write_timeout_s: Seconds = 30.0
    """Timeout in seconds for a write: longer than the 20 s that a frozen webhook may hold it."""
    watch_silence_s: Seconds = 20.0
    """Seconds of silence after which a watch counts as broken. The server is asked to end each watch sooner,
    so a longer silence is a fault, however quiet the cluster is."""


class PolicySettings(ClusterSettings):
    """The policy: watcher, updater and command line need the same values to treat networks alike."""

    HEADING: ClassVar[str] = "Networks"

    default_mode: Literal["auto", "off"] = "auto"
    """Networks without a route annotation: auto probes them like Harvester's auto mode, off ignores them."""
    active_when: Literal["routed", "vlan"] = "routed"
    """When connectivity is "true": routed as in Harvester, or vlan: when all hosts reach the gateway."""
    denied_subnets: tuple[IPv4Network, ...] = DENIED_SUBNETS
    """Subnets whose addresses are refused as gateways, so that no host probes them, and that no subnet from
    DHCP may overlap. A value replaces the default: repeat those defaults that shall still apply."""
    namespaces: frozenset[str] = frozenset()
    """Namespaces whose networks are managed; all if empty. Nothing is written to other networks."""
    cluster_networks: frozenset[str] = frozenset()
    """Cluster networks whose networks are managed; all if empty."""

    @property
    def policy(self) -> Policy:
        """Return the policy as services.network takes it."""
        return Policy(
            default_mode=self.default_mode,
            active_when=self.active_when,
            denied_subnets=self.denied_subnets,
            namespaces=self.namespaces,
            cluster_networks=self.cluster_networks,
        )


class LeaseSettings(ClusterSettings):
    """Leader election."""

    HEADING: ClassVar[str] = "Leader election"

    leader_election: bool = True
    """Whether a Lease decides which of several processes of this service acts. Without it, run only one."""
    lease_name: str = ""
    """The Lease's name."""
    lease_namespace: str = ""
    """The Lease's namespace; empty: the pod's own, or `default`."""
    lease_identity: str = ""
    """This process's identity in the Lease; empty: the host name and a random suffix. A process that is
    started again under the same identity leads at once."""
