"""N10 to N13: malformed messages are refused whole, at a bounded cost."""

import struct
import sys
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING

import pytest

from services.contract.outcomes import DHCPOutcome, ReachOutcome
from services.prober.engine.results import SegmentResult
from services.prober.engine.settings import EngineSettings
from tests.faults.neighbours import (
    FAULTY,
    FORGED,
    TRUE,
    ask_all,
    asked,
    assert_unbelieved,
    dhcp_outcome,
    forged_options,
    gateway,
    quiet,
)
from tests.unit.prober import frames
from tests.unit.prober.frames import Sent, option, packed
from tests.unit.prober.world import Gateway, World, target

if TYPE_CHECKING:
    from _typeshed import TraceFunction

SHORT = EngineSettings(dhcp_deadline_s=1.0)
MAX_LINES = 10_000
"""Lines of Python that the engine may run for a frame; padding takes about four for an octet."""
END = b"\xff"
SERVER = option(54, packed(FORGED))
OFFER = option(53, b"\x02")


def unsummed(sent: Sent, options: bytes, **fields: bytes) -> bytes:
    """Build an OFFER without a UDP checksum, which is valid, so that only its lengths are wrong."""
    assert sent.dhcp is not None
    message = frames.bootp(xid=sent.dhcp[4:8], chaddr=sent.source, options=options, **fields)  # type: ignore[arg-type]
    return frames.ethernet(frames.udp_datagram(message, source=FORGED, checksum=0), kind=0x0800)


def heard(options: bytes, **fields: bytes) -> SegmentResult:
    """Return the result of one OFFER with these options, on a VLAN without other servers."""
    world = quiet()
    world.put(FAULTY, lambda sent: iter([(0.01, unsummed(sent, options, **fields))] if sent.dhcp else []))
    return ask_all(world)[FAULTY]


def assert_refused(options: bytes, **fields: bytes) -> None:
    """Assert that the message is not taken for an offer."""
    assert dhcp_outcome(heard(options, **fields)) is DHCPOutcome.NO_OFFER
    assert_unbelieved(lambda sent: [unsummed(sent, options, **fields)])


def test_n10_offer_cut_anywhere_on_the_wire_is_refused() -> None:
    """An OFFER cut at any octet is refused, with or without a checksum."""
    world = quiet(SHORT)
    sizes: set[int] = set()

    def cut(sent: Sent) -> list[tuple[float, bytes]]:
        if sent.dhcp is None:
            return []
        wholes = (unsummed(sent, forged_options()), frames.answer(sent, options=forged_options()))
        sizes.update(map(len, wholes))
        return [(0.01, whole[:length]) for whole in wholes for length in range(len(whole))]

    world.put(FAULTY, cut)  # type: ignore[arg-type]
    assert dhcp_outcome(ask_all(world)[FAULTY]) is DHCPOutcome.NO_OFFER
    assert min(sizes) > 300


def test_n10_datagram_that_reaches_beyond_its_packet_is_refused() -> None:
    """Octets behind the packet's end are padding, whatever the UDP header says."""

    def trailing(sent: Sent) -> list[bytes]:
        datagram = unsummed(sent, forged_options())[34:]
        packet = frames.ip_packet(17, datagram[:260], source=FORGED, destination="255.255.255.255")
        return [frames.ethernet(packet + datagram[260:], kind=0x0800)]

    assert_unbelieved(trailing)


def test_n10_message_cut_anywhere_says_less_or_nothing() -> None:
    """A message cut at any octet, with headers that agree, is refused or reports only true fields."""
    options = forged_options(more=option(121, b"\x00" + packed(FORGED)))
    for length in range(240 + len(options)):
        world = World(SHORT, routed=False)

        def cut(sent: Sent, length: int = length) -> list[tuple[float, bytes]]:
            if sent.dhcp is None:
                return []
            whole = frames.bootp(xid=sent.dhcp[4:8], chaddr=sent.source, options=options)
            datagram = frames.udp_datagram(whole[:length], source=FORGED)
            return [(0.01, frames.ethernet(datagram, kind=0x0800))]

        world.put(FAULTY, cut)  # type: ignore[arg-type]
        world.probe(FAULTY)
        found = world.only()
        if length < 243:
            assert dhcp_outcome(found) is DHCPOutcome.NO_OFFER, length
        for offer in asked(found).offers:
            truth = (frames.number(FORGED), frames.number("10.0.7.100"))
            assert (offer.server, offer.address) == truth, length
            assert offer.prefix in (None, 24)
            assert offer.gateway in (None, frames.number(FORGED))
            assert offer.lease_s in (None, 3600)


def test_n10_arp_answer_cut_anywhere_is_none() -> None:
    """An ARP reply cut at any octet is ignored."""
    world = World(routed=False)
    whole = frames.arp_reply(sender=TRUE, to=world.trunk.identity.mac(FAULTY))
    world.probe(FAULTY, target(TRUE, from_dhcp=False), ask_dhcp=False)
    for length in range(len(whole)):
        world.deliver(0.1, FAULTY, whole[:length])
    assert world.only().targets[0].vlan.outcome is ReachOutcome.SILENT


def test_n10_echo_answer_cut_anywhere_is_none() -> None:
    """An echo reply cut at any octet is ignored."""
    world = World()
    world.probe(FAULTY, target(TRUE, from_dhcp=False), ask_dhcp=False)
    echoes = world.engine.echoes
    assert echoes is not None
    message = echoes.take_packets()[0][1]
    whole = frames.echo_reply(message, source=TRUE)
    for length in range(len(whole)):
        echoes.receive(whole[:length], world.now)
    # With headers that agree with the cut, until everything that identifies the reply is present.
    for length in range(20 + 8 + 8):
        echoes.receive(frames.ip_packet(1, whole[20:length], source=TRUE), world.now)
    # Too short for an echo, with a valid checksum.
    for short in (b"\xff\xff", b"\0\0\xff\xff", b"\0\0\xff\xff" + bytes(6)):
        echoes.receive(frames.ip_packet(1, short, source=TRUE), world.now)
    assert world.only().targets[0].routed.outcome is ReachOutcome.SILENT


@pytest.mark.parametrize("code", [1, 3, 51, 54, 121])
def test_n11_option_that_reaches_beyond_the_message_refuses_it(code: int) -> None:
    """An option that extends beyond the message refuses the whole message."""
    for length in (61, 128, 255):
        assert_refused(OFFER + SERVER + bytes((code, length)) + packed(FORGED) + bytes(40))


@pytest.mark.parametrize("code", [1, 3, 51])
@pytest.mark.parametrize("length", [0, 1, 2, 3, 5, 7])
def test_n11_option_of_a_wrong_length_has_no_value(code: int, length: int) -> None:
    """An option of the wrong length has no value: no address, mask or time is made of it."""
    fields = {1: option(1, packed("255.255.255.0")), 3: option(3, packed(FORGED)), 51: option(51, packed(60))}
    fields[code] = option(code, packed(FORGED)[:length].ljust(length, b"\x07"))
    found = heard(OFFER + SERVER + b"".join(fields.values()) + END)
    (offer,) = asked(found).offers
    read = {1: offer.prefix, 3: offer.gateway, 51: offer.lease_s}
    assert read[code] is None
    assert None not in [value for key, value in read.items() if key != code]


@pytest.mark.parametrize("value", [b"", b"\x02\x05", b"\x02\x02\x03"])
def test_n11_message_type_of_a_wrong_length_refuses_it(value: bytes) -> None:
    """A message type of the wrong length refuses the message."""
    assert_refused(option(53, value) + SERVER + option(3, packed(FORGED)) + END)


def test_n11_code_without_a_length_refuses_the_message() -> None:
    """An option code in the last octet refuses the message."""
    options = OFFER + SERVER
    assert_refused(options + bytes(59 - len(options)) + b"\x03")


@pytest.mark.parametrize("overload", [b"", b"\x00", b"\x04", b"\xff", b"\x01\x02"])
def test_n12_overload_that_means_nothing_refuses_the_message(overload: bytes) -> None:
    """An unknown overload value refuses the message; RFC 2132 section 9.3 defines three."""
    assert_refused(forged_options(more=option(52, overload)))


def test_n12_overload_inside_an_overloaded_field_is_not_followed() -> None:
    """An overload inside an overloaded field is ignored: sname stays a name."""
    found = heard(
        forged_options(router=None, more=option(52, b"\x01")),
        file=option(52, b"\x03") + END,
        sname=option(3, packed("10.0.7.77")) + END,
    )
    assert asked(found).offers[0].routers == ()


def test_n12_option_that_runs_from_one_field_into_another_refuses_the_message() -> None:
    """An option must end within its field: sname, file and options are separate."""
    assert_refused(
        forged_options(router=None, more=option(52, b"\x02")),
        sname=bytes(62) + b"\x03\x04",
        file=packed("10.0.7.77") + END,
    )


def test_n12_same_option_in_all_fields_is_one_long_option() -> None:
    """Parts of an option in all fields are joined in the order of RFC 3396; a bad length gives no value."""
    found = heard(
        forged_options(more=option(52, b"\x03")),
        file=option(3, packed("10.0.7.77")) + option(1, packed("255.255.0.0")) + END,
        sname=option(3, packed("10.0.7.78")) + END,
    )
    (offer,) = asked(found).offers
    assert [frames.dotted(router) for router in offer.routers] == [FORGED, "10.0.7.77", "10.0.7.78"]
    assert offer.prefix is None
    assert gateway(found) is None


def test_n13_more_options_than_any_server_sends_refuse_the_message() -> None:
    """More options than any server sends, counted over all fields, refuse the message."""
    assert_refused(
        forged_options(more=option(52, b"\x03") + option(200, b"") * 100), file=option(201, b"") * 60
    )
    assert_refused(OFFER + SERVER + option(3, packed(FORGED)) + option(200, b"") * 400 + END)


def test_n13_options_without_an_end_are_read_to_the_end_of_the_message() -> None:
    """Without an END option, options are read to the end of the message and not beyond."""
    found = heard(
        (OFFER + SERVER + option(3, packed(FORGED)) + option(1, packed("255.255.255.0"))).ljust(1200, b"\0")
    )
    assert (dhcp_outcome(found), gateway(found)) == (DHCPOutcome.OFFERED, FORGED)


def test_n13_servers_without_end_are_capped() -> None:
    """A hundred offers from different servers are capped, and the window closes in time."""
    world = quiet()

    def many(sent: Sent) -> list[tuple[float, bytes]]:
        if sent.dhcp is None:
            return []
        return [
            (0.001 * n, frames.answer(sent, options=frames.offer_options(server=f"10.0.7.{n}")))
            for n in range(1, 200)
        ]

    world.put(FAULTY, many)  # type: ignore[arg-type]
    found = ask_all(world)[FAULTY]
    assert len(asked(found).offers) == 16
    assert world.found_at[FAULTY] - 1000.0 < 3.5


def worst_frames(sent: Sent) -> dict[str, bytes]:
    """Return the frames that take the parser longest, by name."""
    routes = option(121, (b"\x20" + bytes(8)) * 28)
    return {
        "whole": unsummed(sent, forged_options()),
        "cut": unsummed(sent, forged_options())[:200],
        "many options": unsummed(sent, OFFER + option(200, b"\x01") * 126 + END),
        "too many options": unsummed(sent, OFFER + option(200, b"") * 590),
        "padding": unsummed(sent, bytes(1231) + END),
        "one long option": unsummed(sent, OFFER + option(3, bytes(252)) * 4 + END),
        "routes": unsummed(sent, OFFER + SERVER + routes * 4 + END),
        "overloaded": unsummed(
            sent, OFFER + option(52, b"\x03") + option(3, bytes(12)) * 80, file=option(3, b"") * 64
        ),
        "giant": unsummed(sent, bytes(8000)),
        "fragment": frames.ethernet(frames.ip_packet(17, bytes(1400), fragment=0x2001), kind=0x0800),
        "zeroes": bytes(1514),
        "ones": b"\xff" * 1514,
        "ARP": frames.arp_reply(sender=TRUE, to=sent.source),
        "long header": frames.ethernet(b"\x4f" + struct.pack("!BH", 0, 1500) + bytes(1496), kind=0x0800),
    }


def lines_run(call: Callable[[], object]) -> int:
    """Count the lines of Python that the call runs; unlike time, it is the same on every machine."""
    lines = 0

    def trace(_frame: FrameType, event: str, _argument: object) -> "TraceFunction":
        nonlocal lines
        lines += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return lines


def test_n13_the_work_for_a_frame_is_bounded() -> None:
    """No frame, endless, cut, padded or giant, makes the engine loop for long."""
    world = World(SHORT, routed=False)
    world.put(FAULTY, Gateway())
    world.probe(FAULTY)
    world._exchange()
    ((_, sent),) = world.sent
    for name, frame in worst_frames(sent).items():
        receive = partial(world.trunk.receive, FAULTY, frame, verify_checksum=True, now=world.now)
        assert 0 < lines_run(receive) < MAX_LINES, name
