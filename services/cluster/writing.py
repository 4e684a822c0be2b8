"""What an updater sends to the API server: patches at once, Events behind them."""

from collections.abc import Mapping

from services.cluster.client import Cluster
from services.cluster.events.event_posting import EventPoster
from services.network.parse.nad import Network, NetworkRef
from services.network.reasons.events import Event


class ClusterWriter:
    """Writes networks. Thread-safe."""

    def __init__(self, cluster: Cluster, events: EventPoster) -> None:
        self._cluster = cluster
        self._events = events

    def get_network(self, ref: NetworkRef) -> Network:
        """See Cluster.get_network."""
        return self._cluster.get_network(ref)

    def annotate(self, network: Network, annotations: Mapping[str, str | None]) -> Network:
        """See Cluster.annotate."""
        return self._cluster.annotate(network, annotations)

    def post_event(self, network: Network, event: Event) -> None:
        """Queue an Event; never raises."""
        self._events.add(network, event)
