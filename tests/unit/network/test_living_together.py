"""Decisions about networks that Harvester and others write too."""

import json
from dataclasses import replace

import pytest

from services.contract.conclusions import Hindrance
from services.contract.outcomes import Reason, State
from services.network.judge.reduction import Conclusion
from services.network.parse import nad
from services.network.parse.intent import Channel, NotProbed, read_intent
from services.network.parse.nad import Network
from services.network.write.writing import MAX_CORRECTIONS, Memory, decide
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


def _reported_active() -> Network:
    first = _decide(network(), ACTIVE)
    assert first is not None
    return apply(network(), first)


def _overwrite(target: Network, **fields: str) -> Network:
    """Let another writer set these fields."""
    route = {**json.loads(target.annotations[nad.ROUTE]), **fields}
    return replace(target, annotations={**target.annotations, nad.ROUTE: json.dumps(route)})


@pytest.mark.parametrize("fields", [{"connectivity": "false"}, {"gateway": "10.0.112.9"}, {"cidr": "<nil>"}])
def test_another_writers_result_is_corrected_and_reported(fields: dict[str, str]) -> None:
    """While nadroute's result holds, it is restored; the finding stays for an hour."""
    taken_over = _overwrite(_reported_active(), **fields)
    change = _decide(taken_over, ACTIVE)
    assert change is not None
    assert change.is_correction
    assert set(change.new_findings) == {Reason.OTHER_WRITER}
    corrected = apply(taken_over, change)
    assert json.loads(corrected.annotations[nad.ROUTE])["connectivity"] == "true"
    quiet = decide(corrected, read_intent(corrected), ACTIVE, now=LATER, memory=Memory(corrections=1))
    assert due(quiet) is None
    over = decide(corrected, read_intent(corrected), ACTIVE, now=LATER)
    assert over is not None
    assert over.after.findings == {}


def test_corrections_are_limited() -> None:
    """After four in an hour the other result stays; it is reported once, whatever the other writes."""
    taken_over = _overwrite(_reported_active(), connectivity="false")
    memory = Memory(corrections=MAX_CORRECTIONS)
    change = decide(taken_over, read_intent(taken_over), ACTIVE, now=LATER, memory=memory)
    assert change is not None
    assert set(change.annotations) == {nad.STATUS}
    first = _decide(taken_over, ACTIVE)
    assert first is not None
    assert change.after.findings == first.after.findings
    assert "4 times" in change.after.findings[Reason.OTHER_WRITER]
    left = apply(taken_over, change)
    otherwise = _overwrite(left, connectivity="DHCP failed")
    assert due(decide(otherwise, read_intent(otherwise), ACTIVE, now=LATER, memory=memory)) is None
    assert due(decide(left, read_intent(left), ACTIVE, now=LATER, memory=memory)) is None
    verdict = decide(left, read_intent(left), OUT, now=LATER, memory=memory)
    assert verdict is not None, "a new result is written all the same"
    assert nad.ROUTE not in verdict.annotations or "false" in verdict.annotations[nad.ROUTE]


FAILED = Conclusion(State.DHCP_FAILED, Reason.ROUTER_OUTSIDE_SUBNET, "DHCP failed", detail="why")


def test_harvesters_ping_of_a_removed_gateway_is_not_corrected() -> None:
    """Its "false" stays, since no gateway is named; a "true" is corrected."""
    first = _decide(network('{"mode":"auto"}'), FAILED)
    assert first is not None
    told = apply(network('{"mode":"auto"}'), first)
    assert json.loads(told.annotations[nad.ROUTE]) == {"mode": "auto", "connectivity": "DHCP failed"}
    assert _decide(_overwrite(told, connectivity="false"), FAILED) is None
    claimed = _decide(_overwrite(told, connectivity="true"), FAILED)
    assert claimed is not None
    assert claimed.is_correction
    junk = _decide(_overwrite(told, connectivity="false", gateway="<nil>"), FAILED)
    assert junk is not None
    assert '"DHCP failed"' in junk.annotations[nad.ROUTE]


@pytest.mark.parametrize("fields", [{"connectivity": ""}, {"cidr": "", "gateway": "", "connectivity": ""}])
def test_fields_emptied_by_the_ui_are_filled_in_again(fields: dict[str, str]) -> None:
    """At once, however often, and without a finding."""
    saved = _overwrite(_reported_active(), **fields)
    memory = Memory(corrections=MAX_CORRECTIONS)
    change = decide(saved, read_intent(saved), ACTIVE, now=LATER, memory=memory)
    assert change is not None
    assert not change.is_correction
    assert json.loads(change.annotations[nad.ROUTE])["connectivity"] == "true"


def test_a_result_for_a_former_intent_is_not_shown() -> None:
    """After a change of VLAN the state is Pending; connectivity stays until there is a fresh verdict."""
    moved = replace(_overwrite(_reported_active()), config=config(vlan=101), resource_version="9")
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
