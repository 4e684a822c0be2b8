"""Recorded frames: the recording link, the capture file and the narrator."""

import io
import struct
import sys
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.l2 import Dot1Q, Ether
from scapy.utils import RawPcapNgReader

from services.contract.outcomes import Fault
from services.prober.frames import templates
from services.prober.frames.ethernet import Station
from services.prober.scan import evidence
from services.prober.scan.capture_file import CaptureFile
from services.prober.scan.evidence import Evidence, FramePrinter, Recorded, RecordingLink, describe_frame
from services.prober.sockets.link import LinkError, Received
from tests.support.manual_clock import ManualClock

BEGAN = datetime(2030, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
OURS, THEIRS = bytes.fromhex("621f00ab0007"), bytes.fromhex("02fe00000001")
STATION = Station(vlan=7, mac=OURS, client_id=bytes(17))
TIMEOUT_S = 60.0


class ScriptedLink:
    """Accepts `room` frames, then none, or fails; receives those in `waiting`."""

    def __init__(self, clock: ManualClock, *, room: int = 100, fails: bool = False) -> None:
        self.clock = clock
        self.room = room
        self.fails = fails
        self.taken: list[tuple[int, bytes]] = []
        self.waiting: list[Received] = []
        self.closed = False

    def fileno(self) -> int:
        return 42

    def send(self, frames: Sequence[bytes]) -> int:
        for sent, frame in enumerate(frames):
            if len(self.taken) == self.room:
                if self.fails:
                    raise LinkError(Fault.UPLINK_DOWN, "down")
                return sent
            self.taken.append((round(self.clock.seconds * 1000), frame))
        return len(frames)

    def receive(self, limit: int) -> list[Received]:
        taken, self.waiting = self.waiting[:limit], self.waiting[limit:]
        return taken

    def dropped(self) -> int:
        return 3

    def carrier_changes(self, now: float) -> int:
        return 2

    def listen_for(self, addresses: frozenset[int]) -> None:
        self.listens_for = addresses

    def close(self) -> None:
        self.closed = True


class Listing:
    """A recorder that appends to a list."""

    def __init__(self) -> None:
        self.all: list[tuple[datetime, bytes | Received]] = []

    def sent(self, at: datetime, frame: bytes) -> None:
        self.all.append((at, frame))

    def received(self, at: datetime, received: Received) -> None:
        self.all.append((at, received))


def recording(*, room: int = 100, fails: bool = False) -> tuple[RecordingLink, ScriptedLink, Listing]:
    clock, listing = ManualClock(0.0, on_wait="fail", wall=BEGAN, now_step_s=0.001), Listing()
    inner = ScriptedLink(clock, room=room, fails=fails)
    return RecordingLink(inner, recorder=listing, clock=clock), inner, listing


def tagged(vlan: int, payload: bytes = b"\x08\x06 question") -> bytes:
    return b"\xff" * 6 + OURS + b"\x81\x00" + vlan.to_bytes(2, "big") + payload


def untagged(payload: bytes = b"\x08\x06 answer") -> bytes:
    return OURS + THEIRS + payload


def captured(recorded: Sequence[Recorded]) -> io.BytesIO:
    file = io.BytesIO()
    capture = CaptureFile(file, interface="extra-bo", hold=timedelta(days=100_000))
    for one in recorded:
        capture.keep(one)
    capture.finish()
    file.seek(0)
    return file


def test_a_sent_frame_is_recorded_with_the_time_before_sending() -> None:
    """A reply must not seem older than its request, however many frames are sent at once."""
    link, inner, listing = recording()
    frames = [tagged(vlan) for vlan in (1, 2, 3)]
    assert link.send(frames) == 3
    assert [frame for _, frame in inner.taken] == frames
    assert listing.all == [
        (BEGAN + timedelta(milliseconds=milliseconds), frame) for milliseconds, frame in inner.taken
    ]


def test_a_frame_that_was_not_accepted_is_not_recorded() -> None:
    """It is recorded once it is sent."""
    link, inner, listing = recording(room=2)
    frames = [tagged(vlan) for vlan in (1, 2, 3)]
    assert link.send(frames) == 2
    assert [frame for _, frame in listing.all] == frames[:2]
    inner.room = 3
    assert link.send(frames[2:]) == 1
    assert [frame for _, frame in listing.all] == frames


def test_frames_sent_before_a_failure_are_recorded() -> None:
    """The link's exception propagates."""
    link, _, listing = recording(room=1, fails=True)
    with pytest.raises(LinkError):
        link.send([tagged(1), tagged(2)])
    assert [frame for _, frame in listing.all] == [tagged(1)]


def test_received_frames_are_recorded_and_returned() -> None:
    """With the time at which the kernel received them; the limit is passed on."""
    link, inner, listing = recording()
    inner.waiting = [Received(vlan, untagged(), True, vlan / 1000) for vlan in (1, 2, 3)]
    first = link.receive(2)
    assert first == [Received(vlan, untagged(), True, vlan / 1000) for vlan in (1, 2)]
    assert listing.all == [(BEGAN, first[0]), (BEGAN - timedelta(milliseconds=1), first[1])]


def test_all_other_calls_are_passed_to_the_link() -> None:
    """A RecordingLink behaves like the link."""
    link, inner, _ = recording()
    assert (link.fileno(), link.dropped(), link.carrier_changes(0.0)) == (42, 3, 2)
    link.listen_for(frozenset({7}))
    assert inner.listens_for == {7}
    link.close()
    assert inner.closed


def test_keepers_get_frames_in_order_with_their_tags() -> None:
    """The tag that the kernel stripped from a received frame is restored."""
    kept: list[Recorded] = []
    evidence = Evidence([kept.append])
    evidence.sent(BEGAN, tagged(7))
    evidence.received(BEGAN + timedelta(seconds=1), Received(4094, untagged(), True))
    evidence.close()
    assert [(one.at, one.outbound, one.vlan) for one in kept] == [
        (BEGAN, True, 7),
        (BEGAN + timedelta(seconds=1), False, 4094),
    ]
    assert kept[1].frame == OURS + THEIRS + b"\x81\x00\x0f\xfe\x08\x06 answer"


def test_a_failing_keeper_does_not_stop_the_others() -> None:
    """A full disk ends only the capture file; the error is available afterwards."""
    kept: list[Recorded] = []
    attempts: list[Recorded] = []

    def full(recorded: Recorded) -> None:
        attempts.append(recorded)
        raise OSError(28, "No space left on device")

    evidence = Evidence([full, kept.append])
    for vlan in (1, 2, 3):
        evidence.sent(BEGAN, tagged(vlan))
    evidence.close()
    assert [one.vlan for one in kept] == [1, 2, 3]
    assert len(attempts) == 1
    assert evidence.failure is not None
    assert evidence.failure.errno == 28


def test_queued_frames_are_bounded_and_discarded_ones_counted() -> None:
    """A flood does not exhaust memory."""
    busy, go_on = threading.Event(), threading.Event()
    kept: list[Recorded] = []

    def slow(recorded: Recorded) -> None:
        kept.append(recorded)
        busy.set()
        assert go_on.wait(TIMEOUT_S)

    evidence = Evidence([slow], limit=3)
    evidence.sent(BEGAN, tagged(1))
    assert busy.wait(TIMEOUT_S)
    for vlan in range(2, 12):
        evidence.sent(BEGAN, tagged(vlan))
    go_on.set()
    evidence.close()
    assert [one.vlan for one in kept] == [1, 2, 3, 4]
    assert evidence.lost == 7


RECORDED = st.builds(
    Recorded,
    at=st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC)),
    outbound=st.booleans(),
    frame=st.binary(min_size=18, max_size=1600),
)


def test_a_capture_file_is_sorted_by_time() -> None:
    """Frames are held back for `hold` and no longer, since replies are recorded late."""
    file = io.BytesIO()
    capture = CaptureFile(file, interface="extra-bo", hold=timedelta(milliseconds=10))
    sizes = []
    for milliseconds in (0, 8, 5, 20, 19, 40):
        capture.keep(Recorded(BEGAN + timedelta(milliseconds=milliseconds), True, tagged(milliseconds)))
        file.seek(0)
        sizes.append(len(list(RawPcapNgReader(file))))
        file.seek(0, io.SEEK_END)
    assert sizes == [0, 0, 0, 3, 3, 5]
    capture.finish()
    file.seek(0)
    vlans = [int.from_bytes(frame[14:16], "big") for frame, _ in RawPcapNgReader(file)]
    assert vlans == [0, 5, 8, 19, 20, 40]


@given(st.lists(RECORDED, max_size=5))
def test_a_capture_file_is_read_by_scapy(recorded: list[Recorded]) -> None:
    """Every byte, microsecond and direction."""
    found = list(RawPcapNgReader(captured(recorded)))
    recorded = sorted(recorded, key=lambda one: one.at)
    assert [frame for frame, _ in found] == [one.frame for one in recorded]
    times = [(meta.tshigh << 32) + meta.tslow for _, meta in found]
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert times == [(one.at - epoch) // timedelta(microseconds=1) for one in recorded]
    assert [meta.direction for _, meta in found] == [2 if one.outbound else 1 for one in recorded]
    assert {(meta.linktype, meta.tsresol, meta.ifname) for _, meta in found} <= {(1, 1_000_000, b"extra-bo")}


def test_frames_of_one_vlan_are_printed_in_order_of_time() -> None:
    """One a line, with the time since the start and the direction."""
    printed: list[str] = []
    printer = FramePrinter(7, write=printed.append, began=BEGAN)
    for vlan, milliseconds in ((6, 0), (7, 2.5), (7, 1.5), (8, 3)):
        at = BEGAN + timedelta(milliseconds=milliseconds)
        printer.keep(Recorded(at, milliseconds == 2.5, tagged(vlan)))
    printer.finish()
    assert [line.split("  ")[:2] for line in printed] == [["+0.001500 s", "recv"], ["+0.002500 s", "sent"]]


def test_a_discover_is_printed_on_one_line() -> None:
    """Addresses, message and transaction; neither padding nor what every message of ours has."""
    frame = templates.load().discover.render(station=STATION, xid=bytes.fromhex("cafe0001"), secs=4)
    source = ":".join(f"{byte:02x}" for byte in frame[6:12])
    assert describe_frame(Recorded(BEGAN, True, frame), began=BEGAN) == (
        f"+0.000000 s  sent  {source} > ff:ff:ff:ff:ff:ff  DHCP Discover  xid=0xcafe0001"
    )


def test_a_frame_that_scapy_cannot_dissect_is_printed_in_hexadecimal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dissector may raise on a malformed frame."""

    def fail(frame: bytes) -> str:
        raise struct.error("unpack requires a buffer of 4 bytes")

    monkeypatch.setattr(evidence, "summarize", fail)
    line = describe_frame(Recorded(BEGAN, False, tagged(7)), began=BEGAN)
    assert line == f"+0.000000 s  recv  not dissected (error): {tagged(7).hex(' ')}"


def test_frames_are_printed_in_hexadecimal_where_scapy_is_not_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No image has scapy: a frame is then printed as bytes, and without a word of an error."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "scapy"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "scapy", None)
    line = describe_frame(Recorded(BEGAN, False, tagged(7)), began=BEGAN)
    assert line == f"+0.000000 s  recv  {tagged(7).hex(' ')}"


@given(st.binary(max_size=400), st.sampled_from([b"", b"\x08\x00", b"\x08\x06", b"\x81\x00"]))
def test_any_frame_can_be_printed(payload: bytes, kind: bytes) -> None:
    """A hostile frame raises nothing."""
    line = describe_frame(Recorded(BEGAN, False, tagged(7, kind + payload)), began=BEGAN)
    assert line.startswith("+0.000000 s  recv  ")
    assert "\n" not in line


@given(st.data())
def test_any_dhcp_reply_can_be_printed(data: st.DataObject) -> None:
    """With options of any kind and length in an otherwise valid datagram."""
    frame = bytearray(templates.load().discover.render(station=STATION, xid=bytes(4), secs=0))
    options = data.draw(st.binary(min_size=1, max_size=len(frame) - 286))
    frame[286 : 286 + len(options)] = options
    line = describe_frame(Recorded(BEGAN, False, bytes(frame)), began=BEGAN)
    assert line.startswith("+0.000000 s  recv  ")
    assert "\n" not in line


def test_the_restored_tag_is_parsed_by_scapy() -> None:
    """Ethernet, 802.1Q, then the rest of the frame."""
    frame = Ether(captured_frame())
    assert frame[Dot1Q].vlan == 4094
    assert frame.src == "02:fe:00:00:00:01"


def captured_frame() -> bytes:
    kept: list[Recorded] = []
    evidence = Evidence([kept.append])
    evidence.received(BEGAN, Received(4094, untagged(), True))
    evidence.close()
    return kept[0].frame
