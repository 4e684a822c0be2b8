"""The engine under loss, reordering and hostile frames, as properties."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from services.contract.outcomes import DHCPOutcome, ReachOutcome
from services.prober.engine.settings import EngineSettings
from tests.unit.prober import frames
from tests.unit.prober.world import Air, DHCPServer, Gateway, World, target

FEW = settings(max_examples=60)


@FEW
@given(st.integers(0, 2**32), st.floats(0, 0.5), st.floats(0, 0.5), st.floats(0, 0.8))
def test_lossy_network_never_makes_a_false_result(
    seed: int, loss: float, duplication: float, jitter_s: float
) -> None:
    """N18: whatever is reported as answering does answer, and every segment ends in time."""
    air = Air(loss=loss, duplication=duplication, jitter_s=jitter_s)
    world = World(seed=seed, air=air, routed=False)
    for vlan in range(1, 9):
        if vlan % 4:
            world.put(vlan, DHCPServer())
        if vlan % 2:
            world.put(vlan, Gateway())
        world.probe(vlan)
    found = world.run(until_s=16.0)
    for vlan, result in found.items():
        assert result.dhcp is not None
        if result.dhcp.outcome is DHCPOutcome.OFFERED:
            assert vlan % 4
            assert len(result.dhcp.offers) == 1
        if result.targets[0].vlan.outcome is ReachOutcome.REACHABLE:
            assert vlan % 2


def test_moderate_loss_and_reordering_hardly_matter() -> None:
    """N18: at 5% loss each way, one of several probes gets through on all but a few of 200 VLANs."""
    world = World(seed=6, air=Air(loss=0.05, duplication=0.1, jitter_s=0.05), routed=False)
    for vlan in range(1, 201):
        world.put(vlan, DHCPServer(), Gateway())
        world.probe(vlan)
    wrong = [f for f in world.run().values() if f.targets[0].vlan.outcome is not ReachOutcome.REACHABLE]
    assert len(wrong) <= 4


@FEW
@given(st.integers(0, 2**32))
def test_damaged_frames_are_ignored_or_correct(seed: int) -> None:
    """A flipped bit never makes a false offer: checksums are verified."""
    dice = random.Random(seed)
    world = World(EngineSettings(dhcp_deadline_s=3.0), seed=seed, routed=False)
    server = DHCPServer()

    def damaged(sent: frames.Sent):  # type: ignore[no-untyped-def]
        for delay_s, frame in server(sent):
            broken = bytearray(frame)
            broken[dice.randrange(14, 330)] ^= 1 << dice.randrange(8)
            yield delay_s, bytes(broken[: dice.choice((len(broken), dice.randrange(len(broken))))])

    world.put(7, damaged)
    world.probe(7)
    found = world.only()
    assert found.dhcp is not None
    for offer in found.dhcp.offers:
        assert offer.server == frames.number("10.0.7.1")
        assert offer.gateway == frames.number("10.0.7.1")


@FEW
@given(
    st.lists(
        st.tuples(
            st.integers(0, 4095),
            st.sampled_from([b"", b"\x08\x00", b"\x08\x06", b"\x81\x00"]),
            st.binary(max_size=400),
        ),
        max_size=30,
    )
)
def test_arbitrary_frames_change_nothing(junk: list[tuple[int, bytes, bytes]]) -> None:
    """N17: whatever else is received, the results and their times are the same."""
    world = World()
    world.put(7, DHCPServer(), Gateway())
    world.probe(7)
    world.probe(8, target("10.0.8.1", from_dhcp=False), ask_dhcp=False)
    for at, (vlan, kind, rest) in enumerate(junk):
        world.deliver(at / 1000, vlan, bytes(12) + kind + rest)
    found = world.run()
    assert found[7].targets[0].vlan.outcome is ReachOutcome.REACHABLE
    assert found[8].targets[0].vlan.outcome is ReachOutcome.SILENT
    assert world.found_at[7] - 1000.0 < 3.1


def test_ignored_frames_are_counted_by_few_reasons() -> None:
    """Hostile frames cannot add keys."""
    world = World()
    world.probe(7)
    dice = random.Random(4)
    for _ in range(3000):
        junk = bytes(12) + dice.choice((b"\x08\x00", b"\x08\x06", dice.randbytes(2))) + dice.randbytes(300)
        world.trunk.receive(dice.randrange(4096), junk, verify_checksum=False, now=world.now)
    assert sum(world.trunk.ignored.values()) == 3000
    assert len(world.trunk.ignored) < 12


def test_nothing_is_left_after_many_segments() -> None:
    """Ended probes leave no state behind."""
    world = World(EngineSettings(dhcp_deadline_s=2.0), seed=5, air=Air(loss=0.3, duplication=0.3))
    for vlan in range(1, 400):
        world.put(vlan, DHCPServer(), Gateway())
        world.probe(vlan)
    world.run()
    trunk, echoes = world.trunk, world.engine.echoes
    assert echoes is not None
    world.engine.advance(world.now + 100.0)
    state = trunk._state
    assert (trunk._discoveries, trunk._leases, trunk._arp_checks, trunk._echo_checks) == ({}, {}, {}, {})
    assert (state.transactions, state.claims, echoes._checks, echoes._sent) == ({}, {}, {}, {})
    assert world.engine.next_deadline() is None
