"""N4, N5, N6: silence, replies at the edge of the deadline, and a second server."""

import itertools
import random
from collections import deque

import pytest

from services.contract.outcomes import DHCPOutcome, Fault, ReachOutcome
from services.prober.engine.settings import EngineSettings
from tests.faults.neighbours import (
    ATTACKER,
    FAULTY,
    FORGED,
    SILENT,
    TRUE,
    WELL,
    ask_all,
    asked,
    dhcp_outcome,
    gateway,
    quiet,
    servers,
)
from tests.support.manual_clock import ManualClock
from tests.unit.prober import frames
from tests.unit.prober.memory_site import Site
from tests.unit.prober.world import DHCPServer, Gateway, World, target

DEADLINE_S = 12.0
ONCE = EngineSettings(retransmit_s=(60.0,))
"""A single DISCOVER, so that a delay is counted from it."""


def test_n4_silent_vlan_has_no_offer_at_the_deadline() -> None:
    """Silence is reported at the deadline, neither before nor after, and is not a fault of the host."""
    world = quiet()
    found = ask_all(world)[SILENT]
    assert dhcp_outcome(found) is DHCPOutcome.NO_OFFER
    assert asked(found).elapsed_s == pytest.approx(DEADLINE_S)
    assert world.found_at[SILENT] - 1000.0 == pytest.approx(DEADLINE_S)
    assert (found.fault, gateway(found)) == (None, None)


def test_n4_silent_vlan_is_asked_again_and_again() -> None:
    """A server that misses the first DISCOVERs is found by a retransmission."""
    world = quiet()
    world.put(FAULTY, DHCPServer(ignore=1), Gateway())
    found = ask_all(world)[FAULTY]
    assert dhcp_outcome(found) is DHCPOutcome.OFFERED
    assert asked(found).attempts == 2


def test_n4_silent_vlans_delay_no_other() -> None:
    """Silent VLANs delay no other: the rate is limited, never the number in flight."""
    world = quiet()
    for vlan in range(1000, 3000):
        world.probe(vlan)
    for vlan in (FAULTY, SILENT, *WELL):
        world.probe(vlan)
    begun_s = 2000 / (world.settings.start_rate or 1)
    found = world.run()
    for vlan in WELL:
        assert found[vlan].targets[0].vlan.outcome is ReachOutcome.REACHABLE
        assert world.found_at[vlan] - 1000.0 < begun_s + 1.0
    assert world.now - 1000.0 < begun_s + DEADLINE_S + 1.0


@pytest.mark.parametrize(
    ("delay_s", "expected"),
    [(DEADLINE_S - 0.01, DHCPOutcome.OFFERED), (DEADLINE_S + 0.01, DHCPOutcome.NO_OFFER)],
)
def test_n5_offer_at_the_deadline_counts_just_before_and_not_just_after(
    delay_s: float, expected: DHCPOutcome
) -> None:
    """Offers count until the deadline, neither shorter nor longer."""
    world = quiet(ONCE)
    world.put(FAULTY, DHCPServer(delay_s=delay_s))
    found = ask_all(world)[FAULTY]
    assert dhcp_outcome(found) is expected
    assert asked(found).elapsed_s == pytest.approx(min(delay_s, DEADLINE_S))


def test_n5_late_offer_is_no_answer_to_the_next_question() -> None:
    """A late offer has the transaction ID of a finished exchange and does not count for the next."""
    world = World(ONCE, routed=False)
    late = DHCPServer(delay_s=DEADLINE_S + 1.0)
    world.put(FAULTY, late)
    world.probe(FAULTY)
    world.run()
    world.nodes.clear()
    world.found.clear()
    world._begun = 0
    world.probe(FAULTY)
    assert dhcp_outcome(world.only()) is DHCPOutcome.NO_OFFER


@pytest.mark.parametrize(
    ("came_s", "expected"),
    [
        (0.01, DHCPOutcome.OFFERED),
        (DEADLINE_S - 0.01, DHCPOutcome.OFFERED),
        (DEADLINE_S + 0.01, DHCPOutcome.NO_OFFER),
    ],
)
def test_n5_what_counts_is_when_the_offer_came_and_not_when_it_is_read(
    came_s: float, expected: DHCPOutcome
) -> None:
    """If the host reads late, an offer still counts by its arrival."""
    site, clock = Site(ONCE), ManualClock(on_wait="fail")
    site.runner._clock = clock
    site.nodes[FAULTY] = [DHCPServer()]
    site.submit(FAULTY)
    site.runner._wait(site.runner._process())
    clock.seconds += DEADLINE_S + 5.0
    (link,) = site.links
    link._received = deque(reply._replace(age_s=DEADLINE_S + 5.0 - came_s) for reply in link._received)
    for _ in range(12):
        if site.results.empty():
            site.runner._wait(site.runner._process())
            clock.seconds += 1.0
    assert dhcp_outcome(site.next()) is expected
    site.runner._end()


@pytest.mark.parametrize("rogue_s", [0.001, 0.01, 0.2])
@pytest.mark.parametrize("rogue", ["10.0.7.66", "10.0.6.66"], ids=["above", "below"])
def test_n6_second_server_is_reported_whoever_is_quicker(rogue: str, rogue_s: float) -> None:
    """Both servers are reported in the order of their addresses; the choice depends on the addresses only."""
    world = quiet()
    world.put(FAULTY, DHCPServer(delay_s=0.01), DHCPServer(server=rogue, delay_s=rogue_s, address="10.0.7.9"))
    world.put(FAULTY, Gateway(), Gateway(rogue, mac=ATTACKER))
    found = ask_all(world)[FAULTY]
    assert servers(found) == sorted([TRUE, rogue], key=frames.number)


def test_n6_choice_is_the_same_in_every_order() -> None:
    """Three servers in any order of replies give the same choice, the lowest address."""
    chosen = set()
    for delays_s in itertools.permutations((0.01, 0.1, 0.2)):
        world = quiet()
        for delay_s, server in zip(delays_s, ("10.0.7.3", "10.0.7.30", "10.0.7.200"), strict=True):
            world.put(FAULTY, DHCPServer(server=server, delay_s=delay_s), Gateway(server))
        found = ask_all(world)[FAULTY]
        assert len(servers(found)) == 3
        chosen.add(gateway(found))
    assert chosen == {"10.0.7.3"}


@pytest.mark.parametrize("known", [TRUE, FORGED])
def test_n6_known_gateway_does_not_flap_between_two_servers(known: str) -> None:
    """While the server of the known gateway answers, a faster second server changes nothing."""
    dice = random.Random(6)
    for _ in range(20):
        world = quiet()
        for server in (TRUE, FORGED):
            world.put(FAULTY, DHCPServer(server=server, delay_s=dice.uniform(0.001, 0.2)), Gateway(server))
        world.probe(FAULTY, target(known))
        found = world.only()
        assert servers(found) == [TRUE, FORGED]
        assert gateway(found) == known


def test_n6_rogue_does_not_hide_the_server_that_is_named() -> None:
    """A fast stranger does not end the wait for the slow server that the owner configured."""
    world = quiet()
    world.put(FAULTY, DHCPServer(delay_s=5.0), DHCPServer(server=FORGED, delay_s=0.001))
    world.put(FAULTY, Gateway(), Gateway(FORGED, mac=ATTACKER))
    world.probe(FAULTY, target(server=TRUE))
    found = world.only()
    assert servers(found) == [TRUE, FORGED]
    assert (gateway(found), found.targets[0].vlan.mac) == (TRUE, frames.SERVER_MAC)
    assert found.fault is not Fault.STOPPED
