"""The updater's question for what was repeated, from the task to the report."""

from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from services.contract.outcomes import Depth
from services.contract.reports import FullRequest
from services.prober.lease_pauses import LeasePauses
from services.prober.metrics import ProberMetrics
from services.prober.outbox import REPEATS_HELD_S
from services.prober.reporter import REPORT_INTERVAL_S
from services.prober.tasks import ProbeService
from services.runtime.stored import dead_letters
from tests.unit.prober.reporting import Outside
from tests.unit.prober.test_outbox import CHECK, VLAN
from tests.unit.prober.test_reporter import Bench, nothing


def served(bench: Bench) -> ProbeService:
    outside: Any = bench.outside
    lock: Any = bench.lock
    return ProbeService(
        host="node1",
        uplinks=outside,
        runner=outside,
        reporter=bench.reporter,
        client=outside,
        lock=lock,
        metrics=ProberMetrics(CollectorRegistry()),
        pauses=LeasePauses(outside, hours=0, depth=Depth.OFFER),
    )


def told(outside: Outside) -> list[str]:
    """Return for each report the counters of its verdicts, those of repeats in brackets."""
    return [
        " ".join(
            [
                *(str(verdict.counter) for verdict in report.verdicts),
                *(f"({entry[1]})" for repeats in report.repeats for entry in repeats.verdicts),
            ]
        )
        for report in outside.reports
    ]


def test_repeats_are_held_for_a_second_and_sent_together() -> None:
    """A difference goes out at once, and takes them along."""
    bench = Bench()

    def check(*vlans: int) -> None:
        for vlan in vlans:
            result = CHECK._replace(vlan=vlan)
            bench.reporter.add(result, request_id="r1", deliver=None)

    def two() -> None:
        check(1)
        bench.clock.seconds += 0.25
        check(2)

    check(1, 2)
    bench.run(nothing, two, lambda: check(3), nothing, lambda: check(1, 2), nothing, nothing, nothing)
    assert told(bench.outside) == ["0 1", "4 (2) (3)", "(5) (6)"]
    assert REPEATS_HELD_S in bench.clock.waits
    assert bench.clock.waits.count(REPORT_INTERVAL_S) >= 3


def test_a_request_has_what_was_repeated_sent_in_full_at_once() -> None:
    """Under its own number; a later one is a repeat again."""
    bench = Bench()
    service = served(bench)

    def check() -> None:
        bench.reporter.add(CHECK, request_id="r1", deliver=None)

    def ask() -> None:
        service.report_in_full(FullRequest(host="node1", segments=(VLAN,)).to_json())

    check()
    bench.run(nothing, check, nothing, nothing, ask, check)
    assert told(bench.outside) == ["0", "(1)", "1", "(2)"]


@pytest.mark.parametrize("body", [None, "junk", {"host": "node1"}, {"host": "node2", "segments": [1]}])
def test_what_is_no_request_is_recorded(body: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """As every message that is refused."""
    letters: list[str] = []
    monkeypatch.setattr(dead_letters, "record", lambda _, *, reason, **__: letters.append(reason))
    bench = Bench()
    served(bench).report_in_full(body)
    assert len(letters) == 1
    assert bench.reporter._wanted.empty()


def test_a_request_for_another_host_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """It changes nothing here."""
    letters: list[str] = []
    monkeypatch.setattr(dead_letters, "record", lambda _, *, reason, **__: letters.append(reason))
    bench = Bench()
    served(bench).report_in_full(FullRequest(host="node2", segments=(VLAN,)).to_wire())
    assert letters == ["host: expected node1, got node2"]
    assert bench.reporter._wanted.empty()
