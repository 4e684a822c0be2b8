"""A cache of all networks, fed by a watch."""

import threading
from collections.abc import Callable

from services.cluster.tracking import is_older
from services.contract.messages import Segment
from services.network.parse.nad import Network, NetworkRef

SegmentOf = Callable[[Network], Segment | None]
"""Returns the segment of a network, or None."""


class NetworkCache:
    """A NetworkListener that keeps the newest version of each network. Thread-safe."""

    def __init__(self, segment_of: SegmentOf = lambda _: None) -> None:
        """segment_of is called once per version of a network."""
        self._segment_of = segment_of
        self._lock = threading.Lock()
        self._networks: dict[NetworkRef, Network] = {}
        self._segments: dict[NetworkRef, Segment] = {}
        self._by_segment: dict[Segment, set[NetworkRef]] = {}

    def upserted(self, network: Network) -> None:
        """Take a version; an older version of the same object never replaces a newer one."""
        self._put(network, only_present=False)

    def written(self, network: Network) -> None:
        """Take the response to a write, ahead of its event, unless the watch saw the object deleted."""
        self._put(network, only_present=True)

    def deleted(self, ref: NetworkRef, uid: str) -> None:
        """Forget a network, unless another one has its name by now."""
        with self._lock:
            present = self._networks.get(ref)
            if present is not None and present.uid == uid:
                self._drop(ref)

    def get(self, ref: NetworkRef) -> Network | None:
        """Return the newest known version of the network."""
        with self._lock:
            return self._networks.get(ref)

    def snapshot(self) -> list[Network]:
        """Return all networks, by namespace and name."""
        with self._lock:
            return [self._networks[ref] for ref in sorted(self._networks)]

    def on_segment(self, segment: Segment) -> list[Network]:
        """Return all networks on this segment, by namespace and name."""
        with self._lock:
            return [self._networks[ref] for ref in sorted(self._by_segment.get(segment, ()))]

    def _put(self, network: Network, *, only_present: bool) -> None:
        segment = self._segment_of(network)
        with self._lock:
            present = self._networks.get(network.ref)
            same = present is not None and present.uid == network.uid
            if only_present and not same:
                return
            # An event from before our write may arrive after the response to it.
            if same and present and is_older(network.resource_version, than=present.resource_version):
                return
            self._drop(network.ref)
            self._networks[network.ref] = network
            if segment is not None:
                self._segments[network.ref] = segment
                self._by_segment.setdefault(segment, set()).add(network.ref)

    def _drop(self, ref: NetworkRef) -> None:
        self._networks.pop(ref, None)
        segment = self._segments.pop(ref, None)
        if segment is not None:
            refs = self._by_segment[segment]
            refs.discard(ref)
            if not refs:
                del self._by_segment[segment]
