"""Recording the frames of a scan: a Link that records, and the consumers of what it records.

Used only on request; a scan without it has no overhead.
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
"""Frames that may wait for the consumers; further ones are only counted."""
_PADS = re.compile(r"(?: pad){2,}")
_TPID = b"\x81\x00"
_ADDRESSES_BYTES = 2 * MAC_BYTES
_STOP_TIMEOUT_S = 60.0


class Recorded(NamedTuple):
    """A frame with its VLAN tag, as on the wire."""

    at: datetime
    """When the kernel accepted or received it."""
    outbound: bool
    frame: bytes

    @property
    def vlan(self) -> int:
        return int.from_bytes(self.frame[TAG], "big") & VLAN_MASK


class FrameRecorder(Protocol):
    """The receiver of recorded frames. Called in the engine's thread: must not block or raise."""

    def sent(self, at: datetime, frame: bytes) -> None:
        """Record a sent frame with its tag."""
        ...

    def received(self, at: datetime, received: Received) -> None:
        """Record a received frame, whose tag is metadata."""
        ...


class RecordingLink:
    """A Link that records all frames of another Link."""

    def __init__(self, link: Link, *, recorder: FrameRecorder, clock: Clock) -> None:
        self._link = link
        self._recorder = recorder
        self._clock = clock

    def fileno(self) -> int:
        return self._link.fileno()

    def send(self, frames: Sequence[bytes]) -> int:
        for sent, frame in enumerate(frames):
            # One by one, with the time before sending: a reply must not seem older than its request.
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
    """A FrameRecorder that passes frames to keepers in its own thread, so that the engine never waits."""

    def __init__(
        self,
        keepers: Sequence[Callable[[Recorded], None]],
        *,
        finish: Sequence[Callable[[], None]] = (),
        limit: int = MAX_WAITING,
    ) -> None:
        """keepers: get each frame in order; one that raises OSError gets no more. limit: queued frames.

        finish: called after the last frame.
        """
        self._keepers = list(keepers)
        self._finish = finish
        self._limit = limit
        self._waiting: queue.SimpleQueue[Recorded | None] = queue.SimpleQueue()
        self.lost = 0
        """Frames discarded because the queue was full."""
        self.failure: OSError | None = None
        """The last error of a keeper."""
        self._thread = threading.Thread(target=self._run, name="prober-evidence", daemon=True)
        self._thread.start()

    def sent(self, at: datetime, frame: bytes) -> None:
        self._put(Recorded(at, True, frame))

    def received(self, at: datetime, received: Received) -> None:
        frame = received.frame
        tag = _TPID + received.vlan.to_bytes(2, "big")
        self._put(Recorded(at, False, frame[:_ADDRESSES_BYTES] + tag + frame[_ADDRESSES_BYTES:]))

    def close(self) -> None:
        """Wait until the keepers have all recorded frames."""
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
    """Prints the frames of one VLAN as text."""

    def __init__(self, vlan: int, *, say: Callable[[str], None], began: datetime) -> None:
        """say: gets the lines of each frame, with times in seconds since `began`."""
        self._vlan = vlan
        self._say = say
        self._began = began

    def keep(self, recorded: Recorded) -> None:
        """Print the frame if it is on the VLAN."""
        if recorded.vlan == self._vlan:
            self._say(narrate(recorded, began=self._began))


def narrate(recorded: Recorded, *, began: datetime) -> str:
    """Return a frame's time, direction and dissection as text."""
    seconds = (recorded.at - began).total_seconds()
    way = "sent" if recorded.outbound else "received"
    head = f"{seconds:+.6f} s  {way} {len(recorded.frame)} bytes on VLAN {recorded.vlan}"
    try:
        text = dissect(recorded.frame)
    except Exception as error:  # noqa: BLE001  # scapy's dissectors may raise anything on malformed frames
        return f"{head}\nnot dissected ({type(error).__name__}): {recorded.frame.hex(' ')}"
    # BOOTP messages are padded to 300 bytes, which scapy prints one by one.
    return f"{head}\n{_PADS.sub(' pad ...', text)}"
