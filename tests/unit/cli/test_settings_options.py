"""Options from settings classes: flags over environment over defaults, and errors that name the field."""

import json
from pathlib import Path

import pytest

from scripts.configuration_page import render
from services.cli.options.services_table import CLIENT, PROBER, SERVICES, WATCHER, Service, known_settings
from services.cli.options.settings_options import describe_options
from services.runtime.connection.settings import ServiceSettings
from tests.unit.cli.running import run

PAGE = Path(__file__).parents[3] / "docs" / "configuration.md"
PROBER_FLAGS = ("--host", "node1", "--uplink", "extra=extra-bo")


def _config(
    monkeypatch: pytest.MonkeyPatch, *arguments: str, **environment: str
) -> dict[str, tuple[object, str]]:
    ran = run(monkeypatch, "config", *arguments, "-o", "json", **environment)
    assert ran.code == 0, ran.err
    return {row["setting"]: (row["value"], row["source"]) for row in json.loads(ran.out)}


def test_a_flag_overrides_the_environment_which_overrides_the_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`config` shows each value's source."""
    values = _config(
        monkeypatch,
        "prober",
        *PROBER_FLAGS,
        "--uplink",
        "mgmt=mgmt-bo",
        "--arp-rate=10",
        ARP_RATE="20",
        ECHO_RATE="30",
    )
    assert values["arp_rate"] == (10.0, "flag")
    assert values["echo_rate"] == (30.0, "environment")
    assert values["start_rate"] == (1000.0, "default")
    assert values["uplinks"] == ({"extra": "extra-bo", "mgmt": "mgmt-bo"}, "flag")


def test_a_duration_flag_accepts_units(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flag takes 2m; its variable takes seconds."""
    values = _config(monkeypatch, "watcher", "--sweep-interval-s", "2m", RETRY_INTERVAL_S="7")
    assert values["sweep_interval_s"] == (120.0, "flag")
    assert values["retry_interval_s"] == (7.0, "environment")


def test_a_rate_takes_no_unit_of_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a number, and 0 lifts the limit."""
    assert _config(monkeypatch, "watcher", "--pace", "0")["pace"] == (0.0, "flag")
    assert run(monkeypatch, "config", "watcher", "--pace", "2m").code == 2


def test_a_boolean_flag_has_a_negative_form(monkeypatch: pytest.MonkeyPatch) -> None:
    """--no-leader-election is False, not absent."""
    assert _config(monkeypatch, "watcher", "--no-leader-election")["leader_election"] == (False, "flag")


def test_a_mapping_variable_is_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """NADROUTE_UPLINKS is set so in a DaemonSet."""
    values = _config(monkeypatch, "prober", HOST="node1", UPLINKS='{"extra": "eth1"}')
    assert values["uplinks"] == ({"extra": "eth1"}, "environment")


def test_auto_replaces_a_mapping(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a flag and as a variable without quotes, but not among other uplinks, and no other word."""
    assert _config(monkeypatch, "prober", "--host", "n", "--uplink", "auto")["uplinks"] == ("auto", "flag")
    assert _config(monkeypatch, "prober", HOST="n", UPLINKS="auto")["uplinks"] == ("auto", "environment")
    for flags in (("--uplink", "auto", "--uplink", "a=b"), ("--uplink", "automatic")):
        ran = run(monkeypatch, "config", "prober", "--host", "n", *flags)
        assert ran.code == 2
        assert "expected NAME=VALUE" in ran.err


def test_secrets_are_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """No output shows a password or the password in a URL."""
    for output in ("table", "json", "yaml"):
        ran = run(
            monkeypatch,
            *("config", "flower", "-o", output),
            FLOWER_PASSWORD="s3cret",
            REDIS_URL="redis://:s3cret@redis:6379/0",
        )
        assert "s3cret" not in ran.out + ran.err
        assert "redis://:***@redis:6379/0" in ran.out


@pytest.mark.parametrize(
    ("arguments", "environment", "expected"),
    [
        (("prober",), {}, ["--host: not given", "--uplink: not given", "NADROUTE_UPLINKS"]),
        (("prober", "--host", "Node 1", "--uplink", "extra=e"), {}, ["--host='Node 1'", "pattern"]),
        (("prober", "--host", "n", "--uplink", "extra"), {}, ["--uplink='extra'", "expected NAME=VALUE"]),
        (("prober", "--host", "n", "--uplink", "a=b", "--uplink", "a=c"), {}, ["each name once"]),
        (("prober", "--host", "n"), {"UPLINKS": "extra=eth1"}, ["NADROUTE_UPLINKS='extra=eth1'", "JSON"]),
        (("prober", *PROBER_FLAGS, "--arp-rate", "fast"), {}, ["--arp-rate='fast'", "number"]),
        (("watcher", "--sweep-interval-s", "soon"), {}, ["--sweep-interval-s='soon'", "such as 12s"]),
        (("watcher",), {"SWEEP_INTERVAL_S": "-1"}, ["NADROUTE_SWEEP_INTERVAL_S='-1'", "greater"]),
        (("watcher", "--ask-window-s", "10m"), {}, ["ask_window_s=600 and sweep_interval_s=300", "at most"]),
        (
            ("watcher",),
            {"SWEEP_INTERVALS": "5"},
            ["NADROUTE_SWEEP_INTERVALS='5'", "NADROUTE_SWEEP_INTERVAL_S?"],
        ),
        (("watcher",), {"REDIS_URL": "http://x"}, ["NADROUTE_REDIS_URL='http://x'", "expected redis://"]),
        (("watcher", "--sweep", "5"), {}, ["No such option", "--sweep"]),
        (("flower", "--port", "99999"), {}, ["--port='99999'", "65535"]),
        (("flower", "--user", "a:b"), {}, ["--user='***'", "match"]),
    ],
)
def test_a_wrong_setting_is_named_with_its_value(
    arguments: tuple[str, ...],
    environment: dict[str, str],
    expected: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The service and `config` fail alike: exit 2 with field, value and what was expected."""
    for command in (arguments, ("config", *arguments)):
        ran = run(monkeypatch, *command, **environment)
        assert ran.code == 2
        assert all(text in ran.err for text in expected), ran.err
        assert "Traceback" not in ran.err


def test_config_shows_the_other_services_if_one_is_not_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing host of the prober is reported, but is no error."""
    ran = run(monkeypatch, "config", "-o", "json")
    assert ran.code == 0
    assert {row["service"] for row in json.loads(ran.out)} == {"watcher", "updater", "flower"}
    assert "prober: --host: not given" in ran.err


def test_config_of_all_services_fails_if_a_value_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong value is an error; a missing one is not."""
    assert run(monkeypatch, "config", FLOWER_PORT="many").code == 2


@pytest.mark.parametrize("service", [*SERVICES, CLIENT], ids=lambda service: service.name)
def test_every_setting_has_help(service: Service) -> None:
    """The help of an option is its field's docstring."""
    for option in describe_options(service.settings_class(), flag_prefix=service.flag_prefix):
        assert option.help, option.field


@pytest.mark.parametrize("service", [*SERVICES, CLIENT], ids=lambda service: service.name)
def test_flags_of_a_service_are_unique(service: Service) -> None:
    """Removing a prefix or a plural must not make two fields one flag."""
    options = describe_options(service.settings_class(), flag_prefix=service.flag_prefix)
    assert len({option.flag for option in options}) == len(options)


def test_all_settings_classes_are_known() -> None:
    """check_environment refuses variables of unknown classes."""
    assert {settings.__name__ for settings in known_settings()} == {
        *("WatcherSettings", "ProberSettings", "UpdaterSettings", "FlowerSettings", "ClientSettings")
    }
    assert all(issubclass(settings, ServiceSettings) for settings in known_settings())


def test_a_service_that_is_not_installed_does_not_hinder_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that only one service needs may be missing."""
    real = Service.settings_class

    def settings_class(service: Service) -> type[ServiceSettings]:
        if service is PROBER:
            raise ModuleNotFoundError("No module named 'scapy'", name="scapy")
        return real(service)

    monkeypatch.setattr(Service, "settings_class", settings_class)
    assert WATCHER.settings_class() in known_settings()
    assert len(known_settings()) == len(SERVICES)


def test_the_configuration_page_is_up_to_date() -> None:
    """docs/configuration.md is what `make docs` writes."""
    assert PAGE.read_text() == render()
    for service in (*SERVICES, CLIENT):
        for option in describe_options(service.settings_class(), flag_prefix=service.flag_prefix):
            assert option.variable in PAGE.read_text()


def test_a_check_names_only_what_would_keep_a_service_from_starting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is shown beside it; an unknown setting, a wrong value and a missing one each have a line."""
    whole = {"HOST": "node1", "UPLINKS": "auto"}
    ran = run(monkeypatch, "config", "--check", **whole)
    assert (ran.code, ran.out, ran.err) == (0, "all settings are valid\n", "")
    ran = run(monkeypatch, "config", "--check", UPLINKS="auto")
    assert (ran.code, ran.out) == (2, "")
    assert [line.partition(":")[0] for line in ran.err.splitlines()] == ["prober"]
    ran = run(monkeypatch, "config", "--check", OBSERVE_ONLY="perhaps", **whole)
    assert ran.code == 2
    assert [line.partition(":")[0] for line in ran.err.splitlines()] == ["updater"]
    assert "'perhaps'" in ran.err
    ran = run(monkeypatch, "config", "--check", OBSERVE_ALL="true", **whole)
    assert ran.code == 2
    assert "NADROUTE_OBSERVE_ALL" in ran.err
