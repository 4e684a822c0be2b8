"""N17: a flood costs nothing where the kernel's filter drops it, and never causes a wrong verdict."""

import json
import random

import pytest

from lab.running import RunningSite
from services.contract.outcomes import DHCPOutcome, ReachOutcome
from services.prober.engine.identity import Identity
from services.prober.engine.settings import EngineSettings
from services.prober.sockets import packet_filter
from services.prober.sockets.packet_link import DEFAULT_SLOTS
from tests.faults.neighbours import FAULTY, FORGED, TRUE, ask_all, forged_options, quiet, servers
from tests.faults.trunk import (
    EMPTY,
    GATEWAYS,
    SERVED,
    assert_served,
    last_words,
    outcome,
    probe,
    probing,
    standing_at_port,
    standing_on_host,
)
from tests.unit.prober import frames
from tests.unit.prober.memory_site import running, wait_until
from tests.unit.prober.test_packet_filter import passes
from tests.unit.prober.world import DHCPServer, Gateway

MAX_FLOOD_S = 60.0
IDENTITY = Identity(host="node1", cluster_network="extra")
MEMORY_MAX_KB = 150_000


def junk_for(mac: bytes, dice: random.Random) -> bytes:
    """Build a frame that passes the kernel's filter and answers nothing."""
    if dice.getrandbits(1):
        return frames.arp_reply(sender=frames.dotted(0x0A000000 | dice.getrandbits(24)), to=mac)
    message = frames.bootp(xid=dice.randbytes(4), chaddr=mac, options=forged_options())
    return frames.dhcp_frame(message, server=FORGED)


def test_n17_flood_of_answers_to_nothing_changes_nothing_and_leaves_nothing() -> None:
    """10,000 forged replies in a second change no verdict and no duration, and leave nothing in memory."""
    world = quiet()
    world.put(FAULTY, DHCPServer(), Gateway())
    dice = random.Random(17)
    mac = world.trunk.identity.mac(FAULTY)
    for at in range(10_000):
        world.deliver(at / 10_000, FAULTY, junk_for(mac, dice))
    assert servers(ask_all(world)[FAULTY]) == [TRUE]
    assert sum(world.trunk.ignored.values()) >= 10_000
    assert len(world.trunk.ignored) < 20, "an attacker makes no keys"
    state = world.trunk._state
    assert (state.transactions, state.claims) == ({}, {})


def test_n17_flood_of_offers_is_capped() -> None:
    """Of valid offers from ever new servers sixteen are kept, and the window closes."""
    world = quiet()

    def flood(sent: frames.Sent) -> list[tuple[float, bytes]]:
        if sent.dhcp is None:
            return []
        return [
            (0.001, frames.answer(sent, options=forged_options(server=f"10.0.{n >> 8}.{n & 255}")))
            for n in range(10_000)
        ]

    world.put(FAULTY, flood, Gateway(FORGED))  # type: ignore[arg-type]
    found = ask_all(world)[FAULTY]
    assert len(servers(found)) == 16
    assert world.found_at[FAULTY] - 1000.0 < 3.5


@pytest.mark.parametrize("served", [True, False])
def test_n17_answers_that_the_flood_pushed_out_are_asked_for_again(served: bool) -> None:
    """After dropped frames silence is inconclusive, answers count, and unanswered probes are repeated."""
    world = quiet()
    if served:
        world.put(FAULTY, DHCPServer(ignore=1), Gateway())
    world.probe(FAULTY)

    def dropped() -> None:
        world.trunk.losses.dropped(1000)
        world.trunk.frames_lost(world.now)

    for tenth in range(1, 11):
        world.at(tenth / 10, dropped)
    found = world.only()
    took_s = world.found_at[FAULTY] - 1000.0
    before_its_end = sum(tenth / 10 <= took_s for tenth in range(1, 11))
    assert found.dropped_frames == 1000 * before_its_end, "those from its start to its end"
    assert found.dhcp is not None
    assert found.dhcp.outcome is (DHCPOutcome.OFFERED if served else DHCPOutcome.INCONCLUSIVE)
    if served:
        assert world.now - 1000.0 < 2.5, "long before the retransmission of RFC 2131"


def test_n17_dropped_frames_are_reported_by_the_link() -> None:
    """PACKET_STATISTICS is read before silence is reported, and is part of the verdict."""
    with running(EngineSettings(dhcp_deadline_s=1.0)) as site:
        site.submit(FAULTY)
        wait_until(lambda: bool(site.links))
        site.links[0].drops.append(12)
        found = site.next()
    assert found.dhcp is not None
    assert (found.dhcp.outcome, found.dropped_frames) == (DHCPOutcome.INCONCLUSIVE, 12)


def test_n17_kernel_drops_what_is_not_ours() -> None:
    """None of a thousand foreign frames wakes the prober; replies to it pass."""
    program = packet_filter.replies_to(IDENTITY.prefix, tagged=False)
    dice = random.Random(18)
    for _ in range(500):
        other = b"\x02" + dice.randbytes(5)
        assert not passes(program, junk_for(other, dice))
        assert not passes(program, frames.ethernet(dice.randbytes(60), kind=dice.getrandbits(16)))
    assert passes(program, junk_for(IDENTITY.mac(FAULTY), dice))


@pytest.mark.network
@pytest.mark.parametrize("kind", ["foreign", "forged"])
def test_n17_kernel_filters_and_counts_on_real_frames(trunk_site: RunningSite, kind: str) -> None:
    """On real frames the ring receives no foreign frame; forged ones fill it, and the rest is counted."""
    arguments = (kind, str(EMPTY), IDENTITY.mac(EMPTY).hex(), str(MAX_FLOOD_S))
    with standing_on_host(trunk_site, "listening") as listening:
        with standing_at_port(trunk_site, "flooding", *arguments) as flooding:
            sent = int(last_words(flooding))
        counted = json.loads(last_words(listening))
    if kind == "foreign":
        assert counted == {"received": 0, "dropped": 0}
    else:
        assert counted["received"] == DEFAULT_SLOTS < sent
        assert counted["dropped"] == sent - DEFAULT_SLOTS


@pytest.mark.network
def test_n17_flood_of_foreign_frames_is_the_kernels_to_drop(trunk_site: RunningSite) -> None:
    """A flood of up to 100,000 foreign frames a second changes no result and drops nothing."""
    mac = IDENTITY.mac(EMPTY).hex()
    with standing_at_port(trunk_site, "flooding", "foreign", str(EMPTY), mac, str(MAX_FLOOD_S)):
        found = probe(trunk_site, [EMPTY, *SERVED], deadline_s=4.0)
    assert_served(found)
    assert (found[EMPTY].fault, outcome(found[EMPTY])) == (None, DHCPOutcome.NO_OFFER)
    assert found[EMPTY].dropped_frames == 0


@pytest.mark.network
def test_n17_flood_of_forged_answers_makes_no_verdict_wrong(trunk_site: RunningSite) -> None:
    """A flood that fills the ring gives right or inconclusive results, in bounded memory, and ends."""
    mac = IDENTITY.mac(EMPTY).hex()
    flood = standing_at_port(trunk_site, "flooding", "forged", str(EMPTY), mac, str(MAX_FLOOD_S))
    with flood as flooding, probing(trunk_site, [EMPTY, *SERVED], deadline_s=4.0) as busy:
        assert busy.peak_kb() < MEMORY_MAX_KB
        found = busy.verdicts()
        assert flooding.poll() is None, "it was flooding all the time"
    for vlan, verdict in found.items():
        assert verdict.fault is None
        assert outcome(verdict) in (
            (DHCPOutcome.OFFERED, DHCPOutcome.INCONCLUSIVE)
            if vlan in SERVED
            else (DHCPOutcome.NO_OFFER, DHCPOutcome.INCONCLUSIVE)
        ), vlan
        if outcome(verdict) is DHCPOutcome.OFFERED:
            assert str(verdict.targets[0].gateway) == GATEWAYS[vlan]
            assert verdict.targets[0].vlan.outcome in (ReachOutcome.REACHABLE, ReachOutcome.INCONCLUSIVE)
    assert_served(probe(trunk_site, SERVED))
