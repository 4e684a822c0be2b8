"""A trunk taken apart into one untagged port a VLAN, on a kernel that may have no VLAN devices.

Two programs do it: one on the trunk takes the tag off a frame and sends it out of its VLAN's port, one on
each port puts the tag on and sends it out of the trunk. A port's index tells its VLAN, so neither needs a
table.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Collection
from ipaddress import IPv4Interface

from lab.bigsite import bpf
from lab.namespaces import Namespace

_FIRST_INDEX = 100_000
_VLAN_MASK = 0x0FFF
_TYPE_VLAN = 0x8100

Addresses = Callable[[int], IPv4Interface]
"""A VLAN's to the address that its port has."""


def port_name(vlan: int) -> str:
    """The interface on which one finds `vlan` without its tag."""
    return f"v{vlan}"


def split_trunk(
    namespace: Namespace, trunk: str, vlans: Collection[int], *, addresses: Addresses | None = None
) -> None:
    """Make the ports of `vlans` on the interface `trunk` of `namespace`, up and with `addresses`.

    Raises:
        BPFUnavailable: the kernel cannot.
        SiteError: an interface cannot be made.
    """
    namespace.enter()
    trunk_index = socket.if_nametoindex(trunk)
    # Before thousands of interfaces are made for nothing.
    programs = [bpf.load(_untag()), bpf.load(_tag(trunk_index))]
    try:
        namespace.run_ip(line for vlan in vlans for line in _port_lines(vlan, addresses))
        bpf.attach(programs[0], interface_index=trunk_index)
        for vlan in vlans:
            bpf.attach(programs[1], interface_index=_FIRST_INDEX + vlan)
    finally:
        for program in programs:
            os.close(program)


def _port_lines(vlan: int, addresses: Addresses | None) -> list[str]:
    inner, port = f"p{vlan}", port_name(vlan)
    # With a queue for each processor a pair would take much more memory, thousands of times.
    queues = "numrxqueues 1 numtxqueues 1"
    lines = [
        f"link add {inner} index {_FIRST_INDEX + vlan} {queues} type veth peer name {port} {queues}",
        # Without arp its own kernel never speaks there.
        f"link set {inner} arp off up",
        f"link set {port} up",
    ]
    if addresses is not None:
        lines.append(f"addr add {addresses(vlan)} dev {port}")
    return lines


def _untag() -> bytes:
    """What comes tagged: send it out of the port of its VLAN; without a tag, it goes its usual way."""
    redirect = (
        bpf.mask(bpf.R7, _VLAN_MASK)
        + bpf.move(bpf.R1, bpf.R6)
        + bpf.call(bpf.SKB_VLAN_POP)
        + bpf.move(bpf.R1, bpf.R7)
        + bpf.add(bpf.R1, _FIRST_INDEX)
        + bpf.set_to(bpf.R2, 0)
        + bpf.call(bpf.REDIRECT)
        + bpf.leave()
    )
    return (
        bpf.move(bpf.R6, bpf.R1)
        + bpf.load_word(bpf.R7, bpf.R6, bpf.SKB_VLAN_TCI)
        + bpf.load_word(bpf.R0, bpf.R6, bpf.SKB_VLAN_PRESENT)
        + bpf.skip_if_zero(bpf.R0, len(redirect) // 8)
        + redirect
        + bpf.set_to(bpf.R0, 0)
        + bpf.leave()
    )


def _tag(trunk_index: int) -> bytes:
    """What comes in on a port: put its VLAN's tag on, and send it out of the trunk."""
    return (
        bpf.move(bpf.R6, bpf.R1)
        + bpf.load_word(bpf.R3, bpf.R6, bpf.SKB_IFINDEX)
        + bpf.add(bpf.R3, -_FIRST_INDEX)
        + bpf.set_to(bpf.R2, socket.htons(_TYPE_VLAN))
        + bpf.call(bpf.SKB_VLAN_PUSH)
        + bpf.set_to(bpf.R1, trunk_index)
        + bpf.set_to(bpf.R2, 0)
        + bpf.call(bpf.REDIRECT)
        + bpf.leave()
    )
