"""`probe --wait`: collecting the probers' results, and the report."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from services.cli.probe.report import report_columns
from services.cli.probe.waiting import ProbeResults, collect
from services.cli.tables import table_lines
from services.contract.messages import ProbeRequest, Segment, Verdict
from services.contract.outcomes import Fault, ReachOutcome
from services.network.parse.intent import Intent, read_intent
from services.network.parse.nad import NetworkRef
from services.network.policy import DEFAULT_POLICY
from services.view.documents import probed_document
from services.view.probe_results import conclude_probe
from services.watcher.limits.workload import segment_probe
from services.watcher.requests import Sent
from tests.support.manual_clock import ManualClock
from tests.unit.network.builders import dhcp, network, offer, verdict

INTENT = cast("Intent", read_intent(network()))
REF = NetworkRef("default", "net")
SEGMENT = Segment(cluster_network="extra", vlan=100)


@dataclass
class FakeResult:
    """A Celery result that becomes ready after some polls."""

    result: object = None
    ready_after: int = 1
    failed: bool = False
    infos: Sequence[object] = ()
    forgotten: bool = field(default=False, init=False)
    _polls: int = field(default=0, init=False)

    def ready(self) -> bool:
        self._polls += 1
        return self._polls > self.ready_after

    def successful(self) -> bool:
        return not self.failed

    @property
    def info(self) -> object:
        return self.infos[min(self._polls, len(self.infos)) - 1] if self.infos else None

    def forget(self) -> None:
        self.forgotten = True


def _request(host: str = "node1") -> ProbeRequest:
    probe = segment_probe([INTENT], ask_dhcp=True)
    return ProbeRequest(
        id=f"r-{host}", host=host, cluster_network="extra", sent_at_ms=1, max_age_ms=60_000, segments=(probe,)
    )


def _collect(
    *results: FakeResult, hosts: Sequence[str] = ("node1", "node2")
) -> tuple[ProbeResults, list[int]]:
    progress: list[int] = []
    sent = [Sent(_request(host), cast("Any", result)) for host, result in zip(hosts, results, strict=False)]
    answers = collect(sent, timeout_s=5.0, clock=ManualClock(), on_progress=progress.append)
    assert all(result.forgotten for result in results), "a result that is left stays in Redis"
    return answers, progress


def _verdict(host: str = "node1", **more: Any) -> Verdict:
    return verdict(INTENT.digest, host=host, **more)


def test_verdicts_are_collected_with_progress() -> None:
    """If all requests are answered, there is no failure and progress ends at 100 %."""
    done = [
        FakeResult([_verdict(host).to_wire()], ready_after=n) for n, host in enumerate(("node1", "node2"), 1)
    ]
    answers, progress = _collect(*done)
    assert {found.host for found in answers.verdicts} == {"node1", "node2"}
    assert answers.failures == {}
    assert progress[-1] == 2


def test_a_host_that_does_not_answer_in_time_is_a_failure() -> None:
    """The verdicts of the other hosts are kept."""
    answers, _ = _collect(FakeResult([_verdict().to_wire()]), FakeResult(ready_after=10**6))
    assert [found.host for found in answers.verdicts] == ["node1"]
    assert answers.failures == {"node2": "no answer within 5 s"}


def test_an_invalid_result_is_a_failure_of_its_host() -> None:
    """Another shape, another host's verdict, none, or a failed task."""
    for result in (
        FakeResult([{"segment": 5}]),
        FakeResult([_verdict("node9").to_wire()]),
        FakeResult([]),
        FakeResult("text"),
        FakeResult(ValueError("x"), failed=True),
    ):
        answers, _ = _collect(result, hosts=["node1"])
        assert answers.verdicts == []
        assert list(answers.failures) == ["node1"]


def test_progress_is_bounded() -> None:
    """A prober's progress report that is invalid counts as 0, one that is too large as all."""
    infos: list[object] = [{"done": 10**9}, {"done": "x"}, {"done": -4}, None, "text"]
    _, progress = _collect(FakeResult([_verdict().to_wire()], ready_after=5, infos=infos), hosts=["node1"])
    assert set(progress) <= {0, 1}


def test_a_report_has_the_state_by_this_probe_and_each_hosts_answer() -> None:
    """One host reaches the gateway, one has a fault, one did not answer: Partial."""
    asked = {SEGMENT: ["node1", "node2", "node3"]}
    verdicts = [
        _verdict("node1", dhcp=dhcp(offer()), vlan=ReachOutcome.REACHABLE, routed=ReachOutcome.REACHABLE),
        verdict(INTENT.digest, host="node2", fault=Fault.UPLINK_DOWN),
    ]
    (probed,) = conclude_probe(
        {REF: INTENT}, asked, verdicts, {"node3": "no answer within 5 s"}, policy=DEFAULT_POLICY
    )
    body = probed_document(probed)
    assert (body["state"], body["vlan"]) == ("Partial", 100)
    hosts = cast("list[dict[str, Any]]", body["hosts"])
    assert [host["host"] for host in hosts] == ["node1", "node2", "node3"]
    assert hosts[0]["dhcp"] == {
        "outcome": "offered",
        "servers": [{"server": "10.0.112.1", "cidr": "10.0.112.0/20", "gateway": "10.0.112.1"}],
    }
    assert hosts[0]["routed"] == {"outcome": "reachable", "rtt_ms": None}
    assert hosts[1]["fault"] == "UplinkDown"
    assert hosts[2] == {"host": "node3", "answered": False, "error": "no answer within 5 s"}
    _, _, *rows = table_lines(report_columns([probed]), 120)
    assert [row.plain.split()[0] for row in rows] == [str(REF), "node2", "node3"]


def test_a_network_without_a_host_is_reported_too() -> None:
    """Its reason is NoHost."""
    (probed,) = conclude_probe({REF: INTENT}, {}, [], {}, policy=DEFAULT_POLICY)
    assert (probed.conclusion.state, probed.conclusion.reason) == ("Pending", "NoHost")
    assert len(table_lines(report_columns([probed]), 120)) == 3
