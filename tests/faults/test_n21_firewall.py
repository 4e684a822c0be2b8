"""N21: a firewall keeps a dead flow: what it remembers of the last check says nothing about this one."""

import subprocess

import pytest

from lab.running import RunningSite
from services.contract.messages import SegmentProbe, Target, Verdict
from services.contract.outcomes import ReachOutcome
from services.prober.engine.settings import EngineSettings
from tests.faults.dead_flows import filter_for
from tests.faults.trunk import GATEWAYS, SERVED, standing_on_host
from tests.network.test_prober_worker import Prober, running_prober
from tests.support.redis_server import RedisServer
from tests.unit.prober import frames
from tests.unit.prober.world import Gateway, World, target

MANAGEMENT = "mgmt"
GATEWAY, OURS = "10.0.7.1", "10.0.7.99"
CHECKS, ATTEMPTS = 4, EngineSettings().reach_attempts


@pytest.mark.network
def test_n21_healed_path_is_found_beside_the_dead_flows(
    trunk_site: RunningSite, redis_server: RedisServer
) -> None:
    """N21: echoes of a real prober die on the way back; when the path is healed, the next check is answered,
    although the firewall still drops every flow that it has dropped before."""
    with (
        running_prober(trunk_site, redis_server) as prober,
        standing_on_host(trunk_site, "dead_flows", MANAGEMENT) as firewall,
    ):
        assert routed(check(prober, SERVED[0])) is ReachOutcome.SILENT
        assert heal(firewall) == ATTEMPTS
        assert routed(check(prober, SERVED[0])) is ReachOutcome.REACHABLE


def check(prober: Prober, vlan: int) -> Verdict:
    """Have the VLAN's gateway checked once more; return the verdict."""
    before = len(prober.reported())
    targets = (Target.model_validate({"digest": "0" * 16, "gateway": GATEWAYS[vlan], "from_dhcp": False}),)
    probe = SegmentProbe(vlan=vlan, ask_dhcp=False, targets=targets)
    prober.send(prober.request(f"check-{before}", segments=(probe,)))
    return prober.wait_for_reports(before + 1)[-1]


def routed(verdict: Verdict) -> ReachOutcome:
    return verdict.targets[0].routed.outcome


def heal(firewall: "subprocess.Popen[str]") -> int:
    """Heal the path; return how many flows stay dead."""
    assert firewall.stdin is not None
    assert firewall.stdout is not None
    firewall.stdin.write("heal\n")
    firewall.stdin.flush()
    return int(firewall.stdout.readline())


class Firewall:
    """Before a gateway that answers echoes on its VLAN: a flow that it has dropped stays dead."""

    def __init__(self) -> None:
        self.is_broken = True
        self.dead: set[bytes] = set()

    def __call__(self, sent: frames.Sent) -> list[tuple[float, bytes]]:
        if sent.kind != 0x0800 or sent.body[9] != 1:
            return []
        flow = sent.body[12:20] + sent.body[24:26]
        if self.is_broken:
            self.dead.add(flow)
        if flow in self.dead:
            return []
        packet = frames.echo_reply(sent.body[20:], source=GATEWAY, destination=OURS)
        return [(0.002, frames.ethernet(packet, kind=0x0800, destination=sent.source))]


def test_n21_echo_on_the_vlan_is_found_beside_the_dead_flows() -> None:
    """N21: the same where the prober has an address on the VLAN: there too, each request has its own flow."""
    world, firewall = World(routed=False), Firewall()
    world.put(7, Gateway(GATEWAY), firewall)  # type: ignore[arg-type]
    for _ in range(CHECKS):
        assert echo_on_vlan(world) is ReachOutcome.SILENT
    assert len(firewall.dead) == CHECKS * ATTEMPTS
    firewall.is_broken = False
    assert echo_on_vlan(world) is ReachOutcome.REACHABLE


def echo_on_vlan(world: World) -> ReachOutcome:
    """Check the gateway once more."""
    world.found.clear()
    world._begun = 0
    world.probe(7, target(GATEWAY, from_dhcp=False), ask_dhcp=False, source=OURS)
    return world.only().targets[0].echo.outcome


def test_n21_identifier_returns_only_after_all_others() -> None:
    """N21: as many requests as there are identifiers, each with another one."""
    echoes = World().engine.echoes
    assert echoes is not None
    assert len({echoes.identifiers.fresh() for _ in range(1 << 16)}) == 1 << 16


def test_the_firewalls_program_names_each_flow() -> None:
    """Its jumps stay within one flow, so that only whole flows are dropped."""
    flow = (b"\x0a\0\0\1", b"\x0a\0\0\2", b"\0\7")
    assert filter_for(set()).split(",")[0] == "7"
    assert filter_for({flow}).endswith("40 0 0 38,21 0 1 7,6 0 0 2,6 0 0 0")
