"""Splitting a trunk into one untagged port per VLAN, on a kernel that may have no VLAN devices.

Two eBPF programs do it: one on the trunk strips the tag of a frame and sends it out of its VLAN's port; one
on each port adds the tag and sends the frame out of the trunk. A port's index encodes its VLAN, so neither
needs a table.
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
"""Maps a VLAN to the address of its port."""


def port_name(vlan: int) -> str:
    """Return the name of the interface that has `vlan` untagged."""
    return f"v{vlan}"


def split_trunk(
    namespace: Namespace, trunk: str, vlans: Collection[int], *, addresses: Addresses | None = None
) -> None:
    """Create the ports of `vlans` on the interface `trunk` of `namespace`, up and with `addresses`.

    Raises:
        BPFUnavailable: the kernel does not support it.
        SiteError: an interface cannot be created.
    """
    namespace.enter()
    trunk_index = socket.if_nametoindex(trunk)
    # Fail before thousands of interfaces are created in vain.
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
    # With a queue per processor, each of the thousands of pairs would take much more memory.
    queues = "numrxqueues 1 numtxqueues 1"
    lines = [
        f"link add {inner} index {_FIRST_INDEX + vlan} {queues} type veth peer name {port} {queues}",
        # Without arp the kernel never sends on this end.
        f"link set {inner} arp off up",
        f"link set {port} up",
    ]
    if addresses is not None:
        lines.append(f"addr add {addresses(vlan)} dev {port}")
    return lines


def _untag() -> bytes:
    """Build the trunk's program: a tagged frame leaves by the port of its VLAN, an untagged one passes."""
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
    """Build the ports' program: add the VLAN's tag to a frame and send it out of the trunk."""
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
