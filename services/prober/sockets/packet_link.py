"""The Link of a Linux interface: an AF_PACKET socket with a filter and a receive ring. Needs CAP_NET_RAW.

It listens to all protocols: a bond or veth that is a bridge port delivers its frames to no other socket.
"""

import errno
import os
import select
import socket
import struct
from collections.abc import Sequence

from services.contract.outcomes import Fault
from services.prober.sockets import packet_filter
from services.prober.sockets.carrier import CarrierWatch
from services.prober.sockets.link import LinkError, Received
from services.prober.sockets.ring import SOL_PACKET, ReceiveRing
from services.prober.sockets.sendmmsg import BATCH_FRAMES, SendBatch

_ETH_P_ALL = 3
_ADD_MEMBERSHIP, _STATISTICS, _IGNORE_OUTGOING = 1, 6, 23
_PROMISCUOUS = 1
DEFAULT_SLOTS = 4096
"""8 MiB: room for a reply from every VLAN at once."""
_NO_ROOM = {errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM, errno.EINTR}
_FAULTS = {
    errno.EPERM: Fault.NO_PERMISSION,
    errno.EACCES: Fault.NO_PERMISSION,
    errno.ENODEV: Fault.UPLINK_MISSING,
    errno.ENXIO: Fault.UPLINK_MISSING,
}


class PacketLink:
    """The Link of an interface. The constructor opens it, and raises LinkError as all methods do."""

    def __init__(self, interface: str, *, mac_prefix: bytes, slots: int = DEFAULT_SLOTS) -> None:
        """mac_prefix: the first four octets of all our MAC addresses, see Identity."""
        self._interface = interface
        self._mac_prefix = mac_prefix
        self._ring: ReceiveRing | None = None
        self._carrier: CarrierWatch | None = None
        # One descriptor for both frames and carrier notifications.
        self._epoll = select.epoll()
        try:
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        except OSError as error:
            self._epoll.close()
            raise self._error(error, Fault.NO_PERMISSION) from None
        try:
            self._carrier = CarrierWatch(interface)
            self._prepare(self._carrier.index, slots)
            self._epoll.register(self._socket.fileno(), select.EPOLLIN)
            self._epoll.register(self._carrier.fileno(), select.EPOLLIN)
        except OSError as error:
            self.close()
            raise self._error(error, Fault.SEND_FAILED) from None
        except LinkError:
            self.close()
            raise

    def _prepare(self, index: int, slots: int) -> None:
        sock = self._socket
        sock.setblocking(False)
        sock.setsockopt(SOL_PACKET, _IGNORE_OUTGOING, 1)
        # Filter and ring are set up before bind: nothing is received until then.
        packet_filter.attach(sock, packet_filter.replies_to(self._mac_prefix))
        self._heard: frozenset[int] | None = frozenset()
        self._ring = ReceiveRing(sock, slots=slots)
        self._batch = SendBatch(sock)
        sock.bind((self._interface, _ETH_P_ALL))
        # struct packet_mreq. Our MAC addresses are not the interface's, and a bond in a bridge may not be
        # promiscuous.
        membership = struct.pack("=iHH8s", index, _PROMISCUOUS, 0, b"")
        sock.setsockopt(SOL_PACKET, _ADD_MEMBERSHIP, membership)

    def fileno(self) -> int:
        return self._epoll.fileno()

    def send(self, frames: Sequence[bytes]) -> int:
        sent = 0
        while sent < len(frames):
            batch = frames[sent : sent + BATCH_FRAMES]
            try:
                taken = self._batch.send(batch)
            except OSError as error:
                if error.errno in _NO_ROOM:
                    break
                if error.errno != errno.ENETDOWN:
                    raise self._error(error, Fault.SEND_FAILED) from None
                # Lost with the carrier, which is reported separately; the engine retransmits.
                taken = len(batch)
            sent += taken
        return sent

    def receive(self, limit: int) -> list[Received]:
        return [] if self._ring is None else self._ring.receive(limit)

    def dropped(self) -> int:
        try:
            # struct tpacket_stats: packets, drops. Reading resets both.
            statistics = self._socket.getsockopt(SOL_PACKET, _STATISTICS, 8)
        except OSError as error:
            raise self._error(error, Fault.SEND_FAILED) from None
        return int(struct.unpack("=II", statistics)[1])

    def carrier_changes(self, now: float) -> int:
        if self._carrier is None:
            return 0
        try:
            # Clear the error of a down interface, which would keep the socket readable.
            self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            return self._carrier.changes(now)
        except OSError as error:
            raise self._error(error, Fault.SEND_FAILED) from None

    def listen_for(self, addresses: frozenset[int]) -> None:
        # With too many addresses the filter accepts all ARP, whatever they are.
        heard = addresses if len(addresses) <= packet_filter.MAX_ADDRESSES else None
        if heard == self._heard:
            return
        try:
            packet_filter.attach(
                self._socket, packet_filter.replies_to(self._mac_prefix, addresses=addresses)
            )
            self._heard = heard
        except OSError as error:
            raise self._error(error, Fault.SEND_FAILED) from None

    def close(self) -> None:
        if self._ring is not None:
            self._ring.close()
            self._ring = None
        if self._carrier is not None:
            self._carrier.close()
            self._carrier = None
        self._epoll.close()
        self._socket.close()

    def _error(self, error: OSError, otherwise: Fault) -> LinkError:
        fault = _FAULTS.get(error.errno or 0, otherwise)
        return LinkError(fault, f"{self._interface}: {os.strerror(error.errno or 0)}")
