"""What makes the engine fast: templates, patched checksums, timers, and no reference cycles."""

import gc
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.build_templates import build
from services.contract.outcomes import Depth
from services.prober.engine.identity import Identity
from services.prober.engine.timers import Timers
from services.prober.frames import template_bytes, templates
from services.prober.frames.dhcp_client import DHCPTemplate
from tests.unit.prober import frames
from tests.unit.prober.leasing import LeasingServer, Pinged
from tests.unit.prober.world import Gateway, World

STATION = Identity(host="node1", cluster_network="extra").station(7)


def test_templates_are_what_scapy_builds() -> None:
    """`python -m scripts.build_templates` writes them."""
    assert build() == template_bytes.FRAMES


@given(st.binary(min_size=4, max_size=4), st.integers(0, 100_000), st.integers(1, 4094))
def test_patched_checksum_is_correct(xid: bytes, seconds: int, vlan: int) -> None:
    """It equals the sum over all octets, and secs does not overflow."""
    station = Identity(host="node1", cluster_network="extra").station(vlan)
    sent = frames.take_apart(templates.load().discover.render(station=station, xid=xid, secs=seconds))
    assert sent.dhcp is not None
    assert (sent.vlan, sent.dhcp[4:8]) == (vlan, xid)
    assert int.from_bytes(sent.dhcp[8:10], "big") == min(seconds, 0xFFFF)
    pseudo = sent.body[12:20] + b"\0\x11" + sent.body[24:26]
    assert sent.body[26:28] != b"\0\0"
    assert frames.internet_checksum(pseudo + sent.body[20:]) == 0


def test_patched_checksum_is_correct_at_an_odd_offset() -> None:
    """The client identifier may end within a 16-bit word."""
    frame = template_bytes.FRAMES["discover"]
    options = 18 + 28 + 240
    odd = frame[:options] + b"\0" + frame[options:-1]
    sent = frames.take_apart(DHCPTemplate(odd).render(station=STATION, xid=b"\1\2\3\4", secs=5))
    pseudo = sent.body[12:20] + b"\0\x11" + sent.body[24:26]
    assert frames.internet_checksum(pseudo + sent.body[20:]) == 0


def test_station_is_created_once() -> None:
    """Its share of the checksums is not computed for every probe."""
    identity = Identity(host="node1", cluster_network="extra")
    assert identity.station(7) is identity.station(7)
    assert (identity.station(7).mac, identity.station(7).client_id) == (
        identity.mac(7),
        identity.client_id(7),
    )


@given(
    st.lists(st.tuples(st.floats(0, 20), st.floats(0, 3), st.booleans()), max_size=60), st.floats(0.01, 2.5)
)
def test_timers_run_in_order_whenever_they_are_set(
    timings: list[tuple[float, float, bool]], step: float
) -> None:
    """By time, then by the order of setting; also those set by an action for now or earlier."""
    timers = Timers()
    ran: list[tuple[float, int]] = []
    expected: list[tuple[float, int]] = []
    now, count = 0.0, itertools.count()

    def put(when: float, wait_s: float | None, *, cancelled: bool) -> None:
        number = next(count)

        def action(_: float) -> None:
            ran.append((when, number))
            if wait_s is not None:
                # The time passed in may be that of an earlier frame, so a new timer may be due already.
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
def test_next_deadline_is_never_late(timings: list[tuple[float, bool]]) -> None:
    """Each timer runs at its time, with at most one additional wakeup for each slot."""
    timers = Timers()
    late: list[float] = []
    for when, cancelled in timings:
        timer = timers.at(when, lambda now, when=when: late.append(now - when))  # type: ignore[misc]
        if cancelled:
            timer.cancel()
    wakeups = 0
    while (due := timers.next_deadline()) is not None:
        timers.run_due(due)
        wakeups += 1
        assert wakeups <= 2 * len(timings)
    assert late == [0.0] * sum(not cancelled for _, cancelled in timings)


@pytest.mark.parametrize("depth", Depth)
def test_ended_probes_leave_no_reference_cycles(depth: Depth) -> None:
    """They are freed without the garbage collector, which runs seldom."""
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


ADDRESSES = st.integers(0, 2**32 - 1)


@given(ADDRESSES, ADDRESSES, st.sampled_from(["request", "decline"]), st.booleans())
def test_checksum_of_a_message_with_an_address_is_correct(
    address: int, server: int, name: str, odd: bool
) -> None:
    """Wherever the options are."""
    frame = template_bytes.FRAMES[name]
    options = 18 + 28 + 240
    template = DHCPTemplate(frame[:options] + b"\0" + frame[options:-1] if odd else frame)
    sent = frames.take_apart(
        template.render_with_address(station=STATION, xid=b"\1\2\3\4", secs=5, address=address, server=server)
    )
    assert sent.dhcp is not None
    options_sent = frames.options_of(sent.dhcp)
    assert (options_sent[50], options_sent[54]) == (frames.packed(address), frames.packed(server))
    pseudo = sent.body[12:20] + b"\0\x11" + sent.body[24:26]
    assert frames.internet_checksum(pseudo + sent.body[20:]) == 0
    assert frames.internet_checksum(sent.body[:20]) == 0


@given(ADDRESSES, ADDRESSES)
def test_checksums_of_a_release_are_correct(address: int, server: int) -> None:
    """Both of them: the addresses are in the header, the pseudo header and the message."""
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


def test_timer_that_is_cancelled_after_its_slot_began_is_no_deadline() -> None:
    """Cancelled timers are skipped."""
    timers = Timers()
    timers.at(1.0, lambda _: None)
    later = timers.at(1.01, lambda _: None)
    timers.run_due(1.0)
    assert timers.next_deadline() == 1.01
    later.cancel()
    assert timers.next_deadline() is None
