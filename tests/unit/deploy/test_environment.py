"""The deployed environment variables are the settings that the services read."""

import pytest

from services.cli.options.services_table import SERVICES, Service, known_settings
from services.runtime.settings import ENV_PREFIX, check_environment
from tests.unit.deploy.reading import compose, environment_of, workloads

SECRETS = {"redis-password": "0123456789abcdef", "flower-password": "fedcba9876543210"}

every_service = pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)


def _deployed(service: Service) -> dict[str, dict[str, str]]:
    """Return the service's environment, by place of deployment."""
    return {
        "cluster": environment_of(workloads()[service.name], SECRETS),
        "compose": compose()["services"][service.name]["environment"],
    }


@every_service
@pytest.mark.parametrize("place", ["cluster", "compose"])
def test_a_service_starts_with_its_environment(
    service: Service, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every NADROUTE_ variable is a setting with a valid value, and no required one is missing."""
    variables = _deployed(service)[place]
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    check_environment(known_settings(), variables)
    settings = service.settings_class().load()
    assert SECRETS["redis-password"] in settings.redis_url.get_secret_value()


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
    assert all("NADROUTE_FLOWER_PASSWORD" in variables for variables in _deployed(flower).values())
