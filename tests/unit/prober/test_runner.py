"""The runner, with links and sockets of memory in place of the kernel's."""

import itertools
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from services.contract.messages import SegmentProbe
from services.contract.outcomes import DHCPOutcome, Fault, ReachOutcome
from services.prober.engine.settings import EngineSettings
from services.prober.frames.ignore_reasons import IgnoreReason
from services.prober.sockets.link import LinkError, Received
from tests.unit.prober import frames
from tests.unit.prober.memory_site import PATIENT, QUICK, TIMEOUT_S, Site, running, wait_until
from tests.unit.prober.world import DHCPServer, Gateway, target


def test_many_segments_are_probed_at_once() -> None:
    """Those that answer and those that do not, each with its own finding."""
    with running() as site:
        for vlan in range(1, 301):
            if vlan % 3:
                site.nodes[vlan] = [DHCPServer(), Gateway()]
        site.routed.add(frames.number("10.0.7.1"))
        for vlan in range(1, 301):
            site.submit(vlan)
        found = {finding.vlan: finding for finding in (site.next() for _ in range(300))}
    assert len(found) == 300
    for vlan, finding in found.items():
        if vlan % 3:
            assert finding.targets[0].vlan.outcome is ReachOutcome.REACHABLE
            assert finding.targets[0].routed.outcome is ReachOutcome.REACHABLE
        else:
            assert finding.dhcp is not None
            assert finding.dhcp.outcome is DHCPOutcome.NO_OFFER


def test_answers_are_looked_for_before_all_is_begun() -> None:
    """Of thousands at once some hundreds are begun first: their answers need not wait for the rest."""
    begun: list[int] = []

    def note(_: frames.Sent) -> Iterator[tuple[float, bytes]]:
        begun.append(site.engine.open_segments("extra"))
        yield from ()

    site = Site(replace(QUICK, start_rate=None))
    site.nodes[1] = [note]
    probes = [SegmentProbe(vlan=vlan, ask_dhcp=True, targets=(target(),)) for vlan in range(1, 3001)]
    site.runner.submit_many("extra", probes, site.findings.put)
    site.runner.start()
    try:
        assert {site.next().vlan for _ in probes} == set(range(1, 3001))
    finally:
        site.runner.stop()
    assert 0 < begun[0] < 1000


def test_link_is_open_only_while_there_is_something_to_probe() -> None:
    """Opened on the first segment, closed a while after the last, and opened again on the next."""
    with running() as site:
        assert site.links == []
        site.submit(7)
        site.next()
        assert site.links[0].closed.wait(TIMEOUT_S)
        site.submit(7)
        site.next()
        assert len(site.links) == 2
    assert site.links[1].closed.is_set()


@pytest.mark.parametrize("fault", [Fault.UPLINK_MISSING, Fault.UPLINK_DOWN, Fault.NO_PERMISSION])
def test_uplink_that_cannot_be_opened_is_a_fault(fault: Fault) -> None:
    """N1, N2: every segment is told why, routed is asked all the same, and the next one tries again."""
    with running() as site:
        site.refusal = LinkError(fault, "for the test")
        site.routed.add(frames.number("10.0.7.1"))
        site.submit(7, target("10.0.7.1"))
        found = site.next()
        assert found.fault is fault
        assert found.dhcp is not None
        assert found.dhcp.outcome is DHCPOutcome.NOT_TRIED
        assert found.targets[0].vlan.outcome is ReachOutcome.NOT_TRIED
        assert found.targets[0].routed.outcome is ReachOutcome.REACHABLE
        site.refusal = None
        site.nodes[7] = [DHCPServer(), Gateway()]
        site.submit(7)
        assert site.next().fault is None


def test_uplink_that_goes_down_is_noticed_while_all_wait() -> None:
    """N2: long before any deadline, all that waits on it is told."""
    with running(PATIENT) as site:
        site.submit(7)
        site.submit(8)
        wait_until(lambda: site.engine.open_segments("extra") == 2)
        site.links[0].broken = LinkError(Fault.UPLINK_DOWN, "for the test")
        assert [site.next().fault, site.next().fault] == [Fault.UPLINK_DOWN] * 2
        assert site.links[0].closed.wait(TIMEOUT_S)


def test_frames_that_find_no_room_are_sent_later_in_order() -> None:
    """A full send queue delays; it loses nothing."""
    with running(room=1) as site:
        for vlan in range(1, 30):
            site.nodes[vlan] = [DHCPServer(), Gateway()]
            site.submit(vlan)
        found = [site.next() for _ in range(1, 30)]
    assert {f.targets[0].vlan.outcome for f in found} == {ReachOutcome.REACHABLE}


def test_dropped_frames_reach_the_verdict() -> None:
    """What the kernel says it dropped makes silence inconclusive."""
    with running(EngineSettings(dhcp_deadline_s=1.0)) as site:
        site.submit(7)
        wait_until(lambda: bool(site.links))
        site.links[0].drops.append(12)
        found = site.next()
    assert found.dhcp is not None
    assert (found.dhcp.outcome, found.dropped_frames) == (DHCPOutcome.INCONCLUSIVE, 12)


def test_frames_that_the_engine_ignores_are_counted_by_reason() -> None:
    """The counts are read from another thread, for the metrics."""

    def send_ipv6(sent: frames.Sent) -> Iterator[tuple[float, bytes]]:
        yield 0.0, bytes(12) + b"\x86\xdd" + bytes(40)

    with running() as site:
        site.nodes[7] = [send_ipv6]
        site.submit(7)
        wait_until(lambda: site.runner.ignored_frames()[IgnoreReason.ETHERTYPE] > 0)
        assert site.runner.ignored_frames()[IgnoreReason.ARP_MALFORMED] == 0


def test_without_an_icmp_socket_routed_is_not_tried() -> None:
    """The VLAN's half of the verdict stands alone."""
    with running() as site:
        site.echo_refusal = LinkError(Fault.NO_PERMISSION, "for the test")
        site.nodes[7] = [Gateway()]
        site.submit(7, target("10.0.7.1", from_dhcp=False), ask_dhcp=False)
        found = site.next()
    assert found.targets[0].vlan.outcome is ReachOutcome.REACHABLE
    assert found.targets[0].routed.outcome is ReachOutcome.NOT_TRIED


def test_stop_answers_for_everything_and_for_what_comes_later() -> None:
    """Nobody waits for a finding that never comes."""
    with running(PATIENT) as site:
        for vlan in range(1, 200):
            site.submit(vlan)
        site.runner.stop()
        assert {site.next().fault for _ in range(1, 200)} == {Fault.STOPPED}
        site.submit(500)
        late = site.next()
        assert (late.vlan, late.fault) == (500, Fault.STOPPED)
        assert site.findings.empty()


def test_broken_engine_is_told_and_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of our own ends the engine: what was in hand is STOPPED, and the process is told to end."""
    with running(PATIENT) as site:
        site.submit(7)
        wait_until(lambda: bool(site.links))

        def broken(limit: int) -> list[Received]:
            raise RuntimeError("for the test")

        monkeypatch.setattr(site.links[0], "receive", broken)
        site.submit(8)
        assert site.failed.wait(TIMEOUT_S)
        assert [site.next().fault, site.next().fault] == [Fault.STOPPED] * 2


def test_unknown_cluster_network_is_refused() -> None:
    """There is no interface to ask on."""
    with running() as site, pytest.raises(KeyError):
        site.runner.submit("other", SegmentProbe(vlan=7, targets=(target(),)), site.findings.put)


def test_segments_from_many_threads_are_each_told_once() -> None:
    """submit is called by every task's thread."""
    with running() as site:
        vlans = itertools.count(1)

        def work() -> None:
            for _ in range(25):
                site.submit(next(vlans))

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(TIMEOUT_S)
        told = sorted(site.next().vlan for _ in range(200))
    assert told == list(range(1, 201))
    assert site.findings.empty()


def test_run_does_not_wait_once_it_has_what_it_wants(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the caller's thread: the last finding ends it, not the next look at the uplink."""
    site = Site(QUICK)
    site.nodes[7] = [DHCPServer(), Gateway()]
    probe = SegmentProbe(vlan=7, ask_dhcp=True, targets=(target(),))
    site.runner.submit_many("extra", [probe], site.findings.put)
    waited: list[bool] = []
    wait = site.runner._wait

    def noted(timeout_s: float) -> None:
        waited.append(site.findings.empty())
        wait(timeout_s)

    monkeypatch.setattr(site.runner, "_wait", noted)
    site.runner.run(lambda: not site.findings.empty())
    assert waited
    assert all(waited)
    assert site.next().targets[0].vlan.outcome is ReachOutcome.REACHABLE
    assert site.links[0].closed.is_set()


def test_error_of_whoever_runs_it_comes_out_after_all_was_closed() -> None:
    """What is unfinished is told as STOPPED."""
    site = Site(PATIENT)
    probes = [SegmentProbe(vlan=vlan, ask_dhcp=True, targets=(target(),)) for vlan in range(1, 300)]
    site.runner.submit_many("extra", probes, site.findings.put)

    def until() -> bool:
        if site.links:
            raise KeyboardInterrupt
        return False

    with pytest.raises(KeyboardInterrupt):
        site.runner.run(until)
    assert {site.next().fault for _ in probes} == {Fault.STOPPED}
    assert site.links[0].closed.is_set()
