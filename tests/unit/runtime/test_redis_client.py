"""Redis URLs, settings, and the Celery app."""

import pytest
from pydantic import SecretStr

from services.contract.errors import ConfigurationError
from services.runtime.connection.redis_address import celery_url, check_url, redact
from services.runtime.connection.settings import ServiceSettings, check_environment
from services.runtime.queues.celery_app import describe_probe, describe_report, make_app


@pytest.mark.parametrize(
    ("url", "celery"),
    [
        ("redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
        ("redis://host", "redis://host"),
        ("redis://:secret@[::1]:6379/2", "redis://:secret@[::1]:6379/2"),
        ("rediss://user:secret@host:6380/0", "rediss://user:secret@host:6380/0"),
        ("unix:///run/redis.sock", "redis+socket:///run/redis.sock"),
        ("unix:///run/redis.sock?db=2", "redis+socket:///run/redis.sock?virtual_host=2"),
    ],
)
def test_a_url_is_converted_to_celerys_form(url: str, celery: str) -> None:
    """Celery has another scheme for unix sockets."""
    assert check_url(url) == url
    assert celery_url(url) == celery


@pytest.mark.parametrize(
    "url",
    ["", "127.0.0.1:6379", "http://host", "redis://", "redis://host:port/0", "redis://host:99999/0",
     "redis://host/first", "unix://relative.sock", "redis://[::1", "redis://host?db=1",
     "unix:///run/redis.sock?db=", "unix:///run/redis.sock?db=first"],
)  # fmt: skip
def test_an_invalid_url_is_rejected(url: str) -> None:
    """The error states what is expected."""
    with pytest.raises(ValueError, match=r"expected|[Pp]ort|IPv6"):
        check_url(url)


@pytest.mark.parametrize(
    "url", ["redis://u:secret@host:6379/0", "rediss://:secret@host", "unix://:secret@/run/r"]
)
def test_a_password_is_never_shown(url: str) -> None:
    """Neither in a log nor by `nadroute config`."""
    assert "secret" not in redact(url)
    assert "secret" not in str(ServiceSettings(redis_url=SecretStr(url)).redacted())


def test_an_invalid_setting_is_reported_without_its_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With the source, the value, and what is expected."""
    monkeypatch.setenv("NADROUTE_LOG_LEVEL", "loud")
    with pytest.raises(ConfigurationError, match=r"NADROUTE_LOG_LEVEL='loud'.*'debug'"):
        ServiceSettings.load()
    monkeypatch.delenv("NADROUTE_LOG_LEVEL")
    with pytest.raises(ConfigurationError) as error:
        ServiceSettings.load(redis_url="http://u:secret@host")
    assert "--redis-url" in str(error.value)
    assert "secret" not in str(error.value)


def test_an_unknown_variable_is_refused_with_a_hint() -> None:
    """A typo is not silently ignored."""
    check_environment([ServiceSettings], {"NADROUTE_REDIS_URL": "x", "PATH": "y"})
    with pytest.raises(ConfigurationError, match="did you mean NADROUTE_REDIS_URL"):
        check_environment([ServiceSettings], {"NADROUTE_REDIS_URI": "x"})


def test_an_app_accepts_only_json() -> None:
    """A pickle in a queue is rejected before it is loaded."""
    app = make_app("unix:///run/redis.sock", unacked_scope="node1")
    assert app.conf.accept_content == ["json"]
    assert app.conf.broker_transport_options["unacked_key"] == "unacked:node1"
    assert "socket_keepalive" not in app.conf.broker_transport_options
    app.close()


def test_tasks_have_readable_descriptions() -> None:
    """Flower shows them."""
    assert describe_probe("extra", 12, "node1") == "probe extra: 12 segments on node1"
    assert describe_probe("extra", 1, "node1") == "probe extra: 1 segment on node1"
    assert describe_report(1, "node1") == "report: 1 verdict from node1"
    assert describe_report(3, "node1") == "report: 3 verdicts from node1"
