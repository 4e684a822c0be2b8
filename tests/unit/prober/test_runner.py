"""The runner, with links and sockets in memory."""

import itertools
import logging
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


def test_many_segments_are_probed_concurrently() -> None:
    """Each segment has its own result, whether it answers or not."""
    # What answers does so at once; a busy machine may need longer to take it.
    with running(replace(QUICK, dhcp_deadline_s=5.0, reach_wait_s=5.0)) as site:
        for vlan in range(1, 301):
            if vlan % 3:
                site.nodes[vlan] = [DHCPServer(), Gateway()]
        site.routed.add(frames.number("10.0.7.1"))
        for vlan in range(1, 301):
            site.submit(vlan)
        found = {result.vlan: result for result in (site.next() for _ in range(300))}
    assert len(found) == 300
    for vlan, result in found.items():
        if vlan % 3:
            assert result.targets[0].vlan.outcome is ReachOutcome.REACHABLE
            assert result.targets[0].routed.outcome is ReachOutcome.REACHABLE
        else:
            assert result.dhcp is not None
            assert result.dhcp.outcome is DHCPOutcome.NO_OFFER


def test_replies_are_polled_between_batches() -> None:
    """The first replies do not wait until thousands of probes are started."""
    started: list[int] = []

    def note(_: frames.Sent) -> Iterator[tuple[float, bytes]]:
        started.append(site.engine.open_segments("extra"))
        yield from ()

    site = Site(replace(QUICK, start_rate=None))
    site.nodes[1] = [note]
    probes = [SegmentProbe(vlan=vlan, ask_dhcp=True, targets=(target(),)) for vlan in range(1, 3001)]
    site.runner.submit_many("extra", probes, site.results.put)
    site.runner.start()
    try:
        assert {site.next().vlan for _ in probes} == set(range(1, 3001))
    finally:
        site.runner.stop()
    assert 0 < started[0] < 1000


def test_a_link_is_open_only_while_segments_are_probed() -> None:
    """It is opened for the first segment, closed some time after the last, and reopened for the next."""
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
def test_an_uplink_that_cannot_be_opened_is_a_fault(fault: Fault) -> None:
    """N1, N2: the result has the fault, the routed path is still checked, and the next probe retries."""
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


def test_an_uplink_that_goes_down_ends_waiting_segments() -> None:
    """N2: long before their deadlines."""
    with running(PATIENT) as site:
        site.submit(7)
        site.submit(8)
        wait_until(lambda: site.engine.open_segments("extra") == 2)
        site.links[0].broken = LinkError(Fault.UPLINK_DOWN, "for the test")
        assert [site.next().fault, site.next().fault] == [Fault.UPLINK_DOWN] * 2
        assert site.links[0].closed.wait(TIMEOUT_S)


def test_a_fault_of_an_uplink_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """N2: not at each probe that meets it; another fault is, and that the uplink works again."""
    caplog.set_level(logging.INFO, "services.prober.loop")
    down, gone = LinkError(Fault.UPLINK_DOWN, "down"), LinkError(Fault.UPLINK_MISSING, "gone")
    with running() as site:
        site.submit(7)
        wait_until(lambda: site.engine.open_segments("extra") == 1)
        site.links[0].broken = down
        site.next()
        for site.refusal in (down, gone, gone, None, down):
            site.submit(7)
            site.next()
            if site.refusal is None:
                assert site.links[1].closed.wait(TIMEOUT_S)
    said = [(record.getMessage(), vars(record).get("error")) for record in caplog.records]
    failed = "uplink failed"
    assert said == [
        (failed, str(down)),
        (failed, str(gone)),
        ("uplink works again", None),
        (failed, str(down)),
    ]


def test_frames_that_do_not_fit_the_send_queue_are_sent_later() -> None:
    """A full send queue delays frames and loses none."""
    with running(room=1) as site:
        for vlan in range(1, 30):
            site.nodes[vlan] = [DHCPServer(), Gateway()]
            site.submit(vlan)
        found = [site.next() for _ in range(1, 30)]
    assert {f.targets[0].vlan.outcome for f in found} == {ReachOutcome.REACHABLE}


def test_dropped_frames_reach_the_verdict() -> None:
    """Frames dropped by the kernel make silence inconclusive."""
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


def test_without_an_icmp_socket_the_routed_path_is_not_tried() -> None:
    """The VLAN path is checked nevertheless."""
    with running() as site:
        site.echo_refusal = LinkError(Fault.NO_PERMISSION, "for the test")
        site.nodes[7] = [Gateway()]
        site.submit(7, target("10.0.7.1", from_dhcp=False), ask_dhcp=False)
        found = site.next()
    assert found.targets[0].vlan.outcome is ReachOutcome.REACHABLE
    assert found.targets[0].routed.outcome is ReachOutcome.NOT_TRIED


def test_stop_ends_open_and_later_segments_as_stopped() -> None:
    """Every submitted segment gets a result."""
    with running(PATIENT) as site:
        for vlan in range(1, 200):
            site.submit(vlan)
        site.runner.stop()
        assert {site.next().fault for _ in range(1, 200)} == {Fault.STOPPED}
        site.submit(500)
        late = site.next()
        assert (late.vlan, late.fault) == (500, Fault.STOPPED)
        assert site.results.empty()


def test_an_engine_that_raises_ends_all_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Open segments end as STOPPED, and the failure callback is called."""
    with running(PATIENT) as site:
        site.submit(7)
        wait_until(lambda: bool(site.links))

        def broken(limit: int) -> list[Received]:
            raise RuntimeError("for the test")

        monkeypatch.setattr(site.links[0], "receive", broken)
        site.submit(8)
        assert site.failed.wait(TIMEOUT_S)
        assert [site.next().fault, site.next().fault] == [Fault.STOPPED] * 2


def test_an_unknown_cluster_network_is_rejected() -> None:
    """It has no interface."""
    with running() as site, pytest.raises(KeyError):
        site.runner.submit("other", SegmentProbe(vlan=7, targets=(target(),)), site.results.put)


def test_segments_from_many_threads_each_get_one_result() -> None:
    """Each task calls submit from its own thread."""
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
        vlans_done = sorted(site.next().vlan for _ in range(200))
    assert vlans_done == list(range(1, 201))
    assert site.results.empty()


def test_run_returns_on_the_last_result(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the caller's thread, and without waiting for the next check of the uplink."""
    site = Site(QUICK)
    site.nodes[7] = [DHCPServer(), Gateway()]
    probe = SegmentProbe(vlan=7, ask_dhcp=True, targets=(target(),))
    site.runner.submit_many("extra", [probe], site.results.put)
    waited: list[bool] = []
    wait = site.runner._wait

    def noted(timeout_s: float) -> None:
        waited.append(site.results.empty())
        wait(timeout_s)

    monkeypatch.setattr(site.runner, "_wait", noted)
    site.runner.run(lambda: not site.results.empty())
    assert waited
    assert all(waited)
    assert site.next().targets[0].vlan.outcome is ReachOutcome.REACHABLE
    assert site.links[0].closed.is_set()


def test_an_exception_of_until_propagates_after_cleanup() -> None:
    """Unfinished segments end as STOPPED, and the link is closed."""
    site = Site(PATIENT)
    probes = [SegmentProbe(vlan=vlan, ask_dhcp=True, targets=(target(),)) for vlan in range(1, 300)]
    site.runner.submit_many("extra", probes, site.results.put)

    def until() -> bool:
        if site.links:
            raise KeyboardInterrupt
        return False

    with pytest.raises(KeyboardInterrupt):
        site.runner.run(until)
    assert {site.next().fault for _ in probes} == {Fault.STOPPED}
    assert site.links[0].closed.is_set()
