"""Many frames to a socket in one system call (sendmmsg(2)), which Python's own sockets do not have."""

import ctypes
import errno
import socket
from collections.abc import Sequence

BATCH_FRAMES = 64
"""At once: what goes out together is stamped with nearly one time."""
MAX_FRAME_BYTES = 512
"""Nothing that we send is longer."""


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
    """struct mmsghdr: a header, and how much of it was sent."""

    _fields_ = (("header", _Header), ("sent", ctypes.c_uint))


class SendBatch:
    """The memory that the kernel reads the frames from, set up once."""

    def __init__(self, sock: socket.socket) -> None:
        self._fd = sock.fileno()
        self._send = ctypes.CDLL(None, use_errno=True).sendmmsg
        self._send.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)
        # Kept: the addresses of all three stand in one another.
        self._memory = ctypes.create_string_buffer(BATCH_FRAMES * MAX_FRAME_BYTES)
        self._buffers = (_Buffer * BATCH_FRAMES)()
        self._messages = (_Message * BATCH_FRAMES)()
        for index in range(BATCH_FRAMES):
            self._buffers[index].base = ctypes.addressof(self._memory) + index * MAX_FRAME_BYTES
            self._messages[index].header.buffers = ctypes.pointer(self._buffers[index])
            self._messages[index].header.buffer_count = 1
        self._view = memoryview(self._memory).cast("B")
        self._lengths = (ctypes.c_size_t * (2 * BATCH_FRAMES)).from_buffer(self._buffers)
        self._address = ctypes.addressof(self._messages)

    def send(self, frames: Sequence[bytes]) -> int:
        """Send at most BATCH_FRAMES frames; how many the kernel took. Raises OSError when it took none."""
        view, lengths = self._view, self._lengths
        at = 0
        for index, frame in enumerate(frames[:BATCH_FRAMES]):
            length = len(frame)
            if length > MAX_FRAME_BYTES:
                raise OSError(errno.EMSGSIZE, f"a frame of {length} bytes")
            view[at : at + length] = frame
            lengths[2 * index + 1] = length
            at += MAX_FRAME_BYTES
        sent: int = self._send(self._fd, self._address, min(len(frames), BATCH_FRAMES), 0)
        if sent < 0:
            raise OSError(ctypes.get_errno(), "sendmmsg")
        return sent
