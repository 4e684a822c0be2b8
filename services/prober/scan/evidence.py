"""What went over the wire, kept for people: a link that tells a recorder of every frame, and what keeps them.

Nothing of this is there, and nothing costs, where nobody asked for it.
"""

import queue
import re
import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from services.prober.frames.ethernet import MAC_BYTES, TAG, VLAN_MASK
from services.prober.scan.dissecting import dissect
from services.prober.sockets.link import Link, Received
from services.runtime.clock import Clock

MAX_WAITING = 100_000
"""Frames that may wait to be written; of more we only tell how many there were."""
_PADS = re.compile(r"(?: pad){2,}")
_TPID = b"\x81\x00"
_ADDRESSES_BYTES = 2 * MAC_BYTES
_STOP_TIMEOUT_S = 60.0


class Recorded(NamedTuple):
    """A frame with its tag in it, as it went over the wire."""

    at: datetime
    """When it was handed to the kernel, or received by it."""
    outbound: bool
    frame: bytes

    @property
    def vlan(self) -> int:
        return int.from_bytes(self.frame[TAG], "big") & VLAN_MASK


class FrameRecorder(Protocol):
    """Is told of frames in the engine's thread: it must not block, and not raise."""

    def sent(self, at: datetime, frame: bytes) -> None:
        """A frame with its tag in it went out."""
        ...

    def received(self, at: datetime, received: Received) -> None:
        """A frame came in, its tag beside it."""
        ...


class RecordingLink:
    """A Link that tells a recorder of all that goes through another."""

    def __init__(self, link: Link, *, recorder: FrameRecorder, clock: Clock) -> None:
        self._link = link
        self._recorder = recorder
        self._clock = clock

    def fileno(self) -> int:
        return self._link.fileno()

    def send(self, frames: Sequence[bytes]) -> int:
        for sent, frame in enumerate(frames):
            # One by one, and the time before: an answer must not seem to be older than its question.
            at = self._clock.now()
            if not self._link.send((frame,)):
                return sent
            self._recorder.sent(at, bytes(frame))
        return len(frames)

    def receive(self, limit: int) -> list[Received]:
        received = self._link.receive(limit)
        if received:
            at = self._clock.now()
            for one in received:
                self._recorder.received(at - timedelta(seconds=max(0.0, one.age_s)), one)
        return received

    def dropped(self) -> int:
        return self._link.dropped()

    def carrier_changes(self, now: float) -> int:
        return self._link.carrier_changes(now)

    def listen_for(self, addresses: frozenset[int]) -> None:
        self._link.listen_for(addresses)

    def close(self) -> None:
        self._link.close()


class Evidence:
    """A FrameRecorder that hands frames to keepers in a thread of its own, so that the engine never waits."""

    def __init__(
        self,
        keepers: Sequence[Callable[[Recorded], None]],
        *,
        finish: Sequence[Callable[[], None]] = (),
        limit: int = MAX_WAITING,
    ) -> None:
        """keepers: get each frame in order; one that raises OSError gets no more. limit: frames that wait.

        finish: called when there are no more frames.
        """
        self._keepers = list(keepers)
        self._finish = finish
        self._limit = limit
        self._waiting: queue.SimpleQueue[Recorded | None] = queue.SimpleQueue()
        self.lost = 0
        """Frames for which there was no room."""
        self.failure: OSError | None = None
        """Why the frames of a keeper are not all there."""
        self._thread = threading.Thread(target=self._run, name="prober-evidence", daemon=True)
        self._thread.start()

    def sent(self, at: datetime, frame: bytes) -> None:
        self._put(Recorded(at, True, frame))

    def received(self, at: datetime, received: Received) -> None:
        frame = received.frame
        tag = _TPID + received.vlan.to_bytes(2, "big")
        self._put(Recorded(at, False, frame[:_ADDRESSES_BYTES] + tag + frame[_ADDRESSES_BYTES:]))

    def close(self) -> None:
        """Return when all that was recorded is kept."""
        self._waiting.put(None)
        self._thread.join(_STOP_TIMEOUT_S)

    def _put(self, recorded: Recorded) -> None:
        if self._waiting.qsize() < self._limit:
            self._waiting.put(recorded)
        else:
            self.lost += 1

    def _run(self) -> None:
        while (recorded := self._waiting.get()) is not None:
            for keep in list(self._keepers):
                try:
                    keep(recorded)
                except OSError as error:
                    self.failure = error
                    self._keepers.remove(keep)
        for finish in self._finish:
            try:
                finish()
            except OSError as error:
                self.failure = error


class Narrator:
    """Tells the frames of one VLAN as people read them."""

    def __init__(self, vlan: int, *, say: Callable[[str], None], began: datetime) -> None:
        """say: gets some lines for each frame, times since `began` in seconds."""
        self._vlan = vlan
        self._say = say
        self._began = began

    def keep(self, recorded: Recorded) -> None:
        """Say what it is, if it is of the VLAN."""
        if recorded.vlan == self._vlan:
            self._say(narrate(recorded, began=self._began))


def narrate(recorded: Recorded, *, began: datetime) -> str:
    """When and which way a frame went, and what is in it."""
    seconds = (recorded.at - began).total_seconds()
    way = "sent" if recorded.outbound else "received"
    head = f"{seconds:+.6f} s  {way} {len(recorded.frame)} bytes on VLAN {recorded.vlan}"
    try:
        text = dissect(recorded.frame)
    except Exception as error:  # noqa: BLE001  # scapy's many dissectors promise nothing of what strangers send
        return f"{head}\nnot dissected ({type(error).__name__}): {recorded.frame.hex(' ')}"
    # BOOTP messages are filled up to 300 bytes, which nobody wants to read one by one.
    return f"{head}\n{_PADS.sub(' pad ...', text)}"
