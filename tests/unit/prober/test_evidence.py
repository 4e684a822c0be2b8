"""Frames kept for people: what a recording link tells, and what a capture file and a narrator make of it."""

import io
import struct
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
from services.prober.scan.evidence import Evidence, Narrator, Recorded, RecordingLink, narrate
from services.prober.sockets.link import LinkError, Received
from tests.support.manual_clock import ManualClock

BEGAN = datetime(2030, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
OURS, THEIRS = bytes.fromhex("621f00ab0007"), bytes.fromhex("02fe00000001")
STATION = Station(vlan=7, mac=OURS, client_id=bytes(17))
TIMEOUT_S = 60.0


class ScriptedLink:
    """Takes `room` frames, then none, or fails; has `waiting` to be received."""

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
    """A recorder that keeps all in a list."""

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


def test_what_is_sent_is_told_with_the_time_before_it_went() -> None:
    """An answer must not seem older than its question, however many frames are sent at once."""
    link, inner, listing = recording()
    frames = [tagged(vlan) for vlan in (1, 2, 3)]
    assert link.send(frames) == 3
    assert [frame for _, frame in inner.taken] == frames
    assert listing.all == [(BEGAN + timedelta(milliseconds=looks), frame) for looks, frame in inner.taken]


def test_what_found_no_room_is_not_told() -> None:
    """It will be, when it has gone out."""
    link, inner, listing = recording(room=2)
    frames = [tagged(vlan) for vlan in (1, 2, 3)]
    assert link.send(frames) == 2
    assert [frame for _, frame in listing.all] == frames[:2]
    inner.room = 3
    assert link.send(frames[2:]) == 1
    assert [frame for _, frame in listing.all] == frames


def test_a_link_that_fails_has_told_what_went_before() -> None:
    """And the failure is the link's own."""
    link, _, listing = recording(room=1, fails=True)
    with pytest.raises(LinkError):
        link.send([tagged(1), tagged(2)])
    assert [frame for _, frame in listing.all] == [tagged(1)]


def test_what_is_received_is_told_and_handed_on() -> None:
    """With the time at which it came to the kernel; nothing more is taken than was asked for."""
    link, inner, listing = recording()
    inner.waiting = [Received(vlan, untagged(), True, vlan / 1000) for vlan in (1, 2, 3)]
    first = link.receive(2)
    assert first == [Received(vlan, untagged(), True, vlan / 1000) for vlan in (1, 2)]
    assert listing.all == [(BEGAN, first[0]), (BEGAN - timedelta(milliseconds=1), first[1])]


def test_all_else_is_the_links_own() -> None:
    """A recorded link is a link."""
    link, inner, _ = recording()
    assert (link.fileno(), link.dropped(), link.carrier_changes(0.0)) == (42, 3, 2)
    link.listen_for(frozenset({7}))
    assert inner.listens_for == {7}
    link.close()
    assert inner.closed


def test_frames_are_kept_in_order_with_their_tags() -> None:
    """What came without its tag, which the kernel had taken off, has it again."""
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


def test_a_keeper_that_fails_stops_no_other() -> None:
    """A full disk ends the file, and neither the scan nor what is told; the reason is there afterwards."""
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


def test_frames_that_wait_are_bounded_and_those_that_are_lost_are_counted() -> None:
    """A flood fills no memory, and nobody is told that all was kept."""
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


def test_a_capture_file_is_in_the_order_of_times() -> None:
    """We hear of an answer after it came; what is written is not kept back for longer than that."""
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
def test_a_capture_file_gives_back_what_was_kept(recorded: list[Recorded]) -> None:
    """Another reader of the format finds every byte, every microsecond and every direction."""
    found = list(RawPcapNgReader(captured(recorded)))
    recorded = sorted(recorded, key=lambda one: one.at)
    assert [frame for frame, _ in found] == [one.frame for one in recorded]
    times = [(meta.tshigh << 32) + meta.tslow for _, meta in found]
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert times == [(one.at - epoch) // timedelta(microseconds=1) for one in recorded]
    assert [meta.direction for _, meta in found] == [2 if one.outbound else 1 for one in recorded]
    assert {(meta.linktype, meta.tsresol, meta.ifname) for _, meta in found} <= {(1, 1_000_000, b"extra-bo")}


def test_a_narrator_tells_the_frames_of_its_vlan_alone() -> None:
    """With the time since the beginning, the way it went, and what is in it."""
    told: list[str] = []
    narrator = Narrator(7, say=told.append, began=BEGAN)
    for vlan in (6, 7, 8):
        narrator.keep(Recorded(BEGAN + timedelta(milliseconds=1.5), vlan == 7, tagged(vlan)))
    (text,) = told
    assert text.splitlines()[0] == "+0.001500 s  sent 27 bytes on VLAN 7"


def test_a_discover_is_told_as_people_read_it() -> None:
    """Every layer with its fields; the octets that only fill it up are not told one by one."""
    frame = templates.load().discover.render(station=STATION, xid=bytes.fromhex("cafe0001"), secs=4)
    lines = narrate(Recorded(BEGAN, True, frame), began=BEGAN).splitlines()
    fields = {line.partition("=")[0].strip(): line.partition("=")[2].strip() for line in lines}
    assert fields["vlan"] == "7"
    assert fields["xid"] == "0xcafe0001"
    assert fields["options"].startswith("[message-type=discover")
    assert fields["options"].endswith("end pad ...]")


def test_what_scapy_cannot_read_is_told_in_hexadecimal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its dissectors are many, and a frame may make one of them fail."""

    def fail(frame: bytes) -> str:
        raise struct.error("unpack requires a buffer of 4 bytes")

    monkeypatch.setattr(evidence, "dissect", fail)
    lines = narrate(Recorded(BEGAN, False, tagged(7)), began=BEGAN).splitlines()
    assert lines == [
        "+0.000000 s  received 27 bytes on VLAN 7",
        f"not dissected (error): {tagged(7).hex(' ')}",
    ]


@given(st.binary(max_size=400), st.sampled_from([b"", b"\x08\x00", b"\x08\x06", b"\x81\x00"]))
def test_any_frame_can_be_told(payload: bytes, kind: bytes) -> None:
    """A hostile frame is shown as what it is, and ends nothing."""
    assert "VLAN 7" in narrate(Recorded(BEGAN, False, tagged(7, kind + payload)), began=BEGAN)


@given(st.data())
def test_any_answer_of_a_server_can_be_told(data: st.DataObject) -> None:
    """Options of any kind and length, in a datagram that is otherwise right."""
    frame = bytearray(templates.load().discover.render(station=STATION, xid=bytes(4), secs=0))
    options = data.draw(st.binary(min_size=1, max_size=len(frame) - 286))
    frame[286 : 286 + len(options)] = options
    assert "VLAN 7" in narrate(Recorded(BEGAN, False, bytes(frame)), began=BEGAN)


def test_the_tag_of_a_kept_frame_is_read_by_others() -> None:
    """Ethernet, 802.1Q, and then the frame as it was."""
    frame = Ether(captured_frame())
    assert frame[Dot1Q].vlan == 4094
    assert frame.src == "02:fe:00:00:00:01"


def captured_frame() -> bytes:
    kept: list[Recorded] = []
    evidence = Evidence([kept.append])
    evidence.received(BEGAN, Received(4094, untagged(), True))
    evidence.close()
    return kept[0].frame
