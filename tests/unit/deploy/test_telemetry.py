"""That what the kubelet, Prometheus and Compose ask is where the services answer."""

import pytest

from services.cli.options.services_table import PROBER, UPDATER, WATCHER, Service
from services.runtime.clock import SystemClock
from services.runtime.health import STALL_S
from services.runtime.telemetry import Telemetry
from services.watcher.settings import WatcherSettings
from tests.unit.deploy.reading import compose, container_of, of_kind, workloads

services = pytest.mark.parametrize("service", [WATCHER, PROBER, UPDATER], ids=lambda service: service.name)


def port_of(service: Service) -> int:
    """The default."""
    default = service.settings_class().model_fields["metrics_port"].default
    assert isinstance(default, int)
    return default


def test_each_service_has_a_port_of_its_own() -> None:
    """So that all of them fit on one machine."""
    assert len({port_of(service) for service in (WATCHER, PROBER, UPDATER)}) == 3


@services
def test_port_address_and_annotations_agree(service: Service) -> None:
    """The container's port, its settings and what Prometheus is told are one and the same."""
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
    """Only what has stopped turning is restarted; the pages are those that a service has."""
    container = container_of(workloads()[service.name])
    asked = {probe: container[probe]["httpGet"] for probe in ("livenessProbe", "readinessProbe")}
    assert asked == {
        "livenessProbe": {"path": "/healthz", "port": "metrics"},
        "readinessProbe": {"path": "/readyz", "port": "metrics"},
    }
    telemetry = Telemetry(WatcherSettings.load(), service=service.name, clock=SystemClock())
    assert {"/healthz", "/readyz", "/metrics"} == set(telemetry.pages)


@services
def test_a_slow_moment_restarts_nobody(service: Service) -> None:
    """A minute of no answer at all is waited for: a stall is told only after longer than that."""
    probe = container_of(workloads()[service.name])["livenessProbe"]
    patience_s = probe["periodSeconds"] * probe["failureThreshold"]
    assert 60 <= patience_s < STALL_S
    assert probe["timeoutSeconds"] >= 5


@services
def test_compose_asks_for_life(service: Service) -> None:
    """On the container's own loopback, where a service answers by default."""
    check = compose()["services"][service.name]["healthcheck"]
    assert f"http://127.0.0.1:{port_of(service)}/healthz" in check["test"][-1]
    assert "NADROUTE_METRICS_PORT" not in compose()["services"][service.name]["environment"]


def test_only_monitoring_may_collect() -> None:
    """The policy opens the port named metrics, on pods that have one, to one namespace."""
    policy = of_kind("NetworkPolicy")["metrics"]["spec"]
    (expression,) = policy["podSelector"]["matchExpressions"]
    # On the host's network no policy holds: naming the prober here would promise what is not so.
    assert set(expression["values"]) == {"watcher", "updater"}
    (rule,) = policy["ingress"]
    assert [port["port"] for port in rule["ports"]] == ["metrics"]
    assert rule["from"] == [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "cattle-monitoring-system"}}}
    ]
