"""Harvester's route annotation, read tolerantly and written without loss.

Users, the UI, Terraform and two controllers write it. Harvester reads it into a Go struct, so keys match in
any case. A field is found under any spelling and keeps it, and unknown fields stay.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from services.network.parse.tolerance import load_object, shown

MAX_ROUTE_CHARACTERS = 16_384
"""Far longer than any real one. A longer text is refused before it is parsed."""


@dataclass(frozen=True)
class Route:
    """The annotation's fields, empty if absent. fields holds the whole JSON object."""

    mode: str = ""
    cidr: str = ""
    gateway: str = ""
    server: str = ""
    connectivity: str = ""
    outdated: bool = False
    fields: Mapping[str, object] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> "Route":
        """Parse the annotation; raises ValueError that names the field, its value and what was expected.

        An empty string is an empty route, as in Harvester.
        """
        if not text.strip():
            return cls()
        if len(text) > MAX_ROUTE_CHARACTERS:
            raise ValueError(f"{len(text)} characters, expected at most {MAX_ROUTE_CHARACTERS}")
        fields = load_object(text)
        # Of several spellings, Go takes the last one.
        found = {key.casefold(): value for key, value in fields.items()}

        def text_of(name: str) -> str:
            value = found.get(name.casefold())
            if value is None:
                return ""
            if not isinstance(value, str):
                raise ValueError(f"{name}: expected a string, got {shown(value)}")
            return value

        outdated = found.get("outdated")
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

    @property
    def written(self) -> Mapping[str, str]:
        """Return the fields that nadroute may write, as text; empty where absent."""
        return {
            "mode": self.mode,
            "cidr": self.cidr,
            "gateway": self.gateway,
            "connectivity": self.connectivity,
            "outdated": "true" if self.outdated else "",
        }

    @property
    def lacks_connectivity(self) -> bool:
        """Whether cidr and gateway are set without connectivity, as after a save in Harvester's UI."""
        return bool(self.cidr and self.gateway and not self.connectivity)

    def with_fields(self, changes: Mapping[str, str | None]) -> str:
        """Return the annotation's text with these fields set, or removed if None; all others stay."""
        fields = dict(self.fields)
        for name, value in changes.items():
            spellings = _spellings(fields, name)
            if value is None:
                for spelling in spellings:
                    del fields[spelling]
            else:
                fields[spellings[-1] if spellings else name] = value
        # In ASCII: half of a surrogate pair can only be sent as an escape.
        return json.dumps(fields, separators=(",", ":"))


def _spellings(fields: Mapping[str, object], name: str) -> list[str]:
    """Return the keys that Go reads as this field, in their order; the last one counts."""
    return [key for key in fields if key.casefold() == name.casefold()]
