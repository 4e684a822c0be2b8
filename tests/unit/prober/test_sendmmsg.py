"""Sending many frames in one system call, over socket pairs."""

import contextlib
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.prober.frames import template_bytes
from services.prober.sockets import sendmmsg as send_batch
from services.prober.sockets.sendmmsg import BATCH_FRAMES, MAX_FRAME_BYTES, SendBatch


@given(st.lists(st.binary(min_size=1, max_size=MAX_FRAME_BYTES), max_size=BATCH_FRAMES + 10))
def test_batch_sends_each_frame_whole_and_in_order(wanted: list[bytes]) -> None:
    """Also after a call with longer frames."""
    sender, receiver = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with sender, receiver:
        receiver.setblocking(False)
        batch = SendBatch(sender)
        for some in (wanted, wanted[:3]):
            got: list[bytes] = []
            at = 0
            while at < len(some):
                sent = batch.send(some[at : at + 8])
                got += [receiver.recv(4096) for _ in range(sent)]
                at += sent
            assert got == some


def test_batch_returns_how_many_frames_the_kernel_accepted() -> None:
    """A nearly full queue accepts some; a full one raises."""
    sender, receiver = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with sender, receiver:
        sender.setblocking(False)
        batch = SendBatch(sender)
        sent = 0
        with contextlib.suppress(BlockingIOError):
            while sent < 100_000:
                sent += batch.send([b"x"] * BATCH_FRAMES)
        assert 0 < sent < 100_000
        receiver.setblocking(False)
        assert [receiver.recv(10) for _ in range(sent)] == [b"x"] * sent


def test_batch_rejects_a_frame_longer_than_its_buffer_slot() -> None:
    """A longer frame would overwrite the next one."""
    sender, receiver = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with sender, receiver, pytest.raises(OSError, match=f"frame of {MAX_FRAME_BYTES + 1} bytes"):
        SendBatch(sender).send([bytes(MAX_FRAME_BYTES + 1)])
    assert all(len(frame) <= send_batch.MAX_FRAME_BYTES for frame in template_bytes.FRAMES.values())


def test_batch_sends_at_most_batch_frames() -> None:
    """The kernel would read beyond the last header."""
    sender, receiver = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with sender, receiver:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        sender.setblocking(False)
        assert SendBatch(sender).send([bytes(MAX_FRAME_BYTES)] * (BATCH_FRAMES + 1)) == BATCH_FRAMES
