"""The route annotation: every form that was seen is read, and nothing that is not ours is lost."""

import json
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.network.parse.route import MAX_ROUTE_CHARACTERS, Route
from services.network.parse.tolerance import read_cidr, read_gateway
from tests.unit.network.strategies import ANY_TEXT, WORDS, texts_of, valid_routes

SEEN = [
    (
        '{"mode":"auto","serverIPAddr":"","cidr":"","gateway":""}',
        Route(mode="auto"),
    ),
    ('{"mode":"auto"}', Route(mode="auto")),
    ("", Route()),
    ("{}", Route()),
    (
        '{"mode":"auto","cidr":"192.168.0.0/24","gateway":"192.168.0.1","connectivity":"true"}',
        Route(mode="auto", cidr="192.168.0.0/24", gateway="192.168.0.1", connectivity="true"),
    ),
    ('{"mode":"auto","connectivity":"DHCP failed"}', Route(mode="auto", connectivity="DHCP failed")),
    (
        '{"mode":"auto","cidr":"10.0.0.0/24","gateway":"10.0.0.1","connectivity":"true","outdated":true}',
        Route(mode="auto", cidr="10.0.0.0/24", gateway="10.0.0.1", connectivity="true", outdated=True),
    ),
    (
        '{"mode":"manual","cidr":"10.120.24.0/21","gateway":"10.120.31.254"}',
        Route(mode="manual", cidr="10.120.24.0/21", gateway="10.120.31.254"),
    ),
    (
        '{"mode":"auto","cidr":"10.80.0.0/24","gateway":"10.80.0.1"}',
        Route(mode="auto", cidr="10.80.0.0/24", gateway="10.80.0.1"),
    ),
    (
        '{"mode":"auto","cidr":"\\u003cnil\\u003e","gateway":"\\u003cnil\\u003e"}',
        Route(mode="auto", cidr="<nil>", gateway="<nil>"),
    ),
    (
        '{"mode":"auto","cidr":"10.80.0.0/24","gateway":"?0a5000010a500002"}',
        Route(mode="auto", cidr="10.80.0.0/24", gateway="?0a5000010a500002"),
    ),
    ('{"Mode":"manual","GATEWAY":"10.0.0.1"}', Route(mode="manual", gateway="10.0.0.1")),
    ('{"mode":"auto","cidr":null,"outdated":false}', Route(mode="auto")),
]


def _named(route: Route) -> tuple[str, str, str, str, str, bool]:
    return route.mode, route.cidr, route.gateway, route.server, route.connectivity, route.outdated


@pytest.mark.parametrize(("text", "expected"), SEEN)
def test_every_known_form_is_read(text: str, expected: Route) -> None:
    """Harvester, its UI, Terraform and users write these; each is read as Harvester reads it."""
    assert _named(Route.parse(text)) == _named(expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not json", "not JSON"),
        ("[]", "expected a JSON object, got a list"),
        ("7", "expected a JSON object, got '7'"),
        ('{"connectivity":true}', "connectivity: expected a string, got 'True'"),
        ('{"outdated":"true"}', "outdated: expected true or false, got 'true'"),
        ('{"mode":"Auto"}', "mode: expected auto or manual, got 'Auto'"),
        ('{"gateway":{"a":1}}', "gateway: expected a string, got an object"),
        ('{"x":NaN}', "NaN is not a JSON number"),
        ('{"x":1e999}', "number too large"),
        ('{"x":' + "9" * 5000 + "}", "not JSON"),
        ('{"x":' + "[" * 65 + "]" * 65 + "}", "nested more than 64 levels deep"),
        (" " * MAX_ROUTE_CHARACTERS + "{}", "characters, expected at most 16384"),
    ],
)
def test_an_invalid_annotation_is_refused_with_field_value_and_expectation(text: str, message: str) -> None:
    """Its author learns what to correct."""
    with pytest.raises(ValueError, match=re.escape(message)):
        Route.parse(text)


def test_no_depth_of_nesting_raises_anything_but_value_error() -> None:
    """Near the interpreter's recursion limit a value can be parsed, but neither printed nor written."""
    for depth in range(1, 2500, 7):
        tower = "[" * depth + "]" * depth
        for text in (f'{{"cidr":{tower}}}', f'{{"x":{tower}}}'):
            try:
                Route.parse(text).with_fields({"connectivity": "true"})
            except ValueError:
                continue


@given(text=ANY_TEXT)
@example(text='{"x":"\\ud800"}')
def test_any_text_is_read_or_refused(text: str) -> None:
    """Any error is a ValueError, and any route can be written as UTF-8 JSON."""
    try:
        route = Route.parse(text)
    except ValueError:
        return
    again = Route.parse(route.with_fields({"connectivity": "true"}).encode().decode())
    assert again.connectivity == "true"


@given(
    text=texts_of(valid_routes()),
    changes=st.dictionaries(
        st.sampled_from(["cidr", "gateway", "connectivity"]), st.none() | WORDS, max_size=3
    ),
)
def test_only_the_named_fields_change(text: str, changes: dict[str, str | None]) -> None:
    """Unknown keys and all other fields keep their values and their order."""
    before = json.loads(text)
    after = json.loads(Route.parse(text).with_fields(changes))
    assert {k: v for k, v in after.items() if k not in changes} == {
        k: v for k, v in before.items() if k not in changes
    }
    assert {k: after.get(k) for k in changes} == changes
    kept = [key for key in before if key in after]
    assert [key for key in after if key in before] == kept


def test_the_last_of_two_spellings_counts() -> None:
    """Go's decoder lets the later key win, in any case, so that key is read and written."""
    route = Route.parse('{"connectivity":"true","Connectivity":"false"}')
    assert route.connectivity == "false"
    assert json.loads(route.with_fields({"connectivity": "x"})) == {
        "connectivity": "true",
        "Connectivity": "x",
    }
    assert json.loads(route.with_fields({"connectivity": None})) == {}


@pytest.mark.parametrize(
    "text", ["", "<nil>", "fd00::1", "gw.example.com", "10.0.0", "0.0.0.0", "127.0.0.1", "224.0.0.1",
             "255.255.255.255", "240.0.0.1", "10.0.0.1/24", " 10.0.0.1"]
)  # fmt: skip
def test_an_address_that_no_gateway_can_have_is_not_read(text: str) -> None:
    """A host would answer itself at 127.0.0.1, and every host would answer a broadcast."""
    assert read_gateway(text) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [("10.0.0.0/24", "10.0.0.0/24"), ("10.0.0.7/24", "10.0.0.0/24"), ("10.0.0.1/32", "10.0.0.1/32")],
)
def test_a_subnet_may_have_host_bits(text: str, expected: str) -> None:
    """Harvester accepts host bits and /32."""
    assert str(read_cidr(text)) == expected


@pytest.mark.parametrize(
    "text", ["", "<nil>", "0.0.0.0/0", "10.0.0.1/0", "10.0.0.0", "10.0.0.0/255.255.255.0", "10.0.0.0/33",
             "fd00::/64", "10.0.0.0/024", "10.0.0.0/-1", "10.0.0.0/24\n"]
)  # fmt: skip
def test_a_subnet_that_go_does_not_parse_is_not_read(text: str) -> None:
    """Python also parses netmasks and bare addresses; /0 is never accepted."""
    assert read_cidr(text) is None
