"""A minimal bpf(2): loading a few instructions and attaching them to an interface, by system calls alone.

Numbers are from linux/bpf.h. Programs attach by tcx, which needs Linux 6.6. Nothing is pinned or detached: a
program disappears with its interface.
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
    """This kernel, machine or user does not support it; the text is one line for people."""


def instruction(code: int, *, target: int = 0, source: int = 0, offset: int = 0, immediate: int = 0) -> bytes:
    """Encode one struct bpf_insn."""
    return struct.pack("=BBhi", code, target | source << 4, offset, immediate)


def move(target: int, source: int) -> bytes:
    """Encode target = source, both registers."""
    return instruction(0xBF, target=target, source=source)


def set_to(target: int, value: int) -> bytes:
    """Encode target = value."""
    return instruction(0xB7, target=target, immediate=value)


def add(target: int, value: int) -> bytes:
    """Encode target += value."""
    return instruction(0x07, target=target, immediate=value)


def mask(target: int, bits: int) -> bytes:
    """Encode target &= bits."""
    return instruction(0x57, target=target, immediate=bits)


def load_word(target: int, source: int, offset: int) -> bytes:
    """Encode target = the 32 bits at offset behind the pointer in source."""
    return instruction(0x61, target=target, source=source, offset=offset)


def skip_if_zero(register: int, instructions: int) -> bytes:
    """Encode a jump over the next instructions if the register is zero."""
    return instruction(0x15, target=register, offset=instructions)


def call(helper: int) -> bytes:
    """Encode r0 = helper(r1, r2, ...), which clobbers r1 to r5."""
    return instruction(0x85, immediate=helper)


def leave() -> bytes:
    """Encode return r0."""
    return instruction(0x95)


def load(program: bytes) -> int:
    """Load and verify the program; return a descriptor for attach, which the caller closes.

    Raises:
        BPFUnavailable: the kernel refuses it.
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
    """Attach the program to all frames that arrive on an interface of this network namespace.

    Raises:
        BPFUnavailable: the kernel is older than 6.6, or has no such interface.
    """
    try:
        _bpf(_PROG_ATTACH, struct.pack("=IIIIII", interface_index, program, _TCX_INGRESS, 0, 0, 0))
    except OSError as error:
        raise BPFUnavailable(f"no tcx, which requires Linux 6.6: {error.strerror}") from None


def _bpf(command: int, attribute: bytes) -> int:
    number = _SYSCALLS.get(platform.machine())
    if number is None:
        raise BPFUnavailable(f"the system call number of bpf(2) on {platform.machine()} is unknown")
    buffer = ctypes.create_string_buffer(attribute, _ATTRIBUTE_BYTES)
    result = int(_libc.syscall(number, command, buffer, _ATTRIBUTE_BYTES))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
