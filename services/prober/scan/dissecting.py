"""Frames as lines of text, dissected by scapy. The only module of the services that imports scapy.

Importing scapy takes most of a second and 60 MB, so it is imported for the first frame.
"""

import logging
import warnings

HIDDEN_OPTIONS = frozenset(
    {"message-type", "client_id", "vendor_class_id", "param_req_list", "max_dhcp_size"}
)
"""DHCP options that are named otherwise, or the same in each of our messages."""


def summarize(frame: bytes) -> str:
    """Return a tagged frame on one line: MAC addresses, protocol, and the fields that matter of DHCP."""
    _import_scapy()
    from scapy.layers.dhcp import BOOTP, DHCP
    from scapy.layers.l2 import Dot1Q, Ether

    packet = Ether(frame)
    inner = packet[Dot1Q].payload if Dot1Q in packet else packet.payload
    text = f"{packet.src} > {packet.dst}  {_protocol(inner.summary())}"
    if BOOTP not in packet:
        return text
    fields = [f"xid={packet[BOOTP].xid:#010x}"]
    fields += [
        f"{name}={value}"
        for name in ("yiaddr", "giaddr", "ciaddr")
        if _is_set(value := getattr(packet[BOOTP], name))
    ]
    options = packet[DHCP].options if DHCP in packet else []
    for option in options:
        if isinstance(option, tuple) and option[0] not in HIDDEN_OPTIONS:
            fields.append(f"{option[0]}={','.join(map(str, option[1:]))}")
    return f"{text}  {' '.join(fields)}"


def _protocol(summary: str) -> str:
    """Return scapy's summary without the layers that say nothing here."""
    layers = [layer for layer in summary.split(" / ") if layer not in ("IP", "BOOTP", "Padding", "Raw")]
    return layers[-1] if layers and layers[-1].startswith("DHCP") else " / ".join(layers)


def _is_set(address: object) -> bool:
    return str(address) != "0.0.0.0"


def _import_scapy() -> None:
    with warnings.catch_warnings():
        # Scapy's optional dependencies emit deprecation warnings.
        warnings.simplefilter("ignore")
        import scapy.layers.dhcp
        import scapy.layers.inet
        import scapy.layers.l2  # noqa: F401 - registers the layers that the others need
    logging.getLogger("scapy").setLevel(logging.ERROR)
