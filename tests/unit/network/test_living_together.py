"""Living together with Harvester and other writers: what is told where, and no war of writes."""

import json
from dataclasses import replace

import pytest

from services.contract.outcomes import Reason, State
from services.network.judge.reduction import Conclusion
from services.network.parse import annotations as names
from services.network.parse.intent import Channel, NotProbed, read_intent
from services.network.parse.nad import Network
from services.network.write.writing import MAX_CORRECTIONS, Memory, decide
from tests.unit.network.builders import NOW, config, network
from tests.unit.network.test_writing import ACTIVE, LATER, LEASED, OUT, PENDING, apply
from tests.unit.network.test_writing import decide_now as _decide


@pytest.mark.parametrize("reason", [Reason.UNTAGGED, Reason.TRUNK, Reason.OVERLAY])
def test_what_is_no_vlan_network_is_told_so_once_and_by_no_event(reason: Reason) -> None:
    """In our own annotation alone: Harvester shows N/A."""
    change = decide(network(), NotProbed(State.IGNORED, reason), None, now=NOW)
    assert change is not None
    assert set(change.annotations) == {names.STATUS}
    assert not change.is_transition
    again = apply(network(), change)
    assert decide(again, NotProbed(State.IGNORED, reason), None, now=LATER) is None


@pytest.mark.parametrize("channel", [Channel.NOTHING, Channel.EVENT])
def test_what_the_webhook_would_refuse_is_never_written(channel: Channel) -> None:
    """One Event tells it where its owner can do something; then nothing, until something else is wrong."""
    broken = network("{")
    refused = NotProbed(State.INVALID, Reason.BAD_ROUTE, "not JSON", channel)
    change = decide(broken, refused, None, now=NOW)
    if channel is Channel.NOTHING:
        assert change is None
        return
    assert change is not None
    assert (change.annotations, change.is_transition) == ({}, True)
    assert decide(broken, refused, None, now=LATER, memory=Memory(posted=change.after)) is None
    worse = replace(refused, detail="worse")
    changed = decide(broken, worse, None, now=LATER, memory=Memory(posted=change.after))
    assert changed is not None
    assert changed.is_transition


def test_observing_writes_nothing() -> None:
    """What would be told is told by Events, each transition once."""
    watched = network(f'{{"mode":"auto",{LEASED},"connectivity":"false"}}')
    memory = Memory(observe_only=True)
    change = decide(watched, read_intent(watched), ACTIVE, now=NOW, memory=memory)
    assert change is not None
    assert (change.annotations, change.is_transition) == ({}, True)
    posted = replace(memory, posted=change.after)
    assert decide(watched, read_intent(watched), ACTIVE, now=LATER, memory=posted) is None
    down = decide(watched, read_intent(watched), OUT, now=LATER, memory=posted)
    assert down is not None
    assert (down.annotations, down.is_transition) == ({}, True)


def _told_active() -> Network:
    first = _decide(network(), ACTIVE)
    assert first is not None
    return apply(network(), first)


def _overwrite(target: Network, **fields: str) -> Network:
    """Another writer sets these."""
    route = {**json.loads(target.annotations[names.ROUTE]), **fields}
    return replace(target, annotations={**target.annotations, names.ROUTE: json.dumps(route)})


@pytest.mark.parametrize("fields", [{"connectivity": "false"}, {"gateway": "10.0.112.9"}, {"cidr": "<nil>"}])
def test_another_writers_result_is_taken_back_and_told(fields: dict[str, str]) -> None:
    """Ours still holds: it is put back, the disagreement is a finding, and stays one for the hour."""
    taken_over = _overwrite(_told_active(), **fields)
    change = _decide(taken_over, ACTIVE)
    assert change is not None
    assert change.is_correction
    assert set(change.new_findings) == {Reason.OTHER_WRITER}
    corrected = apply(taken_over, change)
    assert json.loads(corrected.annotations[names.ROUTE])["connectivity"] == "true"
    quiet = decide(corrected, read_intent(corrected), ACTIVE, now=LATER, memory=Memory(corrections=1))
    assert quiet is None
    over = decide(corrected, read_intent(corrected), ACTIVE, now=LATER)
    assert over is not None
    assert over.after.findings == {}


def test_there_is_no_war_of_writes() -> None:
    """After four times in an hour the other's result is left; it is told once, whatever the other writes."""
    taken_over = _overwrite(_told_active(), connectivity="false")
    memory = Memory(corrections=MAX_CORRECTIONS)
    change = decide(taken_over, read_intent(taken_over), ACTIVE, now=LATER, memory=memory)
    assert change is not None
    assert set(change.annotations) == {names.STATUS}
    first = _decide(taken_over, ACTIVE)
    assert first is not None
    assert change.after.findings == first.after.findings
    assert "4 times" in change.after.findings[Reason.OTHER_WRITER]
    left = apply(taken_over, change)
    otherwise = _overwrite(left, connectivity="DHCP failed")
    assert decide(otherwise, read_intent(otherwise), ACTIVE, now=LATER, memory=memory) is None
    assert decide(left, read_intent(left), ACTIVE, now=LATER, memory=memory) is None
    verdict = decide(left, read_intent(left), OUT, now=LATER, memory=memory)
    assert verdict is not None, "what is found newly is written all the same"
    assert names.ROUTE not in verdict.annotations or "false" in verdict.annotations[names.ROUTE]


FAILED = Conclusion(State.DHCP_FAILED, Reason.ROUTER_OUTSIDE_SUBNET, "DHCP failed", detail="why")


def test_a_ping_of_a_gateway_that_stands_no_more_is_no_dispute() -> None:
    """Harvester's tick says "false" of what was taken away: nothing is written; "true" is taken back."""
    first = _decide(network('{"mode":"auto"}'), FAILED)
    assert first is not None
    told = apply(network('{"mode":"auto"}'), first)
    assert json.loads(told.annotations[names.ROUTE]) == {"mode": "auto", "connectivity": "DHCP failed"}
    assert _decide(_overwrite(told, connectivity="false"), FAILED) is None
    claimed = _decide(_overwrite(told, connectivity="true"), FAILED)
    assert claimed is not None
    assert claimed.is_correction
    junk = _decide(_overwrite(told, connectivity="false", gateway="<nil>"), FAILED)
    assert junk is not None
    assert '"DHCP failed"' in junk.annotations[names.ROUTE]


@pytest.mark.parametrize("fields", [{"connectivity": ""}, {"cidr": "", "gateway": "", "connectivity": ""}])
def test_a_save_in_the_ui_is_no_dispute(fields: dict[str, str]) -> None:
    """It empties what is ours, and is answered at once, however often."""
    saved = _overwrite(_told_active(), **fields)
    memory = Memory(corrections=MAX_CORRECTIONS)
    change = decide(saved, read_intent(saved), ACTIVE, now=LATER, memory=memory)
    assert change is not None
    assert not change.is_correction
    assert json.loads(change.annotations[names.ROUTE])["connectivity"] == "true"


def test_an_outcome_of_another_intent_is_not_shown_as_this_ones() -> None:
    """A VLAN of another number is pending at once; connectivity stays until a fresh verdict."""
    moved = replace(_overwrite(_told_active()), config=config(vlan=101), resource_version="9")
    outdated = replace(
        moved,
        annotations={
            **moved.annotations,
            names.ROUTE: f'{{"mode":"auto",{LEASED},"connectivity":"true","outdated":true}}',
        },
    )
    for target in (moved, outdated):
        change = _decide(target, PENDING)
        assert change is not None
        assert set(change.annotations) == {names.STATUS}
        assert (change.after.state, change.after.since) == ("Pending", NOW)
    fresh = _decide(outdated, ACTIVE)
    assert fresh is not None
    assert "outdated" not in fresh.annotations[names.ROUTE]
