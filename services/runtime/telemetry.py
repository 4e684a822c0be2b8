"""All of it for one service: a registry, its health, and the endpoint that tells of both."""

import json
from collections.abc import Mapping
from http import HTTPStatus

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, Gauge, ProcessCollector
from prometheus_client.exposition import generate_latest

from services.runtime.clock import Clock
from services.runtime.endpoint import Answer, Endpoint
from services.runtime.health import Health
from services.runtime.redis_check import RedisCheck
from services.runtime.telemetry_settings import TelemetrySettings
from services.version import __version__

JSON = "application/json"


class Telemetry:
    """What a service tells of itself.

    start() comes first of all, since a start that hangs must be seen; complete() when everything that the
    service needs is named to its health: before that it is not ready; stop() at its end.
    """

    def __init__(self, settings: TelemetrySettings, *, service: str, clock: Clock) -> None:
        self.registry = CollectorRegistry()
        self.health = Health(clock)
        self._complete = False
        self.health.needs("start", lambda: None if self._complete else "the service is still starting")
        ProcessCollector(registry=self.registry)
        build = Gauge(
            "nadroute_build_info", "1; the version that runs.", ["service", "version"], registry=self.registry
        )
        build.labels(service, __version__).set(1)
        self.redis = RedisCheck(settings.redis_url.get_secret_value(), clock=clock, registry=self.registry)
        self.health.needs("redis", self.redis.why_not)
        self.pages = {"/metrics": self._metrics, "/healthz": self._alive, "/readyz": self._ready}
        self._endpoint = (
            Endpoint(settings.metrics_address, settings.metrics_port, pages=self.pages, clock=clock)
            if settings.metrics_port
            else None
        )

    def start(self) -> None:
        """Begin to tell, and to ask whether Redis answers."""
        self.redis.start()
        if self._endpoint is not None:
            self._endpoint.start()

    def complete(self) -> None:
        """From now on the service is ready when nothing of what it needs is missing."""
        self._complete = True

    def stop(self) -> None:
        """End both."""
        if self._endpoint is not None:
            self._endpoint.stop()
        self.redis.stop()

    def _metrics(self) -> Answer:
        return Answer(generate_latest(self.registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)

    def _alive(self) -> Answer:
        stalled = self.health.stalled()
        return _told({"alive": not stalled, "stalled": stalled}, not stalled)

    def _ready(self) -> Answer:
        missing = self.health.missing()
        return _told({"ready": not missing, "missing": missing}, not missing)


def _told(body: Mapping[str, object], good: bool) -> Answer:
    status = HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE
    return Answer(json.dumps(body).encode() + b"\n", status, JSON)
