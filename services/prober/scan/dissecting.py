"""Frames as text, dissected by scapy. The only module of the services that imports scapy.

Importing scapy takes most of a second and 60 MB, so it is imported for the first frame.
"""

import logging
import warnings


def dissect(frame: bytes, *, vlan: int | None = None) -> str:
    """Return a frame as text; vlan: the tag, if the kernel has stripped it."""
    _import_scapy()
    from scapy.layers.l2 import Ether
    from scapy.packet import Packet

    packet: Packet = Ether(frame)
    text = str(packet.show(dump=True))
    return text if vlan is None else f"802.1Q tag: VLAN {vlan}\n{text}"


def _import_scapy() -> None:
    with warnings.catch_warnings():
        # Scapy's optional dependencies emit deprecation warnings.
        warnings.simplefilter("ignore")
        import scapy.layers.dhcp
        import scapy.layers.inet
        import scapy.layers.l2  # noqa: F401 - registers the layers that the others need
    logging.getLogger("scapy").setLevel(logging.ERROR)
