"""A socket on one member of a bond: what is sent on it leaves by that member, whatever the bond would do.

It also receives what the bond drops, such as answers by a member that is not active. Needs CAP_NET_RAW.
"""

import select
import socket
import struct
from collections.abc import Iterator, Sequence

from services.prober.sockets import packet_filter
from services.prober.sockets.ring import SOL_PACKET

_ETH_P_ALL = 3
_ADD_MEMBERSHIP, _AUXDATA, _IGNORE_OUTGOING = 1, 8, 23
_PROMISCUOUS = 1
_STATUS_VLAN_VALID = 0x10
_TPACKET_AUXDATA = struct.Struct("=IIIHHHH")
_ANCILLARY_BYTES = socket.CMSG_SPACE(_TPACKET_AUXDATA.size)
_FRAME_BYTES = 256
_MAX_FRAMES = 256


class MemberLink:
    """Sends ARP on one NIC and receives the replies to our MAC addresses."""

    def __init__(self, nic: str, *, mac_prefix: bytes) -> None:
        """mac_prefix: the first four octets of all MAC addresses that we ask with. Raises OSError."""
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        try:
            self._socket.setblocking(False)
            self._socket.setsockopt(SOL_PACKET, _IGNORE_OUTGOING, 1)
            self._socket.setsockopt(SOL_PACKET, _AUXDATA, 1)
            packet_filter.attach(self._socket, packet_filter.replies_to(mac_prefix))
            self._socket.bind((nic, _ETH_P_ALL))
            # struct packet_mreq: our MAC addresses are not the NIC's.
            membership = struct.pack("=iHH8s", socket.if_nametoindex(nic), _PROMISCUOUS, 0, b"")
            self._socket.setsockopt(SOL_PACKET, _ADD_MEMBERSHIP, membership)
        except OSError:
            self._socket.close()
            raise

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, frame: bytes) -> None:
        """Send a tagged frame; raises OSError."""
        self._socket.send(frame)

    def receive(self) -> Iterator[tuple[int, bytes]]:
        """Yield the VLAN and the untagged frame of what has arrived; raises OSError."""
        for _ in range(_MAX_FRAMES):
            try:
                frame, ancillary, _, _ = self._socket.recvmsg(_FRAME_BYTES, _ANCILLARY_BYTES)
            except BlockingIOError:
                return
            for level, kind, data in ancillary:
                if (level, kind) == (SOL_PACKET, _AUXDATA) and len(data) >= _TPACKET_AUXDATA.size:
                    status, _, _, _, _, tag, _ = _TPACKET_AUXDATA.unpack_from(data)
                    if status & _STATUS_VLAN_VALID:
                        yield tag & 0xFFF, frame

    def close(self) -> None:
        self._socket.close()


def wait_for_any(links: Sequence[MemberLink], timeout_s: float) -> None:
    """Wait until a frame has arrived on one of the links, or the time is over."""
    poll = select.poll()
    for link in links:
        poll.register(link.fileno(), select.POLLIN)
    poll.poll(timeout_s * 1000)
