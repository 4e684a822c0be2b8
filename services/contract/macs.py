"""MAC addresses: how they are written, and which of them stand for one redundant router.

Those of VRRP and CARP: RFC 5798 section 7.3; of HSRP: RFC 2281 section 6, and Cisco's documentation, as for
GLBP. Anycast gateways need no table: the leaves of a fabric answer with one MAC address.
"""

import re
from typing import Final

_GROUPS: Final = (
    ("00:00:5e:00:01:", "VRRP or CARP"),
    ("00:00:0c:07:ac:", "HSRP"),
    ("00:00:0c:9f:f", "HSRP"),
    ("00:07:b4:0", "GLBP"),
)
"""How the MAC addresses of each protocol begin; the rest is the group."""
_MAC: Final = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}")
_GLBP_FORWARDER: Final = slice(-2, None)
"""The last octet is the forwarder, of which a GLBP group has up to four: its answers name them in turn."""


def protocol_of(mac: str) -> str:
    """Return the protocol whose virtual routers have such a MAC address; empty for any other."""
    return next((protocol for prefix, protocol in _GROUPS if mac.startswith(prefix)), "")


def router_of(mac: str) -> str:
    """Return what stands for the router behind a MAC address: equal for all that one GLBP group answers."""
    return f"{mac[: _GLBP_FORWARDER.start]}*" if protocol_of(mac) == "GLBP" else mac


def named(mac: str) -> str:
    """Return the MAC address, with its protocol if it is a virtual router's."""
    protocol = protocol_of(mac)
    return f"{mac} ({protocol})" if protocol else mac


def with_mac(address: str, mac: str | None) -> str:
    """Return an address with the MAC address of the machine, if that is known: how texts name a machine."""
    if not mac:
        return address
    protocol = protocol_of(mac)
    return f"{address} ({mac}, {protocol})" if protocol else f"{address} ({mac})"


def macs_in(text: str) -> list[str]:
    """Return the MAC addresses that a text names, in its order."""
    return _MAC.findall(text)


def dotted(mac: str) -> str:
    """Return a MAC address, such as 62:01:02:03:04:05, as Cisco and Arista write it: 6201.0203.0405.

    Anything else is returned as it is.
    """
    digits = mac.replace(":", "")
    return ".".join((digits[:4], digits[4:8], digits[8:])) if ":" in mac else mac
