"""Where servers answer only clients that have waited for some seconds, a silent VLAN is told as silent.

ISC dhcpd has `min-secs`, relays and other servers have the like: a standby lets the first server answer. So
no first DHCPDISCOVER is answered anywhere, which looks like loss. But loss hits every kind of frame.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from lab.running import RunningSite, start_site
from lab.site import ServerKind, Vlan
from lab.site_builder import build_site, build_vlan
from services.contract.messages import SegmentProbe, Target, Verdict
from services.contract.outcomes import DHCPOutcome, ReachOutcome
from services.prober.engine.losses import Losses
from services.prober.engine.results import SegmentResult
from tests.network import lab_site
from tests.unit.prober.frames import Sent
from tests.unit.prober.world import Air, DHCPServer, Gateway, World, target

SILENT = 4000
OFFERED, NO_OFFER, INCONCLUSIVE = DHCPOutcome.OFFERED, DHCPOutcome.NO_OFFER, DHCPOutcome.INCONCLUSIVE


@dataclass
class WaitingServer:
    """Ignores the DHCPDISCOVERs of a client that says it has waited for less than so many seconds."""

    server: DHCPServer
    least_s: int = 3

    def __call__(self, sent: Sent) -> Iterator[tuple[float, bytes]]:
        if sent.dhcp is not None and int.from_bytes(sent.dhcp[8:10], "big") >= self.least_s:
            yield from self.server(sent)


def world_of(
    vlans: int, *, least_s: int = 3, prompt: int = 0, air: Air | None = None, seed: int = 1
) -> World:
    """Ask on so many VLANs whose server waits, on others whose server does not, and on a silent one."""
    world = World(routed=False, air=air, seed=seed)
    for vlan in range(1, 1 + vlans + prompt):
        address = f"10.0.{vlan}.1"
        server = DHCPServer(server=address, address=f"10.0.{vlan}.100")
        world.put(vlan, server if vlan > vlans else WaitingServer(server, least_s), Gateway(address))
        world.probe(vlan)
    world.probe(SILENT)
    return world


def dhcp(found: SegmentResult) -> DHCPOutcome:
    assert found.dhcp is not None
    return found.dhcp.outcome


@pytest.mark.parametrize("vlans", [2, 3, 20, 200])
def test_the_silent_vlan_is_told_as_silent_where_others_were_heard(vlans: int) -> None:
    """All servers answer the second DHCPDISCOVER, and the gateways the first ARP request."""
    found = world_of(vlans).run()
    assert {dhcp(found[vlan]) for vlan in range(1, 1 + vlans)} == {OFFERED}
    assert dhcp(found[SILENT]) is NO_OFFER


@pytest.mark.parametrize("seed", range(20))
def test_a_server_that_was_not_asked_late_enough_is_not_called_silent(seed: int) -> None:
    """It waits for 8 s: only those VLANs answer that were asked a third time before the deadline."""
    world = world_of(12, least_s=8, seed=seed)
    found = world.run()
    heard = [vlan for vlan in range(1, 13) if dhcp(found[vlan]) is OFFERED]
    if len(heard) > 1:
        for vlan in set(range(1, 13)) - set(heard):
            assert dhcp(found[vlan]) is INCONCLUSIVE, "it was asked less late than those that answered"


def test_one_vlan_proves_nothing() -> None:
    """It may be a server that has just started, or loss."""
    assert dhcp(world_of(1).run()[SILENT]) is INCONCLUSIVE


def test_servers_that_answer_at_once_beside_those_that_wait_leave_it_open() -> None:
    """Part of what is sent at once goes unanswered: a switch that limits DHCP alone does the same."""
    assert dhcp(world_of(10, prompt=10).run()[SILENT]) is INCONCLUSIVE


def test_with_loss_living_servers_are_called_dead_no_more_often_than_others() -> None:
    """What is lost is lost to ARP too, and a third DHCPDISCOVER is sent in time for an answer."""
    called_dead = {
        least_s: sum(
            dhcp(found) is NO_OFFER
            for loss in (0.1, 0.2, 0.3)
            for seed in range(40)
            for vlan, found in world_of(6, least_s=least_s, air=Air(loss=loss), seed=seed).run().items()
            if vlan != SILENT
        )
        for least_s in (0, 3)
    }
    # Of 720 each, from one host's word: two others confirm it before it is told.
    assert max(called_dead.values()) <= 0.04 * 720, called_dead


def test_a_silent_vlan_is_asked_thrice_where_servers_let_clients_wait() -> None:
    """The third time early enough for an answer, and not again and again."""
    world = world_of(6)
    world.run()
    times = [at - 1000.0 for at, sent in world.sent if sent.vlan == SILENT]
    assert len(times) == 3
    assert times[2] == pytest.approx(9.0)


def test_gateways_that_answer_late_too_are_loss() -> None:
    """Half of the gateways miss the first ARP request."""
    world = World(routed=False)
    for vlan in range(1, 11):
        address = f"10.0.{vlan}.1"
        world.put(
            vlan,
            WaitingServer(DHCPServer(server=address, address=f"10.0.{vlan}.100")),
            Gateway(address, ignore=vlan % 2),
        )
        world.probe(vlan)
    world.probe(SILENT)
    assert dhcp(world.run()[SILENT]) is INCONCLUSIVE


def test_a_silent_gateway_is_silent_there_as_well() -> None:
    """Servers that wait explain no silence of a gateway."""
    world = world_of(3)
    world.run()
    world.probe(98, target("10.0.98.1", from_dhcp=False), ask_dhcp=False)
    assert world.run()[98].targets[0].vlan.outcome is ReachOutcome.SILENT


def test_what_servers_did_is_forgotten_with_the_rest() -> None:
    """After some minutes the next late answer starts anew, with its own seconds."""
    losses = Losses()
    for _ in range(4):
        losses.offered(1000.0, first_attempt=False, secs=3)
        losses.answered(1000.0, first_attempt=True)
    assert not losses.explain_silence(1000.0, secs=3)
    assert losses.explain_silence(1000.0, secs=2)
    for _ in range(4):
        losses.offered(2000.0, first_attempt=False, secs=9)
        losses.answered(2000.0, first_attempt=True)
    assert losses.explain_silence(2000.0, secs=8)
    assert not losses.explain_silence(2000.0, secs=9)


WAITS = [build_vlan(vlan, server=ServerKind.ISC) for vlan in (1, 2, 3)]
SITE = build_site(
    [
        *(replace(vlan, dhcp=tuple(replace(one, min_secs=3) for one in vlan.dhcp)) for vlan in WAITS),
        Vlan(vlan=SILENT, cluster_network="extra"),
    ],
    hosts=1,
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSite]:
    lab_site.require_lab(SITE)
    with start_site(SITE, tmp_path_factory.mktemp("lab") / "state") as running:
        yield running


@pytest.mark.network
@pytest.mark.long
def test_isc_dhcpd_with_min_secs(site: RunningSite) -> None:
    """Three scopes wait for three seconds, on real frames; the fourth VLAN has no server."""
    asked = [
        SegmentProbe(vlan=vlan.vlan, ask_dhcp=True, targets=(Target(digest="0" * 16),)).to_wire()
        for vlan in SITE.vlans
    ]
    printed = lab_site.run(
        site, "node1", "tests.network.prober_program", "extra-bo", json.dumps(asked), "--deadline", "9"
    ).splitlines()[-1]
    found = [Verdict.model_validate_json(json.dumps(one)) for one in json.loads(printed)["verdicts"]]
    outcomes = {one.segment.vlan: one.dhcp and (one.dhcp.outcome, one.dhcp.attempts) for one in found}
    assert outcomes == {1: (OFFERED, 2), 2: (OFFERED, 2), 3: (OFFERED, 2), SILENT: (NO_OFFER, 3)}
