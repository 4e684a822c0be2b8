"""How Go's encoding/json fills a struct, as Harvester's webhook and controllers do with JSON in a string."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NoReturn

from lab.kube.jsontypes import JsonObject, JsonValue


def unmarshal(value: str, kinds: Mapping[str, type]) -> JsonObject:
    """Return the fields of a struct that this JSON sets, by the names and with the types of `kinds`.

    Keys match in any case, in the order of the text; null sets nothing, and empties a list. Other keys are
    ignored. Raises ValueError for bad JSON, and for a wrong type even if a later key is right.
    """
    try:
        parsed = json.loads(value, object_pairs_hook=_Keys, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("json: exceeded max depth") from error
    if parsed is None:
        return {}
    if not isinstance(parsed, _Keys):
        raise ValueError("json: cannot unmarshal into a Go value")
    names = {_smallest(name): name for name in kinds}
    filled: JsonObject = {}
    for key, given in parsed.in_order:
        name = names.get(_smallest(key))
        if name is None:
            continue
        if given is None:
            if kinds[name] is list:
                filled.pop(name, None)
            continue
        if not isinstance(given, kinds[name]) or (kinds[name] is int and not _is_int64(given)):
            raise ValueError(
                f"json: cannot unmarshal into Go struct field {name} of type {kinds[name].__name__}"
            )
        filled[name] = given
    return filled


class _Keys(dict[str, JsonValue]):
    """A JSON object that also knows its keys as the text has them."""

    def __init__(self, in_order: list[tuple[str, JsonValue]]) -> None:
        super().__init__(in_order)
        self.in_order = in_order


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"invalid character in {name}")


def _is_int64(given: object) -> bool:
    return isinstance(given, int) and not isinstance(given, bool) and -(2**63) <= given < 2**63


def _smallest(name: str) -> str:
    """Return the name in upper case, with the long s and the Kelvin sign, as by simple folding."""
    return "".join(
        letter.upper() if letter.isascii() else {"\u017f": "S", "\u212a": "K"}.get(letter, letter)
        for letter in name
    )
