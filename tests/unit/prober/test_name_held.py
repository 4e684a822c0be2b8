"""Without the host's name a prober sends no verdict and takes no request."""

from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from services.contract.messages import ProbeRequest, SegmentProbe, Target
from services.contract.outcomes import Depth, Fault
from services.prober.engine.results import untried
from services.prober.lease_pauses import LeasePauses
from services.prober.metrics import ProberMetrics
from services.prober.reporter import Reporter
from services.prober.tasks import ProbeService
from services.runtime.stored import dead_letters
from tests.support.manual_clock import ManualClock
from tests.unit.prober.reporting import Lock, Outside

PROBE = SegmentProbe(vlan=7, targets=(Target(digest="0" * 16),))
REQUEST = ProbeRequest(
    id="r1", host="node1", cluster_network="extra", sent_at_ms=0, max_age_ms=60_000, segments=(PROBE,)
)


def test_verdicts_wait_until_the_name_is_held_and_carry_its_incarnation() -> None:
    """After an outage of Redis they are sent; those of a prober that lost its name never are."""
    lock, outside = Lock(held=False), Outside()
    reporter: Any = Reporter(
        app=outside,
        client=outside,  # type: ignore[arg-type]
        host="node1",
        lock=lock,  # type: ignore[arg-type]
        clock=ManualClock(on_wait="fail"),
        metrics=ProberMetrics(CollectorRegistry()),
    )
    reporter.add(untried("extra", PROBE, Fault.STOPPED), request_id="r1", deliver=None)
    reporter._flush()
    assert outside.reports == []
    lock.held = True
    reporter._flush()
    ((verdict,),) = [report.verdicts for report in outside.reports]
    assert verdict.incarnation == 5
    lock.incarnation = 6
    reporter.add(untried("extra", PROBE, Fault.STOPPED), request_id="r2", deliver=None)
    reporter._flush()
    assert [v.incarnation for report in outside.reports for v in report.verdicts] == [5, 6]


def test_a_request_is_refused_without_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the reason. Its mark is deleted, so that the watcher asks the one that has the name."""
    lock, outside, registry = Lock(held=False), Outside(), CollectorRegistry()
    letters: list[object] = []
    monkeypatch.setattr(dead_letters, "record", lambda _, *, reason, **__: letters.append(reason))
    service = ProbeService(
        host="node1",
        uplinks=outside,  # type: ignore[arg-type]
        runner=outside,  # type: ignore[arg-type]
        reporter=outside,  # type: ignore[arg-type]
        client=outside,  # type: ignore[arg-type]
        lock=lock,  # type: ignore[arg-type]
        metrics=ProberMetrics(registry),
        pauses=LeasePauses(outside, hours=0, depth=Depth.OFFER),  # type: ignore[arg-type]
    )
    service.probe(REQUEST.to_wire(), progress=None)
    assert (outside.probed, outside.cleared) == ([], 1)
    assert letters == ["host: another prober took the name node1"]
    refused = registry.get_sample_value("nadroute_requests_refused_total", {"reason": "name_not_held"})
    assert refused == 1
    lock.held = True
    service.probe(REQUEST.to_wire(), progress=None)
    assert outside.probed == ["extra"]
