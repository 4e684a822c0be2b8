"""What every service that talks to the cluster can be told about it."""

from ipaddress import IPv4Network
from pathlib import Path
from typing import Literal

from services.contract.gateways import DENIED_SUBNETS
from services.network.policy import Policy
from services.runtime.settings import Seconds, ServiceSettings


class ClusterSettings(ServiceSettings):
    """Where the API server is, and how long it may take."""

    kubeconfig: Path | None = None
    """A kubeconfig; without one the pod's service account, $KUBECONFIG or ~/.kube/config is used."""
    api_connect_timeout_s: Seconds = 5.0
    """Seconds to reach the API server before it counts as away."""
    api_read_timeout_s: Seconds = 15.0
    """Seconds of silence after which reading from the API server is given up."""
    api_write_timeout_s: Seconds = 30.0
    """Seconds a write may take: longer than the 20 after which a frozen webhook is answered for."""
    watch_silence_s: Seconds = 20.0
    """Seconds of silence after which a watch counts as broken. The server is asked to end each watch sooner,
    so a longer silence is a fault and never a quiet cluster."""


class PolicySettings(ClusterSettings):
    """What watcher, updater and command line must be told alike: or each would mean other networks."""

    default_mode: Literal["auto", "off"] = "auto"
    """A network without a route annotation: auto probes it as Harvester's auto mode, off leaves it alone."""
    active_when: Literal["routed", "vlan"] = "routed"
    """When connectivity is "true": routed, as Harvester says it, or vlan, when all hosts reach it."""
    denied_subnets: tuple[IPv4Network, ...] = DENIED_SUBNETS
    """Gateways in these are refused, whoever names them: no host is made to ask there. What is given takes
    the place of the default: repeat what of it still holds."""
    namespaces: frozenset[str] = frozenset()
    """Namespaces whose networks are looked after, all without any; nothing is written to other networks."""
    cluster_networks: frozenset[str] = frozenset()
    """Cluster networks whose networks are looked after, all without any."""

    @property
    def policy(self) -> Policy:
        """The same as the pure parts take it."""
        return Policy(
            default_mode=self.default_mode,
            active_when=self.active_when,
            denied_subnets=self.denied_subnets,
            namespaces=self.namespaces,
            cluster_networks=self.cluster_networks,
        )
