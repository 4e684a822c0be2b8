"""Harvester's UI shows a network on VLAN 100, nadroute shows it as untagged, on VLAN 7 or as invalid.

spec.config and the route annotation are read as Go's encoding/json reads them, since Harvester does, and what
is written back says to Harvester what nadroute means.
"""

import json
import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.harvester.layer3 import Layer3
from lab.kube.harvester import parse_config
from services.contract.conclusions import Result
from services.contract.outcomes import Reason
from services.network.parse import nad
from services.network.parse.intent import Intent, NotProbed, read_intent
from services.network.parse.nad import Network, NetworkRef
from services.network.parse.route import Route
from services.network.write.wanting import want

Pairs = Sequence[tuple[str, str]]
"""The keys of a JSON object in their order, each with the text of its value."""
BRIDGE = '"type":"bridge","bridge":"extra-br"'
CONFIG_FIELDS = {"type": "text", "bridge": "text", "vlan": "integer", "mtu": "integer", "vlanTrunk": "list"}
ROUTE_FIELDS = {
    **dict.fromkeys(("mode", "cidr", "gateway", "serverIPAddr", "connectivity"), "text"),
    "outdated": "flag",
}
PATTERNS = {"text": '".*"', "integer": r"-?[0-9]+", "flag": "true|false", "list": r"\[.*\]"}
VALUES = st.sampled_from(
    ["null", "true", "false", "0", "7", "100", "-0", "-1", "1e2", "100.0", "5000", str(2**63), '"100"', '""',
     '"bridge"', '"kube-ovn"', '"macvlan"', '"extra-br"', '"auto"', '"manual"', '"10.0.112.1"', "[]",
     '[{"minID":1}]', "{}"]
)  # fmt: skip
RIGHT = {
    "type": st.sampled_from(['"bridge"', '"bridge"', '"kube-ovn"', '"macvlan"']),
    "bridge": st.sampled_from(['"extra-br"', '"other-br"']),
    "vlan": st.sampled_from(["100", "7", "0", "-0"]),
    "mtu": st.sampled_from(["0", "1500"]),
    "vlanTrunk": st.sampled_from(["[]", '[{"minID":1}]']),
    "mode": st.sampled_from(['"auto"', '"manual"', '""']),
    "outdated": st.sampled_from(["true", "false"]),
}
WORDS = st.sampled_from(['""', '"10.0.112.1"', '"10.0.112.0/20"', '"true"', '"DHCP failed"'])


class WrongTypeError(Exception):
    """Go's decoder would return an UnmarshalTypeError."""


def is_field(key: str, name: str) -> bool:
    """Whether Go takes a key for this field: equal by simple folding, letter by letter."""
    also = {"s": "\u017f", "k": "\u212a"}
    return len(key) == len(name) and all(
        letter in (of_name.lower(), of_name.upper(), also.get(of_name.lower()))
        for letter, of_name in zip(key, name, strict=True)
    )


def go_reads(pairs: Pairs, name: str, kind: str) -> object:
    """Return what a field of a Go struct holds after these keys, one by one; None for its zero value."""
    held: object = None
    wrong = False
    for key, value in pairs:
        if not is_field(key, name):
            continue
        if value == "null":
            held = None if kind == "list" else held
        elif not re.fullmatch(PATTERNS[kind], value) or (
            kind == "integer" and not -(2**63) <= int(value) < 2**63
        ):
            wrong = True
        else:
            held = json.loads(value)
    if wrong:
        raise WrongTypeError(name)
    return held or None


def go_reads_all(pairs: Pairs, fields: dict[str, str]) -> dict[str, object] | None:
    """Return all fields; None if Go returns an error."""
    try:
        return {name: go_reads(pairs, name, kind) for name, kind in fields.items()}
    except WrongTypeError:
        return None


def text_of(pairs: Pairs) -> str:
    return "{" + ",".join(f"{json.dumps(key)}:{value}" for key, value in pairs) + "}"


def pairs_of(text: str) -> Pairs:
    pairs = json.loads(text, object_pairs_hook=list)
    return [(key, json.dumps(value)) for key, value in pairs]


@st.composite
def spellings(draw: st.DrawFn, names: Sequence[str]) -> tuple[str, str]:
    """A field's name in any case, sometimes with a letter that folds to it or only looks like it."""
    name = draw(st.sampled_from(names))
    if draw(st.booleans()):
        return name, name
    others = {"s": "\u017f", "k": "\u212a", "i": "\u0131\u0130", "a": "\u00e4"}
    letters = [draw(st.sampled_from(c.lower() + c.upper() + others.get(c.lower(), ""))) for c in name]
    return name, "".join(letters)


@st.composite
def any_pairs(draw: st.DrawFn, names: Sequence[str], *, first: Pairs = ()) -> Pairs:
    """Keys in any order, some more than once, most with a value of the right type."""
    pairs = list(first)
    for name, key in draw(st.lists(spellings(names), max_size=5)):
        right = RIGHT.get(name, WORDS)
        pairs.append((key, draw(st.one_of(right, right, right, st.just("null"), VALUES))))
    if draw(st.booleans()):
        pairs.append(("note", draw(VALUES)))
    return draw(st.permutations(pairs))


def network(config: str, route: str | None = None) -> Network:
    return Network(
        NetworkRef("default", "net"), "uid-1", "1", config, {} if route is None else {nad.ROUTE: route}
    )


@pytest.mark.parametrize(
    ("fields", "vlan"),
    [
        (f'{{{BRIDGE},"Vlan":100}}', 100),
        (f'{{{BRIDGE},"vlan":7,"VLAN":100}}', 100),
        (f'{{{BRIDGE},"VLAN":100,"vlan":7}}', 7),
        (f'{{{BRIDGE},"vlan":7,"Vlan":8,"vlan":100}}', 100),
        (f'{{{BRIDGE},"vlan":100,"VLAN":null}}', 100),
        ('{"Type":"bridge","BRIDGE":"extra-br","vlan":100}', 100),
        (f'{{"type":"macvlan","bridge":"other-br",{BRIDGE},"vlan":100}}', 100),
        ('{"type":"macvlan","Type":"bridge","bridge":"extra-br","vlan":100}', 100),
        (f'{{{BRIDGE},"vlan":100,"br\u0131dge":"other-br"}}', 100),
    ],
)
def test_the_vlan_is_the_one_harvester_shows(fields: str, vlan: int) -> None:
    """Keys in any case, twice, or followed by null name the VLAN that Harvester's own struct holds."""
    found = read_intent(network(fields))
    assert isinstance(found, Intent)
    assert (found.segment.cluster_network, found.segment.vlan) == ("extra", vlan)
    assert parse_config(fields).vlan == vlan


@pytest.mark.parametrize(
    ("fields", "reason", "detail"),
    [
        (f'{{{BRIDGE},"vlan":null}}', Reason.UNTAGGED, ""),
        ("null", Reason.NOT_A_BRIDGE, "spec.config: type is ''"),
        (f'{{{BRIDGE},"vlan":100,"Vlan":0}}', Reason.UNTAGGED, ""),
        (f'{{{BRIDGE},"VLANTRUNK":[{{"minID":1}}]}}', Reason.TRUNK, ""),
        (f'{{{BRIDGE},"vlanTrun\u212a":[{{"minID":1}}]}}', Reason.TRUNK, ""),
        (f'{{{BRIDGE},"vlanTrunk":[{{"minID":1}}],"vlanTrunk":null}}', Reason.UNTAGGED, ""),
        (f'{{{BRIDGE},"vlan":100,"Type":"macvlan"}}', Reason.NOT_A_BRIDGE, "spec.config: type is 'macvlan'"),
        (f'{{{BRIDGE},"vlan":"x","VLAN":100}}', Reason.BAD_CONFIG, "vlan: expected an integer"),
        (f'{{{BRIDGE},"vlan":1e2}}', Reason.BAD_CONFIG, "an integer without fraction or exponent"),
        (f'{{{BRIDGE},"vlan":100.0}}', Reason.BAD_CONFIG, "vlan: expected an integer without fraction"),
        (f'{{{BRIDGE},"vlan":true}}', Reason.BAD_CONFIG, "vlan: expected an integer"),
        (f'{{{BRIDGE},"vlan":100,"MTU":"1500"}}', Reason.BAD_CONFIG, "mtu: expected an integer"),
        (f'{{{BRIDGE},"vlan":100,"mtu":{2**63}}}', Reason.BAD_CONFIG, "mtu: expected an integer"),
        (f'{{{BRIDGE},"vlan":100,"hairpinMode":"no"}}', Reason.BAD_CONFIG, "hairpinMode: expected true or"),
        ('{"type":5,"vlan":100}', Reason.BAD_CONFIG, "type: expected a string"),
        (f'{{{BRIDGE},"vlan":100,"bridge":5}}', Reason.BAD_CONFIG, "bridge: expected a string"),
    ],
)
def test_what_harvester_takes_for_no_vlan_is_not_probed(fields: str, reason: Reason, detail: str) -> None:
    """null is the zero value, and a value of a wrong type is an error even where a later key is right."""
    found = read_intent(network(fields))
    assert isinstance(found, NotProbed)
    assert found.reason == reason
    assert detail in found.detail
    if reason in (Reason.BAD_CONFIG, Reason.NOT_A_BRIDGE):
        with pytest.raises(ValueError, match=r"unmarshal|unknown network type"):
            parse_config(fields)
    else:
        assert (parse_config(fields).vlan, parse_config(fields).trunk) == (0, reason == Reason.TRUNK)


@pytest.mark.parametrize(
    ("text", "gateway"),
    [
        ('{"GATEWAY":"10.0.0.1"}', "10.0.0.1"),
        ('{"gateway":"10.0.0.1","Gateway":"10.0.0.2","gateway":"10.0.0.3"}', "10.0.0.3"),
        ('{"gateway":"10.0.0.1","Gateway":null}', "10.0.0.1"),
        ('{"gateway":null}', ""),
        ("null", ""),
    ],
)
def test_the_gateway_is_the_one_harvester_pings(text: str, gateway: str) -> None:
    """The route annotation is read by the same rules."""
    assert Route.parse(text).gateway == Layer3.parse(text).gateway == gateway


def test_a_route_that_harvester_cannot_read_is_refused() -> None:
    """A wrong type is told, though a later key of the same field is right; blanks are no JSON."""
    for text in ('{"gateway":1,"Gateway":"10.0.0.1"}', '{"outdated":"no","outdated":false}', " "):
        with pytest.raises(ValueError, match=r"expected|not JSON"):
            Route.parse(text)
        with pytest.raises(ValueError, match="unmarshal"):
            Layer3.parse(text)


@given(any_pairs(tuple(CONFIG_FIELDS), first=[("type", '"bridge"'), ("bridge", '"extra-br"'), ("vlan", "7")]))
def test_any_config_is_read_as_go_reads_it(pairs: Pairs) -> None:
    """Segment, kind and refusal follow Go's rules, here and in the lab's webhook."""
    expected, text = go_reads_all(pairs, CONFIG_FIELDS), text_of(pairs)
    found = read_intent(network(text))
    if expected is None:
        with pytest.raises(ValueError, match="unmarshal"):
            parse_config(text)
    if expected is None or expected["type"] not in ("bridge", "kube-ovn"):
        assert isinstance(found, NotProbed)
        assert found.reason in (Reason.BAD_CONFIG, Reason.NOT_A_BRIDGE)
        return
    webhooks = parse_config(text)
    assert (webhooks.type, webhooks.bridge or None) == (expected["type"], expected["bridge"])
    assert (webhooks.vlan or None, webhooks.mtu or None) == (expected["vlan"], expected["mtu"])
    assert webhooks.trunk is bool(expected["vlanTrunk"])
    if isinstance(found, Intent):
        assert (expected["type"], found.segment.vlan) == ("bridge", expected["vlan"])
        assert f"{found.segment.cluster_network}-br" == expected["bridge"]
    elif expected["type"] == "kube-ovn":
        assert found.reason == Reason.OVERLAY
    elif expected["vlan"] is None:
        assert found.reason == (Reason.TRUNK if expected["vlanTrunk"] else Reason.UNTAGGED)
    else:
        assert found.reason == Reason.BAD_CONFIG


@given(any_pairs(tuple(ROUTE_FIELDS)))
def test_any_route_is_read_as_go_reads_it(pairs: Pairs) -> None:
    """Every field holds what a field of Harvester's struct would, here and in the lab's controller."""
    expected, text = go_reads_all(pairs, ROUTE_FIELDS), text_of(pairs)
    if expected is None:
        with pytest.raises(ValueError, match="expected"):
            Route.parse(text)
        with pytest.raises(ValueError, match="unmarshal"):
            Layer3.parse(text)
        return
    harvesters = Layer3.parse(text)
    assert as_read(harvesters) == expected
    if expected["mode"] in (None, "auto", "manual"):
        assert as_read(Route.parse(text)) == expected


@given(
    pairs=any_pairs(tuple(ROUTE_FIELDS)),
    changes=st.dictionaries(
        st.sampled_from(["cidr", "gateway", "connectivity"]), st.none() | st.just("written"), max_size=3
    ),
)
def test_harvester_reads_what_was_written(pairs: Pairs, changes: dict[str, str | None]) -> None:
    """A written field is read as it was meant, all others as before, and every key keeps its spelling."""
    expected = go_reads_all(pairs, ROUTE_FIELDS)
    if expected is None or expected["mode"] not in (None, "auto", "manual"):
        return
    written = Route.parse(text_of(pairs)).with_fields(changes)
    assert (
        as_read(Layer3.parse(written)) == go_reads_all(pairs_of(written), ROUTE_FIELDS) == expected | changes
    )
    before, after = [key for key, _ in pairs], [key for key, _ in pairs_of(written)]
    for name, value in changes.items():
        own, kept = ([key for key in keys if is_field(key, name)] for keys in (before, after))
        assert set(kept) == (set() if value is None else set(own) or {name})
    others = [key for key in before if not any(is_field(key, name) for name in changes)]
    assert [key for key in after if not any(is_field(key, name) for name in changes)] == others


def test_a_gateway_from_dhcp_replaces_the_one_in_capitals() -> None:
    """No second key stands beside the owner's, for a reader to take in place of it."""
    text = '{"Mode":"auto","CIDR":"10.0.112.0/20","Gateway":"10.0.112.1","Connectivity":"false","note":1}'
    owners = network(f'{{{BRIDGE},"Vlan":100}}', text)
    intent = read_intent(owners)
    result = Result(cidr="10.0.112.0/20", gateway="10.0.112.9", connectivity="true")
    wanted = want(owners, intent, "Active", result)
    assert json.loads(wanted.route.with_fields(wanted.fields)) == {
        "Mode": "auto", "CIDR": "10.0.112.0/20", "Gateway": "10.0.112.9", "Connectivity": "true", "note": 1,
    }  # fmt: skip


def as_read(route: Route | Layer3) -> dict[str, object]:
    return {
        "mode": route.mode or None,
        "cidr": route.cidr or None,
        "gateway": route.gateway or None,
        "serverIPAddr": route.server or None,
        "connectivity": route.connectivity or None,
        "outdated": route.outdated or None,
    }
