"""Where other threads leave what happened, for the one thread that decides.

It holds the newest version of each network and no more, so a storm of edits costs no memory and one look.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace

from services.network.parse.nad import Network, NetworkRef
from services.runtime.clock import Clock
from services.watcher.hosts import Look


@dataclass(frozen=True)
class Mail:
    """What happened since the last time. networks: None for one that is gone. look: None for no news."""

    networks: Mapping[NetworkRef, Network | None]
    look: Look | None


class Mailbox:
    """A NetworkListener, and more. Safe to share by threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._arrived = threading.Event()
        self._networks: dict[NetworkRef, Network | None] = {}
        self._look: Look | None = None

    def upserted(self, network: Network) -> None:
        """A network is new or changed."""
        with self._lock:
            self._networks[network.ref] = network
            self._arrived.set()

    def deleted(self, ref: NetworkRef, uid: str) -> None:  # noqa: ARG002 - a NetworkListener
        """A network is gone."""
        with self._lock:
            self._networks[ref] = None
            self._arrived.set()

    def looked(self, look: Look) -> None:
        """This is what stands in Redis now."""
        with self._lock:
            lost = look.lost or (self._look is not None and self._look.lost)
            self._look = replace(look, lost=lost)
            self._arrived.set()

    def wake(self) -> None:
        """End a wait: something else happened."""
        self._arrived.set()

    def take(self, timeout_s: float) -> Mail:
        """Wait until something is there or the time is over, and take all of it."""
        if timeout_s > 0:
            self._clock.wait(self._arrived, timeout_s)
        with self._lock:
            self._arrived.clear()
            mail = Mail(self._networks, self._look)
            self._networks, self._look = {}, None
            return mail
