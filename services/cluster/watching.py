"""Watching networks in three nested loops: forever, until 410, and one request.

_forever survives every failure, _continuous lists once and then watches until the server has forgotten our
resourceVersion, and _one is a single request. Silence is a failure: the server is asked to end each watch
earlier, so a stream that is silent for longer is broken, however quiet the cluster is.
"""

import json
import threading
from collections.abc import Callable
from contextlib import closing

import structlog

from services.cluster.client import Cluster, read_network
from services.cluster.errors import ClusterError, Expired, Unavailable, backoff_s, from_error_event
from services.cluster.http.event_stream import EventStream
from services.cluster.metrics import WatchMetrics
from services.cluster.tracking import NetworkListener, Tracker, is_older
from services.runtime.process.clock import Clock
from services.runtime.process.repeating import is_alive

STALE_LISTS_REFUSED = 5
"""Lists older than what was seen that are refused in a row; one more means a cluster restored from backup."""
STOP_TIMEOUT_S = 5.0
RECONNECT_CAP_S = 1.0
"""A returning server is noticed at once, and a site's few watches do not come at the same moment."""
SHORT_WATCH_S = 1.0
"""A watch that ends sooner without an event has failed, even without an error."""

log = structlog.get_logger(__name__)


class NetworkWatch:
    """Reports every network and every change to a listener, from its own thread, until stopped."""

    def __init__(
        self,
        cluster: Cluster,
        listener: NetworkListener,
        *,
        random: Callable[[], float],
        clock: Clock,
        silence_s: float,
        metrics: WatchMetrics,
    ) -> None:
        """random gives numbers from 0 to 1; silence_s: silence after which a stream counts as broken."""
        self._metrics = metrics
        self.synced = threading.Event()
        """Set once the listener has received a complete list."""
        self._cluster = cluster
        self._tracker = Tracker(listener, metrics=metrics)
        self._random = random
        self._clock = clock
        self._silence_s = silence_s
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._stream: EventStream | None = None
        self._version = ""
        self._stale_lists = 0
        self._failures = 0
        self._heard_at = self._clock.monotonic()
        self._thread = threading.Thread(target=self._forever, name="network-watch", daemon=True)

    @property
    def is_alive(self) -> bool:
        """Whether its thread runs."""
        return is_alive(self._thread, self._stopping)

    @property
    def silent_s(self) -> float:
        """Seconds since the server last answered: the listener knows nothing newer.

        A server that is well is heard within silence_s, because it is asked to end each watch sooner.
        """
        return self._clock.monotonic() - self._heard_at

    def problem(self) -> str | None:
        """Return why the listener does not know all networks yet; None once it does."""
        return None if self.synced.is_set() else "the networks are not listed yet"

    def start(self) -> None:
        """Start; the listener is called from the watch's thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop, even during a silent stream; the listener is not called afterwards."""
        self._stopping.set()
        with self._lock:
            if self._stream is not None:
                self._stream.abort()
        if self._thread.is_alive():
            self._thread.join(STOP_TIMEOUT_S)

    def _forever(self) -> None:
        while not self._stopping.is_set():
            try:
                self._continuous()
            except ClusterError as error:
                self._pause(error)
            except Exception as error:
                # A watch that ends silently would be worse than any error.
                log.exception("watch failed")
                self._pause(Unavailable(repr(error)))

    def _continuous(self) -> None:
        """List, then watch until Expired; a stale list raises Unavailable."""
        self._list()
        while not self._stopping.is_set():
            try:
                self._one()
            except Expired:
                raise
            except ClusterError as error:
                # The stream broke, but the server may still know our version: no need to list again.
                self._pause(error)

    def _list(self) -> None:
        networks, version = self._cluster.list_networks()
        self._heard_at = self._clock.monotonic()
        stale = is_older(version, than=self._version)
        if stale and self._stale_lists < STALE_LISTS_REFUSED:
            self._stale_lists += 1
            raise Unavailable(f"the list has version {version}, older than {self._version} seen before")
        self._stale_lists = 0
        self._version = version
        if self._stopping.is_set():
            return
        self._tracker.listed(networks, accept_older=stale)
        self.synced.set()
        self._metrics.synced()
        log.info("networks listed", networks=len(networks), resource_version=version)

    def _one(self) -> None:
        # Jitter: watches that began together do not end together.
        server_timeout_s = max(1, int(self._silence_s * (0.5 + 0.25 * self._random())))
        began, events = self._clock.monotonic(), 0
        stream = self._cluster.watch_networks(
            self._version, server_timeout_s=server_timeout_s, silence_s=self._silence_s
        )
        self._heard_at = self._clock.monotonic()
        with self._lock:
            self._stream = stream
            if self._stopping.is_set():
                stream.abort()
        try:
            with closing(stream):
                for line in stream:
                    if self._stopping.is_set():
                        return
                    self._heard_at = self._clock.monotonic()
                    self._take(line)
                    self._failures = 0
                    events += 1
        finally:
            with self._lock:
                self._stream = None
        if not events and self._clock.monotonic() - began < SHORT_WATCH_S and not self._stopping.is_set():
            raise Unavailable("the server ends each watch immediately")
        self._heard_at = self._clock.monotonic()
        self._failures = 0

    def _take(self, line: bytes) -> None:
        """Process one event of the stream; raise the error of an ERROR event."""
        try:
            event = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise Unavailable(f"watch: not JSON: {error}") from None
        if not isinstance(event, dict) or not isinstance(event.get("object"), dict):
            raise Unavailable("watch: an event without an object")
        kind, body = event.get("type"), event["object"]
        if kind == "ERROR":
            raise from_error_event(body)
        if kind == "BOOKMARK":
            self._advance(body)
            return
        network = read_network(body)
        if network is not None:
            if kind == "DELETED":
                self._tracker.removed(network)
            else:
                self._tracker.changed(network)
        # Last: if processing fails, the event is requested again.
        self._advance(body)

    def _advance(self, body: dict[str, object]) -> None:
        metadata = body.get("metadata")
        version = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
        if isinstance(version, str) and version and not is_older(version, than=self._version):
            self._version = version

    def _pause(self, error: ClusterError) -> None:
        if self._stopping.is_set():
            return
        self._failures += 1
        self._metrics.failed(error)
        delay_s = backoff_s(self._failures, error, jitter=self._random(), cap_s=RECONNECT_CAP_S)
        log.warning(
            "watch interrupted",
            error=str(error),
            kind=type(error).__name__,
            attempt=self._failures,
            delay_s=round(delay_s, 2),
        )
        self._clock.wait(self._stopping, delay_s)
