"""Decisions about networks that Harvester and others write too."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from services.contract.conclusions import Hindrance
from services.contract.outcomes import Reason, State
from services.network.judge.reduction import Conclusion
from services.network.parse import nad
from services.network.parse.intent import Channel, NotProbed, read_intent
from services.network.parse.nad import Network
from services.network.parse.status import ServerIdentity, Status
from services.network.write.disputes import MAX_CORRECTIONS, QUIET_LOSSES, Written
from services.network.write.remembering import Memory
from services.network.write.writing import decide
from tests.unit.network.builders import NOW, config, due, network
from tests.unit.network.test_writing import ACTIVE, LATER, LEASED, OUT, PENDING, apply
from tests.unit.network.test_writing import decide_now as _decide


@pytest.mark.parametrize("reason", [Reason.UNTAGGED, Reason.TRUNK, Reason.OVERLAY])
def test_a_network_without_a_vlan_gets_one_status_and_no_event(reason: Reason) -> None:
    """Harvester shows N/A for it."""
    change = decide(network(), NotProbed(State.IGNORED, reason), None, now=NOW)
    assert change is not None
    assert set(change.annotations) == {nad.STATUS}
    assert not change.is_transition
    again = apply(network(), change)
    assert due(decide(again, NotProbed(State.IGNORED, reason), None, now=LATER)) is None


@pytest.mark.parametrize("channel", [Channel.NOTHING, Channel.EVENT])
def test_what_the_webhook_would_refuse_is_never_written(channel: Channel) -> None:
    """One Event reports it if the owner can act; then nothing, until something else is wrong."""
    broken = network("{")
    refused = NotProbed(State.INVALID, Reason.BAD_ROUTE, "not JSON", channel)
    change = decide(broken, refused, None, now=NOW)
    if channel is Channel.NOTHING:
        assert change is None
        return
    assert change is not None
    assert (change.annotations, change.hindrance) == ({}, Hindrance.UNREADABLE)
    assert change.is_transition
    assert due(decide(broken, refused, None, now=LATER, memory=Memory(change.after))) is None
    worse = replace(refused, detail="worse")
    changed = decide(broken, worse, None, now=LATER, memory=Memory(change.after))
    assert changed is not None
    assert changed.is_transition


def test_observe_only_says_what_would_be_written() -> None:
    """Events report each transition once; the change has what an updater let loose would write."""
    watched = network(f'{{"mode":"auto",{LEASED},"connectivity":"false"}}')
    memory = Memory(observe_only=True)
    change = decide(watched, read_intent(watched), ACTIVE, now=NOW, memory=memory)
    loose = decide(watched, read_intent(watched), ACTIVE, now=NOW)
    assert change is not None
    assert loose is not None
    assert (change.hindrance, change.is_transition) == (Hindrance.OBSERVE_ONLY, True)
    assert (change.annotations, change.route) == (loose.annotations, loose.route)
    assert set(change.annotations) == {nad.ROUTE, nad.STATUS}
    told = replace(memory, told=change.after)
    assert due(decide(watched, read_intent(watched), ACTIVE, now=LATER, memory=told)) is None
    down = decide(watched, read_intent(watched), OUT, now=LATER, memory=told)
    assert down is not None
    assert (down.hindrance, down.is_transition) == (Hindrance.OBSERVE_ONLY, True)


def test_since_of_a_state_that_is_not_written_is_that_of_its_record() -> None:
    """Otherwise every review of a network whose write is denied would change it."""
    first = decide(network(), read_intent(network()), ACTIVE, now=NOW)
    assert first is not None
    again = decide(network(), read_intent(network()), ACTIVE, now=LATER, memory=Memory(first.after))
    assert again is not None
    assert (again.after, again.annotations) == (first.after, first.annotations)
    written = apply(network(), first)
    later = replace(first.after, since=LATER)
    assert due(decide(written, read_intent(written), ACTIVE, now=LATER, memory=Memory(later))) is None


def _reported_active() -> tuple[Network, Memory]:
    """Return a network that nadroute has written, and what is remembered of that."""
    first = _decide(network(), ACTIVE)
    assert first is not None
    return apply(network(), first), Memory(written=Written(first.content))


def _reported() -> Network:
    return _reported_active()[0]


def _counted(memory: Memory, corrections: int, *, is_told: bool = False) -> Memory:
    written = replace(memory.written, corrections=corrections, room_in_s=60.0, is_told=is_told)
    return replace(memory, written=written)


def _with(target: Network, key: str, value: str | None) -> Network:
    annotations = {k: v for k, v in target.annotations.items() if k != key}
    return replace(target, annotations=annotations if value is None else {**annotations, key: value})


def _overwrite(target: Network, **fields: object) -> Network:
    """Let another writer set these fields."""
    route = {**json.loads(target.annotations[nad.ROUTE]), **fields}
    return _with(target, nad.ROUTE, json.dumps(route))


def _status_of(target: Network) -> Status:
    assert target.status is not None
    return target.status


EMPTY_FORM = '{"mode":"auto","serverIPAddr":"","cidr":"","gateway":""}'
WAYS: dict[str, tuple[Callable[[Network], Network], str]] = {
    "another connectivity": (lambda n: _overwrite(n, connectivity="false"), "set connectivity to 'false'"),
    "another gateway": (lambda n: _overwrite(n, gateway="10.0.112.9"), "set gateway to '10.0.112.9'"),
    "another cidr": (lambda n: _overwrite(n, cidr="<nil>"), "set cidr to '<nil>'"),
    "an emptied field": (lambda n: _overwrite(n, connectivity=""), "removed connectivity"),
    "the UI's empty form": (
        lambda n: _with(n, nad.ROUTE, EMPTY_FORM), "removed cidr, gateway, connectivity",
    ),
    "a bare mode": (
        lambda n: _with(n, nad.ROUTE, '{"mode":"auto"}'), "removed cidr, gateway, connectivity",
    ),
    "no annotation": (lambda n: _with(n, nad.ROUTE, None), "removed the route annotation"),
    "outdated": (lambda n: _overwrite(n, outdated=True), "set outdated to 'true'"),
    "no status": (lambda n: _with(n, nad.STATUS, None), "removed nadroute.io/status"),
    "an older status": (
        lambda n: _with(n, nad.STATUS, Status("Pending", "NotProbedYet").dump()),
        "changed nadroute.io/status",
    ),
    "a status without a time": (
        lambda n: _with(n, nad.STATUS, replace(_status_of(n), since="").dump()), "changed nadroute.io/status",
    ),
    "no annotation at all": (
        lambda n: replace(n, annotations={}), "removed the route annotation, removed nadroute.io/status",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("take_back", "what"), WAYS.values(), ids=WAYS.keys())
def test_what_another_writer_takes_back_is_written_again(
    take_back: Callable[[Network], Network], what: str
) -> None:
    """Whatever form that takes: all of it, and a finding that stays for an hour. Where something is only
    missing, the third time is a dispute."""
    ours, memory = _reported_active()
    taken = take_back(ours)
    is_other = "set connectivity" in what or "set gateway" in what or "set cidr" in what or "changed" in what
    change = decide(taken, read_intent(taken), ACTIVE, now=NOW, memory=_counted(memory, 1))
    assert change is not None
    assert (change.is_correction, change.is_transition) == (True, False)
    assert set(change.new_findings) == ({Reason.OTHER_WRITER} if is_other else set())
    change = decide(taken, read_intent(taken), ACTIVE, now=NOW, memory=_counted(memory, QUIET_LOSSES))
    assert change is not None
    assert set(change.new_findings) == {Reason.OTHER_WRITER}
    assert what in change.after.findings[Reason.OTHER_WRITER]
    corrected = apply(taken, change)
    fields = json.loads(ours.annotations[nad.ROUTE])
    assert {k: v for k, v in json.loads(corrected.annotations[nad.ROUTE]).items() if v} == fields
    counted = _counted(memory, 1)
    assert due(decide(corrected, read_intent(corrected), ACTIVE, now=LATER, memory=counted)) is None
    over = decide(corrected, read_intent(corrected), ACTIVE, now=LATER, memory=memory)
    assert over is not None
    assert (over.after.findings, over.is_correction, nad.ROUTE in over.annotations) == ({}, False, False)


@pytest.mark.parametrize(("take_back", "what"), WAYS.values(), ids=WAYS.keys())
def test_corrections_are_limited(take_back: Callable[[Network], Network], what: str) -> None:
    """After four in an hour it is left, and told once; what is new is written all the same."""
    ours, memory = _reported_active()
    taken = take_back(ours)
    limit = _counted(memory, MAX_CORRECTIONS)
    change = decide(taken, read_intent(taken), ACTIVE, now=LATER, memory=limit)
    assert change is not None
    assert (change.annotations, change.left_for_s, what in change.left) == ({}, 60.0, True)
    told = _counted(memory, MAX_CORRECTIONS, is_told=True)
    again = decide(taken, read_intent(taken), ACTIVE, now=LATER, memory=told)
    assert again is not None
    assert (again.annotations, again.left_for_s, again.left) == ({}, 60.0, "")
    down = decide(taken, read_intent(taken), OUT, now=LATER, memory=told)
    assert down is not None
    assert (down.is_correction, down.left_for_s) == (False, None)
    moved = replace(taken, config=config(vlan=101))
    fresh = decide(moved, read_intent(moved), ACTIVE, now=LATER, memory=told)
    assert fresh is not None
    assert nad.STATUS in fresh.annotations
    assert not fresh.is_correction


@pytest.mark.parametrize("corrections", [0, MAX_CORRECTIONS])
def test_who_named_the_gateway_is_written_again_as_often_as_the_rest(corrections: int) -> None:
    """A tool that puts back an exported status, which names fewer servers than have named it since."""
    both = frozenset({ServerIdentity("10.0.112.1", "02:fe:00:00:00:01"), ServerIdentity("10.0.112.9", "")})
    named = replace(ACTIVE, named_by=both)
    first = _decide(network(), named)
    assert first is not None
    ours, memory = apply(network(), first), Memory(written=Written(first.content))
    fewer = replace(_status_of(ours), named_by=frozenset(sorted(both)[:1]))
    taken = _with(ours, nad.STATUS, fewer.dump())
    change = decide(taken, read_intent(taken), named, now=LATER, memory=_counted(memory, corrections))
    assert change is not None
    assert (change.is_correction, change.left_for_s) == ((False, 60.0) if corrections else (True, None))
    more = replace(named, named_by=both | {ServerIdentity("10.0.112.10", "")})
    news = decide(ours, read_intent(ours), more, now=LATER, memory=_counted(memory, corrections))
    assert news is not None
    assert (set(news.annotations), news.is_correction) == ({nad.STATUS}, False)


def test_what_was_never_written_is_not_taken_back() -> None:
    """Without a route annotation "DHCP failed" stands in the status alone; an annotation that the owner adds
    is completed as any new one."""
    first = _decide(network(), FAILED)
    assert first is not None
    ours = _with(apply(network(), first), nad.ROUTE, '{"mode":"auto"}')
    memory = _counted(Memory(written=Written(first.content)), MAX_CORRECTIONS)
    change = decide(ours, read_intent(ours), FAILED, now=LATER, memory=memory)
    assert change is not None
    assert not change.is_correction
    assert "DHCP failed" in change.annotations[nad.ROUTE]


@pytest.mark.parametrize(
    ("manager", "expected"),
    [
        ("", "another writer set connectivity to 'false'; nadroute writes its result again at most 4 times"),
        ("kubectl-edit", "the field manager 'kubectl-edit' set connectivity"),
        ("argocd-controller", "RespectIgnoreDifferences=true"),
        ("fleetagent", "correctDrift.force"),
        ("terraform-provider-harvester_v1.8.1", "Terraform"),
        ("\n\u202e" + "x" * 500, "the field manager '\\n\\u202exxx"),
    ],
)
def test_the_finding_names_the_writer_and_what_makes_peace(manager: str, expected: str) -> None:
    """As far as metadata.managedFields tells, which anybody may write."""
    ours, memory = _reported_active()
    taken = replace(_overwrite(ours, connectivity="false"), route_writer=manager)
    change = decide(taken, read_intent(taken), ACTIVE, now=NOW, memory=memory)
    assert change is not None
    assert expected in change.after.findings[Reason.OTHER_WRITER]


def test_the_advice_is_for_who_took_something_back() -> None:
    """Who owns the route annotation has not changed the status."""
    ours, memory = _reported_active()
    older = _with(ours, nad.STATUS, Status("Pending", "NotProbedYet").dump())
    taken = replace(older, route_writer="argocd-controller")
    change = decide(taken, read_intent(taken), ACTIVE, now=NOW, memory=memory)
    assert change is not None
    told = change.after.findings[Reason.OTHER_WRITER]
    assert told.startswith("another writer changed nadroute.io/status")
    assert "Argo CD" not in told


FAILED = Conclusion(State.DHCP_FAILED, Reason.ROUTER_OUTSIDE_SUBNET, "DHCP failed", detail="why")


def test_harvesters_ping_of_a_removed_gateway_is_not_corrected() -> None:
    """Its "false" stays, since no gateway is named; a "true" is corrected."""
    first = _decide(network('{"mode":"auto"}'), FAILED)
    assert first is not None
    told = apply(network('{"mode":"auto"}'), first)
    assert json.loads(told.annotations[nad.ROUTE]) == {"mode": "auto", "connectivity": "DHCP failed"}
    assert _decide(_overwrite(told, connectivity="false"), FAILED) is None
    claimed = _overwrite(told, connectivity="true")
    change = decide(
        claimed, read_intent(claimed), FAILED, now=LATER, memory=Memory(written=Written(first.content))
    )
    assert change is not None
    assert change.is_correction
    junk = _decide(_overwrite(told, connectivity="false", gateway="<nil>"), FAILED)
    assert junk is not None
    assert '"DHCP failed"' in junk.annotations[nad.ROUTE]


def test_a_result_for_a_former_intent_is_not_shown() -> None:
    """After a change of VLAN the state is Pending; connectivity stays until there is a fresh verdict."""
    moved = replace(_overwrite(_reported()), config=config(vlan=101), resource_version="9")
    outdated = replace(
        moved,
        annotations={
            **moved.annotations,
            nad.ROUTE: f'{{"mode":"auto",{LEASED},"connectivity":"true","outdated":true}}',
        },
    )
    for target in (moved, outdated):
        change = _decide(target, PENDING)
        assert change is not None
        assert set(change.annotations) == {nad.STATUS}
        assert (change.after.state, change.after.since) == ("Pending", NOW)
    fresh = _decide(outdated, ACTIVE)
    assert fresh is not None
    assert "outdated" not in fresh.annotations[nad.ROUTE]
