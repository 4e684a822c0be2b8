"""Just enough of bpf(2) to load a few instructions and to hang them on an interface, by system call alone.

Numbers are from linux/bpf.h. Attaching is tcx, which a kernel has from 6.6 on; nothing has to be pinned or
detached, since a program goes with the interface that it hangs on.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct

R0, R1, R2, R3, R6, R7 = 0, 1, 2, 3, 6, 7
SKB_VLAN_PRESENT, SKB_VLAN_TCI, SKB_IFINDEX = 20, 24, 40
"""Fields of struct __sk_buff, by their offset."""
SKB_VLAN_PUSH, SKB_VLAN_POP, REDIRECT = 18, 19, 23
"""Helper functions, bpf-helpers(7)."""

_PROG_LOAD, _PROG_ATTACH = 5, 8
_SCHED_CLS = 3
_TCX_INGRESS = 46
_SYSCALLS = {"x86_64": 321, "aarch64": 280}
_LOG_BYTES = 1 << 16
_ATTRIBUTE_BYTES = 144
_libc = ctypes.CDLL(None, use_errno=True)


class BPFUnavailable(Exception):
    """This kernel, machine or user cannot do it; the text is one line for people."""


def instruction(code: int, *, target: int = 0, source: int = 0, offset: int = 0, immediate: int = 0) -> bytes:
    """One struct bpf_insn."""
    return struct.pack("=BBhi", code, target | source << 4, offset, immediate)


def move(target: int, source: int) -> bytes:
    """target = source, both registers."""
    return instruction(0xBF, target=target, source=source)


def set_to(target: int, value: int) -> bytes:
    """target = value."""
    return instruction(0xB7, target=target, immediate=value)


def add(target: int, value: int) -> bytes:
    """target += value."""
    return instruction(0x07, target=target, immediate=value)


def mask(target: int, bits: int) -> bytes:
    """target &= bits."""
    return instruction(0x57, target=target, immediate=bits)


def load_word(target: int, source: int, offset: int) -> bytes:
    """target = the 32 bits at offset behind the pointer in source."""
    return instruction(0x61, target=target, source=source, offset=offset)


def skip_if_zero(register: int, instructions: int) -> bytes:
    """Leave out the next instructions if the register is zero."""
    return instruction(0x15, target=register, offset=instructions)


def call(helper: int) -> bytes:
    """r0 = helper(r1, r2, ...); r1 to r5 are lost."""
    return instruction(0x85, immediate=helper)


def leave() -> bytes:
    """Return r0."""
    return instruction(0x95)


def load(program: bytes) -> int:
    """A descriptor of the verified program, for attach; the caller closes it.

    Raises:
        BPFUnavailable: the kernel does not take it.
    """
    code = ctypes.create_string_buffer(program, len(program))
    license_name = ctypes.create_string_buffer(b"GPL")
    log = ctypes.create_string_buffer(_LOG_BYTES)
    attribute = struct.pack(
        "=IIQQIIQ",
        _SCHED_CLS,
        len(program) // 8,
        ctypes.addressof(code),
        ctypes.addressof(license_name),
        1,
        _LOG_BYTES,
        ctypes.addressof(log),
    )
    try:
        return _bpf(_PROG_LOAD, attribute)
    except OSError as error:
        verdict = log.value.decode(errors="replace").strip().splitlines()
        raise BPFUnavailable(
            f"no eBPF program can be loaded: {error.strerror}" + (f" ({verdict[-1]})" if verdict else "")
        ) from None


def attach(program: int, *, interface_index: int) -> None:
    """Have every frame that comes in on an interface of this network namespace go through the program.

    Raises:
        BPFUnavailable: the kernel is older than 6.6, or has no such interface.
    """
    try:
        _bpf(_PROG_ATTACH, struct.pack("=IIIIII", interface_index, program, _TCX_INGRESS, 0, 0, 0))
    except OSError as error:
        raise BPFUnavailable(f"no tcx, which needs a kernel from 6.6 on: {error.strerror}") from None


def _bpf(command: int, attribute: bytes) -> int:
    number = _SYSCALLS.get(platform.machine())
    if number is None:
        raise BPFUnavailable(f"the number of bpf(2) on {platform.machine()} is not known here")
    buffer = ctypes.create_string_buffer(attribute, _ATTRIBUTE_BYTES)
    result = int(_libc.syscall(number, command, buffer, _ATTRIBUTE_BYTES))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
