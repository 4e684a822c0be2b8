"""A watcher in a thread, between an API server and a real Redis, and the probers' side of its queues."""

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from services.contract.messages import HostAnnouncement, ProbeRequest
from services.contract.names import PROBE_TASK, outstanding_key, probe_queue
from services.watcher.app import run
from services.watcher.settings import WatcherSettings
from tests.support.announcing import announce
from tests.support.kube_api import Networks
from tests.support.redis_server import RedisServer

TIMEOUT_S = 60.0


class Site:
    """What the watcher talks to, from a prober's side."""

    def __init__(self, redis_server: RedisServer) -> None:
        self.redis = redis_server
        self.taken: list[ProbeRequest] = []
        self.shadows: list[str] = []

    def announce(self, host: str, *, incarnation: int = 1, uplinks: dict[str, str] | None = None) -> None:
        announcement = HostAnnouncement(
            host=host, uplinks=uplinks or {"mgmt": "mgmt-bo"}, version="0", incarnation=incarnation
        )
        announce(self.redis.client, announcement)

    def take(self, host: str) -> list[ProbeRequest]:
        """Take what has arrived for a host, oldest first, as its prober reads it."""
        found = []
        while (raw := self.redis.client.rpop(probe_queue(host))) is not None:
            envelope = json.loads(str(raw))
            assert envelope["headers"]["task"] == PROBE_TASK
            assert envelope["headers"]["ignore_result"] is True
            args, kwargs, _ = json.loads(base64.b64decode(envelope["body"]))
            assert args == []
            found.append(ProbeRequest.from_wire(kwargs["request"]))
            self.shadows.append(envelope["headers"]["shadow"])
        self.taken += found
        return found

    def wait(self, host: str, wanted: Callable[[ProbeRequest], bool]) -> ProbeRequest:
        """Return the next wanted request for a host; earlier ones are taken too."""
        deadline = time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline:
            for request in self.take(host):
                if wanted(request):
                    return request
            threading.Event().wait(0.01)
        raise AssertionError(f"not among {self.taken}")

    def finish(self, request: ProbeRequest) -> None:
        """Release the request's segments, as the prober does after reporting."""
        for segment in request.probed():
            key = outstanding_key(request.host, segment)
            if self.redis.client.get(key) == request.id:
                self.redis.client.delete(key)


class Running:
    """A watcher in a thread."""

    def __init__(self, site: Site, networks: Networks, **more: object) -> None:
        # Without a limit of frames: no router answers here, and the tests need not wait for it.
        fields = {"lease_identity": "test", "host_poll_interval_s": 0.05, "pace": 0.0, **more}
        settings = WatcherSettings.load(redis_url=site.redis.url, kubeconfig=networks.kubeconfig, **fields)
        self._stop = threading.Event()
        self._failed: list[BaseException] = []
        self._thread = threading.Thread(target=self._run, args=(settings,))
        self._thread.start()

    def _run(self, settings: WatcherSettings) -> None:
        try:
            run(settings, self._stop)
        except BaseException as error:  # noqa: BLE001 - raised by stop()
            self._failed.append(error)

    def stop(self) -> None:
        """Stop the watcher and check that it ends cleanly and soon."""
        self._stop.set()
        self._thread.join(60)
        assert not self._thread.is_alive()
        assert not self._failed


@contextmanager
def watching(site: Site, networks: Networks, **more: object) -> Iterator[Running]:
    """Run a watcher during the block."""
    running = Running(site, networks, **more)
    try:
        yield running
    finally:
        running.stop()


def names_vlan(*vlans: int) -> Callable[[ProbeRequest], bool]:
    """Return whether a request contains all of these VLANs."""
    return lambda request: set(vlans) <= {probe.vlan for probe in request.segments}


def until(condition: Callable[[], bool]) -> None:
    """Poll until the condition holds."""
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.02)
