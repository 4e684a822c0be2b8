"""Tracking the version of each network that a watch has reported, to pass on only what is new."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from services.cluster.metrics import WatchMetrics
from services.network.parse.nad import Network, NetworkRef

log = structlog.get_logger(__name__)


class NetworkListener(Protocol):
    """Receives networks from a watch, in the watch's thread; its methods must return quickly."""

    def upserted(self, network: Network) -> None:
        """Take a new network, or a new version of one."""
        ...

    def deleted(self, uid: str) -> None:
        """Forget a network that is gone; its name may be another network's already."""
        ...


@dataclass(frozen=True)
class _Version:
    uid: str
    resource_version: str


def is_older(version: str, than: str) -> bool:
    """Return whether a resourceVersion is older; only whole numbers are comparable."""
    return version.isdecimal() and than.isdecimal() and int(version) < int(than)


class Tracker:
    """Passes to a listener what differs from what it has received before, and counts it."""

    def __init__(self, listener: NetworkListener, *, metrics: WatchMetrics) -> None:
        self._listener = listener
        self._metrics = metrics
        self._known: dict[NetworkRef, _Version] = {}

    def listed(self, networks: Sequence[Network], *, accept_older: bool = False) -> None:
        """Take a complete list; what is missing from it was deleted meanwhile.

        accept_older: take versions older than the known ones too, as after restoring a backup.
        """
        present = {network.ref for network in networks}
        for ref in [ref for ref in self._known if ref not in present]:
            self._forget(ref)
        for network in networks:
            self._take(network, accept_older=accept_older)

    def changed(self, network: Network) -> None:
        """Take one version; ignore it if it is older than the known one."""
        self._take(network, accept_older=False)

    def removed(self, network: Network) -> None:
        """Take a deletion; ignore it if another object already has the name."""
        known = self._known.get(network.ref)
        if known is not None and known.uid == network.uid:
            self._forget(network.ref)

    def _take(self, network: Network, *, accept_older: bool) -> None:
        known = self._known.get(network.ref)
        version = _Version(network.uid, network.resource_version)
        if known == version:
            return
        if known is not None:
            # For the same object and for a predecessor with its name alike: revisions only grow.
            older = is_older(version.resource_version, than=known.resource_version)
            if older and not accept_older:
                return
            if older or known.uid != version.uid:
                self._forget(network.ref)
        self._known[network.ref] = version
        self._metrics.upserted()
        try:
            self._listener.upserted(network)
        except Exception:
            # A listener that fails on one network must still receive the others.
            log.exception("listener failed", network=str(network.ref))

    def _forget(self, ref: NetworkRef) -> None:
        self._metrics.deleted()
        try:
            self._listener.deleted(self._known.pop(ref).uid)
        except Exception:
            log.exception("listener failed", network=str(ref))
