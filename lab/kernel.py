"""System calls that Python does not wrap: namespaces, the parent-death signal, checksum offload."""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import socket
import struct
from pathlib import Path

_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_PR_SET_PDEATHSIG = 1
_SIOCGIFFLAGS = 0x8913
_IFF_RUNNING = 0x40
_SIOCETHTOOL = 0x8946
_ETHTOOL_STXCSUM = 0x17
_IFNAMSIZ = 16

# Looked up at import, because no library may be loaded between fork and exec.
_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, call: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")


def die_with_parent(sig: signal.Signals = signal.SIGKILL) -> None:
    """Make the kernel send `sig` to this process when the thread that forked it ends (prctl(2))."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, int(sig), 0, 0, 0), "prctl")


def new_network() -> None:
    """Move this process into a new network namespace (unshare(2))."""
    _check(_libc.unshare(_CLONE_NEWNET), "unshare")


def enter_network(descriptor: int) -> None:
    """Move this process into the network namespace of `descriptor`, a /proc/PID/ns/net (setns(2))."""
    _check(_libc.setns(descriptor, _CLONE_NEWNET), "setns")


def become_root_of_new_user_namespace() -> None:
    """Move this process, which must have one thread, into a user namespace where its user is root.

    Does what `unshare --user --map-root-user` does, without starting another program (user_namespaces(7)).
    """
    user, group = os.geteuid(), os.getegid()
    _check(_libc.unshare(_CLONE_NEWUSER), "unshare")
    # An ordinary user may map a group only after setgroups is disabled.
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1")


def is_link_running(interface: str) -> bool:
    """Return whether `interface` of this namespace is up and has a carrier (IFF_RUNNING, netdevice(7))."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        answer = fcntl.ioctl(control.fileno(), _SIOCGIFFLAGS, struct.pack("40s", interface.encode()))
    flags: int = struct.unpack_from("=H", answer, _IFNAMSIZ)[0]
    return bool(flags & _IFF_RUNNING)


def stop_checksum_offload(interface: str) -> None:
    """Make the kernel finish checksums before it passes frames to `interface` of this network namespace.

    A veth leaves checksums to hardware that does not exist: frames that a packet socket reads and sends on
    would arrive with wrong checksums, and be dropped.
    """
    value = ctypes.create_string_buffer(struct.pack("=II", _ETHTOOL_STXCSUM, 0))
    request = struct.pack(f"{_IFNAMSIZ}sP", interface.encode(), ctypes.addressof(value)).ljust(40, b"\0")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control.fileno(), _SIOCETHTOOL, request)
