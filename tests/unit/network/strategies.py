"""Strategies for values that anyone may have written: any JSON, and annotations that are nearly valid."""

import json
from collections.abc import Callable

from hypothesis import strategies as st

from services.network.parse import nad
from services.network.parse.nad import Network
from tests.unit.network.builders import config, network

WORDS = st.sampled_from(
    ["", "auto", "manual", "true", "false", "DHCP failed", "<nil>", "10.0.112.1", "10.0.112.0/20",
     "0.0.0.0/0", "?0a5000010a500002", "bridge", "kube-ovn", "extra-br", "127.0.0.1",
     "255.255.255.255", "fd00::1"]
)  # fmt: skip
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text(max_size=20)
KEYS = st.text(max_size=12)
JSON_VALUES: st.SearchStrategy[object] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
ROUTE_KEYS = st.sampled_from(
    ["mode", "cidr", "gateway", "serverIPAddr", "connectivity", "outdated", "Mode", "GATEWAY", "Connectivity"]
)
ANY_ROUTE_OBJECT = st.dictionaries(ROUTE_KEYS | KEYS, JSON_VALUES, max_size=8)
ADDRESSES = st.ip_addresses(v=4).map(str)
SUBNETS = st.tuples(ADDRESSES, st.integers(0, 32)).map(lambda pair: f"{pair[0]}/{pair[1]}")
UNKNOWN = st.dictionaries(
    KEYS.filter(lambda key: key.casefold() not in {"mode", "cidr", "gateway", "serveripaddr", "connectivity",
                                                   "outdated"}),
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
        max_leaves=6,
    ),
    max_size=3,
)  # fmt: skip


@st.composite
def valid_routes(draw: Callable[..., object]) -> dict[str, object]:
    """Route annotations that Harvester's webhook accepts, with unknown keys in them."""
    known = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "mode": st.sampled_from(["", "auto", "manual"]),
                "cidr": st.just("") | SUBNETS | st.just("<nil>") | st.just("10.0.112.0/20"),
                "gateway": st.just("") | ADDRESSES | st.just("<nil>") | st.just("10.0.112.1"),
                "serverIPAddr": st.just("") | ADDRESSES,
                "connectivity": st.sampled_from(["", "true", "false", "DHCP failed", "ping failed"]),
                "outdated": st.booleans(),
            },
        )
    )
    assert isinstance(known, dict)
    unknown = draw(UNKNOWN)
    assert isinstance(unknown, dict)
    return {**unknown, **known}


def texts_of(objects: st.SearchStrategy[dict[str, object]]) -> st.SearchStrategy[str]:
    return objects.map(json.dumps)


ANY_TEXT = st.text(max_size=60) | JSON_VALUES.map(json.dumps) | texts_of(ANY_ROUTE_OBJECT)
ANY_CONFIG = (
    st.just(config())
    | ANY_TEXT
    | JSON_VALUES
    | st.dictionaries(
        st.sampled_from(["type", "vlan", "bridge", "vlanTrunk", "mtu"]), JSON_VALUES, max_size=5
    ).map(json.dumps)
)


@st.composite
def any_networks(draw: Callable[..., object]) -> Network:
    """Networks that a hostile tenant might write."""
    keys = st.sampled_from([nad.ROUTE, nad.STATUS, nad.PROBE, nad.PROBE_NOW, "example.com/x"])
    annotations = draw(st.dictionaries(keys, ANY_TEXT | st.just("disabled"), max_size=5))
    assert isinstance(annotations, dict)
    return network(annotations=annotations, config=draw(ANY_CONFIG))
