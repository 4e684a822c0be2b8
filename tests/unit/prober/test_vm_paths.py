"""Whether a VLAN reaches the VMs: what is said of it, and when."""

from collections.abc import Collection, Mapping
from typing import Any

from prometheus_client import CollectorRegistry

from services.contract.limits import REPORT_WITHIN_S
from services.contract.outcomes import BridgeFault, ReachOutcome
from services.prober.engine.results import ReachResult, SegmentResult, TargetResult
from services.prober.fingerprints import fingerprint
from services.prober.metrics import ProberMetrics
from services.prober.reporter import Reporter
from services.prober.sockets.bridges import BridgePort
from services.prober.vm_paths import READ_EVERY_S, SETTLED_S, VMPaths
from tests.support.manual_clock import ManualClock
from tests.unit.prober.reporting import Lock, Outside

UP = ReachResult(ReachOutcome.REACHABLE, 0.001, 1, b"\xff" * 6)
RESULT = SegmentResult("extra", 7, None, (TargetResult("0" * 16, None, 1, UP, UP, UP),), None, 0)
FORWARDS_7 = BridgePort(False, 1 << 7)
FORWARDS_8 = BridgePort(False, 1 << 8)
BLOCKED = BridgePort(True, 1 << 7)


class Host:
    """A host whose bridge is what the test says."""

    def __init__(self, port: BridgePort | None) -> None:
        self.clock, self.port = ManualClock(), port
        self.uplinks = {"extra": "extra-bo"}
        self.tells = self.is_deaf = False
        self.reads = 0
        self.paths = VMPaths(
            lambda: self.uplinks,
            clock=self.clock,
            read=self._read,
            open_notices=lambda: self,  # type: ignore[arg-type, return-value]
        )

    def changed(self) -> bool:
        told, self.tells = self.tells, False
        return told

    def put(self, port: BridgePort | None) -> None:
        self.port, self.tells = port, True

    def after(self, seconds: float, vlan: int = 7) -> BridgeFault | None:
        self.clock.seconds += seconds
        return self.paths.fault("extra", vlan)

    def _read(self, interfaces: Collection[str]) -> Mapping[str, BridgePort]:
        self.reads += 1
        if self.is_deaf:
            raise OSError("deaf")
        return {} if self.port is None else dict.fromkeys(interfaces, self.port)


def test_a_vlan_that_is_missing_for_a_while_does_not_reach_the_vms() -> None:
    """For the first seconds it is not settled: Harvester adds it on each host once the network is there."""
    host = Host(FORWARDS_8)
    assert host.after(0) is BridgeFault.UNSETTLED
    assert host.after(SETTLED_S - 1) is BridgeFault.UNSETTLED
    assert host.after(1) is BridgeFault.NOT_IN_BRIDGE
    assert host.after(0, vlan=8) is None
    host.put(FORWARDS_7)
    assert host.after(1) is None
    host.put(FORWARDS_8)
    assert host.after(1) is BridgeFault.UNSETTLED


def test_a_blocked_port_passes_no_vlan() -> None:
    """Once that is settled, too."""
    host = Host(BLOCKED)
    assert host.after(0) is BridgeFault.UNSETTLED
    assert host.after(SETTLED_S) is BridgeFault.PORT_BLOCKED


def test_where_nothing_is_known_nothing_is_said() -> None:
    """An uplink behind no bridge, one that is gone, and bridges that cannot be read."""
    host = Host(None)
    assert (host.after(0), host.after(SETTLED_S)) == (None, None)
    host.put(FORWARDS_8)
    host.after(1)
    host.uplinks = {}
    assert host.after(SETTLED_S) is None
    host.uplinks = {"extra": "extra-bo"}
    assert host.after(1) is not None
    host.is_deaf = host.tells = True
    assert host.after(1) is None


def test_bridges_are_read_when_something_has_changed() -> None:
    """And once in a while, should the kernel not have told; not for each result."""
    host = Host(FORWARDS_7)
    for _ in range(10):
        host.after(1)
    assert host.reads == 1
    host.put(FORWARDS_8)
    assert host.after(1) is BridgeFault.UNSETTLED
    assert host.reads == 2
    host.after(READ_EVERY_S)
    assert host.reads == 3


class Bench:
    """A reporter with such a host."""

    def __init__(self, port: BridgePort) -> None:
        self.host, self.outside = Host(port), Outside()
        self.reporter: Any = Reporter(
            app=self.outside,
            client=self.outside,  # type: ignore[arg-type]
            host="node1",
            lock=Lock(),  # type: ignore[arg-type]
            clock=self.host.clock,
            metrics=ProberMetrics(CollectorRegistry()),
            bridge_fault=self.host.paths.fault,
        )

    def after(self, seconds: float, *results: SegmentResult) -> list[BridgeFault | None]:
        """Return what is reported of these results."""
        self.host.clock.seconds += seconds
        self.outside.reports.clear()
        for result in results:
            self.reporter.add(result, request_id="r1", deliver=None)
        self.reporter._flush()
        return [verdict.bridge for report in self.outside.reports for verdict in report.verdicts]


def test_what_was_not_settled_is_reported_once_more() -> None:
    """Soon enough that a prober that restarts says it again before its silence counts."""
    bench = Bench(FORWARDS_8)
    assert bench.after(0, RESULT) == [BridgeFault.UNSETTLED]
    assert bench.after(SETTLED_S - 1) == []
    assert bench.after(1) == [BridgeFault.NOT_IN_BRIDGE]
    assert bench.after(SETTLED_S) == []
    assert SETTLED_S + 5 < REPORT_WITHIN_S


def test_what_is_settled_by_the_bridge_is_reported_as_such() -> None:
    """Harvester has added the VLAN meanwhile."""
    bench = Bench(FORWARDS_8)
    bench.after(0, RESULT)
    bench.host.put(FORWARDS_7)
    assert bench.after(SETTLED_S) == [None]


def test_an_older_result_does_not_follow_a_newer_one() -> None:
    """A probe meanwhile says more than the first one once more."""
    bench = Bench(FORWARDS_8)
    bench.after(0, RESULT)
    bench.host.put(FORWARDS_7)
    newer = RESULT._replace(targets=())
    assert bench.after(5, newer) == [None]
    assert bench.after(SETTLED_S) == []


def test_the_bridge_is_part_of_what_a_result_says() -> None:
    """So a result that differs in it is no repeat."""
    prints = [fingerprint(RESULT._replace(bridge=fault)) for fault in (None, *BridgeFault)]
    assert len(set(prints)) == len(prints)
