"""Telemetry ports: the kubelet, Prometheus and Compose use those on which the services listen."""

import http.server
import subprocess
import threading

import pytest

from services.cli.options.services_table import PROBER, UPDATER, WATCHER, Service
from services.runtime.process.clock import SystemClock
from services.runtime.telemetry.health import STALL_S
from services.runtime.telemetry.telemetry import Telemetry
from services.watcher.settings import WatcherSettings
from tests.unit.deploy.reading import ROOT, compose, container_of, of_kind, workloads

services = pytest.mark.parametrize("service", [WATCHER, PROBER, UPDATER], ids=lambda service: service.name)


def port_of(service: Service) -> int:
    """Return the service's default port."""
    default = service.settings_class().model_fields["metrics_port"].default
    assert isinstance(default, int)
    return default


def test_each_service_has_a_port_of_its_own() -> None:
    """Each service has its own port, so that all fit on one machine."""
    assert len({port_of(service) for service in (WATCHER, PROBER, UPDATER)}) == 3


@services
def test_port_address_and_annotations_agree(service: Service) -> None:
    """The container's port, its settings and the annotations for Prometheus agree."""
    workload = workloads()[service.name]
    container = container_of(workload)
    assert {"name": "metrics", "containerPort": port_of(service)} in container["ports"]
    variables = {variable["name"]: variable for variable in container["env"]}
    assert variables["NADROUTE_METRICS_PORT"]["value"] == str(port_of(service))
    # Not every address: a prober's pod has all those of its host.
    address = variables["NADROUTE_METRICS_ADDRESS"]["valueFrom"]["fieldRef"]["fieldPath"]
    assert address == "status.podIP"
    assert workload["spec"]["template"]["metadata"]["annotations"] == {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": str(port_of(service)),
        "prometheus.io/path": "/metrics",
    }


@services
def test_the_kubelet_asks_for_life_and_readiness_apart(service: Service) -> None:
    """Only a stalled process is restarted, and the paths are those that a service serves."""
    container = container_of(workloads()[service.name])
    asked = {
        probe: container[probe]["httpGet"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")
    }
    assert asked == {
        "startupProbe": {"path": "/healthz", "port": "metrics"},
        "livenessProbe": {"path": "/healthz", "port": "metrics"},
        "readinessProbe": {"path": "/readyz", "port": "metrics"},
    }
    telemetry = Telemetry(WatcherSettings.load(), service=service.name, clock=SystemClock())
    assert {"/healthz", "/readyz", "/metrics"} == set(telemetry.pages)


@services
def test_a_slow_moment_restarts_nobody(service: Service) -> None:
    """The kubelet waits for a minute without any answer; a stall is reported only after longer than that."""
    probe = container_of(workloads()[service.name])["livenessProbe"]
    patience_s = probe["periodSeconds"] * probe["failureThreshold"]
    assert 60 <= patience_s < STALL_S
    assert probe["timeoutSeconds"] >= 5


@services
def test_a_frozen_process_is_killed_soon(service: Service) -> None:
    """It ends nothing in hand: the pod's grace period, a minute for a prober, would only be waited out."""
    container = container_of(workloads()[service.name])
    assert container["livenessProbe"]["terminationGracePeriodSeconds"] == 10


@services
def test_a_start_of_python_is_no_failure(service: Service) -> None:
    """The kubelet asks every second at the start; the other probes begin when the service listens."""
    probe = container_of(workloads()[service.name])["startupProbe"]
    assert probe["periodSeconds"] == 1
    assert probe["initialDelaySeconds"] + probe["failureThreshold"] >= 60


@services
def test_compose_asks_for_life(service: Service) -> None:
    """Compose checks liveness on the container's loopback, the default address."""
    check = compose()["services"][service.name]["healthcheck"]
    assert check["test"] == ["CMD", "answers", str(port_of(service)), "/healthz"]
    assert "NADROUTE_METRICS_PORT" not in compose()["services"][service.name]["environment"]


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1), (None, 1)])
def test_a_health_check_is_the_answer_of_one_request(status: int | None, code: int) -> None:
    """Compose's check succeeds on 200 from this path, and fails where nobody listens."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status or 0)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        command = [str(ROOT / "scripts" / "answers"), str(server.server_port), "/healthz"]
        if status is None:
            server.server_close()
        else:
            threading.Thread(target=server.handle_request).start()
        assert subprocess.run(command, stderr=subprocess.DEVNULL, check=False, timeout=60).returncode == code
    assert asked == ([] if status is None else ["/healthz"])


def test_only_monitoring_may_collect() -> None:
    """The policy opens the metrics port, where there is one, to one namespace."""
    policy = of_kind("NetworkPolicy")["metrics"]["spec"]
    (expression,) = policy["podSelector"]["matchExpressions"]
    # Policies do not apply on the host's network: naming the prober here would promise too much.
    assert expression["key"] == "app.kubernetes.io/component"
    assert set(expression["values"]) == {"watcher", "updater"}
    (rule,) = policy["ingress"]
    assert [port["port"] for port in rule["ports"]] == ["metrics"]
    assert rule["from"] == [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "cattle-monitoring-system"}}}
    ]
