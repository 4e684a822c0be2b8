"""The deployed environment variables are the settings that the services read."""

from pathlib import Path

import pytest

from services.cli.options.services_table import CLIENT, SERVICES, Service, known_settings
from services.runtime.connection.redis_users import redis_users
from services.runtime.connection.settings import ENV_PREFIX, check_environment
from tests.unit.deploy.reading import (
    compose,
    container_of,
    environment_of,
    secret_files,
    with_secrets,
    workloads,
)

every_service = pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)


def _deployed(service: Service) -> dict[str, dict[str, str]]:
    """Return the service's environment, by place of deployment."""
    return {
        "cluster": environment_of(workloads()[service.name]),
        "compose": compose()["services"][service.name]["environment"],
    }


def _secret_files(service: Service) -> dict[str, dict[str, str]]:
    """Return the files with secrets that the service has, by place of deployment: path to name."""
    mounted = compose()["services"][service.name]["secrets"]
    return {
        "cluster": secret_files(workloads()[service.name]),
        "compose": {secret["target"]: secret["source"] for secret in mounted},
    }


def _users(place: str) -> set[str]:
    return {user.name for user in redis_users(["node1"] if place == "compose" else [])}


@every_service
@pytest.mark.parametrize("place", ["cluster", "compose"])
def test_a_service_starts_with_its_environment(
    service: Service, place: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Every NADROUTE_ variable is a setting with a valid value; the service signs in to Redis as itself."""
    variables = with_secrets(_deployed(service)[place], _secret_files(service)[place], tmp_path)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    check_environment(known_settings(), variables)
    settings = service.settings_class().load()
    credentials = settings.redis_address.credentials()
    assert credentials is not None
    user = "prober-node1" if (place, service.name) == ("compose", "prober") else service.name
    assert user in _users(place)
    assert credentials.get_credentials() == (user, f"secret-of-{service.name}")


def test_the_commands_sign_in_to_redis_as_themselves(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By the user `cli` and verified TLS, in the pod where they are run."""
    workload = workloads()["cli"]
    variables = with_secrets(environment_of(workload), secret_files(workload), tmp_path)
    check_environment(known_settings(), variables)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    address = CLIENT.settings_class().load().redis_address
    credentials = address.credentials()
    assert credentials is not None
    assert credentials.get_credentials() == ("cli", "secret-of-cli")
    assert address.is_encrypted


@pytest.mark.parametrize("service", [*(service.name for service in SERVICES), "redis"])
def test_no_secret_is_in_the_environment(service: str) -> None:
    """Neither a variable nor an argument holds one, so that `inspect` and /proc show none."""
    container, one = container_of(workloads()[service]), compose()["services"][service]
    assert not [v for v in container.get("env", []) if "secretKeyRef" in v.get("valueFrom", {})]
    named = [v["name"] for v in container.get("env", [])] + list(one.get("environment", {}))
    assert not [name for name in named if "PASSWORD" in name and not name.endswith("_FILE")]
    assert "PASSWORD" not in str([container.get("command"), one.get("entrypoint"), one.get("command")])


@every_service
def test_a_service_has_no_other_services_secret(service: Service) -> None:
    """Only its own password of Redis; Flower also that of its pages."""
    pages = {"page"} if service.name == "flower" else set()
    for files in _secret_files(service).values():
        assert set(files.values()) - {"redis-ca.crt"} == {service.name} | pages


@every_service
def test_a_service_gets_no_setting_that_it_does_not_read(service: Service) -> None:
    """Beyond the shared settings, a service gets only its own."""
    fields = {f"{ENV_PREFIX}{name}".upper() for name in service.settings_class().model_fields}
    for variables in _deployed(service).values():
        assert {name for name in variables if name.startswith(ENV_PREFIX)} <= fields


def test_the_site_sets_the_probers_host_and_flowers_password() -> None:
    """Settings without a default in the services have none in the deployment either: the site sets them."""
    for service in SERVICES:
        required = {
            f"{ENV_PREFIX}{name}".upper()
            for name, field in service.settings_class().model_fields.items()
            if field.is_required()
        }
        for variables in _deployed(service).values():
            assert required <= set(variables)
    flower = next(service for service in SERVICES if service.name == "flower")
    assert all("NADROUTE_FLOWER_PASSWORD_FILE" in variables for variables in _deployed(flower).values())
