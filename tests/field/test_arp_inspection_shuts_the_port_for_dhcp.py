"""With `arp_inspection`, DHCP and ARP together stay below what shuts a switch port, from the first frame on.

DHCP snooping counts DHCP messages as dynamic ARP inspection counts ARP, and a port that sends more than 15 a
second of either is shut down (err-disable): with it, all VLANs of the host.
"""

from collections import Counter

import pytest

from services.cli.probe.probe_command import paced_hosts
from services.cli.scan.scan_command import tell_pace
from services.contract.names import SENDING_KEY, host_key
from services.contract.outcomes import Depth, DHCPOutcome, LeaseOutcome, ReachOutcome
from services.contract.sending import SendingMark
from services.prober.engine.settings import INSPECTED_RATE, EngineSettings
from services.prober.settings import ProberSettings
from services.watcher.limits.crowds import Crowd
from services.watcher.limits.pace import Pace
from services.watcher.plan.patrol import Patrol
from services.watcher.plan.schedule import Schedule
from tests.support.redis_server import RedisServer
from tests.unit.cli.running import run
from tests.unit.prober import frames
from tests.unit.prober.leasing import ADDRESS, RELEASE, LeasingServer, Pinged, kind_of
from tests.unit.prober.world import DHCPServer, Gateway, World, target
from tests.unit.watcher.builders import ACTIVE, MANUAL, RETRY_S, SWEEP_S, WINDOW_S, host, network

PORT = EngineSettings().for_inspected_ports()
MOST = 10
"""Messages in any second; a switch allows 15."""


def busiest_second(world: World) -> int:
    """Return the most DHCP and ARP messages that were sent within any second."""
    times = [at for at, sent in world.sent if sent.dhcp is not None or sent.kind == 0x0806]
    return max(sum(at <= other < at + 1.0 for other in times) for at in times)


def test_a_scan_of_200_vlans_is_paced_from_the_start() -> None:
    """All VLANs answer: DISCOVERs and ARP share the rate, and every result is as without it."""
    world = World(PORT, routed=False)
    for vlan in range(1, 201):
        router = f"10.0.{vlan}.1"
        world.put(vlan, DHCPServer(server=router, address=f"10.0.{vlan}.100"), Gateway(router))
        world.probe(vlan)
    found = world.run()
    assert busiest_second(world) <= MOST
    assert {one.targets[0].vlan.outcome for one in found.values()} == {ReachOutcome.REACHABLE}
    assert {one.dhcp and one.dhcp.attempts for one in found.values()} == {1}
    assert world.now - 1000.0 == pytest.approx(2 * 200 / INSPECTED_RATE, abs=2.0)


def test_a_sweep_of_silent_gateways_and_asks_is_paced() -> None:
    """Nothing answers: each VLAN takes three ARP probes, each tenth two or three DISCOVERs as well."""
    world = World(PORT, routed=False)
    for vlan in range(1, 201):
        world.probe(vlan, target(f"10.0.{vlan}.1"), ask_dhcp=vlan % 10 == 0)
    found = world.run(until_s=200.0)
    assert busiest_second(world) <= MOST
    assert {one.targets[0].vlan.outcome for one in found.values()} == {ReachOutcome.SILENT}
    asked = [one.dhcp for one in found.values() if one.dhcp is not None]
    assert {one.outcome for one in asked} == {DHCPOutcome.NO_OFFER}
    assert min(one.attempts for one in asked) >= 2, "others that wait to begin do not cost a retransmission"
    within_s = PORT.report_within_s(200, is_leasing=False)
    assert world.now - 1000.0 < within_s


def test_leases_are_paced_and_given_back() -> None:
    """DISCOVER, REQUEST, conflict probes, ARP and RELEASE; none is late for what waits to begin."""
    world = World(PORT, routed=False, depth=Depth.LEASE)
    for vlan in range(1, 41):
        world.put(vlan, LeasingServer(), Gateway(), Pinged())
        world.probe(vlan)
    found = world.run(until_s=200.0)
    world.engine.stop(world.now)
    world.run()
    assert busiest_second(world) <= MOST
    assert {one.lease and one.lease.outcome for one in found.values()} == {LeaseOutcome.HELD}
    released = [sent.vlan for _, sent in world.sent if kind_of(sent) == RELEASE]
    assert sorted(released) == list(range(1, 41))


def test_a_flood_of_arp_requests_for_a_leased_address_holds_nothing_up() -> None:
    """Replies count as well, so few may wait; whoever asks without end gets fewer."""
    world = World(PORT, routed=False, depth=Depth.LEASE)
    world.put(7, LeasingServer(), Gateway(), Pinged(silent=True))
    world.probe(7)
    for at in range(3_000):
        world.deliver(1.0 + at / 1_000, 7, frames.arp_request(sender="10.0.7.1", target=ADDRESS))
    other = "10.0.8.1"
    world.put(8, DHCPServer(server=other, address="10.0.8.100"), Gateway(other))
    world.at(2.0, lambda: world.probe(8))
    world._begun += 1
    world.at(2.0, lambda: setattr(world, "_begun", 2))
    found = world.run()
    assert busiest_second(world) <= MOST
    assert world.found_at[8] - 1000.0 < 40.0
    assert found[8].dhcp is not None
    assert found[8].dhcp.outcome is DHCPOutcome.OFFERED


def test_the_setting_gives_both_their_time_and_is_announced() -> None:
    """A lower rate of the operator's stands; a report may take as long as the port's rate makes it."""
    chosen = ProberSettings.model_validate(
        {"host": "node1", "uplinks": {"extra": "extra-bo"}, "redis_url": "redis://localhost", **SWITCH}
    )
    assert chosen.engine_settings().port_rate == INSPECTED_RATE
    assert chosen.report_within_s == pytest.approx(256 * 6 / 9 + 16)
    slower = chosen.model_copy(update={"start_rate": 4.0})
    assert slower.engine_settings().port_rate == 4.0
    assert chosen.model_copy(update={"arp_inspection": False}).engine_settings().port_rate is None


SWITCH = {"arp_inspection": True}


@pytest.mark.parametrize(("hosts", "interval_s"), [(1, 800 * 3 / 4.5), (2, 800 * 4 / 9.0)])
def test_sweeps_and_patrols_keep_to_what_the_ports_take(hosts: int, interval_s: float) -> None:
    """The watcher sweeps 800 VLANs as slowly as the ports need, and says so to whoever judges freshness."""
    pace = Pace(SWEEP_S, RETRY_S, WINDOW_S)
    due = Schedule(pace=pace, random=lambda: 0.5)
    announced = [host(f"n{n}").model_copy(update={"port_rate": INSPECTED_RATE}) for n in range(hosts)]
    due.set_hosts(announced, 0.0)
    for vlan in range(1, 801):
        due.upsert(network(f"a{vlan}", vlan=vlan, route=MANUAL, status=ACTIVE), 0.0)
    assert due.intervals(1.0) == {"extra": pytest.approx(interval_s)}
    sent: Counter[int] = Counter()
    now = 0.0
    while now < 60.0:
        for probe in due.due(now):
            sent[int(now) // 10] += 1
            assert probe.host.startswith("n")
        now += 0.5
    assert max(sent.values()) <= 10 * INSPECTED_RATE * hosts + 20
    assert sum(sent.values()) > 60 * INSPECTED_RATE * hosts * 0.3


def test_patrols_are_as_slow_as_the_ports() -> None:
    """Of 200 gateways one host looks at some seven a second, not at each within 15 s."""
    pace = Pace(SWEEP_S, RETRY_S, WINDOW_S)
    crowd = Crowd(pace.within(INSPECTED_RATE), hosts=1, gateways=200)
    patrol = Patrol(crowd, pace=pace, random=lambda: 1.0)
    patrol.checked(0.0, 1)
    assert patrol.at == pytest.approx(1.1 * 200 / (0.75 * INSPECTED_RATE), abs=1.0)


def test_probe_says_how_long_paced_hosts_take() -> None:
    """Only where that is worth saying, and what to do if it waits for less."""
    slow = host("n1").model_copy(update={"port_rate": INSPECTED_RATE})
    probes = {"n1": 200, "n2": 200}
    (told,) = paced_hosts([slow, host("n2")], probes, timeout_s=60.0)
    assert told.startswith("n1 sends at most 9 DHCP and ARP messages a second: this may take 133 s there")
    assert told.endswith("; wait with --timeout 133s")
    assert paced_hosts([slow], {"n1": 3}, timeout_s=60.0) == []


def test_a_scan_says_how_long_it_takes_before_it_begins(capsys: pytest.CaptureFixture[str]) -> None:
    """Where everything answers, and where nothing does."""
    tell_pace(200, rate=1_000, is_leasing=False)
    assert "at most 9 DHCP and ARP messages a second: 200 VLANs take some 44 s, and up to 133 s" in (
        capsys.readouterr().err
    )


def test_one_inspected_port_slows_its_cluster_network_alone() -> None:
    """All of its hosts get as much to do, so the slowest decides; without it the pace is as before."""
    due = Schedule(pace=Pace(SWEEP_S, RETRY_S, WINDOW_S), random=lambda: 0.5)
    slow = host("n1", "extra", "other").model_copy(update={"port_rate": INSPECTED_RATE})
    quick, third = host("n2", "extra", "fast"), host("n3", "fast")
    for name in ("extra", "other", "fast"):
        for vlan in range(1, 801):
            wanted = network(f"{name}{vlan}", vlan=vlan, cluster_network=name, route=MANUAL, status=ACTIVE)
            due.upsert(wanted, 0.0)
    due.set_hosts([slow, quick, third], 0.0)
    assert due.intervals(1.0) == {
        "extra": pytest.approx(800 * 4 / 9.0), "other": pytest.approx(800 * 3 / 4.5), "fast": SWEEP_S,
    }  # fmt: skip
    due.set_hosts([quick, third], 2.0)
    assert due.intervals(2_000.0)["extra"] == SWEEP_S


def test_hosts_shows_the_pace_and_how_often_hosts_sweep(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the watcher announces it: longer than set, or as set where the ports allow it."""
    for name in ("extra", "other"):
        said = host(f"{name}1", name).model_copy(update={"port_rate": INSPECTED_RATE})
        redis_server.client.set(host_key(said.host), said.model_dump_json(), px=15_000)
    mark = SendingMark(sweep_interval_s=300.0, slower_s={"extra": 1_320.0})
    redis_server.client.set(SENDING_KEY, mark.model_dump_json())
    ran = run(monkeypatch, "hosts", REDIS_URL=redis_server.url)
    assert "9/s" in ran.out
    assert "Each host sweeps extra every 22m" in ran.out
    assert "Each host sweeps other every 5m" in ran.out
