"""What makes the engine fast, and must not make it wrong: templates kept, sends together, timers in slots."""

import contextlib
import gc
import itertools
import os
import signal
import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.build_templates import build
from services.contract.outcomes import Depth
from services.prober.engine.identity import Identity
from services.prober.engine.timers import Timers
from services.prober.frames import template_bytes, templates
from services.prober.frames.dhcp_client import DHCPTemplate
from services.prober.loop.gc_tuning import gc_tuned_for_scan
from services.prober.scan.scanning import deferred_signals
from services.prober.sockets import sendmmsg as send_batch
from services.prober.sockets.sendmmsg import BATCH_FRAMES, MAX_FRAME_BYTES, SendBatch
from tests.unit.prober import frames
from tests.unit.prober.leasing import LeasingServer, Pinged
from tests.unit.prober.world import Gateway, World

STATION = Identity(host="node1", cluster_network="extra").station(7)


def test_kept_templates_are_what_scapy_builds() -> None:
    """`python -m scripts.build_templates` writes them."""
    assert build() == template_bytes.FRAMES


@given(st.binary(min_size=4, max_size=4), st.integers(0, 100_000), st.integers(1, 4094))
def test_patched_checksum_is_the_right_one(xid: bytes, seconds: int, vlan: int) -> None:
    """It is put together from shares; a receiver that sums all octets agrees, and secs does not overflow."""
    station = Identity(host="node1", cluster_network="extra").station(vlan)
    sent = frames.take_apart(templates.load().discover.render(station=station, xid=xid, secs=seconds))
    assert sent.dhcp is not None
    assert (sent.vlan, sent.dhcp[4:8]) == (vlan, xid)
    assert int.from_bytes(sent.dhcp[8:10], "big") == min(seconds, 0xFFFF)
    pseudo = sent.body[12:20] + b"\0\x11" + sent.body[24:26]
    assert sent.body[26:28] != b"\0\0"
    assert frames.internet_checksum(pseudo + sent.body[20:]) == 0


def test_patched_checksum_is_right_at_an_odd_place() -> None:
    """Where our identity ends within a 16-bit word, its share counts from the upper half."""
    frame = template_bytes.FRAMES["discover"]
    options = 18 + 28 + 240
    odd = frame[:options] + b"\0" + frame[options:-1]
    sent = frames.take_apart(DHCPTemplate(odd).render(station=STATION, xid=b"\1\2\3\4", secs=5))
    pseudo = sent.body[12:20] + b"\0\x11" + sent.body[24:26]
    assert frames.internet_checksum(pseudo + sent.body[20:]) == 0


def test_station_is_made_once() -> None:
    """Its share of every checksum is not computed at every sweep."""
    identity = Identity(host="node1", cluster_network="extra")
    assert identity.station(7) is identity.station(7)
    assert (identity.station(7).mac, identity.station(7).client_id) == (
        identity.mac(7),
        identity.client_id(7),
    )


@given(st.lists(st.binary(min_size=1, max_size=MAX_FRAME_BYTES), max_size=BATCH_FRAMES + 10))
def test_batch_sends_each_frame_whole_and_in_order(wanted: list[bytes]) -> None:
    """Also after a batch of longer ones; at most so many at once."""
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


def test_batch_says_how_many_found_room() -> None:
    """A full queue takes some; the error comes with the first that finds none."""
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


def test_batch_refuses_what_would_overrun_it() -> None:
    """The memory that the kernel reads has room for so many octets, and the next frame begins there."""
    sender, receiver = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with sender, receiver, pytest.raises(OSError, match=f"frame of {MAX_FRAME_BYTES + 1} bytes"):
        SendBatch(sender).send([bytes(MAX_FRAME_BYTES + 1)])
    assert all(len(frame) <= send_batch.MAX_FRAME_BYTES for frame in template_bytes.FRAMES.values())


@given(
    st.lists(st.tuples(st.floats(0, 20), st.floats(0, 3), st.booleans()), max_size=60), st.floats(0.01, 2.5)
)
def test_timers_set_at_any_time_make_one_order(timings: list[tuple[float, float, bool]], step: float) -> None:
    """By time, then as they were set: also those that are set while others run, for now or for earlier."""
    timers = Timers()
    ran: list[tuple[float, int]] = []
    expected: list[tuple[float, int]] = []
    now, count = 0.0, itertools.count()

    def put(when: float, wait_s: float | None, *, cancelled: bool) -> None:
        number = next(count)

        def action(_: float) -> None:
            ran.append((when, number))
            if wait_s is not None:
                # "now" may be the time that a frame came at: what is set then may be due already.
                put(when + wait_s, None, cancelled=cancelled)

        timer = timers.at(when, action)
        if cancelled and wait_s is None:
            timer.cancel()
        else:
            expected.append((when, number))

    for when, wait_s, cancelled in timings:
        put(when, wait_s, cancelled=cancelled)
    while now < 25:
        now += step
        timers.run_due(now)
        assert ran == sorted(ran)
        assert ran == sorted(entry for entry in expected if entry[0] <= now)
    assert timers.next_deadline() is None


@given(st.lists(st.tuples(st.floats(0, 20), st.booleans()), min_size=1, max_size=60))
def test_coming_back_at_the_next_deadline_runs_each_timer_in_time(timings: list[tuple[float, bool]]) -> None:
    """Never after its time, never before it, and with at most one turn more for each slot of time."""
    timers = Timers()
    late: list[float] = []
    for when, cancelled in timings:
        timer = timers.at(when, lambda now, when=when: late.append(now - when))  # type: ignore[misc]
        if cancelled:
            timer.cancel()
    turns = 0
    while (due := timers.next_deadline()) is not None:
        timers.run_due(due)
        turns += 1
        assert turns <= 2 * len(timings)
    assert late == [0.0] * sum(not cancelled for _, cancelled in timings)


def test_garbage_is_looked_for_as_before_afterwards() -> None:
    """A scan changes it for its own time alone, also when it fails."""
    before = gc.get_threshold()
    meanwhile: list[tuple[int, int, int]] = []
    with contextlib.suppress(KeyError), gc_tuned_for_scan():
        meanwhile.append(gc.get_threshold())
        raise KeyError
    assert meanwhile[0] > before
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0


def test_what_a_scan_leaves_is_old_at_once() -> None:
    """Its results live on, tens of thousands of objects: no look at the youngest goes through them."""
    with gc_tuned_for_scan():
        made: list[object] = []
    assert any(old is made for old in gc.get_objects(generation=2))


@pytest.mark.parametrize("depth", Depth)
def test_probes_that_have_ended_leave_no_garbage(depth: Depth) -> None:
    """Nothing of theirs refers to itself: it is gone without being looked for, as seldom as that happens."""
    world = World(depth=depth)
    for vlan in range(1, 31):
        world.put(vlan, LeasingServer(), Gateway(), Pinged())
        world.probe(vlan, source="10.0.7.77" if vlan % 2 else None)
    gc.collect()
    gc.disable()
    try:
        world.run()
        assert gc.collect() < len(world.found)
    finally:
        gc.enable()
    assert len(world.found) == 30


@pytest.mark.parametrize(
    ("number", "raised"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]
)
def test_signal_waits_until_addresses_can_be_given_back(
    number: signal.Signals, raised: type[BaseException]
) -> None:
    """It raises where it is looked for, and not in the middle of a frame; afterwards all is as it was."""
    # Whoever starts this may have them ignored, as a shell does in the background, and ignored they stay.
    ours = {
        signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler),
        signal.SIGTERM: signal.signal(signal.SIGTERM, signal.SIG_DFL),
    }
    try:
        before = {which: signal.getsignal(which) for which in ours}
        with deferred_signals() as deferred:
            deferred.check()
            os.kill(os.getpid(), number)
            with pytest.raises(raised):
                deferred.check()
        assert {which: signal.getsignal(which) for which in ours} == before
    finally:
        for which, handler in ours.items():
            signal.signal(which, handler)


def test_signals_that_somebody_handles_are_left_alone() -> None:
    """And in another thread than the main one none can be handled."""
    ours = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        handler = signal.getsignal(signal.SIGTERM)
        with deferred_signals():
            assert signal.getsignal(signal.SIGTERM) is handler
    finally:
        signal.signal(signal.SIGTERM, ours)
    ran: list[bool] = []

    def elsewhere() -> None:
        with deferred_signals() as deferred:
            deferred.check()
            ran.append(True)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join(60)
    assert ran == [True]


ADDRESSES = st.integers(0, 2**32 - 1)


@given(ADDRESSES, ADDRESSES, st.sampled_from(["request", "decline"]), st.booleans())
def test_checksum_of_a_message_about_an_address_is_right(
    address: int, server: int, name: str, odd: bool
) -> None:
    """Their shares are added to what was there, wherever the options stand."""
    frame = template_bytes.FRAMES[name]
    options = 18 + 28 + 240
    template = DHCPTemplate(frame[:options] + b"\0" + frame[options:-1] if odd else frame)
    sent = frames.take_apart(
        template.render_with_address(station=STATION, xid=b"\1\2\3\4", secs=5, address=address, server=server)
    )
    assert sent.dhcp is not None
    told = frames.options_of(sent.dhcp)
    assert (told[50], told[54]) == (frames.packed(address), frames.packed(server))
    pseudo = sent.body[12:20] + b"\0\x11" + sent.body[24:26]
    assert frames.internet_checksum(pseudo + sent.body[20:]) == 0
    assert frames.internet_checksum(sent.body[:20]) == 0


@given(ADDRESSES, ADDRESSES)
def test_checksums_of_a_release_are_right(address: int, server: int) -> None:
    """Both of them: the addresses stand in the header, in the pseudo header and in the message."""
    sent = frames.take_apart(
        templates.load().release.render_release(
            station=STATION, xid=b"\1\2\3\4", address=address, server=server, server_mac=frames.SERVER_MAC
        )
    )
    assert sent.dhcp is not None
    assert sent.body[12:20] == sent.dhcp[12:16] + frames.options_of(sent.dhcp)[54]
    pseudo = sent.body[12:20] + b"\0\x11" + sent.body[24:26]
    assert frames.internet_checksum(pseudo + sent.body[20:]) == 0
    assert frames.internet_checksum(sent.body[:20]) == 0


def test_timer_that_is_cancelled_after_its_slot_began_wakes_nobody() -> None:
    """What is near is looked through for those that are left."""
    timers = Timers()
    timers.at(1.0, lambda _: None)
    later = timers.at(1.01, lambda _: None)
    timers.run_due(1.0)
    assert timers.next_deadline() == 1.01
    later.cancel()
    assert timers.next_deadline() is None


def test_batch_takes_no_more_frames_than_it_has_room_for() -> None:
    """The kernel is told of so many headers, and behind the last one is other memory."""
    sender, receiver = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with sender, receiver:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        sender.setblocking(False)
        assert SendBatch(sender).send([bytes(MAX_FRAME_BYTES)] * (BATCH_FRAMES + 1)) == BATCH_FRAMES
