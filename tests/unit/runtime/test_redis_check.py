"""Whether Redis answers, by a Redis that is scripted."""

import pytest
import redis
from prometheus_client import CollectorRegistry

from services.runtime import redis_check
from services.runtime.clock import SystemClock
from services.runtime.redis_check import SILENCE_S, RedisCheck
from tests.support.log_lines import log_lines
from tests.support.manual_clock import ManualClock


class Script:
    """What each ping does, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.error: redis.RedisError | None = None
        monkeypatch.setattr(redis.Redis, "ping", lambda _: self.ping())

    def ping(self) -> bool:
        if self.error is not None:
            raise self.error
        return True


def state(check: RedisCheck) -> tuple[str | None, float | None]:
    """Why Redis counts as away, and since when it answers."""
    return check.why_not(), check.up_since


def test_up_down_and_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Away when it has not answered for a while; since when it answers is told anew after each failure."""
    script, clock, registry = Script(monkeypatch), ManualClock(), CollectorRegistry()
    check = RedisCheck("redis://127.0.0.1:1/0", clock=clock, registry=registry)
    assert state(check) == ("Redis does not answer: not asked yet", None)
    check.ask()
    began = clock.monotonic()
    assert state(check) == (None, began)
    clock.seconds += 2
    check.ask()
    assert state(check) == (None, began)
    script.error = redis.ConnectionError("refused")
    clock.seconds += SILENCE_S
    check.ask()
    assert state(check) == ("Redis does not answer: ConnectionError: refused", None)
    assert registry.get_sample_value("nadroute_redis_up") == 0
    script.error = None
    check.ask()
    assert state(check) == (None, clock.monotonic())
    assert registry.get_sample_value("nadroute_redis_up") == 1


def test_a_password_that_changed_is_not_hidden_by_an_outage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each kind of failure is logged once until Redis answers, and counted each time."""
    script, registry = Script(monkeypatch), CollectorRegistry()
    check = RedisCheck("redis://127.0.0.1:1/0", clock=ManualClock(), registry=registry)
    lines = log_lines(monkeypatch, redis_check)
    for error in (redis.ConnectionError("a"), redis.ConnectionError("b"), redis.AuthenticationError("c")):
        script.error = error
        check.ask()
    assert [(line["event"], line["kind"]) for line in lines] == [
        ("Redis does not answer", "ConnectionError"),
        ("Redis does not answer", "AuthenticationError"),
    ]
    kinds = {"ConnectionError": 2, "AuthenticationError": 1}
    for kind, count in kinds.items():
        assert registry.get_sample_value("nadroute_redis_failures_total", {"kind": kind}) == count


def test_a_frozen_redis_is_away_though_nothing_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ping that hangs is as good as none."""
    Script(monkeypatch)
    clock = ManualClock()
    check = RedisCheck("redis://127.0.0.1:1/0", clock=clock, registry=CollectorRegistry())
    check.ask()
    clock.seconds += SILENCE_S
    assert check.why_not() is not None


@pytest.mark.parametrize("started", [True, False])
def test_stopped_it_holds_no_connection(monkeypatch: pytest.MonkeyPatch, started: bool) -> None:
    """It is closed when nobody asks over it any more, whether anybody did or not."""
    Script(monkeypatch)
    check = RedisCheck("redis://127.0.0.1:1/0", clock=SystemClock(), registry=CollectorRegistry())
    asks_at_close: list[bool] = []
    monkeypatch.setattr(check._client, "close", lambda: asks_at_close.append(check._thread.is_alive()))
    if started:
        check.start()
    check.stop()
    assert asks_at_close == [False]
