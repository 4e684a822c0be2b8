"""Leader election by a coordination.k8s.io/v1 Lease: one of several processes acts, the others stand by.

No clocks are compared between machines. A holder is gone when its record has not changed for its own
duration, by our monotonic clock. We have lost the Lease when our last renewal, timed before it was sent, is
older than the duration that we promised.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

import structlog

from services.cluster.client import Cluster
from services.cluster.errors import ClusterError, Conflict, NotFound, Throttled
from services.runtime.process.clock import Clock
from services.runtime.process.repeating import RepeatingThread

DURATION_S = 15
RETRY_S = 2.0
TIMEOUT_S = 4.0
"""Per request: two attempts and the pause between them fit into the duration."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _Record:
    """The Lease, and when it was first seen in this form (monotonic seconds)."""

    body: Mapping[str, object]
    observed_at: float

    @property
    def holder(self) -> str:
        return str(self.field("holderIdentity") or "")

    @property
    def transitions(self) -> int:
        value = self.field("leaseTransitions")
        return value if isinstance(value, int) else 0

    @property
    def duration_s(self) -> float:
        value = self.field("leaseDurationSeconds")
        return float(value) if isinstance(value, int) and value > 0 else float(DURATION_S)

    def field(self, name: str) -> object:
        spec = self.body.get("spec")
        return spec.get(name) if isinstance(spec, Mapping) else None


class LeaderLease(RepeatingThread):
    """Holds or waits for one Lease; stop() releases it."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        name: str,
        namespace: str,
        identity: str,
        clock: Clock,
        on_change: Callable[[bool], None],
    ) -> None:
        """on_change is called from the lease's thread with True on becoming leader, False on losing it."""
        super().__init__(
            "leader-lease",
            self.attempt,
            clock=clock,
            interval_s=RETRY_S,
            # So that another process need not wait for it to expire.
            finish=self._release,
        )
        self._cluster = cluster
        self._name = name
        self._leases = f"/apis/coordination.k8s.io/v1/namespaces/{quote(namespace, safe='')}/leases"
        self._path = f"{self._leases}/{quote(name, safe='')}"
        self._namespace = namespace
        self._identity = identity
        self._on_change = on_change
        self._record: _Record | None = None
        self._led_until = float("-inf")
        self._refused_until = float("-inf")
        """The end of the pause that the API server has asked for by its last 429."""
        self._reported_leading = False
        self._logged: tuple[str, bool] | None = None

    @property
    def is_leader(self) -> bool:
        """Whether we lead now; becomes false when the duration is over, whatever the thread is doing."""
        return self._clock.monotonic() < self._led_until

    def attempt(self) -> None:
        """Acquire, renew or observe the Lease once, unless the API server has asked for a longer pause.

        Its errors are logged, not raised.
        """
        if self._clock.monotonic() < self._refused_until:
            self._report()
            return
        try:
            self._try()
        except (Conflict, NotFound):
            # Another process was faster; the next attempt reads its record.
            log.debug("lease changed concurrently", lease=self._name)
        except ClusterError as error:
            if isinstance(error, Throttled):
                self._refused_until = self._clock.monotonic() + error.retry_after_s
            self._log_failure(str(error))
        else:
            self._logged = None
        self._report()

    def _log_failure(self, error: str) -> None:
        """Log a warning unless the last one was the same: an outage may last for hours."""
        failure = (error, self.is_leader)
        write_log = log.debug if failure == self._logged else log.warning
        self._logged = failure
        write_log("lease not renewed", lease=self._name, error=error, leader=self.is_leader)

    def _try(self) -> None:
        if self.is_leader and self._record is not None:
            try:
                self._put(self._record)
                return
            except (Conflict, NotFound):
                log.debug("lease changed by another", lease=self._name)
        asked_at = self._clock.monotonic()
        try:
            body = self._request("GET", self._path)
        except NotFound:
            self._hold(self._request("POST", self._leases, self._next(None)), asked_at)
            return
        record = self._observe(body)
        expired = self._clock.monotonic() - record.observed_at >= record.duration_s
        if record.holder not in ("", self._identity) and not expired:
            self._led_until = float("-inf")
            return
        self._put(record)

    def _put(self, record: _Record) -> None:
        """Take or renew the Lease. The PUT names this version: of two processes, one gets 409."""
        asked_at = self._clock.monotonic()
        self._hold(self._request("PUT", self._path, self._next(record)), asked_at)

    def _observe(self, body: Mapping[str, object]) -> _Record:
        """Return the record with the time when it was first seen in this form."""
        fresh = _Record(body, self._clock.monotonic())
        known = self._record
        if known is None or known.body.get("spec") != body.get("spec"):
            self._record = fresh
            return fresh
        self._record = _Record(body, known.observed_at)
        return self._record

    def _hold(self, body: Mapping[str, object], asked_at: float) -> None:
        self._record = _Record(body, self._clock.monotonic())
        self._led_until = asked_at + DURATION_S

    def _next(self, record: _Record | None) -> dict[str, object]:
        """Return the Lease with us as its holder; its timestamps are for people only."""
        now = self._clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        ours = record is not None and record.holder == self._identity
        spec = {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": DURATION_S,
            "acquireTime": (record.field("acquireTime") if ours and record else None) or now,
            "renewTime": now,
            "leaseTransitions": 0 if record is None else record.transitions + (0 if ours else 1),
        }
        return self._body(record, spec)

    def _body(self, record: _Record | None, spec: Mapping[str, object]) -> dict[str, object]:
        metadata: Mapping[str, object] = {"name": self._name, "namespace": self._namespace}
        if record is not None and isinstance(present := record.body.get("metadata"), Mapping):
            metadata = present
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": dict(metadata),
            "spec": dict(spec),
        }

    def _release(self) -> None:
        was_leader, record = self.is_leader, self._record
        self._led_until = float("-inf")
        self._report()
        if not was_leader or record is None:
            return
        spec = record.body.get("spec")
        released = {**(spec if isinstance(spec, Mapping) else {}), "holderIdentity": ""}
        try:
            self._request("PUT", self._path, self._body(record, released))
        except ClusterError as error:
            log.warning("lease not released", lease=self._name, error=str(error))

    def _request(self, method: str, path: str, body: object = None) -> Mapping[str, object]:
        return self._cluster.transport.request(method, path, body=body, timeout_s=(TIMEOUT_S, TIMEOUT_S))

    def _report(self) -> None:
        leading = self.is_leader
        if leading != self._reported_leading:
            self._reported_leading = leading
            log.info("leading" if leading else "standing by", lease=self._name, identity=self._identity)
            self._on_change(leading)
