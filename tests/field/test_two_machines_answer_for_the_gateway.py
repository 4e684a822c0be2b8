"""Two machines answer one ARP question for the gateway: a VM with its address, or proxy ARP beside it.

A check ends with the first answer, so the second one comes too late for it. Virtual routers are known, and
are no duplicate.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from services.contract.limits import MAX_ANSWERS
from services.contract.macs import macs_in
from services.contract.messages import ReachVerdict
from services.contract.outcomes import ReachOutcome, Reason, State
from services.prober import verdicts
from services.prober.engine import answers
from services.prober.engine.answers import Answers
from services.prober.fingerprints import fingerprint
from tests.unit.network.builders import GATEWAY as JUDGED
from tests.unit.network.builders import dhcp, offer
from tests.unit.network.judged_network import JudgedNetwork
from tests.unit.network.test_reduction import AUTO
from tests.unit.prober import frames
from tests.unit.prober.frames import Sent
from tests.unit.prober.world import Gateway, World, target

GATEWAY = "10.0.7.1"
ROUTER, OTHER = "02:fe:00:00:00:01", "52:54:00:aa:bb:cc"
VRRP = "00:00:5e:00:01:07"
KNOWN = target(GATEWAY, from_dhcp=False)


def octets(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def machine(mac: str, delay_s: float = 0.001) -> Gateway:
    """Return a machine that answers for the gateway."""
    return Gateway(GATEWAY, mac=octets(mac), delay_s=delay_s)


@dataclass
class TwoFaced:
    """A router that answers with the MAC address of a virtual router, and with its own."""

    def __call__(self, sent: Sent) -> Iterator[tuple[float, bytes]]:
        if sent.arp_target == GATEWAY:
            for delay_s, mac in ((0.001, VRRP), (0.002, ROUTER)):
                reply = frames.arp_reply(sender=GATEWAY, to=sent.source, mac=octets(mac))
                # RFC 5798 section 8.1.2 leaves the frame's own source to the router.
                yield delay_s, reply[:6] + octets(ROUTER) + reply[12:]


def checked(world: World, *, after_s: float = 30.0) -> ReachVerdict:
    """Check the gateway once more; return what the host reports."""
    world.now += after_s
    world.found.clear()
    world._begun = 0
    world.probe(7, KNOWN, ask_dhcp=False)
    made = verdicts.verdict(world.only(), host="n", request_id="r", incarnation=0, counter=0)
    world.run_on(2 * answers.ANSWERS_WITHIN_S)
    return made.targets[0].vlan


def world_of(*nodes: object) -> World:
    world = World(routed=False)
    world.put(7, *nodes)  # type: ignore[arg-type]
    return world


@pytest.mark.parametrize("delay_s", [0.002, 0.8], ids=["at once", "as slow as proxy ARP"])
def test_the_second_answer_is_told_with_the_next_check(delay_s: float) -> None:
    """The first check is not held up for it; from the second on, both machines are named, in one order."""
    world = world_of(machine(ROUTER), machine(OTHER, delay_s))
    began = world.now
    first = checked(world, after_s=0.0)
    assert (first.mac, first.macs, world.found_at[7] - began < 0.002) == (ROUTER, (), True)
    for _ in range(3):
        later = checked(world)
        assert (later.mac, later.macs) == (ROUTER, (ROUTER, OTHER))


def test_the_second_answer_is_told_at_once_while_the_probe_runs() -> None:
    """A scan asks once: while it waits for other DHCP servers, the second answer arrives."""
    world = world_of(machine(ROUTER), machine(OTHER, 0.1))
    world.probe(7, KNOWN)
    made = verdicts.verdict(world.only(), host="n", request_id="r", incarnation=0, counter=0)
    assert made.targets[0].vlan.macs == (ROUTER, OTHER)


def test_it_is_over_when_one_question_has_one_answer() -> None:
    """The duplicate was switched off: the question before that is told no more."""
    world = world_of(machine(ROUTER), machine(OTHER, 0.002))
    assert [len(checked(world).macs) for _ in range(2)] == [0, 2]
    world.nodes[7].pop()
    assert [len(checked(world).macs) for _ in range(3)] == [2, 0, 0]
    world.nodes[7][:] = []
    assert checked(world).outcome is ReachOutcome.SILENT
    world.put(7, machine(OTHER))
    assert [(each.mac, each.macs) for each in (checked(world), checked(world))] == [(OTHER, ())] * 2


@pytest.mark.parametrize(
    "nodes",
    [
        (machine(ROUTER), machine(ROUTER, 0.002)),
        (machine(ROUTER), machine(OTHER, answers.ANSWERS_WITHIN_S + 0.1)),
        (TwoFaced(),),
    ],
    ids=["anycast, or a copy", "to an older question", "one router with two addresses"],
)
def test_one_machine_is_no_duplicate(nodes: tuple[object, ...]) -> None:
    """Leaves of a fabric share a MAC address; a router may answer with its own beside a virtual one."""
    world = world_of(*nodes)
    assert {checked(world).macs for _ in range(4)} == {()}


def test_who_answers_first_is_chance() -> None:
    """Where two take turns in being first, the results are repeats: nothing is reported in full each time."""
    prints = set()
    for order in ((ROUTER, OTHER), (OTHER, ROUTER)):
        world = world_of(machine(order[0]), machine(order[1], 0.002))
        assert checked(world).mac == order[0]
        checked(world)
        prints.add(fingerprint(world.found[7]))
    assert len(prints) == 1


def test_a_flood_of_answers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that answers with ever new MAC addresses, and for ever new gateways, fills nothing."""
    crowd = [machine(ROUTER), *(machine(f"52:54:00:00:00:{n:02x}", 0.01 + n / 1000) for n in range(50))]
    world = world_of(*crowd)
    checked(world)
    assert len(checked(world).macs) == MAX_ANSWERS
    monkeypatch.setattr(answers, "MAX_GATEWAYS", 8)
    kept: Answers = world.trunk.answers
    ours = world.trunk.station(7).mac
    for number in range(100):
        key = (7, number)
        kept.first(key, frames.arp_reply(sender=GATEWAY, to=ours, mac=octets(ROUTER)), world.now)
        assert kept.another(key, frames.arp_reply(sender=GATEWAY, to=ours, mac=octets(OTHER)), world.now)
    assert (len(kept._first), len(kept._disputes)) == (8, 8)


def test_an_answer_to_somebody_else_is_none_to_us() -> None:
    """What a gateway answers to another station on the VLAN is no second answer."""
    world = world_of()
    kept, key, ours = world.trunk.answers, (7, frames.number(GATEWAY)), world.trunk.station(7).mac
    kept.first(key, frames.arp_reply(sender=GATEWAY, to=ours, mac=octets(ROUTER)), world.now)
    for to, is_ours in ((octets("02:00:00:00:00:99"), False), (ours, True)):
        answer = frames.arp_reply(sender=GATEWAY, to=to, mac=octets(OTHER))
        assert kept.another(key, answer, world.now + 1) is is_ours


HSRP, GLBP_1, GLBP_2 = "00:00:0c:07:ac:0a", "00:07:b4:00:0a:01", "00:07:b4:00:0a:02"
MANUAL = replace(AUTO, mode="manual", gateway=JUDGED)


def judged(*macs: str, relay: str | None = None) -> JudgedNetwork:
    """Return a network whose gateway all of these have answered for, to one of three hosts."""
    intent = MANUAL if relay is None else AUTO
    net = JudgedNetwork(intent, "node1", "node2", "node3")
    said = None if relay is None else dhcp(offer(relay=str(JUDGED), mac=relay))
    net.report("node1", "node2", mac=macs[0], dhcp=said)
    net.report("node3", mac=macs[0], macs=tuple(sorted(macs)))
    return net.stand()


def finding(net: JudgedNetwork) -> str | None:
    assert net.status is not None
    return net.status.findings.get(Reason.DUPLICATE_GATEWAY)


@pytest.mark.parametrize("macs", [(ROUTER, OTHER), (VRRP, OTHER), (HSRP, VRRP), (GLBP_1, ROUTER)], ids=str)
def test_it_is_named_with_both_macs(macs: tuple[str, str]) -> None:
    """The network stays Active, since its gateway answers; the finding names who does."""
    net = judged(*macs)
    assert net.status is not None
    assert net.status.state == State.ACTIVE
    text = finding(net)
    assert text is not None
    assert macs_in(text) == sorted(macs)
    assert ("(VRRP or CARP)" in text) == (VRRP in macs)


@pytest.mark.parametrize(
    ("macs", "relay"),
    [((GLBP_1, GLBP_2), None), ((VRRP, OTHER), OTHER)],
    ids=["forwarders of one GLBP group", "a virtual router, and the relay agent that it is"],
)
def test_a_redundant_router_is_quiet(macs: tuple[str, str], relay: str | None) -> None:
    """Its members answer for it: nobody has taken its address."""
    assert finding(judged(*macs, relay=relay)) is None


def test_a_stranger_that_relays_nothing_is_named_beside_a_virtual_router() -> None:
    """A machine whose own DHCP server answers is no relay agent: it is the stranger."""
    net = JudgedNetwork(AUTO, "node1")
    net.report("node1", mac=VRRP, macs=(VRRP, OTHER), dhcp=dhcp(offer(mac=OTHER)))
    assert finding(net.stand()) is not None


def test_it_is_told_while_dhcp_says_nothing_new() -> None:
    """Most checks ask no DHCP; what DHCP told before stands beside the finding."""
    net = JudgedNetwork(AUTO, "node1", "node2")
    several = dhcp(offer(), offer(JUDGED + 9, server="10.0.112.9"))
    net.report("node1", mac=ROUTER, dhcp=several).report("node2", mac=ROUTER).stand()
    net.asked.clear()
    net.intent = replace(net.intent, known_gateway=JUDGED)
    net.report("node1", "node2", mac=ROUTER, macs=(ROUTER, OTHER)).stand()
    assert net.status is not None
    assert set(net.status.findings) == {Reason.DUPLICATE_GATEWAY, Reason.DHCP_SERVERS_DISAGREE}
    net.report("node1", "node2", mac=ROUTER).stand()
    assert set(net.status.findings) == {Reason.DHCP_SERVERS_DISAGREE}


def test_ever_new_macs_are_few_writes() -> None:
    """A machine that answers with another MAC address each time changes the text until it is full."""
    net = JudgedNetwork(MANUAL, "node1")
    texts = []
    for number in range(40):
        net.report("node1", mac=ROUTER, macs=(ROUTER, f"52:54:00:00:00:{number:02x}")).stand()
        texts.append(finding(net))
        net.now += 30
    assert None not in texts
    assert len(set(texts)) <= MAX_ANSWERS
    assert ROUTER in str(texts[-1])
    assert str(texts[-1]).endswith("and others")
    net.report("node1", mac=ROUTER, macs=(ROUTER, "52:54:00:00:00:00")).stand()
    assert finding(net) == texts[-1]
