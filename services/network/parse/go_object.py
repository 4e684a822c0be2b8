"""A JSON object as Go's encoding/json reads it into a struct, since that is how Harvester reads networks.

Each key that is a field's name in any case sets that field, in the order of the text: the last one counts,
and an exact spelling is no better than another. null leaves what was set before. One wrong type anywhere
makes Harvester refuse all of it, even if a later key is right. (Go: src/encoding/json/decode.go, fold.go.)
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from string import ascii_lowercase, ascii_uppercase
from typing import TypeVar

from services.network.parse.tolerance import load_pairs, shown

_Value = TypeVar("_Value")
_EXPECTED: Mapping[type, str] = {
    str: "a string",
    bool: "true or false",
    int: "an integer without fraction or exponent",
    list: "a list",
}
_INT64 = range(-(2**63), 2**63)
_FOLDED = str.maketrans(ascii_uppercase + "\u017f\u212a", ascii_lowercase + "sk")
"""ASCII, and the only two other characters that Unicode's simple folding maps to an ASCII letter."""


@dataclass(frozen=True)
class GoObject:
    """All keys of the object with their values, as and where they stand in the text."""

    pairs: tuple[tuple[str, object], ...] = ()

    @classmethod
    def parse(cls, text: str) -> "GoObject":
        """Parse a JSON object; null is an empty one. Raises ValueError that says what was expected."""
        return cls(load_pairs(text))

    def read(self, name: str, kind: type[_Value]) -> _Value:
        """Return a field: str, int, bool or list, and the empty one of these where nothing sets it.

        Raises ValueError with the field, its value and what was expected.
        """
        found = kind()
        for value in self._values.get(_fold(name), ()):
            if value is None:
                if kind is list:
                    found = kind()
                continue
            if type(value) is not kind or (kind is int and value not in _INT64):
                raise ValueError(f"{name}: expected {_EXPECTED[kind]}, got {shown(value)}")
            found = value
        return found

    def with_fields(self, changes: Mapping[str, str | None]) -> str:
        """Return the text with these fields set, or removed if None; all others stay, as they are spelled.

        A field is set at the last key that Go reads as this field: after it, no key takes it back.
        """
        pairs = list(self.pairs)
        for name, value in changes.items():
            places = [place for place, (key, _) in enumerate(pairs) if _fold(key) == _fold(name)]
            spelling = pairs[places[-1]][0] if places else name
            if value is None:
                pairs = [pair for place, pair in enumerate(pairs) if place not in places]
                continue
            if places:
                pairs[places[-1]] = spelling, value
                # The same spelling twice would be read by its place here, and by its first place elsewhere.
                gone = {place for place in places[:-1] if pairs[place][0] == spelling}
                pairs = [pair for place, pair in enumerate(pairs) if place not in gone]
            else:
                pairs.append((spelling, value))
        return "{" + ",".join(f"{_dump(key)}:{_dump(value)}" for key, value in pairs) + "}"

    @cached_property
    def _values(self) -> Mapping[str, list[object]]:
        values: dict[str, list[object]] = {}
        for key, value in self.pairs:
            values.setdefault(_fold(key), []).append(value)
        return values


def is_same_key(key: str, name: str) -> bool:
    """Return whether Go takes this key for the field of this name."""
    return _fold(key) == _fold(name)


def _fold(name: str) -> str:
    return name.lower() if name.isascii() else name.translate(_FOLDED)


def _dump(value: object) -> str:
    # In ASCII: half of a surrogate pair can only be sent as an escape.
    return json.dumps(value, separators=(",", ":"))
