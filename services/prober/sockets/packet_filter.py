"""Classic BPF programs, by which the kernel drops frames that are not for us.

The kernel strips the VLAN tag before the filter runs, so a program has to test for it by an extension
(linux/filter.h, SKF_AD_VLAN_TAG_PRESENT).
"""

import ctypes
import socket
import struct
from collections.abc import Collection
from dataclasses import dataclass

from services.prober.frames import dhcp, ethernet, icmp, ipv4, lldp

SO_ATTACH_FILTER = 26
_TAG_PRESENT = 0xFFFFF000 + 48
_PACKET_TYPE, _INTERFACE = 0xFFFFF000 + 4, 0xFFFFF000 + 8
_OTHER_HOST = 3
_LD_WORD, _LD_HALF, _LD_BYTE, _LDX_HEADER_LENGTH = 0x20, 0x28, 0x30, 0xB1
_LD_WORD_X, _LD_HALF_X, _LD_BYTE_X = 0x40, 0x48, 0x50
_JUMP_EQUAL, _JUMP_BITS, _RETURN = 0x15, 0x45, 0x06
MAX_ADDRESSES = 64
"""Limited by BPF: a jump spans at most 255 instructions."""
_ARP_REPLY = 2
_IP = ethernet.HEADER_BYTES
_UDP_PORT = _IP + 2
_BOOTP = _IP + ipv4.UDP_HEADER_BYTES
_INSTRUCTION = struct.Struct("=HBBI")


@dataclass(frozen=True, slots=True)
class _Step:
    """One instruction. A test continues at label `holds` (default: the next step), else at `otherwise`."""

    code: int
    operand: int
    otherwise: str | None = None
    holds: str | None = None
    label: str | None = None


def _assemble(steps: list[_Step]) -> bytes:
    places = {step.label: at for at, step in enumerate(steps) if step.label is not None}

    def distance(at: int, label: str | None) -> int:
        return 0 if label is None else places[label] - at - 1

    return b"".join(
        _INSTRUCTION.pack(step.code, distance(at, step.holds), distance(at, step.otherwise), step.operand)
        for at, step in enumerate(steps)
    )


def replies_to(mac_prefix: bytes, *, addresses: Collection[int] = frozenset(), tagged: bool = True) -> bytes:
    """Return a program that accepts ARP, ICMP echo and DHCP replies to a MAC with this four-octet prefix.

    addresses: our IPv4 addresses; ARP messages about them are accepted as well. With more than MAX_ADDRESSES
    all ARP is accepted. Without a tag only replies of ARP and DHCP are, by the address inside, whatever the
    destination. tagged=False takes every frame for a tagged one, for sockets without tag metadata.
    """
    ours = int.from_bytes(mac_prefix, "big")
    return _assemble(
        [
            *(_without_tag() if tagged else ()),
            _Step(_LD_HALF, 12, label="tagged"),
            _Step(_JUMP_EQUAL, int.from_bytes(ethernet.TYPE_ARP, "big"), otherwise="ip"),
            *_arp_about(addresses),
            _Step(_LD_HALF, _IP + 6, label="arp"),
            _Step(_JUMP_EQUAL, _ARP_REPLY, otherwise="drop"),
            _Step(_LD_WORD, _IP + 18),
            _Step(_JUMP_EQUAL, ours, holds="keep", otherwise="drop"),
            _Step(_JUMP_EQUAL, int.from_bytes(ethernet.TYPE_IPV4, "big"), otherwise="drop", label="ip"),
            _Step(_LD_HALF, _IP + 6),
            _Step(_JUMP_BITS, ipv4.FRAGMENT_MASK, holds="drop"),
            _Step(_LDX_HEADER_LENGTH, _IP),
            _Step(_LD_BYTE, _IP + 9),
            _Step(_JUMP_EQUAL, ipv4.PROTOCOL_ICMP, otherwise="udp"),
            _Step(_LD_BYTE_X, _IP),
            _Step(_JUMP_EQUAL, icmp.ECHO_REPLY, otherwise="drop"),
            _Step(_LD_WORD, 0),
            _Step(_JUMP_EQUAL, ours, holds="keep", otherwise="drop"),
            _Step(_JUMP_EQUAL, ipv4.PROTOCOL_UDP, otherwise="drop", label="udp"),
            _Step(_LD_HALF_X, _UDP_PORT, label="port"),
            _Step(_JUMP_EQUAL, dhcp.CLIENT_PORT, otherwise="drop"),
            _Step(_LD_BYTE_X, _BOOTP),
            _Step(_JUMP_EQUAL, dhcp.BOOTREPLY, otherwise="drop"),
            _Step(_LD_WORD_X, _BOOTP + 28),
            _Step(_JUMP_EQUAL, ours, otherwise="drop"),
            _Step(_RETURN, 0xFFFF, label="keep"),
            _Step(_RETURN, 0, label="drop"),
        ]
    )


def _without_tag() -> list[_Step]:
    """Accept ARP and DHCP replies to us without a tag, and drop all else without one; go on with a tag."""
    return [
        _Step(_LD_WORD, _TAG_PRESENT),
        _Step(_JUMP_BITS, 0xFFFFFFFF, holds="tagged"),
        _Step(_LD_HALF, 12),
        _Step(_JUMP_EQUAL, int.from_bytes(ethernet.TYPE_ARP, "big"), holds="arp"),
        _Step(_JUMP_EQUAL, int.from_bytes(ethernet.TYPE_IPV4, "big"), otherwise="drop"),
        _Step(_LD_BYTE, _IP + 9),
        _Step(_JUMP_EQUAL, ipv4.PROTOCOL_UDP, otherwise="drop"),
        _Step(_LD_HALF, _IP + 6),
        _Step(_JUMP_BITS, ipv4.FRAGMENT_MASK, holds="drop"),
        _Step(_LDX_HEADER_LENGTH, _IP),
        # Only to skip what is for tagged frames.
        _Step(_JUMP_BITS, 0, otherwise="port"),
    ]


def _arp_about(addresses: Collection[int]) -> list[_Step]:
    """Accept ARP messages whose sender or target is one of these."""
    if len(addresses) > MAX_ADDRESSES:
        return [_Step(_RETURN, 0xFFFF)]
    steps: list[_Step] = []
    for at in (_IP + 14, _IP + 24) if addresses else ():
        steps.append(_Step(_LD_WORD, at))
        steps += [_Step(_JUMP_EQUAL, address, holds="keep") for address in sorted(addresses)]
    return steps


def echo_replies_with(mark: bytes) -> bytes:
    """Return a program that accepts ICMP echo replies whose nonce begins with this mark, on a raw socket.

    Their identifiers tell nothing: each request has one of its own.
    """
    return _assemble(
        [
            _Step(_LDX_HEADER_LENGTH, 0),
            _Step(_LD_BYTE_X, 0),
            _Step(_JUMP_EQUAL, icmp.ECHO_REPLY, otherwise="drop"),
            _Step(_LD_WORD_X, icmp.HEADER_BYTES),
            _Step(_JUMP_EQUAL, int.from_bytes(mark, "big"), otherwise="drop"),
            _Step(_RETURN, 0xFFFF),
            _Step(_RETURN, 0, label="drop"),
        ]
    )


def lldp_frames(interface: int) -> bytes:
    """Return a program that accepts untagged LLDP to group addresses: a tagged frame may be a tenant's.

    interface: the index of the NIC. A socket of one ethertype gets no tag to test: the kernel has cleared it,
    and marked the frame as another host's, or as received on the VLAN's device.
    """
    group = lldp.DESTINATIONS[0]
    return _assemble(
        [
            _Step(_LD_WORD, _PACKET_TYPE),
            _Step(_JUMP_EQUAL, _OTHER_HOST, holds="drop"),
            _Step(_LD_WORD, _INTERFACE),
            _Step(_JUMP_EQUAL, interface, otherwise="drop"),
            _Step(_LD_HALF, 12),
            _Step(_JUMP_EQUAL, int.from_bytes(lldp.TYPE, "big"), otherwise="drop"),
            _Step(_LD_WORD, 0),
            _Step(_JUMP_EQUAL, int.from_bytes(group[:4], "big"), otherwise="drop"),
            _Step(_RETURN, 0xFFFF),
            _Step(_RETURN, 0, label="drop"),
        ]
    )


def attach(sock: socket.socket, program: bytes) -> None:
    """Attach the program to the socket; raises OSError. Needs no privilege."""
    buffer = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog { unsigned short len; struct sock_filter *filter; }
    fprog = struct.pack("HP", len(program) // _INSTRUCTION.size, ctypes.addressof(buffer))
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, fprog)
