"""Harvester's route annotation: reading it without harm, and writing it without loss.

Harvester reads it into a fixed Go struct, whose JSON keys match without regard to case; users, the UI,
Terraform and two controllers write it. So a field is found under any spelling, kept under its own, and what
is not ours stays where it was.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from services.network.parse.tolerance import load_object, shown

MAX_ROUTE_CHARACTERS = 16_384
"""Far beyond any real one; a larger one is refused before it is parsed."""


@dataclass(frozen=True)
class Route:
    """The annotation's fields as they stand, empty where absent; fields holds the JSON object itself."""

    mode: str = ""
    cidr: str = ""
    gateway: str = ""
    server: str = ""
    connectivity: str = ""
    outdated: bool = False
    fields: Mapping[str, object] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> "Route":
        """Read the annotation; raises ValueError that names the field, its value and what was expected.

        An empty string is an empty route, as it is to Harvester.
        """
        if not text.strip():
            return cls()
        if len(text) > MAX_ROUTE_CHARACTERS:
            raise ValueError(f"{len(text)} characters, expected at most {MAX_ROUTE_CHARACTERS}")
        fields = load_object(text)

        def text_of(name: str) -> str:
            value = _find(fields, name)
            if value is None:
                return ""
            if not isinstance(value, str):
                raise ValueError(f"{name}: expected a string, got {shown(value)}")
            return value

        outdated = _find(fields, "outdated")
        if outdated is not None and not isinstance(outdated, bool):
            raise ValueError(f"outdated: expected true or false, got {shown(outdated)}")
        mode = text_of("mode")
        if mode not in ("", "auto", "manual"):
            raise ValueError(f"mode: expected auto or manual, got {shown(mode)}")
        return cls(
            mode=mode,
            cidr=text_of("cidr"),
            gateway=text_of("gateway"),
            server=text_of("serverIPAddr"),
            connectivity=text_of("connectivity"),
            outdated=outdated is True,
            fields=fields,
        )

    def with_fields(self, changes: Mapping[str, str | None]) -> str:
        """The annotation with these fields set, or taken away where None; all else as it was."""
        fields = dict(self.fields)
        for name, value in changes.items():
            spellings = _spellings(fields, name)
            if value is None:
                for spelling in spellings:
                    del fields[spelling]
            else:
                fields[spellings[-1] if spellings else name] = value
        # In ASCII: an escaped half of a surrogate pair has no other form that could be sent.
        return json.dumps(fields, separators=(",", ":"))


def _spellings(fields: Mapping[str, object], name: str) -> list[str]:
    """The keys that are this field to Go, in their order: the last one is the one that counts."""
    return [key for key in fields if key.casefold() == name.casefold()]


def _find(fields: Mapping[str, object], name: str) -> object:
    spellings = _spellings(fields, name)
    return fields[spellings[-1]] if spellings else None
