"""Which version of each network a watch has told about: what makes a list or an event news, or not."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from services.network.parse.nad import Network, NetworkRef

log = structlog.get_logger(__name__)


class NetworkListener(Protocol):
    """Who is told of networks. Called by the watch's thread alone, so quickly done."""

    def upserted(self, network: Network) -> None:
        """A network is new, or another version than the last."""
        ...

    def deleted(self, ref: NetworkRef, uid: str) -> None:
        """A network is gone."""
        ...


@dataclass(frozen=True)
class _Version:
    uid: str
    resource_version: str


def is_older(version: str, than: str) -> bool:
    """Whether a resourceVersion is older: comparable only where both are whole numbers."""
    return version.isdecimal() and than.isdecimal() and int(version) < int(than)


class Tracker:
    """Passes on to a listener what differs from what it was told before."""

    def __init__(self, listener: NetworkListener) -> None:
        self._listener = listener
        self._known: dict[NetworkRef, _Version] = {}

    def listed(self, networks: Sequence[Network], *, accept_older: bool = False) -> None:
        """Take a whole list: what is not in it any more was deleted meanwhile.

        accept_older: the list stands even where it is older than what is known, as after a restored backup.
        """
        present = {network.ref for network in networks}
        for ref in [ref for ref in self._known if ref not in present]:
            self._forget(ref)
        for network in networks:
            self._take(network, accept_older=accept_older)

    def changed(self, network: Network) -> None:
        """Take one version; one that is older than the known one changes nothing."""
        self._take(network, accept_older=False)

    def removed(self, network: Network) -> None:
        """Take a deletion; that of an object which another has already followed changes nothing."""
        known = self._known.get(network.ref)
        if known is not None and known.uid == network.uid:
            self._forget(network.ref)

    def _take(self, network: Network, *, accept_older: bool) -> None:
        known = self._known.get(network.ref)
        version = _Version(network.uid, network.resource_version)
        if known == version:
            return
        if known is not None:
            # Of the same object, and of a predecessor under the same name alike: revisions only grow.
            older = is_older(version.resource_version, than=known.resource_version)
            if older and not accept_older:
                return
            if older or known.uid != version.uid:
                self._forget(network.ref)
        self._known[network.ref] = version
        try:
            self._listener.upserted(network)
        except Exception:
            # One network that a listener stumbles over must not hide all others from it.
            log.exception("listener failed", network=str(network.ref))

    def _forget(self, ref: NetworkRef) -> None:
        try:
            self._listener.deleted(ref, self._known.pop(ref).uid)
        except Exception:
            log.exception("listener failed", network=str(ref))
