"""The raw ICMP socket for echo requests to gateways through the host's routing."""

import errno
import os
import socket
import struct
import time
from collections.abc import Sequence
from ipaddress import IPv4Address
from typing import Protocol

from services.contract.outcomes import Fault
from services.prober.sockets import packet_filter
from services.prober.sockets.link import LinkError

_SOL_RAW, _ICMP_FILTER = 255, 1
_SO_MEMINFO, _MEMINFO_DROPS = 55, 8
_SO_RCVBUFFORCE = 33
_SO_TIMESTAMPNS = 35
_STAMP = struct.Struct("=qq")
_STAMP_ROOM = socket.CMSG_SPACE(_STAMP.size)
_RECEIVE_BYTES = 4 << 20
_PACKET_BYTES = 2048
_ALL_BUT_ECHO_REPLY = 0xFFFFFFFE
_NO_ROOM = {errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM, errno.EINTR}


class EchoSocket(Protocol):
    """A socket that sends ICMP echo requests and receives the replies. Never blocks."""

    def fileno(self) -> int: ...

    def send(self, packets: Sequence[tuple[int, bytes]]) -> int:
        """Send (gateway, message) pairs in order; returns how many fit into the send buffer."""
        ...

    def receive(self, limit: int) -> list[tuple[bytes, float]]:
        """Return up to limit received packets with their IPv4 headers and their ages in seconds."""
        ...

    def dropped(self) -> int:
        """Return how many packets the kernel has dropped since the last call, because the buffer was full."""
        ...

    def close(self) -> None: ...


class ICMPSocket:
    """The EchoSocket of the kernel. The constructor raises LinkError (NO_PERMISSION) without CAP_NET_RAW."""

    def __init__(self, *, mark: bytes) -> None:
        """mark: only replies whose payload begins with these octets are received; see icmp.MARK_BYTES."""
        try:
            self._socket = socket.socket(
                socket.AF_INET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.IPPROTO_ICMP
            )
        except OSError as error:
            raise LinkError(Fault.NO_PERMISSION, f"ICMP: {os.strerror(error.errno or 0)}") from None
        self._drops = 0
        sock = self._socket
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
            sock.setsockopt(_SOL_RAW, _ICMP_FILTER, struct.pack("=I", _ALL_BUT_ECHO_REPLY))
            packet_filter.attach(sock, packet_filter.echo_replies_with(mark))
            self._enlarge()
        except OSError as error:
            sock.close()
            raise LinkError(Fault.SEND_FAILED, f"ICMP: {os.strerror(error.errno or 0)}") from None

    def _enlarge(self) -> None:
        """Enlarge the receive buffer; exceeding the system's limit needs CAP_NET_ADMIN."""
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BYTES)
        except PermissionError:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, packets: Sequence[tuple[int, bytes]]) -> int:
        for sent, (gateway, message) in enumerate(packets):
            try:
                self._socket.sendto(message, (str(IPv4Address(gateway)), 0))
            except OSError as error:
                if error.errno in _NO_ROOM:
                    return sent
                # No route, or prohibited: the gateway is unreachable by this host's routing. Counts as sent.
        return len(packets)

    def receive(self, limit: int) -> list[tuple[bytes, float]]:
        packets: list[tuple[bytes, float]] = []
        while len(packets) < limit:
            try:
                packet, ancillary, _, _ = self._socket.recvmsg(_PACKET_BYTES, _STAMP_ROOM)
                packets.append((packet, _age_s(ancillary)))
            except OSError as error:
                # Other errors were caused by an earlier echo; reading them clears them.
                if error.errno in _NO_ROOM:
                    break
                limit -= 1
        return packets

    def dropped(self) -> int:
        info = self._socket.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 4 * (_MEMINFO_DROPS + 1))
        total: int = struct.unpack_from("=I", info, 4 * _MEMINFO_DROPS)[0]
        drops, self._drops = (total - self._drops) % (1 << 32), total
        return drops

    def close(self) -> None:
        self._socket.close()


def _age_s(ancillary: Sequence[tuple[int, int, bytes]]) -> float:
    """Return the seconds since the kernel received a packet; 0 without a timestamp."""
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS and len(data) == _STAMP.size:
            seconds, nanoseconds = _STAMP.unpack(data)
            # The clock of the kernel's timestamps; used for nothing else.
            age_s: float = time.clock_gettime(time.CLOCK_REALTIME) - seconds - nanoseconds * 1e-9
            return max(0.0, age_s)
    return 0.0
