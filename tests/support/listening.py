"""What a watch tells, kept for a test to wait on."""

import threading
from collections.abc import Callable

from services.network.parse.nad import Network, NetworkRef

TIMEOUT_S = 60.0


class Recorder:
    """A NetworkListener that keeps every call, and the networks that follow from them."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, str]] = []
        """upserted or deleted, the name, and the resourceVersion or uid."""
        self.networks: dict[NetworkRef, Network] = {}
        self._changed = threading.Condition()

    def upserted(self, network: Network) -> None:
        with self._changed:
            self.calls.append(("upserted", network.ref.name, network.resource_version))
            self.networks[network.ref] = network
            self._changed.notify_all()

    def deleted(self, ref: NetworkRef, uid: str) -> None:
        with self._changed:
            self.calls.append(("deleted", ref.name, uid))
            self.networks.pop(ref, None)
            self._changed.notify_all()

    def names(self) -> set[str]:
        """The networks that are there, as far as was told."""
        with self._changed:
            return {ref.name for ref in self.networks}

    def wait(self, condition: Callable[["Recorder"], bool], timeout_s: float = TIMEOUT_S) -> None:
        """Until it holds; AssertionError with all calls otherwise."""
        with self._changed:
            assert self._changed.wait_for(lambda: condition(self), timeout_s), self.calls

    def annotation(self, name: str, key: str) -> str | None:
        """An annotation of a network, as it was last told."""
        return next((n.annotations.get(key) for r, n in self.networks.items() if r.name == name), None)
