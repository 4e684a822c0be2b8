"""The carrier of an uplink, and the netlink messages that report it."""

import errno
import os
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contract.outcomes import Fault
from services.prober.sockets import netlink as uplink
from services.prober.sockets.carrier import CarrierHistory
from services.prober.sockets.link import LinkError
from services.prober.sockets.netlink import InterfaceState, LinkMessage

UP, DOWN = True, False


def state(up: bool, changes: int, *, index: int = 7) -> InterfaceState:
    return InterfaceState(index, up, changes)


def fault_of(history: CarrierHistory, now: float) -> Fault | None:
    try:
        history.changes(now)
    except LinkError as error:
        return error.fault
    return None


def test_a_steady_uplink_has_no_changes() -> None:
    """Messages without a change of state, for example about an address, count as none."""
    history = CarrierHistory("extra-bo", state(UP, 2), 100.0)
    for now in (100.0, 101.0, 102.0):
        history.update(state(UP, 2), now)
        assert history.changes(now) == 0


def test_down_is_reported_once_it_lasts() -> None:
    """N2: within 2 s, but not before it is distinguishable from flapping."""
    history = CarrierHistory("extra-bo", state(UP, 2), 100.0)
    history.update(state(DOWN, 3), 101.0)
    assert history.changes(101.1) == 1
    assert fault_of(history, 101.6) is Fault.UPLINK_DOWN


def test_an_uplink_that_is_down_from_the_start_is_reported() -> None:
    """The kernel sends no further message about it."""
    assert fault_of(CarrierHistory("extra-bo", state(DOWN, 3), 100.0), 100.6) is Fault.UPLINK_DOWN


def test_a_short_loss_of_carrier_is_not_a_fault() -> None:
    """A moved cable: two changes, reported once."""
    history = CarrierHistory("extra-bo", state(UP, 2), 100.0)
    history.update(state(DOWN, 3), 101.0)
    history.update(state(UP, 4), 101.3)
    assert (history.changes(101.4), history.changes(105.0)) == (2, 0)


@pytest.mark.parametrize("together", [True, False], ids=["counted by the kernel", "one by one"])
def test_flapping_is_a_fault_of_its_own(together: bool) -> None:
    """N3: ten changes per second, reported within 2 s, whatever the current state."""
    for last in (UP, DOWN):
        history = CarrierHistory("extra-bo", state(UP, 2), 100.0)
        if together:
            history.update(state(last, 12), 101.0)
        else:
            for change in range(10):
                history.update(state(bool(change % 2) is not last, 3 + change), 100.0 + change / 10)
        assert fault_of(history, 101.0) is Fault.UPLINK_FLAPPING


def test_administrative_flapping_counts_without_carrier_changes() -> None:
    """`ip link set down` and `up` may leave the carrier counter unchanged."""
    history = CarrierHistory("extra-bo", state(UP, 2), 100.0)
    for step in range(4):
        history.update(state(bool(step % 2), 2), 100.0 + step / 10)
    assert fault_of(history, 100.5) is Fault.UPLINK_FLAPPING


def test_slow_changes_are_not_flapping() -> None:
    """A bond that fails over once a minute."""
    history = CarrierHistory("extra-bo", state(UP, 2), 100.0)
    for minute in range(5):
        now = 160.0 + 60 * minute
        history.update(state(DOWN, 3 + 2 * minute), now)
        history.update(state(UP, 4 + 2 * minute), now + 0.2)
        assert history.changes(now + 0.3) == 2


def test_the_carrier_counter_wraps_around() -> None:
    """The kernel's counter has 32 bits."""
    history = CarrierHistory("extra-bo", state(UP, 2**32 - 1), 100.0)
    history.update(state(UP, 1), 100.1)
    assert history.changes(100.2) == 2


@pytest.mark.parametrize("news", [None, state(UP, 2, index=8)], ids=["deleted", "re-created"])
def test_a_deleted_uplink_is_missing(news: InterfaceState | None) -> None:
    """N1: also when another interface has its name now: the socket is bound to the deleted one."""
    history = CarrierHistory("extra-bo", state(UP, 2), 100.0)
    history.update(news, 101.0)
    assert fault_of(history, 101.0) is Fault.UPLINK_MISSING


def link_message(kind: int, index: int, flags: int, changes: int) -> bytes:
    attribute = struct.pack("=HHI", 8, 35, changes)
    body = struct.pack("=BBHiII", 0, 0, 1, index, flags, 0) + attribute
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 0, 0) + body


def error_message(code: int) -> bytes:
    return struct.pack("=IHHIIi", 36, 2, 0, 1, 0, -code) + bytes(16)


def test_all_messages_of_a_datagram_are_read() -> None:
    """Up, down, deleted and "no such device" in one datagram."""
    data = link_message(16, 7, 0x10001, 5) + link_message(16, 8, 0x1, 6) + link_message(17, 9, 0, 0)
    assert list(uplink.parse_messages(data + error_message(errno.ENODEV))) == [
        LinkMessage(7, state(UP, 5)),
        LinkMessage(8, state(DOWN, 6, index=8)),
        LinkMessage(9, None),
        LinkMessage(0, None),
    ]


def test_another_netlink_error_is_raised() -> None:
    """It carries no state of the interface."""
    with pytest.raises(OSError, match=os.strerror(errno.EPERM)):
        list(uplink.parse_messages(error_message(errno.EPERM)))


@pytest.mark.parametrize("length", range(0, 41, 3))
def test_truncated_messages_raise_nothing(length: int) -> None:
    """Complete messages before the truncation are parsed."""
    list(uplink.parse_messages(link_message(16, 7, 0x10001, 5)[:length]))


def test_state_of_an_interface_is_read_from_the_kernel() -> None:
    """The loopback is there; what is not there is None and no error."""
    state = uplink.read_state("lo")
    assert state is not None
    assert state.index == 1
    assert uplink.read_state("no-such-if") is None


@given(st.binary(min_size=32, max_size=120))
def test_short_attributes_do_not_loop(tail: bytes) -> None:
    """A length of zero in an answer ends the reading."""
    header = uplink.HEADER.pack(16 + len(tail), 16, 0, 1, 0)
    state = uplink.parse_reply(header + tail)
    assert state is None or state.carrier_changes >= 0
