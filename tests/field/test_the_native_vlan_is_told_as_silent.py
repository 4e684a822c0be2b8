"""A VLAN that the switch port sends untagged is told as such: answers come, without the tag that VMs need.

The switch takes tagged frames of its native VLAN, and of an access port's VLAN, and sends the answers
untagged: to our MAC address or to all. Such answers explain a silence, and never make a network healthy.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import fields, replace

import pytest

from lab.running import RunningSite, start_site
from lab.site import ServerKind
from lab.site_builder import build_site, build_vlan
from services.cli.explain.answers import answers_of
from services.contract.messages import SegmentProbe, Target, Verdict
from services.contract.outcomes import DHCPOutcome, ReachOutcome, Reason, State, Untagged
from services.network.judge.reduction import Conclusion, reduce
from services.network.reasons.texts import Facts
from services.prober import verdicts
from services.prober.engine.results import SegmentResult
from services.prober.engine.untagged import UntaggedAnswers
from services.prober.fingerprints import fingerprint
from services.prober.frames.ignore_reasons import IgnoreReason
from services.view.host_checks import HostCheck
from tests.network import lab_site
from tests.unit.network.builders import seen
from tests.unit.network.test_reduction import AUTO, MANUAL
from tests.unit.prober import frames
from tests.unit.prober.frames import Sent
from tests.unit.prober.world import DHCPServer, Gateway, World, target

ROUTER, OTHER = "10.0.7.1", "10.0.8.1"
NATIVE = 7
KNOWN = target(ROUTER, from_dhcp=False)


def probed(*others: int, known: Target | None = None, one_mac: bool = False, unicast: bool = False) -> World:
    """Probe the native VLAN, and others that answer with their tags, to the end."""
    world = World(routed=False, one_mac=one_mac)
    world.untagged.add(NATIVE)
    world.put(NATIVE, DHCPServer(unicast=unicast), Gateway(ROUTER))
    for vlan in others:
        world.put(vlan, DHCPServer(server=OTHER), Gateway(OTHER))
        world.probe(vlan)
    world.probe(NATIVE, *([known] if known else []), ask_dhcp=known is None)
    world.run()
    return world


def outcomes(found: SegmentResult) -> tuple[DHCPOutcome | None, ReachOutcome]:
    return (found.dhcp and found.dhcp.outcome), found.targets[0].vlan.outcome


@pytest.mark.parametrize("unicast", [True, False], ids=["to our MAC address", "to all"])
@pytest.mark.parametrize("others", [(8,), ()], ids=["trunk", "access port"])
def test_an_offer_without_the_tag_is_told_and_is_no_offer(unicast: bool, others: tuple[int, ...]) -> None:
    """DHCP stays out, with the kind of port: other VLANs answer with their tags, or none does."""
    found = probed(*others, unicast=unicast).found[NATIVE]
    assert outcomes(found) == (DHCPOutcome.NO_OFFER, ReachOutcome.NOT_TRIED)
    assert found.untagged is (Untagged.ONE if others else Untagged.ALL)


@pytest.mark.parametrize("one_mac", [False, True], ids=["a MAC address each", "one MAC address"])
def test_an_untagged_arp_reply_is_told_and_is_no_answer(one_mac: bool) -> None:
    """A manual network is not asked by DHCP; its gateway stays silent."""
    found = probed(8, known=KNOWN, one_mac=one_mac).found[NATIVE]
    assert outcomes(found) == (None, ReachOutcome.SILENT)
    assert found.untagged is Untagged.ONE


def test_a_priority_tag_is_no_vlan_tag() -> None:
    """Some switches send the native VLAN with a tag that names VLAN 0: the ring passes that on as VLAN 0."""
    world = World(routed=False)
    world.probe(NATIVE, KNOWN, ask_dhcp=False)
    reply = frames.arp_reply(sender=ROUTER, to=world.trunk.station(NATIVE).mac)
    world.deliver(0.1, 0, reply)
    assert world.only().untagged is Untagged.ALL


def test_of_two_vlans_that_ask_for_one_gateway_with_one_mac_address_none_is_told() -> None:
    """The reply may be for either; with a MAC address for each VLAN it is known for which."""
    for one_mac, expected in ((True, None), (False, Untagged.ALL)):
        world = World(routed=False, one_mac=one_mac)
        world.untagged.add(NATIVE)
        world.put(NATIVE, Gateway(ROUTER))
        for vlan in (NATIVE, 8):
            world.probe(vlan, KNOWN, ask_dhcp=False)
        found = world.run()
        assert (found[NATIVE].untagged, found[8].untagged) == (expected, None)


def forged(world: World, sent: Sent, **changes: object) -> bytes:
    """Return an untagged offer in answer to a DISCOVER."""
    fields: dict[str, object] = {"options": frames.offer_options(), "server": ROUTER, **changes}
    return frames.answer(sent, **fields)  # type: ignore[arg-type]


def test_what_answers_with_the_tag_wins() -> None:
    """Whatever a stranger sends untagged for the same questions, before or after the true answers."""
    world = World(routed=False)
    mac = world.trunk.station(NATIVE).mac

    def stranger(sent: Sent) -> Iterator[tuple[float, bytes]]:
        if sent.dhcp is not None:
            for delay_s in (0.0, 0.02):
                world.deliver(delay_s, 0, forged(world, sent))
        yield from ()

    world.put(NATIVE, stranger, DHCPServer(), Gateway(ROUTER))
    for at_s in (0.0, 0.005, 0.015, 0.1):
        world.deliver(at_s, 0, frames.arp_reply(sender=ROUTER, to=mac, mac=bytes.fromhex("02fe00000666")))
    world.probe(NATIVE, target(ROUTER))
    found = world.only()
    assert outcomes(found) == (DHCPOutcome.OFFERED, ReachOutcome.REACHABLE)
    assert found.untagged is None
    assert found.targets[0].vlan.mac == frames.SERVER_MAC


def test_a_dhcp_server_with_the_tag_makes_a_silent_gateway_no_native_vlan() -> None:
    """The tag arrives there, so an untagged ARP reply explains nothing."""
    world = World(routed=False)
    world.put(NATIVE, DHCPServer())
    for at_s in (0.5, 1.5):
        world.deliver(at_s, 0, frames.arp_reply(sender=ROUTER, to=world.trunk.station(NATIVE).mac))
    world.probe(NATIVE, target(ROUTER))
    found = world.only()
    assert outcomes(found) == (DHCPOutcome.OFFERED, ReachOutcome.SILENT)
    assert found.untagged is None


ELSEWHERE = bytes.fromhex("62aaaaaaa007")
STRANGE: dict[str, Callable[[bytes], bytes]] = {
    "for another address": lambda mac: frames.arp_reply(sender="10.0.7.9", to=mac),
    "to another host": lambda _: frames.arp_reply(sender=ROUTER, to=ELSEWHERE),
    "to us elsewhere": lambda mac: frames.arp_reply(sender=ROUTER, to=mac[:-1] + bytes((mac[-1] ^ 1,))),
    "a request": lambda mac: frames.arp_reply(sender=ROUTER, to=mac, operation=1),
    "cut off": lambda mac: frames.arp_reply(sender=ROUTER, to=mac)[:30],
    "an offer to another question": lambda mac: frames.dhcp_frame(
        frames.bootp(xid=b"none", chaddr=mac, options=frames.offer_options())
    ),
    "an echo reply": lambda mac: frames.ethernet(bytes(60), kind=0x0800, destination=mac),
    "nothing": lambda _: b"",
}


@pytest.mark.parametrize("one_mac", [False, True])
@pytest.mark.parametrize("build", STRANGE.values(), ids=STRANGE)
def test_what_was_not_asked_is_not_told(build: Callable[[bytes], bytes], one_mac: bool) -> None:
    """It is counted as ignored, and the VLAN is silent as before."""
    world = World(routed=False, one_mac=one_mac)
    world.probe(NATIVE, KNOWN, ask_dhcp=False)
    world.deliver(0.1, 0, build(world.trunk.station(NATIVE).mac))
    found = world.only()
    assert (found.targets[0].vlan.outcome, found.untagged) == (ReachOutcome.SILENT, None)
    assert world.trunk.ignored[IgnoreReason.UNTAGGED] == 1


def test_an_answer_to_a_probe_before_explains_nothing_now() -> None:
    """The port may have been mended meanwhile, and the gateway be down."""
    world = probed(known=KNOWN)
    world.found[0] = world.found.pop(NATIVE)
    assert world.found[0].untagged is Untagged.ALL
    world.nodes.clear()
    world.probe(NATIVE, KNOWN, ask_dhcp=False)
    assert world.run()[NATIVE].untagged is None


def test_a_flood_with_one_mac_address_is_not_searched_frame_by_frame() -> None:
    """All open checks are looked at for some frames a second only; others are counted as ignored."""
    world = World(routed=False, one_mac=True)
    for vlan in range(1, 200):
        world.probe(vlan, target(f"10.1.{vlan}.1", from_dhcp=False), ask_dhcp=False)
    looked: list[int] = []

    class Checks(dict[tuple[int, int], object]):
        def __iter__(self) -> Iterator[tuple[int, int]]:
            looked.append(1)
            return iter(())

    answers = UntaggedAnswers(world.trunk._state, world.trunk._dhcp_reader, Checks())  # type: ignore[arg-type]
    frame = frames.arp_reply(sender="10.9.9.9", to=world.trunk.station(1).mac)
    for at in range(10_000):
        answers.receive(frame, verify_checksum=True, now=1000.0 + at / 10_000)
    assert len(looked) <= 55


def told(untagged: Untagged | None, *, host: str = "node1", manual: bool = True) -> Verdict:
    """Return what a host reports that heard nothing with the tag."""
    world = World(routed=False)
    known = target(str(MANUAL.gateway), from_dhcp=False, digest=MANUAL.digest)
    world.probe(100, known if manual else target(digest=AUTO.digest), ask_dhcp=not manual)
    found = world.only()._replace(untagged=untagged)
    return verdicts.verdict(found, host=host, request_id="r", incarnation=0, counter=0)


def answering(host: str) -> Verdict:
    world = World(routed=False)
    world.put(100, Gateway(str(MANUAL.gateway)))
    world.probe(100, target(str(MANUAL.gateway), from_dhcp=False, digest=MANUAL.digest), ask_dhcp=False)
    return verdicts.verdict(world.only(), host=host, request_id="r", incarnation=0, counter=0)


def routed(verdict: Verdict, outcome: ReachOutcome) -> Verdict:
    (found,) = verdict.targets
    path = found.vlan.model_copy(update={"outcome": outcome, "attempts": 3})
    return verdict.model_copy(update={"targets": (found.model_copy(update={"routed": path}),)})


def concluded(*found: Verdict, manual: bool = True, confirmations: int = 2) -> Conclusion:
    ages = [seen(verdict, 1.0) for verdict in found]
    return reduce(
        MANUAL if manual else AUTO, ages, [] if manual else ages, fresh_s=600.0,
        hosts=frozenset(verdict.host for verdict in found), dhcp_confirmations=confirmations,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("outcome", "state"),
    [(ReachOutcome.REACHABLE, State.OFF_VLAN), (ReachOutcome.SILENT, State.UNREACHABLE)],
)
def test_the_state_is_that_of_a_silent_vlan_and_the_reason_says_why(
    outcome: ReachOutcome, state: State
) -> None:
    """Harvester's own controller would find the same: what is routed answers all the same."""
    found = concluded(
        *(routed(told(Untagged.ONE, host=host), outcome) for host in ("node1", "node2")),
    )
    assert (found.state, found.reason, found.hosts) == (state, Reason.NATIVE_VLAN, {})
    assert found.detail == "other VLANs answer with their tags on node1, node2"


def test_hosts_without_a_sign_keep_the_reason_of_silence() -> None:
    """Each host that heard untagged answers is named; of the others nothing more is known."""
    found = concluded(
        routed(told(Untagged.ALL, host="node1"), ReachOutcome.SILENT),
        routed(told(None, host="node2"), ReachOutcome.SILENT),
    )
    assert (found.state, found.reason) == (State.UNREACHABLE, Reason.GATEWAY_SILENT)
    assert found.hosts == {"node1": Reason.NATIVE_VLAN}


def test_one_port_that_differs_is_a_difference_of_that_host() -> None:
    """The gateway answers the others with the tag."""
    found = concluded(
        routed(answering("node1"), ReachOutcome.REACHABLE),
        routed(told(Untagged.ONE, host="node2"), ReachOutcome.REACHABLE),
    )
    assert (found.state, found.reason) == (State.PARTIAL, Reason.GATEWAY_SILENT_ON_SOME_HOSTS)
    assert found.hosts == {"node2": Reason.NATIVE_VLAN}


def test_dhcp_that_answers_untagged_is_out_for_that_reason() -> None:
    """No gateway is taken from such an offer; that there is no offer stands beside."""
    found = concluded(*(told(Untagged.ALL, host=h, manual=False) for h in ("node1", "node2")), manual=False)
    assert (found.state, found.reason) == (State.DHCP_FAILED, Reason.NATIVE_VLAN)
    assert found.findings == {Reason.NO_DHCP_OFFER: ""}
    assert found.connectivity == "DHCP failed"
    mixed = concluded(
        told(Untagged.ALL, host="node1", manual=False), told(None, host="node2", manual=False), manual=False
    )
    assert (mixed.reason, mixed.hosts) == (Reason.NO_DHCP_OFFER, {"node1": Reason.NATIVE_VLAN})


def test_another_kind_of_port_is_another_report() -> None:
    """A repeat of the former verdict would hide it."""
    found = probed(8, known=KNOWN).found[NATIVE]
    kinds = (None, Untagged.ONE, Untagged.ALL)
    assert len({fingerprint(found._replace(untagged=kind)) for kind in kinds}) == 3


def test_explain_says_what_the_host_heard() -> None:
    """Beside the silence, in the same words as a scan."""
    facts = Facts(**{field.name: field.name for field in fields(Facts)})
    check = HostCheck("node1", age_s=1.0, untagged=Untagged.ONE)
    texts = [answer.text for answer in answers_of(check, facts) if answer.path == "untagged"]
    assert texts == ["answers come without a tag, other VLANs' with theirs: it is the port's native VLAN"]
    assert not [a for a in answers_of(replace(check, untagged=None), facts) if a.path == "untagged"]


SITE = build_site(
    [build_vlan(NATIVE, server=ServerKind.BUILTIN), build_vlan(8, server=ServerKind.BUILTIN)],
    trunked={"node2": frozenset({NATIVE})},
    native={"node1": NATIVE, "node2": NATIVE},
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSite]:
    lab_site.require_lab(SITE)
    with start_site(SITE, tmp_path_factory.mktemp("lab") / "state") as running:
        yield running


def on_wire(site: RunningSite, host: str, *probes: SegmentProbe) -> dict[int, Verdict]:
    asked = json.dumps([probe.to_wire() for probe in probes])
    printed = lab_site.run(
        site, host, "tests.network.prober_program", "extra-bo", asked, "--deadline", "2"
    ).splitlines()[-1]
    found = [Verdict.model_validate_json(json.dumps(one)) for one in json.loads(printed)["verdicts"]]
    return {verdict.segment.vlan: verdict for verdict in found}


@pytest.mark.network
@pytest.mark.parametrize(("host", "kind"), [("node1", Untagged.ONE), ("node2", Untagged.ALL)])
def test_on_real_frames_a_trunk_and_an_access_port_are_told(
    site: RunningSite, host: str, kind: Untagged
) -> None:
    """Through the kernel's filter and ring: one VLAN asked by DHCP and ARP; its neighbour answers."""
    manual = Target(digest="1" * 16, gateway=SITE.vlans[0].gateway, from_dhcp=False)
    auto = Target(digest="0" * 16)
    asked = SegmentProbe(vlan=NATIVE, targets=(manual,))
    if host == "node1":
        asked = SegmentProbe(vlan=NATIVE, ask_dhcp=True, targets=(auto,))
    found = on_wire(site, host, asked, SegmentProbe(vlan=8, ask_dhcp=True, targets=(auto,)))
    verdict = found[NATIVE]
    assert verdict.untagged is kind
    assert ReachOutcome.REACHABLE not in {one.vlan.outcome for one in verdict.targets}
    assert found[8].untagged is None
    if host == "node1":
        assert found[8].dhcp is not None
        assert found[8].dhcp.outcome is DHCPOutcome.OFFERED
