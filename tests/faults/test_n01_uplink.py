"""N1, N2, N3: a problem of the uplink is reported as the uplink's, and never as a failure of DHCP."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.running import RunningSite
from services.contract.messages import Verdict
from services.contract.outcomes import DHCPOutcome, Fault, ReachOutcome
from services.prober.sockets.link import LinkError
from tests.faults.trunk import (
    EMPTY,
    HOST,
    SERVED,
    UPLINK,
    assert_served,
    ip,
    outcome,
    probe,
    probing,
    standing_at_port,
    wait_for_packet_socket,
)
from tests.unit.prober import frames
from tests.unit.prober.memory_site import PATIENT, TIMEOUT_S, running, wait_until
from tests.unit.prober.world import UPLINK as MEMORY_UPLINK
from tests.unit.prober.world import DHCPServer, Gateway, World, target

SPARE, SPARE_PEER = "spare-bo", "spare-peer"
LONG_S = 120.0
"""A deadline that no test waits for."""
FLAPPING_S = 40.0
"""An upper bound: flapping ends when the test has its result."""


@pytest.fixture
def spare(trunk_site: RunningSite) -> Iterator[list[str]]:
    """Create a second uplink that a test may break; yield the command prefix of its host."""
    here = trunk_site.command(HOST)
    plug_in(here)
    yield here
    if SPARE in Path(f"/proc/{trunk_site.description.hosts[HOST].pid}/net/dev").read_text():
        ip(here, f"link delete {SPARE}")


def plug_in(here: list[str]) -> None:
    ip(
        here,
        f"link add {SPARE} type veth peer name {SPARE_PEER}",
        f"link set {SPARE_PEER} up",
        f"link set {SPARE} up",
    )


def assert_untried(verdict: Verdict, fault: Fault) -> None:
    """Assert that the fault was reported without a result, and before anything was retransmitted."""
    assert verdict.fault is fault
    assert verdict.dhcp is not None
    assert (outcome(verdict), verdict.dhcp.attempts > 1) == (DHCPOutcome.NOT_TRIED, False)
    assert verdict.targets[0].vlan.outcome is ReachOutcome.NOT_TRIED


@pytest.mark.network
@pytest.mark.parametrize("interface", ["gone-bo", "extra-br"], ids=["the uplink", "its bridge"])
def test_n1_uplink_that_is_not_there_is_a_fault(trunk_site: RunningSite, interface: str) -> None:
    """An unknown interface name, of the uplink or of its bridge, says nothing about the VLAN."""
    assert_untried(probe(trunk_site, [SERVED[0]], uplink=interface)[SERVED[0]], Fault.UPLINK_MISSING)


@pytest.mark.network
def test_n1_uplink_that_vanishes_ends_the_probe(trunk_site: RunningSite, spare: list[str]) -> None:
    """An uplink that is deleted during a probe is noticed long before the deadline."""
    with probing(trunk_site, [EMPTY], deadline_s=LONG_S, uplink=SPARE) as waiting:
        wait_for_packet_socket(waiting.pid)
        ip(spare, f"link delete {SPARE}")
        assert_untried(waiting.verdicts()[EMPTY], Fault.UPLINK_MISSING)


@pytest.mark.network
def test_n1_uplink_made_anew_is_another_one(trunk_site: RunningSite, spare: list[str]) -> None:
    """An uplink that is deleted and created again under its name counts as missing for the running probe."""
    with probing(trunk_site, [EMPTY], deadline_s=LONG_S, uplink=SPARE) as waiting:
        wait_for_packet_socket(waiting.pid)
        ip(spare, f"link delete {SPARE}")
        plug_in(spare)
        assert_untried(waiting.verdicts()[EMPTY], Fault.UPLINK_MISSING)
    again = probe(trunk_site, [EMPTY], deadline_s=3.0, uplink=SPARE)[EMPTY]
    assert (again.fault, outcome(again)) == (None, DHCPOutcome.NO_OFFER)


def test_n1_missing_uplink_leaves_the_routed_checks_alone() -> None:
    """A missing uplink does not affect checks through routing, and is opened again later."""
    with running() as site:
        site.refusal = LinkError(Fault.UPLINK_MISSING, "for the test")
        site.routed.add(frames.number("10.0.7.1"))
        site.submit(7, target("10.0.7.1"))
        found = site.next()
        assert found.fault is Fault.UPLINK_MISSING
        assert found.targets[0].routed.outcome is ReachOutcome.REACHABLE
        site.refusal = None
        site.nodes[7] = [DHCPServer(), Gateway()]
        site.submit(7)
        assert site.next().fault is None


@pytest.mark.network
@pytest.mark.parametrize("end", [SPARE, SPARE_PEER], ids=["set down", "without a carrier"])
def test_n2_uplink_that_is_down_is_a_fault(trunk_site: RunningSite, spare: list[str], end: str) -> None:
    """An uplink that is administratively down or has no carrier is reported at once."""
    ip(spare, f"link set {end} down")
    assert_untried(probe(trunk_site, [EMPTY], deadline_s=3.0, uplink=SPARE)[EMPTY], Fault.UPLINK_DOWN)


@pytest.mark.network
@pytest.mark.parametrize("end", [SPARE, SPARE_PEER], ids=["set down", "without a carrier"])
def test_n2_uplink_that_goes_down_ends_the_probe(trunk_site: RunningSite, spare: list[str], end: str) -> None:
    """An uplink that goes down during a probe is noticed long before the deadline, and then recovers."""
    with probing(trunk_site, [EMPTY], deadline_s=LONG_S, uplink=SPARE) as waiting:
        wait_for_packet_socket(waiting.pid)
        ip(spare, f"link set {end} down")
        assert_untried(waiting.verdicts()[EMPTY], Fault.UPLINK_DOWN)
    ip(spare, f"link set {end} up")
    healed = probe(trunk_site, [EMPTY], deadline_s=3.0, uplink=SPARE)[EMPTY]
    assert (healed.fault, outcome(healed)) == (None, DHCPOutcome.NO_OFFER)


def test_n2_all_that_waits_on_it_is_reported_and_other_uplinks_go_on() -> None:
    """Every segment of the failed uplink gets the fault; a segment of another uplink gets its verdict."""
    world = World(routed=False)
    for vlan in range(1, 50):
        world.probe(vlan)
    world.at(0.5, lambda: world.engine.uplink_failed(MEMORY_UPLINK, Fault.UPLINK_DOWN, now=world.now))
    assert {finding.fault for finding in world.run().values()} == {Fault.UPLINK_DOWN}
    assert world.now - 1000.0 == pytest.approx(0.5)


def test_n2_links_error_is_a_fault_of_all_that_waits() -> None:
    """A link error at any time becomes the fault that it names, and the link is closed."""
    with running(PATIENT) as site:
        site.submit(7)
        site.submit(8)
        wait_until(lambda: site.engine.open_segments(MEMORY_UPLINK) == 2)
        site.links[0].broken = LinkError(Fault.UPLINK_DOWN, "for the test")
        assert [site.next().fault, site.next().fault] == [Fault.UPLINK_DOWN] * 2
        assert site.links[0].closed.wait(TIMEOUT_S)


@pytest.mark.network
def test_n3_flapping_uplink_is_a_reason_of_its_own(trunk_site: RunningSite) -> None:
    """Ten changes a second are noticed at once and reported instead of DHCP; afterwards probes succeed."""
    with probing(trunk_site, [EMPTY, EMPTY + 1], deadline_s=LONG_S) as waiting:
        wait_for_packet_socket(waiting.pid)
        with standing_at_port(trunk_site, "flapping", str(FLAPPING_S)):
            for verdict in waiting.verdicts().values():
                assert_untried(verdict, Fault.UPLINK_FLAPPING)
    assert_served(probe(trunk_site, SERVED, uplink=UPLINK))


@pytest.mark.network
def test_n3_probe_begun_while_it_flaps_never_says_dhcp_failed(trunk_site: RunningSite) -> None:
    """A probe started while the uplink flaps returns a fault of the uplink or a true result."""
    with standing_at_port(trunk_site, "flapping", str(FLAPPING_S)):
        for _ in range(3):
            for vlan, verdict in probe(trunk_site, [EMPTY, *SERVED], deadline_s=2.0).items():
                assert outcome(verdict) is not DHCPOutcome.NO_OFFER, vlan
                assert verdict.targets[0].vlan.outcome is not ReachOutcome.SILENT, vlan
                if verdict.fault is not None:
                    assert verdict.fault in (Fault.UPLINK_FLAPPING, Fault.UPLINK_DOWN)
                else:
                    assert (vlan, outcome(verdict)) != (EMPTY, DHCPOutcome.OFFERED)
    assert_served(probe(trunk_site, SERVED))


def test_n3_carrier_that_came_and_went_makes_silence_the_uplinks() -> None:
    """A short loss of the carrier, seen in the kernel's counter, makes unanswered segments inconclusive."""
    world = World(routed=False)
    world.put(8, DHCPServer(), Gateway())
    world.probe(7)
    world.probe(8)
    world.at(1.0, lambda: world.trunk.losses.carrier_changed(20))
    found = world.run()
    assert found[7].fault is Fault.UPLINK_FLAPPING
    assert found[7].dhcp is not None
    assert found[7].dhcp.outcome is DHCPOutcome.INCONCLUSIVE
    assert found[8].fault is None
    assert found[8].targets[0].vlan.outcome is ReachOutcome.REACHABLE
