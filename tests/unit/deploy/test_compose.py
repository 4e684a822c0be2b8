"""The Compose file: services, users, privileges and ports."""

import pytest

from services.version import __version__
from tests.unit.deploy.locks import TARGETS
from tests.unit.deploy.reading import COMPOSE_VARIABLES, Manifest, compose, container_of, workloads

SERVICES: dict[str, Manifest] = compose()["services"]

every_service = pytest.mark.parametrize("name", SERVICES)


def test_the_parts_of_the_loop_are_all_there() -> None:
    """Compose runs Redis and each part in its own image, and the commands on request."""
    assert set(SERVICES) == {"redis", *TARGETS}
    for name in TARGETS:
        assert SERVICES[name]["image"] == f"localhost/nadroute-{name}:{__version__}"
        assert SERVICES[name]["build"] == {"context": ".", "target": name}
        assert "command" not in SERVICES[name]
        assert SERVICES[name].get("profiles", []) == (["cli"] if name == "cli" else [])


@pytest.mark.parametrize("variable", COMPOSE_VARIABLES)
def test_what_has_no_default_is_asked_for(variable: str) -> None:
    """Passwords, the kubeconfig and the host's name have no default: without one, nothing starts."""
    with pytest.raises(KeyError, match=variable):
        compose({name: value for name, value in COMPOSE_VARIABLES.items() if name != variable})


@every_service
def test_no_capability_but_the_probers_net_raw(name: str) -> None:
    """Every container drops all capabilities and cannot gain any; only the prober adds NET_RAW."""
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service.get("cap_add", []) == (["NET_RAW"] if name == "prober" else [])
    assert "no-new-privileges:true" in service["security_opt"]
    assert service["read_only"] is True
    assert not service.get("privileged")


@every_service
def test_only_the_prober_is_root_and_on_the_hosts_network(name: str) -> None:
    """Only the prober runs as 0:0 and on the host's network."""
    service = SERVICES[name]
    if name == "prober":
        assert (service["user"], service["network_mode"]) == ("0:0", "host")
    else:
        assert not service["user"].startswith("0")
        assert "network_mode" not in service


@every_service
def test_ports_are_on_loopback(name: str) -> None:
    """Ports are published on loopback only."""
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))
    assert bool(SERVICES[name].get("ports")) is (name in ("redis", "flower"))


def test_the_kubeconfig_is_read_only_and_only_where_kubernetes_is_asked() -> None:
    """Only watcher, updater and commands mount the kubeconfig, read-only; a wrong path is refused."""
    mounted = {
        name: volume
        for name, service in SERVICES.items()
        for volume in service.get("volumes", [])
        if isinstance(volume, dict) and volume["source"] == COMPOSE_VARIABLES["KUBECONFIG_FILE"]
    }
    assert set(mounted) == {"watcher", "updater", "cli"}
    for name, volume in mounted.items():
        assert volume["read_only"] is True
        assert volume["bind"] == {"create_host_path": False}
        assert SERVICES[name]["environment"]["NADROUTE_KUBECONFIG"] == volume["target"]


def test_services_wait_for_redis() -> None:
    """No service starts before Redis answers to its password."""
    assert "PING" in SERVICES["redis"]["healthcheck"]["test"][1]
    for name in set(SERVICES) - {"redis"}:
        assert SERVICES[name]["depends_on"] == {"redis": {"condition": "service_healthy"}}


def test_compose_and_cluster_run_the_same_redis() -> None:
    """Image, user and file of Redis are the same under Compose and in the cluster."""
    pod = workloads()["redis"]["spec"]["template"]["spec"]
    images = (SERVICES["redis"]["image"], container_of(workloads()["redis"])["image"])
    assert len({image.removeprefix("docker.io/").partition("@")[0] for image in images}) == 1
    assert SERVICES["redis"]["user"] == "{runAsUser}:{runAsGroup}".format(**pod["securityContext"])
    assert "./charts/nadroute/files/redis.conf" in [
        v["source"] for v in SERVICES["redis"]["volumes"] if isinstance(v, dict)
    ]
