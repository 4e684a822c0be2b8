"""Messages on the queues: valid ones arrive unchanged, and all others are refused."""

import json
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contract.errors import MessageRefused
from services.contract.host_claims import HostClaim
from services.contract.limits import MAX_SERVERS, MAX_TARGETS
from services.contract.member_nics import LLDPState, MemberNIC, SwitchPort
from services.contract.messages import (
    MAX_SEGMENTS,
    DHCPVerdict,
    HostAnnouncement,
    Offer,
    ProbeRequest,
    ReachVerdict,
    Segment,
    SegmentProbe,
    Target,
    TargetVerdict,
    Verdict,
)
from services.contract.outcomes import DHCPOutcome, Fault, ReachOutcome
from services.contract.reports import MAX_CLUSTER_NETWORKS, MAX_REPEATS, FullRequest, Repeats, Report
from services.contract.wire import MAX_MESSAGE_BYTES, Message

ADDRESSES = st.ip_addresses(v=4).map(lambda ip: IPv4Address(str(ip)))
NETWORKS = st.tuples(ADDRESSES, st.integers(0, 32)).map(
    lambda pair: IPv4Network((int(pair[0]), pair[1]), strict=False)
)
DIGESTS = st.text("0123456789abcdef", min_size=16, max_size=16)
HOSTS = st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,20}[a-z0-9])?", fullmatch=True)
NAMES = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
IDS = st.from_regex(r"[A-Za-z0-9._:-]{1,64}", fullmatch=True)
VLANS = st.integers(1, 4094)
ORDINALS = st.integers(0, 2**53 - 1)
MS = st.floats(0, 86_400_000)

targets = st.builds(Target, digest=DIGESTS, gateway=st.none() | ADDRESSES, from_dhcp=st.booleans(),
                    server=st.none() | ADDRESSES)  # fmt: skip
probes = st.builds(SegmentProbe, vlan=VLANS, ask_dhcp=st.booleans(),
                   targets=st.lists(targets, min_size=1, max_size=3).map(tuple))  # fmt: skip
requests = st.builds(
    ProbeRequest, id=IDS, host=HOSTS, cluster_network=NAMES, sent_at_ms=ORDINALS,
    max_age_ms=st.integers(1_000, 3_600_000),
    segments=st.lists(probes, min_size=1, max_size=4, unique_by=lambda p: p.vlan).map(tuple),
)  # fmt: skip
offers = st.builds(
    Offer, server=ADDRESSES, address=ADDRESSES, cidr=st.none() | NETWORKS, gateway=st.none() | ADDRESSES,
    routers=st.lists(ADDRESSES, max_size=3).map(tuple), relay=st.none() | ADDRESSES,
    lease_s=st.none() | st.integers(0, 2**32 - 1), after_ms=MS,
)  # fmt: skip
findings = st.builds(
    DHCPVerdict, outcome=st.sampled_from(DHCPOutcome), servers=st.lists(offers, max_size=3).map(tuple),
    attempts=st.integers(0, 100), elapsed_ms=MS,
)  # fmt: skip
reaches = st.builds(
    ReachVerdict, outcome=st.sampled_from(ReachOutcome), rtt_ms=st.none() | MS, attempts=st.integers(0, 100),
    mac=st.none() | st.from_regex(r"([0-9a-f]{2}:){5}[0-9a-f]{2}", fullmatch=True),
)  # fmt: skip
target_verdicts = st.builds(
    TargetVerdict, digest=DIGESTS, cidr=st.none() | NETWORKS, gateway=st.none() | ADDRESSES, vlan=reaches,
    routed=reaches,
)  # fmt: skip


@st.composite
def reports(draw: Callable[..., object]) -> Report:
    host = draw(HOSTS)
    verdicts = st.builds(
        Verdict, segment=st.builds(Segment, cluster_network=NAMES, vlan=VLANS), host=st.just(host),
        request_id=IDS, incarnation=ORDINALS, counter=ORDINALS, dhcp=st.none() | findings,
        targets=st.lists(target_verdicts, max_size=3).map(tuple), fault=st.none() | st.sampled_from(Fault),
        dropped_frames=st.integers(0, 2**31),
    )  # fmt: skip
    made = draw(st.lists(verdicts, min_size=1, max_size=3).map(tuple))
    entries = st.lists(st.tuples(VLANS, ORDINALS, DIGESTS, st.booleans()), min_size=1, max_size=3)
    repeats = st.builds(Repeats, cluster_network=NAMES, incarnation=ORDINALS, verdicts=entries.map(tuple))
    return Report(host=str(host), verdicts=made, repeats=draw(st.lists(repeats, max_size=2).map(tuple)))


TOLD = st.text(st.characters(exclude_categories=["C"], exclude_characters="`"), max_size=64)
RANGES = st.lists(st.tuples(VLANS, VLANS), max_size=3).map(tuple)
ports = st.builds(
    SwitchPort, switch=TOLD, port=TOLD, description=TOLD, address=st.none() | st.ip_addresses(),
    native_vlan=st.none() | VLANS, vlans=RANGES, others=st.integers(0, 1_000),
)  # fmt: skip
members = st.builds(
    MemberNIC, interface=st.from_regex(r"[a-z0-9.-]{1,15}", fullmatch=True),
    cluster_networks=st.lists(NAMES, max_size=2).map(tuple), lldp=st.sampled_from(LLDPState),
    port=st.none() | ports,
)  # fmt: skip
announcements = st.builds(
    HostAnnouncement, host=HOSTS,
    uplinks=st.dictionaries(NAMES, st.from_regex(r"[a-z0-9.-]{1,15}", fullmatch=True), max_size=3),
    version=st.text(max_size=64), incarnation=ORDINALS,
    own_networks=st.lists(NETWORKS, max_size=3).map(tuple), members=st.lists(members, max_size=2).map(tuple),
)  # fmt: skip
claims = st.builds(
    HostClaim, host=HOSTS, process=IDS, machine=st.text(max_size=253), pid=st.integers(1, 2**22),
    address=st.none() | ADDRESSES, since_ms=ORDINALS,
)  # fmt: skip


@given(requests | reports() | announcements | claims)
def test_a_message_arrives_as_it_was_sent(message: Message) -> None:
    """Through JSON, as a mapping, a string or bytes."""
    text = json.dumps(message.to_wire())
    for wire in (json.loads(text), text, text.encode(), message.to_json()):
        assert type(message).from_wire(wire) == message


JSON_VALUES: st.SearchStrategy[object] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("kind", [ProbeRequest, Report, HostAnnouncement, Verdict])
@given(body=JSON_VALUES | st.text(max_size=50) | st.binary(max_size=50))
def test_an_invalid_message_raises_only_message_refused(kind: type[Message], body: object) -> None:
    """Whatever is in a queue, in one line that fits into a log."""
    with pytest.raises(MessageRefused) as refused:
        kind.from_wire(body)
    assert str(refused.value).startswith(kind.__name__)
    assert len(str(refused.value)) < 3_000


def _paths(value: object, path: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    if isinstance(value, dict):
        return [path, *(p for key, inner in value.items() for p in _paths(inner, (*path, key)))]
    if isinstance(value, list):
        return [p for index, inner in enumerate(value) for p in _paths(inner, (*path, index))]
    return []


@given(message=requests | reports(), data=st.data())
def test_an_unknown_field_is_refused_at_every_level(message: Message, data: st.DataObject) -> None:
    """A field that this version does not know may change the meaning of the others."""
    wire = json.loads(json.dumps(message.to_wire()))
    place = wire
    for step in data.draw(st.sampled_from(_paths(wire))):
        place = place[step]
    place["surprise"] = 1
    with pytest.raises(MessageRefused, match="surprise"):
        type(message).from_wire(wire)


REQUEST = {
    "schema_version": 1, "id": "r1", "host": "node1", "cluster_network": "extra", "sent_at_ms": 5,
    "max_age_ms": 30_000, "segments": [{"vlan": 7, "targets": [{"digest": "0" * 16}]}],
}  # fmt: skip
VERDICT = {
    "segment": {"cluster_network": "extra", "vlan": 7}, "host": "node1", "request_id": "r1", "incarnation": 5,
    "counter": 1,
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": 2}, "schema_version"),
        ({"id": ""}, "id"),
        ({"id": "a b"}, "id"),
        ({"host": "Node1"}, "host"),
        ({"host": "node1\n"}, "host"),
        ({"cluster_network": "../x"}, "cluster_network"),
        ({"sent_at_ms": -1}, "sent_at_ms"),
        ({"sent_at_ms": 2**53}, "sent_at_ms"),
        ({"sent_at_ms": "5"}, "sent_at_ms"),
        ({"sent_at_ms": True}, "sent_at_ms"),
        ({"sent_at_ms": 5.0}, "sent_at_ms"),
        ({"max_age_ms": 0}, "max_age_ms"),
        ({"segments": []}, "segments"),
        ({"segments": REQUEST["segments"] * 2}, "duplicate VLAN"),  # type: ignore[operator]
        ({"segments": [{"vlan": 0, "targets": [{"digest": "0" * 16}]}]}, "segments.0.vlan"),
        ({"segments": [{"vlan": 4095, "targets": [{"digest": "0" * 16}]}]}, "segments.0.vlan"),
        ({"segments": [{"vlan": 7, "targets": [{"digest": "x"}]}]}, "segments.0.targets.0.digest"),
        ({"segments": [{"vlan": 7, "targets": []}]}, "segments.0.targets"),
        ({"segments": [{"vlan": 7, "targets": [{"digest": "0" * 16, "gateway": 167772161}]}]}, "gateway"),
    ],
)
def test_a_wrong_field_is_refused_by_name(change: dict[str, object], message: str) -> None:
    """A dead letter names the field, its value and what was expected."""
    ProbeRequest.from_wire(REQUEST)
    with pytest.raises(MessageRefused, match=message):
        ProbeRequest.from_wire({**REQUEST, **change})


@pytest.mark.parametrize("missing", sorted(set(REQUEST) - {"schema_version"}))
def test_a_missing_field_is_refused_by_name(missing: str) -> None:
    """Required fields have no default."""
    with pytest.raises(MessageRefused, match=missing):
        ProbeRequest.from_wire({key: value for key, value in REQUEST.items() if key != missing})


def test_a_report_holds_verdicts_of_one_host() -> None:
    """A host cannot report for another."""
    Report.from_wire({"host": "node1", "verdicts": [VERDICT]})
    with pytest.raises(MessageRefused, match="another host"):
        Report.from_wire({"host": "node2", "verdicts": [VERDICT]})


REPEATS = {"cluster_network": "extra", "incarnation": 5, "verdicts": [[7, 2, "a" * 16, False]]}


def test_a_report_may_have_repeats_alone_but_not_nothing() -> None:
    """Nearly every verdict says what the last one said."""
    report = Report.from_wire({"host": "node1", "repeats": [REPEATS]})
    assert report.count == 1
    assert Report.from_wire(report.to_json()) == report
    with pytest.raises(MessageRefused, match="no repeats"):
        Report.from_wire({"host": "node1"})


@pytest.mark.parametrize(
    "entry",
    [
        [0, 2, "a" * 16, False],
        [7, -1, "a" * 16, False],
        [7, 2**53, "a" * 16, False],
        [7, 2, "a" * 15, False],
        [7, 2, "A" * 16, False],
        [7, 2, "a" * 17, False],
        [7, 2, "a" * 16, 1],
        [7, 2, "a" * 16],
        {"vlan": 7},
    ],
)
def test_a_repeat_is_typed_and_bounded(entry: object) -> None:
    """Its number orders verdicts, and its fingerprint has one length."""
    with pytest.raises(MessageRefused):
        Report.from_wire({"host": "node1", "repeats": [{**REPEATS, "verdicts": [entry]}]})


def test_repeats_and_what_is_asked_in_full_are_limited() -> None:
    """Of a flood nothing is taken."""
    entries = REPEATS["verdicts"] * (MAX_REPEATS + 1)  # type: ignore[operator]
    with pytest.raises(MessageRefused, match="1024"):
        Report.from_wire({"host": "node1", "repeats": [{**REPEATS, "verdicts": entries}]})
    with pytest.raises(MessageRefused, match=str(MAX_CLUSTER_NETWORKS)):
        Report.from_wire({"host": "node1", "repeats": [REPEATS] * (MAX_CLUSTER_NETWORKS + 1)})
    segments = [{"cluster_network": "extra", "vlan": 7}] * (MAX_REPEATS + 1)
    with pytest.raises(MessageRefused, match="1024"):
        FullRequest.from_wire({"host": "node1", "segments": segments})


@pytest.mark.parametrize("bad", ["NaN", "Infinity", "-1", "1e999", '"3"'])
def test_a_duration_is_a_finite_number(bad: str) -> None:
    """NaN would break every comparison."""
    body = json.dumps({**VERDICT, "dhcp": {"outcome": "no_offer", "elapsed_ms": 0}})
    with pytest.raises(MessageRefused):
        Verdict.from_wire(body.replace('"elapsed_ms": 0', f'"elapsed_ms": {bad}'))


def test_the_largest_message_of_the_schema_fits() -> None:
    """No valid message is refused for its size."""
    address = IPv4Address("255.255.255.255")
    net = IPv4Network("255.255.255.255/32")
    reach = ReachVerdict(
        outcome=ReachOutcome.INCONCLUSIVE, rtt_ms=12345678.123456789, attempts=100, mac="ff:" * 5 + "ff"
    )
    offer = Offer(server=address, address=address, cidr=net, gateway=address,
                  routers=(address,) * MAX_SERVERS, relay=address,
                  lease_s=2**32 - 1, after_ms=12345678.123456789)  # fmt: skip
    verdict = Verdict(
        segment=Segment(cluster_network="c" * 63, vlan=4094), host="h" * 253, request_id="r" * 64,
        incarnation=2**53 - 1, counter=2**53 - 1, fault=Fault.UPLINK_FLAPPING, dropped_frames=2**40,
        dhcp=DHCPVerdict(outcome=DHCPOutcome.INCONCLUSIVE, servers=(offer,) * MAX_SERVERS, attempts=100,
                         elapsed_ms=12345678.123456789),
        targets=(TargetVerdict(digest="0" * 16, cidr=net, gateway=address, vlan=reach, routed=reach),)
        * MAX_TARGETS,
    )  # fmt: skip
    repeats = Repeats(
        cluster_network="c" * 63, incarnation=2**53 - 1,
        verdicts=((4094, 2**53 - 1, "a" * 16, False),) * MAX_REPEATS,
    )  # fmt: skip
    report = Report(
        host="h" * 253, verdicts=(verdict,) * MAX_SEGMENTS, repeats=(repeats,) * MAX_CLUSTER_NETWORKS
    )
    assert len(report.to_json()) <= MAX_MESSAGE_BYTES
    assert Report.from_wire(report.to_json()) == report


@pytest.mark.parametrize("kind", [ProbeRequest, Report])
def test_an_oversized_message_is_refused_before_it_is_parsed(kind: type[Message]) -> None:
    """As a mapping and as a string."""
    big = {"x": "y" * MAX_MESSAGE_BYTES}
    for body in (big, json.dumps(big), json.dumps(big).encode()):
        with pytest.raises(MessageRefused, match="expected at most"):
            kind.from_wire(body)


def test_no_depth_of_nesting_raises_anything_but_message_refused() -> None:
    """As a string, and as decoded objects."""
    nested: dict[str, object] = {}
    inner = nested
    for _ in range(100_000):
        inner["a"] = inner = {}
    bodies = [nested, "[" * 100_000, '{"a":' * 100_000, '{"host":' + "[" * 190 + "]" * 190 + "}"]
    for body in bodies:
        with pytest.raises(MessageRefused):
            Report.from_wire(body)
    del inner
    while nested:
        nested = nested.pop("a")  # type: ignore[assignment] # or taking it apart would recurse


@pytest.mark.parametrize(
    "body", [{"k" * 1_000_000: 1}, {"host": "h" * 1_000_000}, {1: 2}, {("a",): 1}, {"a": {1}}]
)
def test_a_refusal_is_one_line_whatever_was_sent(body: object) -> None:
    """Names and values are cut."""
    with pytest.raises(MessageRefused) as refused:
        Report.from_wire(body)
    assert len(str(refused.value)) < 3_000


@pytest.mark.parametrize("body", [None, 5, [], [1], True, 1.5])
def test_a_message_that_is_not_an_object_is_refused(body: object) -> None:
    """Celery passes any JSON value on."""
    with pytest.raises(MessageRefused, match="expected an object"):
        Report.from_wire(body)


@pytest.mark.parametrize("text", ["sw\x1b[31m", "two\nlines", "sw\u202e", "`reboot`", "x" * 65])
def test_what_a_switch_is_said_to_say_is_one_plain_line(text: str) -> None:
    """Whoever writes an announcement: it moves no cursor, and is taken for no command."""
    with pytest.raises(MessageRefused, match="switch"):
        SwitchPort.from_wire({"switch": text, "port": "Gi1/0/14"})
