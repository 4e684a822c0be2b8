"""The telemetry of one service: metrics registry, health checks and the HTTP endpoint that serves both."""

import json
from collections.abc import Mapping
from http import HTTPStatus

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, Gauge, ProcessCollector
from prometheus_client.exposition import generate_latest

from services.runtime.connection.redis_check import RedisCheck
from services.runtime.connection.settings import TelemetrySettings
from services.runtime.process.clock import Clock
from services.runtime.telemetry.endpoint import Endpoint, Response
from services.runtime.telemetry.health import Health
from services.version import __version__

JSON = "application/json"


class Telemetry:
    """Serves /metrics, /healthz and /readyz.

    Call start() first, so that a start that hangs is visible; complete() once all health checks are
    registered (the service is not ready before); stop() at the end.
    """

    def __init__(self, settings: TelemetrySettings, *, service: str, clock: Clock) -> None:
        self.registry = CollectorRegistry()
        self.health = Health(clock)
        self._complete = False
        self.health.add_readiness_check(
            "start", lambda: None if self._complete else "the service is still starting"
        )
        ProcessCollector(registry=self.registry)
        build = Gauge(
            "nadroute_build_info", "1; the running version.", ["service", "version"], registry=self.registry
        )
        build.labels(service, __version__).set(1)
        self.redis = RedisCheck(
            settings.redis_address,
            clock=clock,
            registry=self.registry,
            part=None if service == "prober" else service,
        )
        self.health.add_readiness_check("redis", self.redis.problem)
        self.pages = {"/metrics": self._metrics, "/healthz": self._healthz, "/readyz": self._readyz}
        self._endpoint = (
            Endpoint(settings.metrics_address, settings.metrics_port, pages=self.pages, clock=clock)
            if settings.metrics_port
            else None
        )

    def start(self) -> None:
        """Start serving, and checking Redis."""
        self.redis.start()
        if self._endpoint is not None:
            self._endpoint.start()

    def complete(self) -> None:
        """Declare all health checks registered: from now on they decide whether the service is ready."""
        self._complete = True

    def stop(self) -> None:
        """Stop serving, and checking Redis."""
        if self._endpoint is not None:
            self._endpoint.stop()
        self.redis.stop()

    def _metrics(self) -> Response:
        return Response(generate_latest(self.registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)

    def _healthz(self) -> Response:
        stalled = self.health.liveness_problems()
        return _json_response({"alive": not stalled, "stalled": stalled}, ok=not stalled)

    def _readyz(self) -> Response:
        missing = self.health.readiness_problems()
        return _json_response({"ready": not missing, "missing": missing}, ok=not missing)


def _json_response(body: Mapping[str, object], *, ok: bool) -> Response:
    status = HTTPStatus.OK if ok else HTTPStatus.SERVICE_UNAVAILABLE
    return Response(json.dumps(body).encode() + b"\n", status, JSON)
