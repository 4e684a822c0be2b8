"""Sending many frames in one system call: sendmmsg(2), which Python's sockets do not offer."""

import ctypes
import errno
import socket
from collections.abc import Sequence

BATCH_FRAMES = 64
"""Frames per call: those sent together have nearly the same send time."""
MAX_FRAME_BYTES = 512
"""Longer than any frame that the prober sends."""


class _Buffer(ctypes.Structure):
    """struct iovec."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Header(ctypes.Structure):
    """struct msghdr."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint),
        ("buffers", ctypes.POINTER(_Buffer)),
        ("buffer_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Message(ctypes.Structure):
    """struct mmsghdr: a header and the number of bytes sent."""

    _fields_ = (("header", _Header), ("sent", ctypes.c_uint))


class _Table:
    """The argument of sendmmsg for frames of one length that are contiguous in memory."""

    def __init__(self, memory: int, length: int) -> None:
        # Keep references: the kernel uses the addresses of both.
        self._buffers = (_Buffer * BATCH_FRAMES)()
        self._messages = (_Message * BATCH_FRAMES)()
        for index in range(BATCH_FRAMES):
            self._buffers[index].base = memory + index * length
            self._buffers[index].length = length
            self._messages[index].header.buffers = ctypes.pointer(self._buffers[index])
            self._messages[index].header.buffer_count = 1
        self.address = ctypes.addressof(self._messages)


class SendBatch:
    """The buffer that the kernel reads frames from, set up once.

    Frames have few different lengths, and those of one length come in runs.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._fd = sock.fileno()
        self._send = ctypes.CDLL(None, use_errno=True).sendmmsg
        self._send.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)
        self._memory = ctypes.create_string_buffer(BATCH_FRAMES * MAX_FRAME_BYTES)
        self._view = memoryview(self._memory).cast("B")
        self._tables: dict[int, _Table] = {}

    def send(self, frames: Sequence[bytes]) -> int:
        """Send the leading frames of equal length, up to BATCH_FRAMES; returns how many the kernel accepted.

        Raises OSError when it accepted none.
        """
        length = len(frames[0])
        if length > MAX_FRAME_BYTES:
            raise OSError(errno.EMSGSIZE, f"frame of {length} bytes, expected at most {MAX_FRAME_BYTES}")
        count = min(len(frames), BATCH_FRAMES)
        lengths = list(map(len, frames[:count]))
        if lengths.count(length) != count:
            count = next(at for at, other in enumerate(lengths) if other != length)
        table = self._tables.get(length)
        if table is None:
            table = self._tables[length] = _Table(ctypes.addressof(self._memory), length)
        self._view[: count * length] = b"".join(frames[:count])
        sent: int = self._send(self._fd, table.address, count, 0)
        if sent < 0:
            raise OSError(ctypes.get_errno(), "sendmmsg")
        return sent
