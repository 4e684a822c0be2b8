"""A request from the queue to the engine, and its verdicts back to who waits: what the Celery task does."""

import contextlib
import queue
import threading
from collections.abc import Callable

import redis
import structlog

from services.contract.errors import MessageRefused
from services.contract.messages import ProbeRequest, Segment, Verdict
from services.prober import outstanding
from services.prober.engine.results import SegmentResult
from services.prober.loop.runner import Runner
from services.prober.metrics import ProberMetrics
from services.prober.reporter import Reporter
from services.prober.uplinks import Uplinks
from services.runtime import dead_letters
from services.runtime.redis_client import time_ms

log = structlog.get_logger(__name__)

MAX_IN_HAND = 20_000
"""Segments in hand beyond which a task waits: five times what one uplink has."""

Progress = Callable[[int, int], None]
"""Called with (segments done, segments in all)."""


class ProbeService:
    """Validates, submits and, where somebody waits, collects. Safe for threads."""

    def __init__(
        self,
        *,
        host: str,
        uplinks: Uplinks,
        runner: Runner,
        reporter: Reporter,
        client: redis.Redis,
        metrics: ProberMetrics | None = None,
    ) -> None:
        self._metrics = metrics or ProberMetrics()
        self._host = host
        self._uplinks = uplinks
        self._runner = runner
        self._reporter = reporter
        self._client = client
        self._room = threading.BoundedSemaphore(MAX_IN_HAND)

    def probe(self, body: object, *, progress: Progress | None) -> list[dict[str, object]]:
        """Do what the request says; what is refused is recorded and dropped.

        Without progress nobody waits: the segments are begun, their verdicts are reported when they come, and
        the list is empty. With it, returns the verdicts once all are there; the engine's deadlines bound it.
        """
        try:
            request = ProbeRequest.from_wire(body)
        except MessageRefused as error:
            self._record("malformed", str(error), body)
            return []
        refusal = self._refusal(request)
        if refusal is not None:
            self._record(*refusal, body)
            outstanding.clear(self._client, host=request.host, done=_marks(request))
            return []
        self._metrics.taken()
        log.debug(
            "probe taken",
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
        wires: list[dict[str, object]] = []
        while len(wires) < total:
            wires.append(verdicts.get().to_wire())
            # They come in batches, one each REPORT_INTERVAL_S: a note for each batch is not too many.
            while not verdicts.empty():
                wires.append(verdicts.get().to_wire())
            progress(len(wires), total)
        return wires

    def _submit(self, request: ProbeRequest, *, deliver: Callable[[Verdict], None] | None) -> None:
        def done(finding: SegmentResult) -> None:
            self._room.release()
            self._metrics.ended()
            self._reporter.add(finding, request_id=request.id, deliver=deliver)

        for probe in request.segments:
            self._room.acquire()
            self._metrics.begun()
            self._runner.submit(request.cluster_network, probe, done)

    def _refusal(self, request: ProbeRequest) -> tuple[str, str] | None:
        """Why it is not begun: one of metrics.REFUSALS, and the reason in words."""
        if request.host != self._host:
            return "wrong_host", f"host: expected {self._host}, got {request.host}"
        if not self._carries(request.cluster_network):
            known = ", ".join(sorted(self._uplinks.current()))
            reason = f"cluster_network: expected one of {known}, got {request.cluster_network}"
            return "unknown_cluster_network", reason
        try:
            age_ms = time_ms(self._client) - request.sent_at_ms
        except redis.RedisError as error:
            # It came through Redis a moment ago, so it is not worth losing.
            log.warning("age of a request unknown", error=str(error))
            return None
        if age_ms > request.max_age_ms:
            return "too_old", f"too old: sent {age_ms} ms ago, expected at most {request.max_age_ms}"
        return None

    def _carries(self, cluster_network: str) -> bool:
        if cluster_network not in self._uplinks.current():
            with contextlib.suppress(OSError):
                self._uplinks.look()
        return cluster_network in self._uplinks.current()

    def _record(self, code: str, reason: str, body: object) -> None:
        self._metrics.refused(code)
        dead_letters.record(self._client, where=f"prober@{self._host}", reason=reason, body=body)


def _marks(request: ProbeRequest) -> list[tuple[Segment, str]]:
    return [
        (Segment(cluster_network=request.cluster_network, vlan=probe.vlan), request.id)
        for probe in request.segments
    ]
