"""The Redis health check, against a scripted Redis."""

import pytest
import redis
from prometheus_client import CollectorRegistry

from services.runtime.connection import redis_check
from services.runtime.connection.redis_check import SILENCE_S, TIMEOUT_S, RedisCheck
from services.runtime.connection.refusals import kind_of
from services.runtime.process.clock import SystemClock
from tests.support.log_lines import log_lines
from tests.support.manual_clock import ManualClock


class Script:
    """The outcome of each ping, and of each write."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.error: redis.RedisError | None = None
        self.refusal: redis.RedisError | None = None
        monkeypatch.setattr(redis.Redis, "ping", lambda _: self.ping())
        monkeypatch.setattr(redis.Redis, "set", lambda *_, **__: self.write())

    def write(self) -> None:
        if self.refusal is not None:
            raise self.refusal

    def ping(self) -> bool:
        if self.error is not None:
            raise self.error
        return True


def state(check: RedisCheck) -> tuple[str | None, float | None]:
    """The problem, and since when Redis is up."""
    return check.problem(), check.up_since


def test_up_down_and_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis is down after SILENCE_S without an answer; up_since restarts after each failure."""
    script, clock, registry = Script(monkeypatch), ManualClock(), CollectorRegistry()
    check = RedisCheck("redis://127.0.0.1:1/0", clock=clock, registry=registry)
    assert state(check) == ("Redis does not answer: not checked yet", None)
    check.check()
    began = clock.monotonic()
    assert state(check) == (None, began)
    clock.seconds += 2
    check.check()
    assert state(check) == (None, began)
    script.error = redis.ConnectionError("refused")
    clock.seconds += SILENCE_S
    check.check()
    assert state(check) == ("Redis does not answer: ConnectionError: refused", None)
    assert registry.get_sample_value("nadroute_redis_up") == 0
    script.error = None
    check.check()
    assert state(check) == (None, clock.monotonic())
    assert registry.get_sample_value("nadroute_redis_up") == 1


def test_a_password_that_changed_is_not_hidden_by_an_outage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each kind of error is logged once until Redis answers, and counted each time."""
    script, registry = Script(monkeypatch), CollectorRegistry()
    check = RedisCheck("redis://127.0.0.1:1/0", clock=ManualClock(), registry=registry)
    lines = log_lines(monkeypatch, redis_check)
    for error in (redis.ConnectionError("a"), redis.ConnectionError("b"), redis.AuthenticationError("c")):
        script.error = error
        check.check()
    assert [(line["event"], line["kind"]) for line in lines] == [
        ("Redis does not answer", "ConnectionError"),
        ("Redis does not answer", "AuthenticationError"),
    ]
    kinds = {"ConnectionError": 2, "AuthenticationError": 1}
    for kind, count in kinds.items():
        assert registry.get_sample_value("nadroute_redis_failures_total", {"kind": kind}) == count


def test_a_redis_that_refuses_writes_is_down_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """R4, R8: it answers pings. Why it refuses is told without waiting for a silence, and is over at once."""
    script, registry = Script(monkeypatch), CollectorRegistry()
    check = RedisCheck("redis://127.0.0.1:1/0", clock=ManualClock(), registry=registry)
    check.check()
    script.refusal = redis.exceptions.OutOfMemoryError("command not allowed")
    check.check()
    assert state(check) == ("Redis refuses: OOM: command not allowed", None)
    assert check.refusal is script.refusal
    assert registry.get_sample_value("nadroute_redis_up") == 0
    assert registry.get_sample_value("nadroute_redis_failures_total", {"kind": "OOM"}) == 1
    script.refusal = None
    check.check()
    assert check.problem() is None
    assert registry.get_sample_value("nadroute_redis_up") == 1


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (redis.exceptions.ReadOnlyError("x"), "READONLY"),
        (redis.exceptions.NoPermissionError("x"), "NOPERM"),
        (redis.exceptions.BusyLoadingError("x"), "LOADING"),
        (redis.ResponseError("MISCONF Redis is configured"), "MISCONF"),
        (redis.ResponseError("Command # 1 (SET a) of pipeline caused error: NOREPLICAS Not"), "NOREPLICAS"),
        (redis.ResponseError("SOMETHING new"), "ResponseError"),
        (redis.AuthenticationError("x"), "AuthenticationError"),
        (OSError("x"), "OSError"),
    ],
)
def test_the_kind_of_an_error_is_redis_own_code(error: Exception, kind: str) -> None:
    """One of a small set: an unknown code, and what is no refusal, by the name of its class."""
    assert kind_of(error) == kind


def test_a_frozen_redis_is_down_without_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ping that hangs raises nothing, and counts as no answer."""
    Script(monkeypatch)
    clock = ManualClock()
    check = RedisCheck("redis://127.0.0.1:1/0", clock=clock, registry=CollectorRegistry())
    check.check()
    clock.seconds += SILENCE_S
    assert check.problem() is not None


@pytest.mark.parametrize("started", [True, False])
def test_stop_closes_the_connection(monkeypatch: pytest.MonkeyPatch, started: bool) -> None:
    """The connection is closed after the thread has ended, whether it was started or not."""
    Script(monkeypatch)
    check = RedisCheck("redis://127.0.0.1:1/0", clock=SystemClock(), registry=CollectorRegistry())
    alive_at_close: list[bool] = []
    monkeypatch.setattr(check._client, "close", lambda: alive_at_close.append(check._thread.is_alive()))
    if started:
        check.start()
    check.stop()
    assert alive_at_close == [False]


def test_a_check_waits_no_longer_than_its_timeout_and_does_not_retry(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The connection comes from redis_client.connect, with the shorter timeouts of a check."""
    asked: dict[str, object] = {}
    monkeypatch.setattr(redis_check, "connect", lambda url, **options: asked.update(options, url=url))
    RedisCheck("redis://127.0.0.1:1/0", clock=ManualClock(), registry=CollectorRegistry())
    assert asked == {
        "url": "redis://127.0.0.1:1/0",
        "connect_timeout_s": TIMEOUT_S,
        "read_timeout_s": TIMEOUT_S,
        "retries": 0,
    }
