"""Parsing values that anyone may have written: JSON within bounds, addresses and subnets."""

import json
import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network
from math import isfinite
from typing import NoReturn

from services.contract.gateways import is_router

MAX_DEPTH = 64
"""Deeper than any real annotation. A deeper value could be parsed, but neither printed nor written."""
SHOWN_CHARACTERS = 60
_LONGEST = len("255.255.255.255/32")
_CACHED = 16_384
"""Addresses and subnets: the same few are read again with every look at a network."""


def load_object(text: str) -> dict[str, object]:
    """Parse a JSON object (RFC 8259, so without NaN); raises ValueError that says what was expected."""
    value = _decode(text, _DECODER)
    if not isinstance(value, dict):
        raise ValueError(f"expected a JSON object, got {shown(value)}")
    _check_depth(text, value)
    return value


def load_pairs(text: str) -> tuple[tuple[str, object], ...]:
    """Parse a JSON object as load_object does, with all values of a key; null has no keys."""
    value = _decode(text, _PAIRS_DECODER)
    if value is None:
        return ()
    if not isinstance(value, _Pairs):
        raise ValueError(f"expected a JSON object, got {shown(value)}")
    _check_depth(text, [each for _, each in value.pairs])
    return value.pairs


def shown(value: object) -> str:
    """Quote a wrong value for an error, cut short; objects and lists are only named."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    return repr(str(value)[:SHOWN_CHARACTERS])


def read_gateway(text: str) -> IPv4Address | None:
    """Parse an address that a router can have; None for junk, such as Harvester's `<nil>`, a name or IPv6."""
    return None if len(text) > _LONGEST else _read_gateway(text)


def read_cidr(text: str) -> IPv4Network | None:
    """Parse a subnet as Go's net.ParseCIDR does, host bits allowed; None for junk and for /0."""
    return None if len(text) > _LONGEST else _read_cidr(text)


@lru_cache(_CACHED)
def _read_gateway(text: str) -> IPv4Address | None:
    try:
        address = IPv4Address(text)
    except ValueError:
        return None
    return address if is_router(int(address)) else None


@lru_cache(_CACHED)
def _read_cidr(text: str) -> IPv4Network | None:
    if not re.fullmatch(r"[0-9.]+/(0|[1-9][0-9]?)", text):
        return None
    try:
        network = IPv4Network(text, strict=False)
    except ValueError:
        return None
    return network if network.prefixlen > 0 else None


def strings(value: object) -> dict[str, str]:
    """Return the fields of a JSON object that are strings; none of anything else."""
    return {k: v for k, v in value.items() if isinstance(v, str)} if isinstance(value, dict) else {}


class _Pairs(dict[str, object]):
    """A JSON object with all of its keys, also those that come twice."""

    def __init__(self, pairs: list[tuple[str, object]]) -> None:
        super().__init__(pairs)
        self.pairs = tuple(pairs)


def _decode(text: str, decoder: json.JSONDecoder) -> object:
    try:
        return decoder.decode(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON: {str(error)[:200]}") from None


def _check_depth(text: str, value: object) -> None:
    if text.count("{") + text.count("[") <= MAX_DEPTH:
        return
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for item in level
            if isinstance(item, (dict, list))
            for child in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return
    raise ValueError(f"nested more than {MAX_DEPTH} levels deep")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError(f"number too large: {text[:SHOWN_CHARACTERS]}")
    return number


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)
_PAIRS_DECODER = json.JSONDecoder(
    object_pairs_hook=_Pairs, parse_constant=_refuse_constant, parse_float=_finite
)
