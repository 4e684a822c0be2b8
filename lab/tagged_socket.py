"""A packet socket that reports the VLAN tag of received frames.

The kernel strips the outer tag from a frame before a packet socket sees it, and reports it beside the frame
(packet(7), PACKET_AUXDATA).
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

_SOL_PACKET = 263
_PACKET_AUXDATA = 8
_PACKET_IGNORE_OUTGOING = 23
_SO_RCVBUFFORCE = 33
_ETH_P_ALL = 3
_RECEIVE_BUFFER = 32 << 20
_MAX_FRAME = 65536
# struct tpacket_auxdata: status, len, snaplen, mac, net, vlan_tci, vlan_tpid.
_AUXDATA = struct.Struct("=IIIHHHH")
_STATUS_VLAN_VALID = 0x10


@dataclass(frozen=True, slots=True)
class Received:
    """A frame received on `interface`, without its outer tag; `tci` is that tag, None if it was untagged."""

    interface: str
    tci: int | None
    frame: bytes


def open_tagged_socket() -> socket.socket:
    """Open a socket that receives every frame of every interface of this network namespace."""
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
    opened.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
    # Frames sent by other programs of this host are ignored.
    opened.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
    try:
        opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
    except PermissionError:
        # In a user namespace nobody may exceed net.core.rmem_max.
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
    return opened


def receive(link: socket.socket) -> Received | None:
    """Receive the next frame; None for one that was truncated or arrived before tags were reported."""
    frame, ancillary, flags, source = link.recvmsg(_MAX_FRAME, socket.CMSG_SPACE(_AUXDATA.size))
    if flags & socket.MSG_TRUNC or not ancillary:
        return None
    status, _, _, _, _, tci, _ = _AUXDATA.unpack(ancillary[0][2][: _AUXDATA.size])
    return Received(source[0], tci if status & _STATUS_VLAN_VALID else None, frame)
