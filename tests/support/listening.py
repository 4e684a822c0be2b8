"""A NetworkListener for tests to wait on."""

import threading
from collections.abc import Callable

from services.network.parse.nad import Network

TIMEOUT_S = 60.0


class Recorder:
    """A NetworkListener that records every call and keeps the resulting networks."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, str]] = []
        """"upserted" or "deleted", the name, and the resourceVersion or uid."""
        self.networks: dict[str, Network] = {}
        """By uid."""
        self._changed = threading.Condition()

    def upserted(self, network: Network) -> None:
        with self._changed:
            self.calls.append(("upserted", network.ref.name, network.resource_version))
            self.networks[network.uid] = network
            self._changed.notify_all()

    def deleted(self, uid: str) -> None:
        with self._changed:
            gone = self.networks.pop(uid, None)
            self.calls.append(("deleted", gone.ref.name if gone else "", uid))
            self._changed.notify_all()

    def names(self) -> set[str]:
        """Return the networks that exist by the calls so far."""
        with self._changed:
            return {network.ref.name for network in self.networks.values()}

    def wait(self, condition: Callable[["Recorder"], bool], timeout_s: float = TIMEOUT_S) -> None:
        """Wait until the condition holds; otherwise raise AssertionError with all calls."""
        with self._changed:
            assert self._changed.wait_for(lambda: condition(self), timeout_s), self.calls

    def annotation(self, name: str, key: str) -> str | None:
        """Return an annotation of a network's newest version."""
        return next((n.annotations.get(key) for n in self.networks.values() if n.ref.name == name), None)
