"""N18: loss, duplication and reordering.

The frames of one VLAN do not distinguish a silent server from one whose replies were all lost. The other
exchanges on the uplink do: those whose first attempt had no reply and a later one had. If there are too many
of them, silence is inconclusive. A VLAN alone on an uplink has nothing to compare with; other hosts then
confirm its failure (services.network.judge.dhcp).
"""

import json
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.running import RunningSite
from services.contract.messages import Segment
from services.contract.outcomes import DHCPOutcome, ReachOutcome, State
from services.contract.verdicts import AgedVerdict
from services.network.judge.reduction import reduce
from services.network.parse.intent import Intent
from services.prober.engine.losses import Losses
from services.prober.engine.results import SegmentResult
from services.prober.verdicts import verdict
from tests.faults.neighbours import FAULTY, FORGED, TRUE, asked, dhcp_outcome, quiet, servers
from tests.faults.trunk import outcome, probe, standing_at_port
from tests.unit.prober import frames
from tests.unit.prober.world import UPLINK, Air, DHCPServer, Gateway, World, target

LIVING = range(1, 41)
DEAD = range(1001, 1011)
HOSTS = ("node1", "node2", "node3")
PROBES = 3
SEEDS = range(1, 6)
ON_REAL_FRAMES = range(100, 180)
DEADLINE_S = 6.0
"""Time for a second DHCPDISCOVER."""


def intent(vlan: int) -> Intent:
    """Build the intent of an auto network on that VLAN without known results."""
    return Intent(Segment(cluster_network=UPLINK, vlan=vlan), "auto")


def probed(*, loss: float, seed: int, living: range = LIVING, dead: range = DEAD) -> dict[int, SegmentResult]:
    """Probe all VLANs once from one host, with loss, duplication and reordering."""
    air = Air(loss=loss, duplication=loss, jitter_s=0.5)
    world = World(seed=seed * 1009, air=air, routed=False)
    for vlan in living:
        world.put(vlan, DHCPServer(), Gateway())
    for vlan in (*living, *dead):
        world.probe(vlan, target(digest=intent(vlan).digest))
    return world.run(until_s=30.0)


@pytest.mark.parametrize("loss", [0.0, 0.05, 0.1])
def test_n18_up_to_a_tenth_lost_is_right_after_three_probes(loss: float) -> None:
    """With up to 10% loss most results of three probes are right, and no dead VLAN claims an answer.

    Up to 5% a dead VLAN is also reported as such; at 10% its silence may remain inconclusive.
    """
    silent: Counter[int] = Counter()
    offered: Counter[int] = Counter()
    reached: Counter[int] = Counter()
    for seed in range(PROBES):
        for vlan, finding in probed(loss=loss, seed=seed).items():
            assert finding.fault is None
            offered[vlan] += dhcp_outcome(finding) is DHCPOutcome.OFFERED
            silent[vlan] += dhcp_outcome(finding) is DHCPOutcome.NO_OFFER
            reached[vlan] += finding.targets[0].vlan.outcome is ReachOutcome.REACHABLE
    for vlan in LIVING:
        assert offered[vlan] > PROBES / 2, vlan
        assert reached[vlan] > PROBES / 2, vlan
    for vlan in DEAD:
        assert offered[vlan] == reached[vlan] == 0
        assert loss > 0.05 or silent[vlan] > PROBES / 2, vlan


def test_n18_without_loss_a_dead_vlan_is_called_so() -> None:
    """Without any sign of loss, silence is reported as silence, not as inconclusive."""
    for seed in SEEDS:
        found = probed(loss=0.0, seed=seed)
        assert {dhcp_outcome(found[vlan]) for vlan in DEAD} == {DHCPOutcome.NO_OFFER}


@pytest.mark.parametrize("loss", [0.1, 0.12, 0.15, 0.2, 0.3, 0.4, 0.5])
def test_n18_beyond_a_tenth_no_state_is_dhcp_failed(loss: float) -> None:
    """After probes from three hosts, as before any report, living networks are healthy or pending."""
    for seed in SEEDS:
        found = {host: probed(loss=loss, seed=100 * seed + at) for at, host in enumerate(HOSTS)}
        for vlan in LIVING:
            seen = [
                AgedVerdict(
                    verdict(of[vlan], host=host, request_id="n18", incarnation=0, counter=0), age_s=1.0
                )
                for host, of in found.items()
            ]
            state = reduce(intent(vlan), seen, seen, hosts=frozenset(HOSTS), fresh_s=600.0).state
            assert state is not State.DHCP_FAILED, (seed, vlan)


@pytest.mark.parametrize("loss", [0.2, 0.3, 0.4, 0.5])
def test_n18_beyond_a_tenth_no_living_server_is_called_dead(loss: float) -> None:
    """One host's result is right or inconclusive; between 10 and 20% loss its samples may vary."""
    for seed in SEEDS:
        found = probed(loss=loss, seed=seed)
        for vlan in LIVING:
            assert dhcp_outcome(found[vlan]) in (DHCPOutcome.OFFERED, DHCPOutcome.INCONCLUSIVE), (seed, vlan)
        for vlan in DEAD:
            assert dhcp_outcome(found[vlan]) in (DHCPOutcome.NO_OFFER, DHCPOutcome.INCONCLUSIVE), (seed, vlan)


def test_n18_everything_lost_from_some_vlans_leaves_the_others_right() -> None:
    """Dead VLANs, even a hundred, do not make the silence of others inconclusive."""
    found = probed(loss=0.0, seed=1, dead=range(1001, 1101))
    assert {dhcp_outcome(found[vlan]) for vlan in range(1001, 1101)} == {DHCPOutcome.NO_OFFER}
    assert {dhcp_outcome(found[vlan]) for vlan in LIVING} == {DHCPOutcome.OFFERED}


@pytest.mark.parametrize("quiet_s", [0.0, 600.0, 1e6])
def test_n18_what_was_seen_of_loss_counts_however_long_it_was_quiet_before(quiet_s: float) -> None:
    """Loss that is seen now does not fade because of hours without probes before."""
    losses = Losses()
    assert not losses.explain_silence(1000.0)
    now = 1000.0 + quiet_s
    for _ in range(10):
        losses.answered(now, first_attempt=True)
        losses.answered(now, first_attempt=False)
    assert losses.explain_silence(now + 12.0)
    assert not losses.explain_silence(now + 3600.0), "and fades itself"


def test_n18_slow_server_is_no_loss() -> None:
    """A reply to the first DISCOVER after the second was sent is slow, not lost: each has its own xid."""
    world = World(routed=False)
    for vlan in LIVING:
        world.put(vlan, DHCPServer(delay_s=6.0), Gateway())
        world.probe(vlan)
    for vlan in DEAD:
        world.probe(vlan)
    found = world.run()
    assert {dhcp_outcome(found[vlan]) for vlan in LIVING} == {DHCPOutcome.OFFERED}
    assert {dhcp_outcome(found[vlan]) for vlan in DEAD} == {DHCPOutcome.NO_OFFER}


def test_n18_duplicates_are_reported_once() -> None:
    """Duplicated frames give one server with its first offer, in the usual time."""
    world = World(air=Air(duplication=1.0), routed=False)
    world.put(FAULTY, DHCPServer(), Gateway())
    world.probe(FAULTY)
    found = world.only()
    assert servers(found) == [TRUE]
    assert found.targets[0].vlan.attempts == 1
    assert world.now - 1000.0 == pytest.approx(0.31)


def test_n18_offers_in_any_order_say_the_same() -> None:
    """Two servers' offers, shuffled and delayed within the window, give the same result."""
    told_of = set()
    for seed in range(30):
        world = World(seed=seed, air=Air(jitter_s=0.25, duplication=0.5), routed=False)
        world.put(FAULTY, DHCPServer(), DHCPServer(server=FORGED, address="10.0.7.101"))
        world.put(FAULTY, Gateway(), Gateway(FORGED))
        world.probe(FAULTY)
        found = world.only()
        told_of.add((tuple(servers(found)), found.targets[0].gateway))
    assert told_of == {((TRUE, FORGED), frames.number(TRUE))}


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.floats(0.05, 0.5))
def test_n18_no_loss_makes_a_false_answer(seed: int, loss: float) -> None:
    """No loss causes a false answer, and every segment ends in time."""
    dice = random.Random(seed)
    world = World(seed=seed, air=Air(loss=loss, duplication=loss, jitter_s=dice.uniform(0, 2)), routed=False)
    living = {vlan for vlan in range(1, 17) if dice.getrandbits(1)}
    for vlan in living:
        world.put(vlan, DHCPServer(server=f"10.0.7.{vlan}"), Gateway(f"10.0.7.{vlan}"))
    for vlan in range(1, 17):
        world.probe(vlan)
    for vlan, finding in world.run(until_s=30.0).items():
        assert finding.fault is None
        if dhcp_outcome(finding) is DHCPOutcome.OFFERED:
            assert vlan in living
            (offer,) = asked(finding).offers
            assert offer.gateway == frames.number(f"10.0.7.{vlan}")
        if finding.targets[0].vlan.outcome is ReachOutcome.REACHABLE:
            assert vlan in living


def test_n18_neighbours_of_a_lossy_vlan_take_no_longer() -> None:
    """A VLAN that loses half of all frames delays no other."""
    world = quiet()
    dice = random.Random(18)

    def lossy(sent: frames.Sent) -> list[tuple[float, bytes]]:
        replies = [*DHCPServer()(sent), *Gateway()(sent)]
        return [reply for reply in replies if dice.getrandbits(1)]

    world.put(FAULTY, lossy)  # type: ignore[arg-type]
    world.probe(FAULTY)
    for vlan in world.nodes:
        if vlan != FAULTY:
            world.probe(vlan)
    found = world.run()
    for vlan, finding in found.items():
        if vlan != FAULTY:
            assert finding.targets[0].vlan.outcome is ReachOutcome.REACHABLE
            assert world.found_at[vlan] - 1000.0 < 0.35


@pytest.mark.network
@pytest.mark.parametrize("loss", [0.08, 0.4])
def test_n18_on_real_frames_no_living_server_is_called_dead(trunk_site: RunningSite, loss: float) -> None:
    """On real frames with loss, duplication and delay both ways, results are right or inconclusive."""
    scripts = json.dumps({vlan: ["true"] for vlan in ON_REAL_FRAMES})
    answered: set[int] = set()
    with standing_at_port(trunk_site, "hostile", scripts, "--loss", str(loss)):
        for _ in range(PROBES if loss < 0.1 else 1):
            for vlan, told_of in probe(trunk_site, ON_REAL_FRAMES, deadline_s=DEADLINE_S).items():
                assert told_of.fault is None
                if outcome(told_of) is DHCPOutcome.OFFERED:
                    answered.add(vlan)
                elif loss > 0.1:
                    assert outcome(told_of) is DHCPOutcome.INCONCLUSIVE, vlan
    if loss < 0.1:
        assert answered == set(ON_REAL_FRAMES)
