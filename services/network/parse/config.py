"""spec.config of a NAD, a JSON string, as Harvester reads it: see go_object.py."""

from collections.abc import Mapping
from dataclasses import dataclass

from services.network.parse.go_object import GoObject
from services.network.parse.tolerance import shown

MAX_CONFIG_CHARACTERS = 65_536
BRIDGE, OVERLAY = "bridge", "kube-ovn"
KINDS: Mapping[str, type] = {
    **dict.fromkeys(("cniVersion", "name", "bridge"), str),
    **dict.fromkeys(("vlan", "mtu"), int),
    **dict.fromkeys(("isGateway", "isDefaultGateway", "forceAddress", "ipMasq"), bool),
    **dict.fromkeys(("hairpinMode", "promiscMode"), bool),
    "vlanTrunk": list,
}
"""The plain fields of Harvester's struct. With a wrong type in one, its webhook refuses every write."""


@dataclass(frozen=True)
class Config:
    """The fields that nadroute reads, empty or 0 if absent; only type for what is no VM network."""

    type: str
    bridge: str = ""
    """Also empty if it is no string."""
    vlan: int = 0
    is_trunk: bool = False
    error: str = ""
    """What is wrong with a field other than type: its name, its value and what was expected."""

    @classmethod
    def parse(cls, given: object) -> "Config":
        """Parse spec.config, whatever a tenant wrote there; raises ValueError if it has no readable type."""
        # Without a configuration there is no type either, and Harvester's webhook refuses every write to it.
        text = "{}" if given in (None, "") else given
        if not isinstance(text, str):
            raise ValueError(f"expected a JSON string, got {type(text).__name__}")
        if len(text) > MAX_CONFIG_CHARACTERS:
            raise ValueError(f"{len(text)} characters, expected at most {MAX_CONFIG_CHARACTERS}")
        fields = GoObject.parse(text)
        kind = fields.read("type", str)
        if kind not in (BRIDGE, OVERLAY):
            return cls(kind)
        bridge = _bridge(fields)
        try:
            for name, expected in KINDS.items():
                fields.read(name, expected)
            vlan = fields.read("vlan", int)
            if kind == BRIDGE and not 0 <= vlan <= 4094:
                raise ValueError(f"vlan: expected an integer from 0 to 4094, got {shown(vlan)}")
        except ValueError as error:
            return cls(kind, bridge, error=str(error))
        return cls(kind, bridge, vlan, is_trunk=bool(fields.read("vlanTrunk", list)))


def _bridge(fields: GoObject) -> str:
    try:
        return fields.read("bridge", str)
    except ValueError:
        return ""
