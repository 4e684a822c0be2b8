"""When the reporter sends: the first verdict at once, those that follow together."""

import itertools
import threading
from collections.abc import Callable
from typing import Any

import redis
from prometheus_client import CollectorRegistry

from services.contract.envelopes import MAX_SENT_BYTES
from services.contract.limits import MAX_TARGETS
from services.contract.messages import SegmentProbe, Target
from services.contract.outcomes import Fault, ReachOutcome
from services.prober.engine.results import ReachResult, SegmentResult, TargetResult, untried
from services.prober.metrics import ProberMetrics
from services.prober.reporter import IDLE_S, REPORT_INTERVAL_S, RETRY_S, Reporter
from tests.support.manual_clock import ManualClock
from tests.unit.prober.reporting import Lock, Outside


class Script(ManualClock):
    """A clock with one step per wait, during which a verdict may come. The last stops the reporter."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[Callable[[], None]] = []

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        self.steps.pop(0)()
        return super().wait(event, timeout_s)


class Bench:
    """A reporter that runs in the test's thread."""

    def __init__(self) -> None:
        self.clock, self.outside, self.lock = Script(), Outside(), Lock()
        self.reporter: Any = Reporter(
            app=self.outside,
            client=self.outside,  # type: ignore[arg-type]
            host="node1",
            lock=self.lock,  # type: ignore[arg-type]
            clock=self.clock,
            metrics=ProberMetrics(CollectorRegistry()),
        )

    def add(self, *vlans: int) -> None:
        for vlan in vlans:
            probe = SegmentProbe(vlan=vlan, targets=(Target(digest="0" * 16),))
            result = untried("extra", probe, Fault.UPLINK_DOWN)
            self.reporter.add(result, request_id="r1", deliver=None)

    def run(self, *steps: Callable[[], None]) -> list[list[int]]:
        """Run until the last step is over; return the VLANs of each report."""
        self.clock.steps = [*steps, self.reporter._stopping.set]
        self.reporter._run()
        return [[v.segment.vlan for v in report.verdicts] for report in self.outside.reports]


def refuse(*_: object, **__: object) -> None:
    """Refuse as a Redis without memory does."""
    raise redis.OutOfMemoryError


def nothing() -> None:
    """Do nothing."""


def test_no_report_is_too_large_to_be_taken() -> None:
    """Verdicts with all their targets are divided among reports, each once and in order."""
    bench = Bench()
    reached = ReachResult(ReachOutcome.INCONCLUSIVE, 1234.5, 99, b"\xff" * 6)
    target = TargetResult("f" * 16, None, 0xFFFFFFFF, reached, reached, reached)
    result = SegmentResult("extra", 1, None, (target,) * MAX_TARGETS, None, 0)
    for vlan in range(1, 101):
        bench.reporter.add(result._replace(vlan=vlan), request_id="r1", deliver=None)
    told = bench.run()
    assert len(told) > 1
    assert list(itertools.chain(*told)) == list(range(1, 101))
    assert all(len(report.to_json()) <= MAX_SENT_BYTES for report in bench.outside.reports)


def test_the_first_verdict_goes_out_at_once_and_the_next_together() -> None:
    """For 100 ms after a report verdicts are collected; a pause later the next one waits for nothing."""
    bench = Bench()
    assert bench.run(lambda: bench.add(1), lambda: bench.add(2, 3), nothing, lambda: bench.add(4)) == [
        [1],
        [2, 3],
        [4],
    ]
    assert bench.clock.waits == [IDLE_S, REPORT_INTERVAL_S, REPORT_INTERVAL_S, IDLE_S, REPORT_INTERVAL_S]
    # Both idle waits ended with the verdict.
    assert bench.clock.seconds == 1_000 + 2 * REPORT_INTERVAL_S


def test_a_verdict_that_comes_while_the_reporter_becomes_idle_is_sent_at_once() -> None:
    """Between its last look and its wait."""
    bench = Bench()
    clear = bench.reporter._woken.clear

    def clear_late() -> None:
        clear()
        bench.reporter._woken.clear = clear
        bench.add(1)

    bench.reporter._woken.clear = clear_late
    assert bench.run() == [[1]]
    assert bench.clock.waits == [REPORT_INTERVAL_S]


def test_verdicts_that_cannot_be_sent_are_tried_again_every_interval() -> None:
    """Nothing wakes the reporter when Redis is back."""
    bench = Bench()
    bench.lock.held = False

    def hold() -> None:
        bench.lock.held = True

    assert bench.run(lambda: bench.add(1), nothing, hold) == [[1]]
    assert bench.clock.waits == [IDLE_S, REPORT_INTERVAL_S, REPORT_INTERVAL_S, REPORT_INTERVAL_S]


def test_a_report_that_redis_does_not_take_is_tried_again_once_a_second() -> None:
    """Each try makes a connection: ten a second would leave 30 MB of objects in half a minute."""
    bench = Bench()
    send, bench.outside.send_task = bench.outside.send_task, refuse  # type: ignore[method-assign]

    def take() -> None:
        bench.outside.send_task = send  # type: ignore[method-assign]

    bench.add(1)
    assert bench.run(nothing, take) == [[1]]
    assert bench.clock.waits == [RETRY_S, RETRY_S, REPORT_INTERVAL_S]


def test_stop_wakes_an_idle_reporter_and_sends_what_is_queued() -> None:
    """Without it, a stop would take as long as the idle wait."""
    bench = Bench()
    bench.clock = bench.reporter._clock = ManualClock(on_wait="block")  # type: ignore[assignment]
    bench.reporter.start()
    bench.reporter.stop()
    assert not bench.reporter._thread.is_alive()
    late = Bench()
    late.add(7)
    assert late.run() == [[7]]
