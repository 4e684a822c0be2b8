"""What is written to a network's annotations, by table and by property."""

import json
from dataclasses import replace
from ipaddress import IPv4Network

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from services.contract.conclusions import ConclusionRecord
from services.contract.outcomes import Reason, State
from services.contract.verdicts import AgedVerdict
from services.network.judge.reduction import Conclusion, reduce
from services.network.parse import nad
from services.network.parse.intent import Intent, NotProbed, read_intent
from services.network.parse.nad import Network, NetworkRef
from services.network.parse.status import (
    MAX_HOSTS,
    MAX_STATUS_CHARACTERS,
    ServerIdentity,
    ServerOffer,
    Status,
)
from services.network.write.remembering import Memory
from services.network.write.writing import Change, decide
from tests.unit.network.builders import CIDR, GATEWAY, NOW, SEGMENT, due, network
from tests.unit.network.strategies import ANY_TEXT, any_networks, texts_of, valid_routes
from tests.unit.network.test_reduction import any_seen

ACTIVE = Conclusion(State.ACTIVE, Reason.GATEWAY_ANSWERS, "true", CIDR, GATEWAY)
OUT = Conclusion(State.UNREACHABLE, Reason.GATEWAY_SILENT, "false", dhcp_out=True)
FAILED = Conclusion(State.DHCP_FAILED, Reason.NO_DHCP_OFFER, "DHCP failed")
PENDING = Conclusion(State.PENDING, Reason.NOT_PROBED_YET)
UNKNOWN = Conclusion(State.UNKNOWN, Reason.NO_FRESH_VERDICT)
MANUAL_ACTIVE = Conclusion(State.ACTIVE, Reason.GATEWAY_ANSWERS, "true")
LEASED = '"cidr":"10.0.112.0/20","gateway":"10.0.112.1"'
LATER = "2027-01-01T00:00:00Z"


def decide_now(target: Network, conclusion: Conclusion) -> Change | None:
    return due(decide(target, read_intent(target), conclusion, now=NOW))


def apply(target: Network, change: Change) -> Network:
    """Return the object as it is after the change."""
    version = str(int(target.resource_version) + 1)
    return replace(target, annotations={**target.annotations, **change.annotations}, resource_version=version)


@pytest.mark.parametrize(
    ("route", "conclusion", "expected"),
    [
        (None, ACTIVE, {"mode": "auto", "cidr": str(CIDR), "gateway": str(GATEWAY), "connectivity": "true"}),
        (None, FAILED, None),
        (None, PENDING, None),
        (None, UNKNOWN, None),
        ('{"mode":"auto"}', ACTIVE, {"mode": "auto", "cidr": str(CIDR), "gateway": str(GATEWAY),
                                     "connectivity": "true"}),
        ('{"mode":"auto"}', FAILED, {"mode": "auto", "connectivity": "DHCP failed"}),
        ('{"mode":"auto"}', PENDING, None),
        ('{"mode":"auto","serverIPAddr":"","cidr":"","gateway":""}', ACTIVE,
         {"mode": "auto", "serverIPAddr": "", "cidr": str(CIDR), "gateway": str(GATEWAY),
          "connectivity": "true"}),
        ('{"mode":"auto","serverIPAddr":"","cidr":"","gateway":""}', FAILED,
         {"mode": "auto", "serverIPAddr": "", "cidr": "", "gateway": "", "connectivity": "DHCP failed"}),
        ('{"mode":"auto","connectivity":"DHCP failed"}', FAILED, None),
        ('{"mode":"auto","cidr":"<nil>","gateway":"<nil>"}', FAILED,
         {"mode": "auto", "connectivity": "DHCP failed"}),
        (f'{{"mode":"auto",{LEASED},"connectivity":"true"}}', ACTIVE, None),
        (f'{{"mode":"auto",{LEASED},"connectivity":"true"}}', UNKNOWN, None),
        (f'{{"mode":"auto",{LEASED},"connectivity":"true"}}', OUT,
         {"mode": "auto", "cidr": str(CIDR), "gateway": str(GATEWAY), "connectivity": "false"}),
        (f'{{"mode":"auto",{LEASED},"connectivity":"true","outdated":true}}', ACTIVE,
         {"mode": "auto", "cidr": str(CIDR), "gateway": str(GATEWAY), "connectivity": "true"}),
        (f'{{"mode":"auto",{LEASED},"connectivity":"true","outdated":true}}', PENDING, None),
        (f'{{"mode":"manual",{LEASED}}}', MANUAL_ACTIVE,
         {"mode": "manual", "cidr": str(CIDR), "gateway": str(GATEWAY), "connectivity": "true"}),
        (f'{{"mode":"manual",{LEASED},"connectivity":"true"}}', MANUAL_ACTIVE, None),
        (f'{{"Mode":"manual",{LEASED},"Connectivity":"ping failed","x":[1]}}', MANUAL_ACTIVE,
         {"Mode": "manual", "cidr": str(CIDR), "gateway": str(GATEWAY), "Connectivity": "true", "x": [1]}),
        ('{"mode":"manual","cidr":"10.9.0.0/16","gateway":"10.9.0.1"}', ACTIVE,
         {"mode": "manual", "cidr": "10.9.0.0/16", "gateway": "10.9.0.1", "connectivity": "true"}),
        ("", ACTIVE, {"cidr": str(CIDR), "gateway": str(GATEWAY), "connectivity": "true"}),
        ("", FAILED, {"connectivity": "DHCP failed"}),
    ],
)  # fmt: skip
def test_every_known_form_of_route_annotation_is_completed(
    route: str | None, conclusion: Conclusion, expected: dict[str, object] | None
) -> None:
    """By a table of what is written to each."""
    change = decide_now(network(route), conclusion)
    written = None if change is None else change.annotations.get(nad.ROUTE)
    assert (None if written is None else json.loads(written)) == expected


def test_a_network_that_harvester_is_pinging_gets_only_a_result() -> None:
    """Any other write would make Harvester restart its ping."""
    pinged = network(f'{{"mode":"manual",{LEASED}}}')
    assert decide_now(pinged, UNKNOWN) is None
    change = decide_now(pinged, MANUAL_ACTIVE)
    assert change is not None
    assert nad.ROUTE in change.annotations


@pytest.mark.parametrize(
    "left_alone",
    [
        network(deleting=True),
        network(ref=NetworkRef("harvester-system", "net")),
        network(annotations={"storage-network.settings.harvesterhci.io": "true"}),
    ],
)
def test_a_network_that_is_deleted_or_harvesters_own_is_not_written(left_alone: Network) -> None:
    """Whatever the conclusion is."""
    assert decide(left_alone, Intent(SEGMENT, "auto"), ACTIVE, now=NOW) is None


def test_a_network_without_a_result_is_not_written() -> None:
    """A status without information would only be a write."""
    assert decide_now(network(), PENDING) is None
    off = NotProbed(State.IGNORED, Reason.NO_ROUTE_ANNOTATION)
    assert due(decide(network(), off, None, now=NOW)) is None


def test_who_named_the_gateway_stays_as_long_as_the_gateway() -> None:
    """Another writer empties the route while nothing is known: that is no reason for a write of ours."""
    said = Status("Unknown", "NoFreshVerdict", since=NOW, digest=Intent(SEGMENT, "auto").digest,
                  gateway=str(GATEWAY), named_by=frozenset({ServerIdentity("10.0.112.1", "")}))  # fmt: skip
    assert decide_now(network('{"mode":"auto"}', status=said.dump()), UNKNOWN) is None


def test_who_named_the_gateway_stays_when_the_owner_takes_an_edit_back() -> None:
    """The record is of the edit; the annotation still tells what was found before."""
    said = Status("Unknown", "NoFreshVerdict", since=NOW, digest=Intent(SEGMENT, "auto").digest,
                  gateway=str(GATEWAY), named_by=frozenset({ServerIdentity("10.0.112.1", "")}))  # fmt: skip
    target = network('{"mode":"auto"}', status=said.dump())
    edited = Memory(Status("Pending", "NotProbedYet", digest="0" * 16))
    assert due(decide(target, read_intent(target), UNKNOWN, now=NOW, memory=edited)) is None


def test_an_unreadable_field_is_reported_in_the_status() -> None:
    """With the field, its value and what was expected."""
    broken = network('{"mode":"manual","cidr":"10.0.0.0/24","gateway":"fd00::1","connectivity":"false"}')
    change = decide(broken, read_intent(broken), None, now=NOW)
    assert change is not None
    assert set(change.annotations) == {nad.STATUS}
    assert "gateway: expected a host's IPv4 address, got 'fd00::1'" in change.after.detail


def test_since_stays_while_the_state_does() -> None:
    """It is the time of the last transition, not of the last write."""
    first = decide_now(network(), ACTIVE)
    assert first is not None
    written = apply(network(), first)
    second = decide(written, read_intent(written), replace(ACTIVE, hosts={"node2": "UplinkDown"}), now=LATER)
    assert second is not None
    assert (second.after.since, second.is_transition) == (NOW, False)
    third = decide(written, read_intent(written), OUT, now=LATER)
    assert third is not None
    assert (third.after.since, third.is_transition) == (LATER, True)


@pytest.mark.parametrize("since", ["", "yesterday", "\ud800", "9" * 5000])
def test_a_forged_since_is_replaced(since: str) -> None:
    """Anyone may write the status annotation; an invalid time is not copied from it."""
    forged = Status("Active", "GatewayAnswers", since=since).dump()
    change = decide_now(network(status=forged), ACTIVE)
    assert change is not None
    assert change.after.since == NOW


def test_a_thousand_differing_hosts_fit_into_an_annotation() -> None:
    """Up to MAX_HOSTS are named and the others counted; the status is read back unchanged."""
    conclusion = replace(ACTIVE, hosts={f"node{i}." + "x" * 240: "GatewaySilentOnVlan" for i in range(1000)})
    change = decide_now(network(), conclusion)
    assert change is not None
    text = change.annotations[nad.STATUS]
    assert len(text) < MAX_STATUS_CHARACTERS
    assert (len(change.after.hosts), change.after.hosts_omitted) == (MAX_HOSTS, 1000 - MAX_HOSTS)
    assert decide_now(apply(network(), change), conclusion) is None


CONCLUSIONS = st.sampled_from([ACTIVE, OUT, FAILED, PENDING, UNKNOWN])
VALID = texts_of(valid_routes())


@given(route=st.none() | VALID, status=st.none() | ANY_TEXT, data=st.data())
def test_writes_keep_the_invariants_and_are_idempotent(
    route: str | None, status: str | None, data: st.DataObject
) -> None:
    """For any verdicts on any valid network."""
    target = network(route, status=status)
    intent = read_intent(target)
    assume(isinstance(intent, Intent))
    assert isinstance(intent, Intent)
    latest = data.draw(any_seen(intent.digest))
    change = due(decide(target, intent, _found(intent, latest), now=NOW))
    if change is None:
        return
    after = apply(target, change)
    _check_route(target, after, intent)
    again = read_intent(after)
    assert isinstance(again, Intent)
    assert again.digest == intent.digest
    assert due(decide(after, again, _found(again, latest), now=LATER)) is None


def _found(intent: Intent, latest: list[AgedVerdict]) -> Conclusion:
    asked = [seen for seen in latest if seen.verdict.dhcp]
    return reduce(intent, latest, asked, hosts=frozenset({"node1", "node2"}), fresh_s=600.0)


def _check_route(before: Network, after: Network, intent: Intent) -> None:
    text = after.annotations.get(nad.ROUTE)
    if text == before.annotations.get(nad.ROUTE):
        return
    assert text is not None
    old = json.loads(before.annotations.get(nad.ROUTE) or "{}")
    new = json.loads(text)
    assert isinstance(new.get("connectivity"), str)
    assert new["connectivity"] in ("true", "false", "DHCP failed")
    assert new.get("outdated", False) is False
    ours = {"connectivity", "outdated"} | ({"cidr", "gateway"} if intent.mode == "auto" else set())
    if nad.ROUTE not in before.annotations:
        assert new.pop("mode") == "auto"
        assert {"cidr", "gateway", "connectivity"} <= set(new)
    assert {k: v for k, v in new.items() if k not in ours} == {k: v for k, v in old.items() if k not in ours}
    if intent.mode == "auto" and new.get("cidr"):
        assert IPv4Network(new["cidr"], strict=False).prefixlen > 0 or new["cidr"] == old["cidr"]


@given(target=any_networks(), conclusion=CONCLUSIONS)
def test_deciding_never_raises(target: Network, conclusion: Conclusion) -> None:
    """Whatever a tenant wrote, annotations are valid UTF-8, and the status is read back unchanged."""
    change = decide(target, read_intent(target), conclusion, now=NOW)
    if change is None:
        return
    for text in change.annotations.values():
        text.encode()
    if nad.STATUS in change.annotations:
        assert Status.parse(change.annotations[nad.STATUS]) == change.after


@given(
    st.builds(
        Status,
        state=st.sampled_from([str(state) for state in State]),
        reason=st.text(max_size=20),
        since=st.just(NOW),
        digest=st.just("0" * 16),
        gateway=st.sampled_from(["", "10.0.0.1"]),
        detail=st.text(max_size=20),
        hosts=st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3),
        servers=st.lists(st.builds(ServerOffer, st.text(max_size=8), st.text(max_size=8)), max_size=3).map(
            tuple
        ),
        dhcp_out=st.booleans(),
        hosts_omitted=st.integers(0, 5),
    )
)
def test_a_status_is_read_back_as_it_was_written(status: Status) -> None:
    """Otherwise every review would write it again."""
    assert Status.parse(status.dump()) == status


@given(ANY_TEXT | st.just('{"state":[]}') | st.just('{"state":"Active","hosts":{"a":[]},"dhcp":[3,{}]}'))
def test_any_text_in_the_status_annotation_is_read_or_ignored(text: str) -> None:
    """Anyone may write it."""
    assert isinstance(Status.parse(text), (Status, type(None)))


@given(
    st.builds(
        Status,
        state=st.sampled_from(list(State)),
        reason=st.sampled_from(list(Reason)),
        since=st.just(NOW),
        detail=st.text(max_size=20),
        hosts=st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3),
        servers=st.lists(st.builds(ServerOffer, st.text(max_size=8), st.text(max_size=8)), max_size=3).map(
            tuple
        ),
        findings=st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3),
    )
)
def test_a_status_is_read_back_from_a_record(status: Status) -> None:
    """As it is from the annotation; otherwise every review would store it again."""
    record = ConclusionRecord(namespace="default", name="net", uid="uid-1", status=status.to_fields())
    again = ConclusionRecord.from_wire(record.to_wire())
    assert again == record
    assert Status.from_fields(again.status) == status


def test_a_status_with_half_a_surrogate_pair_is_unreadable() -> None:
    """It could be stored in Redis, but not be read there."""
    assert Status.parse('{"state":"Active","reason":"\\ud800"}') is None
    assert Status.parse('{"state":"Active","reason":"\\ud83d\\ude00"}') is not None
