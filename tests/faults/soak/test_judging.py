"""The judge of the soak: forged writes to an API server's store, true ones and false ones."""

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from lab.kube.jsontypes import JsonObject, metadata
from lab.kube.objects import Actor
from lab.kube.resources import NADS
from lab.site_builder import vlan_cidr
from services.contract.conclusions import ConclusionRecord
from services.network.parse import nad
from services.network.parse.status import ServerOffer, Status
from tests.faults.soak.counting import BEAT_S, Counting
from tests.faults.soak.judging import Judge
from tests.faults.soak.layout import HOSTS, ROGUES_GATEWAY, Owned, gateway_of, manual_route
from tests.faults.soak.parts import Part
from tests.faults.soak.world import Prober, World
from tests.support.updater_site import NAMESPACE, digest_of

US = Actor(user="nadroute", agent="nadroute/0")
VLAN = 2
OWNED = Owned("net-2", VLAN, "auto")
GATEWAY, CIDR = str(gateway_of(VLAN)), str(vlan_cidr(VLAN))
ROGUES = str(vlan_cidr(VLAN)[ROGUES_GATEWAY])
WHOLE = {"mode": "auto", "cidr": CIDR, "gateway": GATEWAY, "connectivity": "true"}


def run_for(world: World, seconds: float) -> None:
    """Let time be counted as if the world had run for so long."""
    steps = int(seconds / BEAT_S)
    times = iter([time.monotonic() - step * BEAT_S for step in range(steps, -1, -1)])
    world.counting = Counting(lambda: False, clock=lambda: next(times))
    for _ in range(steps):
        world.counting.note()


def status(world: World, **fields: object) -> Status:
    """Return what is to be told of the network as it is now."""
    (network,) = world.networks().values()
    told = {"state": "Active", "reason": "GatewayAnswers", "connectivity": "true", "gateway": GATEWAY}
    return Status(**{**told, "digest": digest_of(network), **fields})  # type: ignore[arg-type]


def write(
    world: World,
    told: Status,
    route: dict[str, Any] | None,
    *,
    actor: Actor = US,
    note: str = "",
    judge: Judge | None = None,
) -> list[str]:
    """Write as the updater does, and return what the judge finds false."""
    judge = judge or Judge(world)
    judge.take()

    def edit(body: JsonObject) -> JsonObject:
        present = metadata(body).setdefault("annotations", {})
        assert isinstance(present, dict)
        present[nad.STATUS] = told.dump()
        if note:
            present["example.com/note"] = note
        if route is not None:
            present[nad.ROUTE] = json.dumps(route)
        return body

    world.server.store.change(NADS, NAMESPACE, OWNED.name, edit, actor=actor)
    return [word.what for word in judge.take()]


def test_a_true_write_is_judged_and_let_pass(world: World) -> None:
    """A network becomes Active, whole, in one write."""
    assert write(world, status(world), WHOLE) == []


def test_a_host_that_has_just_come_back_is_not_asked_yet(tmp_path: Path) -> None:
    """Unless it was restarting; one that left counts for as long as it may restart."""
    prober = Prober(Part("prober", [], {}, tmp_path), serves=True, serves_since=time.monotonic() - 1.0)
    for away_s, is_up in ((30.0, False), (10.0, True)):
        prober.was_away_s = away_s
        assert prober.was_up(within_s=20.0, settles_s=5.0) is is_up
    prober.was_away_s, prober.serves_since = 30.0, time.monotonic() - 6.0
    assert prober.was_up(within_s=20.0, settles_s=5.0)
    prober.serves = False
    assert prober.was_up(within_s=20.0, settles_s=5.0)
    assert not prober.was_up(within_s=5.0, settles_s=5.0)


def test_a_state_that_was_not_so_is_false(world: World) -> None:
    """A healthy network is told to be dead; and a dead one is told so truly."""
    write(world, status(world), WHOLE)
    told = status(world, state="Unreachable", reason="GatewaySilent", connectivity="false")
    route = {**WHOLE, "connectivity": "false"}
    (word, *_) = write(world, told, route)
    assert word.startswith("false, but it answers")
    write(world, status(world), WHOLE)
    world.set("vlan", [VLAN], HOSTS, False)
    world.set("routed", [VLAN], HOSTS, False)
    assert write(world, told, route) == []


def test_an_owners_field_that_is_overwritten_is_found(world: World) -> None:
    """The mode, the owner's own gateway, another annotation."""
    write(world, status(world), WHOLE)
    (mode, *_) = write(world, status(world), {**WHOLE, "mode": "manual"})
    assert "route.mode" in mode
    world.server.rival(NAMESPACE, OWNED.name).annotate(nad.ROUTE, manual_route(VLAN, host=77))
    found = write(world, status(world), {**json.loads(manual_route(VLAN)), "connectivity": "true"})
    assert "overwrites what is its owner's: route.gateway" in found
    found = write(world, status(world), None, note="ours")
    assert "overwrites what is its owner's: annotation example.com/note" in found


def test_a_gateway_that_nobody_offered_is_found(world: World) -> None:
    """In the route; the rogue's own is true from the time on at which it was there."""
    other = str(vlan_cidr(VLAN)[99])
    found = write(world, status(world, gateway=other), {**WHOLE, "gateway": other})
    assert any("which nobody offered" in each for each in found)
    silent = {"state": "Unreachable", "reason": "GatewaySilent", "connectivity": "false", "gateway": ROGUES}
    route = {**WHOLE, "gateway": ROGUES, "connectivity": "false"}
    assert write(world, status(world, **silent), route)
    write(world, status(world), WHOLE)
    world.set("vlan", [VLAN], HOSTS, False)
    world.set("dhcp", [VLAN], [""], False)
    world.rogues[VLAN] = [[time.monotonic() - 30.0, time.monotonic()]]
    assert write(world, status(world, **silent), route) == []


def test_a_strangers_gateway_takes_the_place_of_a_silent_one_only(world: World) -> None:
    """A rogue is there: its gateway is false while the true one answers, or DHCP names that."""
    silent = {"state": "Unreachable", "reason": "GatewaySilent", "connectivity": "false", "gateway": ROGUES}
    route = {**WHOLE, "gateway": ROGUES, "connectivity": "false"}
    world.rogues[VLAN] = [[time.monotonic() - 30.0, float("inf")]]
    write(world, status(world), WHOLE)
    assert write(world, status(world, **silent), route) == [
        f"{ROGUES} takes the place of the gateway, which answers {list(HOSTS)}",
        f"{ROGUES} takes the place of the gateway, which DHCP names",
    ]
    world.set("vlan", [VLAN], HOSTS, False)
    write(world, status(world), WHOLE)
    assert write(world, status(world, **silent), route) == [
        f"{ROGUES} takes the place of the gateway, which DHCP names"
    ]
    world.set("dhcp", [VLAN], [""], False)
    write(world, status(world), WHOLE)
    assert write(world, status(world, **silent), route) == []


def test_the_gateway_that_an_owner_names_takes_the_place_of_any(world: World) -> None:
    """However wrong it is."""
    write(world, status(world), WHOLE)
    named = {"mode": "manual", "cidr": CIDR, "gateway": ROGUES}
    world.server.rival(NAMESPACE, OWNED.name).annotate(nad.ROUTE, json.dumps(named))
    silent = {"state": "Unreachable", "reason": "GatewaySilent", "connectivity": "false", "gateway": ROGUES}
    world.rogues[VLAN] = [[time.monotonic() - 30.0, float("inf")]]
    assert write(world, status(world, **silent), {**named, "connectivity": "false"}) == []


def test_a_strangers_gateway_does_not_stand_where_the_true_one_is_named(world: World) -> None:
    """After the faults; where nobody else serves DHCP it may stand for an hour."""
    silent = {"state": "Unreachable", "reason": "GatewaySilent", "connectivity": "false", "gateway": ROGUES}
    write(world, status(world, **silent), {**WHOLE, "gateway": ROGUES, "connectivity": "false"})
    (network,) = world.networks().values()
    judge, since = Judge(world), time.monotonic() - 10.0
    assert list(judge.of_standing(network, since=since)) == [
        f"{ROGUES} is the gateway, where DHCP names another"
    ]
    world.set("dhcp", [VLAN], [""], False)
    assert list(judge.of_standing(network, since=since)) == []


def test_not_heard_is_judged_where_a_host_could_report(world: World) -> None:
    """It, and what all need, worked throughout a doubt; the writes that are judged for it are counted."""
    run_for(world, 100.0)
    unheard, false = status(world, hosts={"node2": "NotHeard"}), "NotHeard of node2, which could report"
    assert write(world, unheard, WHOLE) == [false]

    def judge_again() -> tuple[list[str], int]:
        judge = Judge(world)
        return [word.what for word in judge.take()], judge.judged_for_unheard

    world.hindered_until = time.monotonic() - 35.0
    world.probers["node2"].serves_since = time.monotonic() - 35.0
    assert judge_again() == ([false], 1)
    world.probers["node2"].serves_since = time.monotonic() - 25.0
    assert judge_again() == ([], 1)
    world.probers["node2"].serves_since = 0.0
    world.hindered_until = time.monotonic() - 25.0
    assert judge_again() == ([], 0)


def test_a_server_that_is_not_there_is_found(world: World) -> None:
    """And a finding that needs one."""
    stranger = ServerOffer("10.9.9.9", CIDR, ROGUES)
    assert write(world, status(world, servers=(stranger,)), WHOLE) == [
        "10.9.9.9 is named, which is not there"
    ]
    found = write(world, status(world, findings={"DHCPServersDisagree": "two"}), WHOLE)
    assert found == ["DHCPServersDisagree, but there is one server at most"]


def test_a_route_that_contradicts_its_status_is_found(world: World) -> None:
    """What the world acts on is the route."""
    (word,) = write(world, status(world), {**WHOLE, "connectivity": "false"})
    assert word == "route says 'false', status 'true'"


def test_a_status_of_a_predecessor_is_found(world: World) -> None:
    """The digest is that of another intent."""
    assert write(world, status(world, digest="0" * 16), WHOLE) == ["a status of another intent"]


def test_what_is_asked_for_again_may_be_pending(world: World) -> None:
    """Not so what its owner has left alone: what is known does not become unknown."""
    judge, pending = Judge(world), status(world, state="Pending", reason="NotProbedYet", connectivity="")
    write(world, status(world), WHOLE, judge=judge)
    assert write(world, pending, None, judge=judge) == ["Pending, after Active of the same intent"]
    write(world, status(world), WHOLE, judge=judge)
    rival = world.server.rival(NAMESPACE, OWNED.name)
    rival.annotate(nad.ROUTE, manual_route(VLAN, host=77))
    rival.annotate(nad.ROUTE, json.dumps(WHOLE))
    assert write(world, pending, None, judge=judge) == []


def test_what_others_write_is_not_judged(world: World) -> None:
    """Owners may write what they like."""
    told = status(world, state="Unreachable", reason="GatewaySilent", connectivity="false")
    assert write(world, told, None, actor=Actor(user="person", agent="browser")) == []


def test_what_stands_is_held_against_what_is_so_now(world: World) -> None:
    """After the faults a state that was true before is not any more, and one that is missing is found."""
    judge, since = Judge(world), time.monotonic() - 10.0
    (network,) = world.networks().values()
    assert list(judge.of_standing(network, since=since)) == ["nothing is told"]
    world.set("vlan", [VLAN], ["node2"], False)
    told = status(world, state="Partial", hosts={"node2": "GatewaySilentOnVlan"})
    assert write(world, told, WHOLE) == []
    (network,) = world.networks().values()
    assert list(judge.of_standing(network, since=since)) == []
    world.truth.changes.clear()
    assert list(judge.of_standing(network, since=since)) == ["silent on ['node2'], where it answers"]


def test_a_host_need_not_have_looked_at_what_is_asked_anew(world: World) -> None:
    """Better is told at once; but what is asked for long has every host behind it."""
    run_for(world, 100.0)
    long_ago = time.monotonic() - 3_000.0
    world.truth.set(("vlan", VLAN, "node2"), False, long_ago)
    assert write(world, status(world), WHOLE) == []
    (record,) = [each for each in world.server.store.writes.all() if each.user == US.user]
    assert list(Judge(world).of_write(record)) == ["Active, and not that it is silent on ['node2']"]


def test_what_stands_of_another_intent_or_of_none_is_found(world: World) -> None:
    """After the faults there is a status of the present intent, and it says something."""
    judge, since = Judge(world), time.monotonic() - 10.0
    write(world, status(world), WHOLE)
    world.server.rival(NAMESPACE, OWNED.name).annotate(nad.ROUTE, manual_route(VLAN))
    (network,) = world.networks().values()
    assert "a status of another intent" in list(judge.of_standing(network, since=since))
    undecided = status(world, state="Pending", reason="AwaitingFirstProbe", connectivity="")
    write(world, undecided, None)
    (network,) = world.networks().values()
    assert "still Pending" in list(judge.of_standing(network, since=since))


def test_a_stored_conclusion_that_says_something_else_is_found(world: World) -> None:
    """The annotations and the record in Redis agree, apart from the time since when."""
    told = status(world)
    write(world, told, WHOLE)
    (network,) = world.networks().values()

    def record(told: Status) -> ConclusionRecord:
        fields = told.to_fields()
        return ConclusionRecord(namespace=NAMESPACE, name=OWNED.name, uid=network.uid, status=fields)

    judge = Judge(world)
    assert list(judge.of_conclusion(network, record(replace(told, since="2026-01-01T00:00:00Z")))) == []
    assert list(judge.of_conclusion(network, None)) == ["no conclusion is stored"]
    assert list(judge.of_conclusion(network, record(replace(told, state="Unreachable"))))


def test_hosts_are_heard_of_a_gateway_only_after_it_was_written(world: World) -> None:
    """The first host speaks for all until then, in the next write too; of one that is known long, all do."""
    run_for(world, 100.0)
    world.truth.set(("routed", VLAN, "node1"), False, time.monotonic() - 3_000.0)
    world.truth.set(("uplink", VLAN, "node3"), False, time.monotonic() - 1.0)
    isolated = {"state": "Isolated", "reason": "GatewayNotRouted", "connectivity": "false"}
    silent = {**WHOLE, "connectivity": "false"}
    told = status(world, **isolated, hosts={"node3": "UplinkDown"})
    judge = Judge(world)
    assert write(world, status(world, **isolated), silent) == []
    assert write(world, told, silent, judge=judge) == []
    judge = Judge(world)
    judge.take()
    judge._offered_at.clear()
    assert write(world, status(world, **isolated), silent, judge=judge) == [
        "false, but it answers ['node2', 'node3'] (routed)"
    ]
