"""Reports that Redis does not take at once."""

import pytest
import redis

from services.contract.messages import Segment
from services.contract.reports import Report
from services.updater.review.retaking import AGAIN_S, Retaking
from tests.support.manual_clock import ManualClock
from tests.unit.network.builders import verdict

REPORT = Report(host="node1", verdicts=(verdict("0" * 16, host="node1"),))


class Store:
    """Fails with these errors, and then takes reports."""

    def __init__(self, *errors: redis.RedisError) -> None:
        self.errors = list(errors)
        self.taken = 0

    def take(self, report: Report) -> tuple[Segment, ...]:
        assert report == REPORT
        if self.errors:
            raise self.errors.pop(0)
        self.taken += 1
        return ()


def test_a_report_waits_for_redis() -> None:
    """R4, R7: it is tried again until Redis takes it, once."""
    store = Store(redis.ConnectionError("x"), redis.exceptions.OutOfMemoryError("x"))
    clock = ManualClock()
    reports = Retaking(store.take, clock=clock)
    assert reports.take(REPORT) == ()
    assert (store.taken, clock.waits) == (1, [AGAIN_S, AGAIN_S])
    assert reports.problem() is None


@pytest.mark.parametrize("text", ["WRONGTYPE Operation against a key", "invalid value"])
def test_a_report_that_no_wait_helps_is_lost(text: str) -> None:
    """R17: it would hold up all others."""
    store = Store(redis.ResponseError(text))
    with pytest.raises(redis.ResponseError):
        Retaking(store.take, clock=ManualClock(on_wait="fail")).take(REPORT)


def test_a_report_does_not_hold_up_the_end() -> None:
    """W4: a process that is to end gives it up."""
    store = Store(*[redis.ConnectionError("x")] * 4)
    reports = Retaking(store.take, clock=ManualClock(stop_after=2))
    with pytest.raises(redis.ConnectionError):
        reports.take(REPORT)
    assert len(store.errors) == 1
    reports.stop()
    with pytest.raises(redis.ConnectionError):
        reports.take(REPORT)
    assert reports.problem() == "reports not stored yet: ConnectionError: x"
