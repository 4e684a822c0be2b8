"""Clients of an API server."""

from pathlib import Path

from services.cluster.client import Cluster
from services.cluster.settings import ClusterSettings


def connect(kubeconfig: Path) -> Cluster:
    """Return a client with the default timeouts."""
    return Cluster(ClusterSettings(kubeconfig=kubeconfig))
