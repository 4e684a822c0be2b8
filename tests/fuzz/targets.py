"""Fuzz targets: functions of bytes that return for any input, or raise for a defect.

A target checks more than the absence of exceptions: what was parsed must occur in the input.
"""

import base64
import contextlib
import json
import random
import struct
from collections.abc import Callable, Container

from services.contract.conclusions import ConclusionRecord
from services.contract.doubts import Doubt
from services.contract.envelopes import (
    ANSWERED_COMMANDS,
    EnvelopeRefused,
    check_broadcast,
    check_stored_envelope,
    read_envelope,
)
from services.contract.errors import MessageRefused
from services.contract.host_claims import HostClaim
from services.contract.messages import HostAnnouncement, ProbeRequest, SegmentProbe, Target
from services.contract.names import REPORT_QUEUE, REPORT_TASK
from services.contract.outcomes import Depth, DHCPOutcome, ReachOutcome
from services.contract.reports import FullRequest, Report
from services.contract.sending import SendingMark
from services.contract.wire import Message
from services.prober.engine.engine import Engine
from services.prober.engine.results import SegmentResult
from services.prober.engine.settings import EngineSettings
from services.prober.frames import arp, dhcp, dhcp_options, icmp, ipv4, templates
from services.prober.frames.dhcp_frames import DHCPFrameReader
from services.prober.frames.ignore_reasons import IgnoreReason
from services.prober.verdicts import verdict
from services.runtime.stored.dead_letters import DeadLetter
from tests.fuzz.lldp_target import read_lldp

XID, MAC = b"<xid", b"<mac->"
"""Placeholders in an input for the request's transaction ID and address, which differ from run to run."""
BETWEEN = b"<next>"
"""Separates the frames of an exchange."""
VLAN, OTHER_VLAN = 7, 8
FROM_OTHER_VLAN, LATER = 1, 2
"""Bits of the octet before each frame: how the frame arrives."""
_MAX_FRAMES = 64
_MAX_TURNS = 200
_OWN_FRAMES = 40
"""The maximum that a probe sends by itself: retransmissions of all messages, ARP probes, echoes."""
_UDP, _ICMP = 17, 1
_ECHO = struct.Struct("!BBHHH8s")


class _Everything(Container[bytes]):
    """Contains every transaction ID; a truncated message may have none."""

    def __contains__(self, _: object) -> bool:
        return True


_EVERYTHING = _Everything()
_READER = DHCPFrameReader()
"""Shared by all inputs: what it learned from one must not affect another."""
_MESSAGES: tuple[type[Message], ...] = (
    ProbeRequest,
    Report,
    FullRequest,
    HostAnnouncement,
    HostClaim,
    Doubt,
    ConclusionRecord,
    SendingMark,
    DeadLetter,
)
_POLICY = EngineSettings(dhcp_deadline_s=3.0, start_rate=None)


def read_dhcp(data: bytes) -> None:
    """Parse a UDP payload as a server's message."""
    reply = dhcp.parse_reply(data)
    if isinstance(reply, IgnoreReason):
        return
    assert reply.xid == data[4:8]
    assert reply.chaddr == data[28:34]
    assert reply.address == int.from_bytes(data[16:20], "big")
    assert len(reply.routers) * 4 <= len(data)
    for address in (reply.server, reply.gateway, reply.mask, *reply.routers):
        assert not address or address.to_bytes(4, "big") in _without_option_heads(data)
    if reply.mask is not None:
        length = dhcp.prefix_length(reply.mask)
        assert length is None or reply.mask == (0xFFFFFFFF << (32 - length)) & 0xFFFFFFFF


def _without_option_heads(data: bytes) -> bytes:
    """Return all octets, and again without those between the parts of a split option (RFC 3396).

    An address may be joined from parts, so it need not occur in the message as it is.
    """
    options = dhcp_options.collect(options=data[240:], file=data[108:236], sname=data[44:108])
    return data if isinstance(options, IgnoreReason) else data + b"".join(options.values())


def read_options(data: bytes) -> None:
    """Parse the options of a message in their three places; the first two octets give the division."""
    if len(data) < 2:
        return
    first, second, rest = data[0], data[1], data[2:]
    fields = (rest[:first], rest[first : first + second], rest[first + second :])
    options = dhcp_options.collect(options=fields[0], file=fields[1], sname=fields[2])
    if isinstance(options, IgnoreReason):
        return
    assert sum(map(len, options.values())) <= len(rest)
    assert len(options) <= dhcp_options.MAX_OPTIONS
    for code, value in options.items():
        dhcp_options.octet(options, code)
        dhcp_options.integer(options, code)
        assert len(dhcp_options.addresses(options, code)) * 4 in (0, len(value))
        dhcp_options.classless_default(value)


def read_frame(data: bytes) -> None:
    """Parse an Ethernet frame as ARP and as a UDP datagram."""
    reply = arp.parse(data)
    if reply is not None:
        assert (reply.sender_mac, reply.target_mac) == (data[22:28], data[32:38])
    for verify in (True, False):
        datagram = ipv4.parse_udp(data, start=14, verify_checksum=verify)
        assert datagram == _plain_udp(data, verify_checksum=verify)
        if datagram is not None:
            first, again = (_READER.read(data, verify_checksum=verify, xids=_EVERYTHING) for _ in range(2))
            read = dhcp.parse_reply(datagram.payload, source=datagram.source)
            assert (
                first
                == again
                == (IgnoreReason.DHCP_DATAGRAM if datagram.destination_port != dhcp.CLIENT_PORT else read)
            )


def _plain_udp(data: bytes, *, verify_checksum: bool) -> ipv4.Datagram | None:
    """Parse the same step by step, without any fast path."""
    packet = ipv4.parse(data, start=14)
    if packet is None or packet.protocol != _UDP or len(packet.payload) < 8:
        return None
    source, destination, length, checksum = struct.unpack_from("!HHHH", packet.payload)
    if not 8 <= length <= len(packet.payload):
        return None
    segment = packet.payload[:length]
    pseudo = struct.pack("!IIHH", packet.source, packet.destination, _UDP, length)
    if verify_checksum and checksum and not ipv4.checksum_holds(pseudo + segment):
        return None
    return ipv4.Datagram(packet.source, packet.destination, source, destination, segment[8:])


def _plain_echo(data: bytes) -> icmp.EchoReply | None:
    """Parse the same step by step, without any fast path."""
    packet = ipv4.parse(data, verify_header=False)
    if packet is None or packet.protocol != _ICMP or len(packet.payload) < _ECHO.size:
        return None
    kind, code, _, identifier, sequence, nonce = _ECHO.unpack_from(packet.payload)
    if kind != icmp.ECHO_REPLY or code or not ipv4.checksum_holds(packet.payload):
        return None
    return icmp.EchoReply(packet.source, packet.destination, identifier, sequence, nonce)


def read_echo(data: bytes) -> None:
    """Parse a packet of a raw ICMP socket."""
    reply = icmp.parse_reply(data)
    assert reply == _plain_echo(data)
    if reply is not None:
        assert reply.source == int.from_bytes(data[12:16], "big")
        assert reply.nonce in data


def read_message(data: bytes) -> None:
    """Parse the body of a queue's message, or what stands under a key or in a stream."""
    for kind in _MESSAGES:
        with contextlib.suppress(MessageRefused):
            message = kind.from_wire(data)
            assert kind.from_wire(message.to_wire()) == message


def read_queued(data: bytes) -> None:
    """Read a message of a queue, and one that is stored as unacknowledged."""
    tasks = frozenset({REPORT_TASK})
    with contextlib.suppress(EnvelopeRefused):
        envelope = read_envelope(data, queue=REPORT_QUEUE, tasks=tasks)
        assert envelope["headers"]["task"] == REPORT_TASK
        assert envelope["headers"]["eta"] is None
        again = json.dumps(envelope).encode()
        read = read_envelope(again, queue=REPORT_QUEUE, tasks=tasks)
        assert json.dumps(read.arguments) == json.dumps(envelope.arguments)
        check_stored_envelope(
            b'[%b, "", "%b"]' % (again, REPORT_QUEUE.encode()), queue=REPORT_QUEUE, tasks=tasks
        )
    with contextlib.suppress(EnvelopeRefused):
        check_stored_envelope(data, queue=REPORT_QUEUE, tasks=tasks)


def read_broadcast(data: bytes) -> None:
    """Read a command to all workers."""
    with contextlib.suppress(EnvelopeRefused):
        check_broadcast(data)
        command = json.loads(base64.b64decode(json.loads(data)["body"]))
        assert command["method"] in ANSWERED_COMMANDS


def exchange(data: bytes) -> None:
    """Probe a segment at depth offer while frames of strangers arrive."""
    _probe(data, Depth.OFFER)


def lease(data: bytes) -> None:
    """Probe a segment at depth lease while frames of strangers arrive."""
    _probe(data, Depth.LEASE)


def _probe(data: bytes, depth: Depth) -> None:
    """Probe one VLAN while frames of strangers arrive on it and on another.

    The probe ends in time with a valid verdict. What it reports was in a frame of its own VLAN with the
    request's xid and address. The number of frames that it sends is bounded, and all are on that VLAN.
    """
    engine = Engine(
        host="node1",
        settings=_POLICY,
        templates=templates.load(),
        randomness=random.Random(1),
        routed=False,
        depth=depth,
    )
    found: list[SegmentResult] = []
    sent: list[bytes] = []
    xids: list[bytes] = []
    now, meant, strangers = 0.0, False, 0
    trunk = engine.trunk("extra")

    def take() -> None:
        for frame, stamped in trunk.take_frames():
            sent.append(frame)
            if stamped is not None:
                stamped.sent_at = now
            if frame[16:18] == b"\x08\x00" and frame[27] == _UDP:
                xids.append(frame[50:54])

    probe = SegmentProbe(vlan=VLAN, ask_dhcp=True, targets=(Target(digest="0" * 16),))
    engine.start("extra", probe, done=found.append, now=now)
    take()
    mac = sent[0][6:12]
    for part in data.split(BETWEEN, _MAX_FRAMES)[:_MAX_FRAMES]:
        how, frame = part[:1], part[1:].replace(XID, xids[-1]).replace(MAC, mac)
        bits = how[0] if how else 0
        vlan = OTHER_VLAN if bits & FROM_OTHER_VLAN else VLAN
        now += 1.0 if bits & LATER else 0.001
        engine.advance(now)
        take()
        meant |= vlan == VLAN and mac in frame and any(xid in frame for xid in xids) and not found
        trunk.receive(vlan, frame, verify_checksum=False, now=now)
        strangers += 1
        take()
    for _ in range(_MAX_TURNS):
        if (due := engine.next_deadline()) is None:
            break
        now = max(now, due)
        engine.advance(now)
        take()
    (finding,) = found
    made = verdict(finding, host="node1", request_id="fuzz", incarnation=0, counter=0)
    assert made.dhcp is not None
    assert made.dhcp.outcome in (DHCPOutcome.OFFERED, DHCPOutcome.NO_OFFER)
    assert meant or made.dhcp.outcome is DHCPOutcome.NO_OFFER, "an offer that nobody made to us"
    assert depth is Depth.LEASE or made.dhcp.lease is None
    if made.targets[0].vlan.outcome is ReachOutcome.REACHABLE:
        assert made.targets[0].gateway is not None
    assert {(frame[6:12], frame[14:16]) for frame in sent} == {(mac, VLAN.to_bytes(2, "big"))}
    assert len(sent) <= _OWN_FRAMES + strangers, "who sends us a frame gets no more than one for it"


TARGETS: dict[str, Callable[[bytes], None]] = {
    "dhcp": read_dhcp,
    "options": read_options,
    "frame": read_frame,
    "echo": read_echo,
    "lldp": read_lldp,
    "message": read_message,
    "queued": read_queued,
    "broadcast": read_broadcast,
    "exchange": exchange,
    "lease": lease,
}
