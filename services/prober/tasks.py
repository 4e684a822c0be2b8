"""The Celery tasks: a probe, with its verdicts when awaited, and a report in full of what was repeated."""

import contextlib
import queue
import threading
from collections.abc import Callable
from typing import Any

import redis
import structlog
from celery import Celery

from services.contract.errors import MessageRefused
from services.contract.messages import ProbeRequest, Verdict
from services.contract.names import FULL_TASK, PROBE_TASK
from services.contract.reports import FullRequest
from services.prober.engine.results import SegmentResult
from services.prober.host_lock import HostLock
from services.prober.lease_pauses import LeasePauses
from services.prober.loop.runner import Runner
from services.prober.metrics import ProberMetrics
from services.prober.reporter import Reporter, clear_outstanding
from services.prober.uplinks import Uplinks
from services.runtime.connection.redis_client import time_ms
from services.runtime.stored import dead_letters

log = structlog.get_logger(__name__)

MAX_OPEN_SEGMENTS = 20_000
"""Open segments beyond which a task blocks: five times the VLANs of one uplink."""

Progress = Callable[[int, int], None]
"""Called with (segments done, segments in total)."""


class ProbeService:
    """Runs probe requests. Thread-safe."""

    def __init__(
        self,
        *,
        host: str,
        uplinks: Uplinks,
        runner: Runner,
        reporter: Reporter,
        client: redis.Redis,
        lock: HostLock,
        metrics: ProberMetrics,
        pauses: LeasePauses,
    ) -> None:
        self._lock = lock
        self._pauses = pauses
        self._metrics = metrics
        self._host = host
        self._uplinks = uplinks
        self._runner = runner
        self._reporter = reporter
        self._client = client
        self._room = threading.BoundedSemaphore(MAX_OPEN_SEGMENTS)

    def probe(self, body: object, *, progress: Progress | None) -> list[dict[str, object]]:
        """Run a request; a refused one is recorded as a dead letter.

        Without progress, submits the segments and returns an empty list; their verdicts are reported later.
        With it, returns the verdicts once all are there, which the engine's deadlines bound.
        """
        try:
            request = ProbeRequest.from_wire(body)
        except MessageRefused as error:
            self._record("malformed", str(error), body)
            return []
        refusal = self._refusal(request)
        if refusal is not None:
            self._record(*refusal, body)
            done = [(segment, request.id) for segment in request.probed()]
            clear_outstanding(self._client, host=request.host, done=done)
            return []
        self._metrics.request_taken()
        log.debug(
            "request taken",
            request=request.id,
            cluster_network=request.cluster_network,
            segments=len(request.segments),
            waited_for=progress is not None,
        )
        if progress is None:
            self._submit(request, deliver=None)
            return []
        verdicts: queue.SimpleQueue[Verdict] = queue.SimpleQueue()
        total = len(request.segments)
        progress(0, total)
        self._submit(request, deliver=verdicts.put)
        messages: list[dict[str, object]] = []
        while len(messages) < total:
            messages.append(verdicts.get().to_wire())
            # Verdicts arrive in batches, one per REPORT_INTERVAL_S: report progress once per batch.
            while not verdicts.empty():
                messages.append(verdicts.get().to_wire())
            progress(len(messages), total)
        return messages

    def report_in_full(self, body: object) -> None:
        """Report in full what was repeated; a refused request is recorded as a dead letter."""
        try:
            request = FullRequest.from_wire(body)
        except MessageRefused as error:
            self._record("malformed", str(error), body)
            return
        if request.host != self._host:
            self._record("wrong_host", f"host: expected {self._host}, got {request.host}", body)
            return
        self._reporter.report_in_full(request.segments)

    def _submit(self, request: ProbeRequest, *, deliver: Callable[[Verdict], None] | None) -> None:
        def done(result: SegmentResult) -> None:
            self._room.release()
            self._metrics.segment_closed()
            self._reporter.add(result, request_id=request.id, deliver=deliver)

        for probe in self._pauses.apply(request.cluster_network, request.segments):
            self._room.acquire()
            self._metrics.segment_opened()
            self._runner.submit(request.cluster_network, probe, done)

    def _refusal(self, request: ProbeRequest) -> tuple[str, str] | None:
        """Return why the request is refused: one of metrics.REFUSALS, and the reason as text."""
        if request.host != self._host:
            return "wrong_host", f"host: expected {self._host}, got {request.host}"
        if not self._lock.holds():
            return "name_not_held", f"host: {self._lock.problem()}"
        if not self._has_uplink(request.cluster_network):
            known = ", ".join(sorted(self._uplinks.current()))
            reason = f"cluster_network: expected one of {known}, got {request.cluster_network}"
            return "unknown_cluster_network", reason
        try:
            age_ms = time_ms(self._client) - request.sent_at_ms
        except redis.RedisError as error:
            # The request came through Redis a moment ago: accept it.
            log.warning("age of request unknown", error=str(error))
            return None
        if age_ms > request.max_age_ms:
            return "too_old", f"too old: sent {age_ms} ms ago, expected at most {request.max_age_ms}"
        return None

    def _has_uplink(self, cluster_network: str) -> bool:
        if cluster_network not in self._uplinks.current():
            with contextlib.suppress(OSError):
                self._uplinks.refresh()
        return cluster_network in self._uplinks.current()

    def _record(self, code: str, reason: str, body: object) -> None:
        self._metrics.request_refused(code)
        dead_letters.record(self._client, where=f"prober@{self._host}", reason=reason, body=body)


def register(app: Celery, service: ProbeService) -> None:
    """Register the tasks, with any arguments: the service refuses what is not a request."""

    @app.task(name=PROBE_TASK, bind=True)  # type: ignore[untyped-decorator]
    def probe(task: Any, *args: object, **kwargs: object) -> list[dict[str, object]]:
        body = _request(args, kwargs)
        awaited = task.request.ignore_result is False
        return service.probe(body, progress=_progress(task) if awaited else None)

    @app.task(name=FULL_TASK)  # type: ignore[untyped-decorator]
    def report_in_full(*args: object, **kwargs: object) -> None:
        service.report_in_full(_request(args, kwargs))


def _request(args: tuple[object, ...], kwargs: dict[str, object]) -> object:
    return kwargs.get("request", args[0] if args else None)


def _progress(task: Any) -> Progress:
    def update(done: int, total: int) -> None:
        task.update_state(state="PROGRESS", meta={"done": done, "total": total})

    return update
