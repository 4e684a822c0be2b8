"""Silence is inconclusive if this host dropped frames or frames are lost on the way."""

from services.contract.outcomes import DHCPOutcome, ReachOutcome
from services.prober.engine.losses import Losses
from services.prober.engine.settings import EngineSettings
from tests.unit.prober.world import DHCPServer, Gateway, World


def test_evidence_of_loss_decays() -> None:
    """What a booting gateway missed an hour ago is no evidence now."""
    losses = Losses()
    losses.answered(1000.0, first_attempt=False)
    assert losses.explain_silence(1000.0)
    assert losses.explain_silence(1030.0)
    assert not losses.explain_silence(1200.0)


def test_few_late_replies_are_not_loss() -> None:
    """10% loss each way makes a fifth of the replies late; above that, silence is inconclusive."""
    losses = Losses()
    for _ in range(100):
        losses.answered(1000.0, first_attempt=True)
    for _ in range(20):
        losses.answered(1000.0, first_attempt=False)
    assert not losses.explain_silence(1000.0)
    for _ in range(5):
        losses.answered(1000.0, first_attempt=False)
    assert losses.explain_silence(1000.0)


def test_discover_is_repeated_soon_after_a_drop() -> None:
    """Not after the four seconds of RFC 2131: the server has answered, and this host lost the frame."""
    world = World(routed=False)
    server = DHCPServer(ignore=1)
    world.put(7, server, Gateway())
    world.probe(7)

    def dropped() -> None:
        world.trunk.losses.dropped(1)
        world.trunk.frames_lost(world.now)

    world.at(0.1, dropped)
    found = world.only()
    assert found.dhcp is not None
    assert found.dhcp.outcome is DHCPOutcome.OFFERED
    assert 0.1 <= world.times_of(arp=False)[1] <= 0.6
    assert found.dropped_frames == 1


def test_repetition_after_drops_is_bounded() -> None:
    """A flood on one VLAN does not make a flood of DHCPDISCOVERs on another."""
    world = World(EngineSettings(dhcp_deadline_s=10.0), routed=False)
    world.probe(7)

    def dropped() -> None:
        world.trunk.losses.dropped(1)
        world.trunk.frames_lost(world.now)

    for tenth in range(1, 90):
        world.at(tenth / 10, dropped)
    found = world.only()
    assert found.dhcp is not None
    assert found.dhcp.outcome is DHCPOutcome.INCONCLUSIVE
    assert len(world.times_of(arp=False)) <= 5


def test_gateway_check_has_another_round_after_a_drop() -> None:
    """Three more probes, once; without a reply to them, the gateway is silent."""
    for ignore, outcome in ((4, ReachOutcome.REACHABLE), (9, ReachOutcome.SILENT)):
        world = World(routed=False)
        gateway = Gateway(ignore=ignore)
        world.put(7, DHCPServer(), gateway)
        world.probe(7)
        world.at(0.5, lambda world=world: world.trunk.losses.dropped(1))  # type: ignore[misc]
        assert world.only().targets[0].vlan.outcome is outcome
        assert gateway.asked == min(ignore + 1, 6)
