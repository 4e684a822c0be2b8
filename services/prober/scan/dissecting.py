"""Frames as text for people, dissected by scapy: the only module of the services that imports it.

Importing scapy takes most of a second and 60 MB, so it is imported at the first frame.
"""

import logging
import warnings


def dissect(frame: bytes, *, vlan: int | None = None) -> str:
    """A frame as people read it; vlan: the tag that the kernel took off it, if it did."""
    _import_scapy()
    from scapy.layers.l2 import Ether
    from scapy.packet import Packet

    packet: Packet = Ether(frame)
    text = str(packet.show(dump=True))
    return text if vlan is None else f"802.1Q tag: VLAN {vlan}\n{text}"


def _import_scapy() -> None:
    with warnings.catch_warnings():
        # Its optional dependencies announce deprecations that are not ours to mend.
        warnings.simplefilter("ignore")
        import scapy.layers.dhcp
        import scapy.layers.inet
        import scapy.layers.l2  # noqa: F401 - the others need it registered
    logging.getLogger("scapy").setLevel(logging.ERROR)
