"""A cache of all networks, fed by a watch."""

import threading
from collections import Counter
from collections.abc import Callable

from services.cluster.tracking import is_older
from services.contract.messages import Segment
from services.network.parse.nad import Network

SegmentOf = Callable[[Network], Segment | None]
"""Returns the segment of a network, or None."""


class NetworkCache:
    """A NetworkListener that keeps the newest version of each network, by uid. Thread-safe.

    A name may be another network's a moment later, so nothing is found or forgotten by name.
    """

    def __init__(self, segment_of: SegmentOf = lambda _: None) -> None:
        """segment_of is called at most once per version of a network."""
        self._segment_of = segment_of
        self._lock = threading.Lock()
        self._networks: dict[str, Network] = {}
        self._segments: dict[str, Segment] = {}
        self._by_segment: dict[Segment, set[str]] = {}
        self._on_cluster_network: Counter[str] = Counter()
        """Segments with a network, by cluster network."""

    def upserted(self, network: Network, *, keeps_segment: bool = False) -> None:
        """Take a version; an older version of the same network never replaces a newer one.

        keeps_segment: nothing has changed that a segment depends on, so one that is known is not read anew.
        """
        self._put(network, only_present=False, keeps_segment=keeps_segment)

    def returned(self, network: Network, *, keeps_segment: bool = False) -> None:
        """Take what a read or a write returned, ahead of its event, unless the watch saw it deleted.

        keeps_segment: see upserted().
        """
        self._put(network, only_present=True, keeps_segment=keeps_segment)

    def deleted(self, uid: str) -> None:
        """Forget a network."""
        with self._lock:
            self._drop(uid)

    def get(self, uid: str) -> Network | None:
        """Return the newest known version of the network; None if it is unknown or gone."""
        with self._lock:
            return self._networks.get(uid)

    def snapshot(self) -> list[Network]:
        """Return all networks, by namespace and name."""
        with self._lock:
            return sorted(self._networks.values(), key=_by_name)

    def on_segment(self, segment: Segment) -> list[Network]:
        """Return all networks on this segment, by namespace and name."""
        with self._lock:
            found = [self._networks[uid] for uid in self._by_segment.get(segment, ())]
        return sorted(found, key=_by_name)

    def segments(self) -> list[Segment]:
        """Return all segments with a network."""
        with self._lock:
            return list(self._by_segment)

    def cluster_networks(self) -> set[str]:
        """Return all cluster networks of these segments."""
        with self._lock:
            return {name for name, segments in self._on_cluster_network.items() if segments}

    def find_segments_again(self) -> None:
        """Find every network's segment anew: what it depends on has changed."""
        for network in self.snapshot():
            self.returned(network)

    def _put(self, network: Network, *, only_present: bool, keeps_segment: bool = False) -> None:
        known = self._segments.get(network.uid) if keeps_segment else None
        segment = known or self._segment_of(network)
        with self._lock:
            present = self._networks.get(network.uid)
            if only_present and present is None:
                return
            # An event from before our write may arrive after the response to it.
            if present is not None and is_older(network.resource_version, than=present.resource_version):
                return
            self._drop(network.uid)
            self._networks[network.uid] = network
            if segment is not None:
                self._segments[network.uid] = segment
                if segment not in self._by_segment:
                    self._by_segment[segment] = set()
                    self._on_cluster_network[segment.cluster_network] += 1
                self._by_segment[segment].add(network.uid)

    def _drop(self, uid: str) -> None:
        self._networks.pop(uid, None)
        segment = self._segments.pop(uid, None)
        if segment is not None:
            uids = self._by_segment[segment]
            uids.discard(uid)
            if not uids:
                del self._by_segment[segment]
                self._on_cluster_network[segment.cluster_network] -= 1


def _by_name(network: Network) -> tuple[str, str]:
    return network.ref.namespace, network.ref.name
