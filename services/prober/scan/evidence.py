"""Recording the frames of a scan: a Link that records, and the consumers of what it records.

Used only on request; a scan without it has no overhead.
"""

import heapq
import itertools
import queue
import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from services.prober.frames.ethernet import MAC_BYTES, TAG, VLAN_MASK
from services.prober.scan.dissecting import summarize
from services.prober.sockets.link import Link, Received
from services.runtime.process.clock import Clock

MAX_WAITING = 100_000
"""Frames that may wait for the consumers; further ones are only counted."""
HOLD = timedelta(seconds=1)
"""Longer than a received frame waits to be read."""
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

        finish: called when no frame has come for a second, and after the last frame.
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
        while True:
            try:
                recorded = self._waiting.get(timeout=HOLD.total_seconds())
            except queue.Empty:
                self._flush()
                continue
            if recorded is None:
                self._flush()
                return
            for keep in list(self._keepers):
                try:
                    keep(recorded)
                except OSError as error:
                    self.failure = error
                    self._keepers.remove(keep)

    def _flush(self) -> None:
        for finish in self._finish:
            try:
                finish()
            except OSError as error:
                self.failure = error


class TimeOrder:
    """Passes frames on in order of time.

    Frames arrive out of order: a reply is read some time after it was received, and frames sent meanwhile
    are recorded first.
    """

    def __init__(self, keep: Callable[[Recorded], None], *, hold: timedelta) -> None:
        """hold: how long a frame is held back for older ones to arrive."""
        self._keep = keep
        self._hold = hold
        self._held: list[tuple[datetime, int, Recorded]] = []
        self._numbers = itertools.count()

    def keep(self, recorded: Recorded) -> None:
        """Add a frame; passes on those that have been held long enough."""
        heapq.heappush(self._held, (recorded.at, next(self._numbers), recorded))
        self._pass(until=recorded.at - self._hold)

    def finish(self) -> None:
        """Pass on all held frames."""
        self._pass(until=None)

    def _pass(self, *, until: datetime | None) -> None:
        while self._held and (until is None or self._held[0][0] <= until):
            self._keep(heapq.heappop(self._held)[2])


class FramePrinter:
    """Prints the frames of one VLAN, one a line, in order of time."""

    def __init__(self, vlan: int, *, write: Callable[[str], None], began: datetime) -> None:
        """write: gets a line for each frame, with the time in seconds since `began`."""
        self._vlan = vlan
        self._order = TimeOrder(lambda recorded: write(describe_frame(recorded, began=began)), hold=HOLD)

    def keep(self, recorded: Recorded) -> None:
        """Print the frame if it is on the VLAN."""
        if recorded.vlan == self._vlan:
            self._order.keep(recorded)

    def finish(self) -> None:
        """Print all held frames."""
        self._order.finish()


def describe_frame(recorded: Recorded, *, began: datetime) -> str:
    """Return a frame's time, direction and contents on one line."""
    seconds = (recorded.at - began).total_seconds()
    head = f"{seconds:+.6f} s  {'sent' if recorded.outbound else 'recv'}  "
    try:
        return head + " ".join(summarize(recorded.frame).split("\n"))
    except ModuleNotFoundError:  # scapy is optional, and in no image
        return f"{head}{recorded.frame.hex(' ')}"
    except Exception as error:  # noqa: BLE001  # scapy's dissectors may raise anything on malformed frames
        return f"{head}not dissected ({type(error).__name__}): {recorded.frame.hex(' ')}"
