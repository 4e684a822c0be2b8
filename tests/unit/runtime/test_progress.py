"""Readiness and the metric that follow progress."""

from prometheus_client import CollectorRegistry

from services.runtime.telemetry.health import Health
from services.runtime.telemetry.progress import STALLED_S, Progress
from tests.support.manual_clock import ManualClock


def test_a_work_that_stands_makes_the_service_not_ready() -> None:
    """Only while there is something to do, and nothing has been done for longer than a while."""
    clock, registry = ManualClock(), CollectorRegistry()
    health = Health(clock)
    since: list[float | None] = [None]
    progress = Progress(health, clock=clock, registry=registry)
    progress.add("reports", "reports wait, and none was taken", lambda: since[0])

    def stalled_s() -> float | None:
        return registry.get_sample_value("nadroute_stalled_seconds", {"work": "reports"})

    clock.seconds += 10 * STALLED_S
    assert (health.readiness_problems(), stalled_s()) == ({}, 0.0)
    since[0] = clock.monotonic()
    clock.seconds += STALLED_S
    assert (health.readiness_problems(), stalled_s()) == ({}, STALLED_S)
    clock.seconds += 1
    problem = f"reports wait, and none was taken for {STALLED_S + 1:.0f} s"
    assert health.readiness_problems() == {"progress of reports": problem}
    since[0] = clock.monotonic()
    assert health.readiness_problems() == {}
