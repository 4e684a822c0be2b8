"""Harvester's route annotation, read tolerantly and written without loss.

Users, the UI, Terraform and two controllers write it. Harvester reads it into a Go struct: see go_object.py.
A field is found under any spelling and keeps it, and unknown fields stay.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from services.network.parse.go_object import GoObject
from services.network.parse.tolerance import shown

MAX_ROUTE_CHARACTERS = 16_384
"""Far longer than any real one. A longer text is refused before it is parsed."""


@dataclass(frozen=True)
class Route:
    """The annotation's fields, empty if absent. given is the whole JSON object."""

    mode: str = ""
    cidr: str = ""
    gateway: str = ""
    server: str = ""
    connectivity: str = ""
    outdated: bool = False
    given: GoObject = field(default_factory=GoObject)

    @classmethod
    def parse(cls, text: str) -> "Route":
        """Parse the annotation; raises ValueError that names the field, its value and what was expected.

        An empty string is an empty route, as in Harvester.
        """
        if not text:
            return cls()
        if len(text) > MAX_ROUTE_CHARACTERS:
            raise ValueError(f"{len(text)} characters, expected at most {MAX_ROUTE_CHARACTERS}")
        given = GoObject.parse(text)
        mode = given.read("mode", str)
        if mode not in ("", "auto", "manual"):
            raise ValueError(f"mode: expected auto or manual, got {shown(mode)}")
        return cls(
            mode=mode,
            cidr=given.read("cidr", str),
            gateway=given.read("gateway", str),
            server=given.read("serverIPAddr", str),
            connectivity=given.read("connectivity", str),
            outdated=given.read("outdated", bool),
            given=given,
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
        return self.given.with_fields(changes)
