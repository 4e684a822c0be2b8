"""A socket for the LLDP frames of one NIC. Needs CAP_NET_RAW.

It is bound to LLDP's ethertype, so other frames cost nothing, and to the NIC: a bond and a bridge leave what
is sent to LLDP's group addresses to the member that received it.
"""

import errno
import socket
import struct

from services.prober.frames import lldp
from services.prober.sockets import packet_filter
from services.prober.sockets.ring import SOL_PACKET

_ADD_MEMBERSHIP, _MULTICAST = 1, 0
MAX_FRAME_BYTES = 9_216
RECEIVE_BYTES = 65_536
"""Of the buffer: a switch sends one frame in 30 s."""
RECEIVE_LIMIT = 64
"""Frames taken at a time."""


class LLDPSocket:
    """The LLDP frames that arrive on one NIC. The constructor opens it, and raises OSError."""

    def __init__(self, interface: str) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        sock = self._socket
        try:
            index = socket.if_nametoindex(interface)
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
            # Before bind: nothing is received until then.
            packet_filter.attach(sock, packet_filter.lldp_frames(index))
            sock.bind((interface, int.from_bytes(lldp.TYPE, "big")))
            for group in lldp.DESTINATIONS:
                # struct packet_mreq. Else the NIC drops what is sent to the group.
                membership = struct.pack("=iHH8s", index, _MULTICAST, len(group), group)
                sock.setsockopt(SOL_PACKET, _ADD_MEMBERSHIP, membership)
        except OSError:
            sock.close()
            raise

    def receive(self) -> list[bytes]:
        """Return the frames that have arrived, at most RECEIVE_LIMIT. Raises OSError."""
        frames: list[bytes] = []
        for _ in range(RECEIVE_LIMIT):
            try:
                frames.append(self._socket.recv(MAX_FRAME_BYTES))
            except BlockingIOError:
                break
            except OSError as error:
                # The NIC was down in between, which is read elsewhere.
                if error.errno != errno.ENETDOWN:
                    raise
        return frames

    def close(self) -> None:
        self._socket.close()
