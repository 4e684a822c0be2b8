"""Clients of an API server."""

from pathlib import Path

from services.cluster.client import Cluster
from services.cluster.settings import ClusterSettings
from services.runtime.clock import SystemClock


def connect(kubeconfig: Path) -> Cluster:
    """Return a client with the default timeouts."""
    return Cluster(ClusterSettings(kubeconfig=kubeconfig), clock=SystemClock())
