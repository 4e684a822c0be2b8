"""Checks of what a machine needs for the lab, before anything is started."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from lab.site import ServerKind, Site

# Debian leaves these out of an ordinary user's PATH.
_SYSTEM_DIRECTORIES = ("/usr/local/sbin", "/usr/sbin", "/sbin")
_SYSCTL = Path("/proc/sys")
_CAP_NET_ADMIN, _CAP_NET_RAW, _CAP_SYS_ADMIN = 12, 13, 21
_PACKAGES = {"ip": "iproute2", "unshare": "util-linux", "nsenter": "util-linux", "sleep": "coreutils"}
_SERVERS = {
    ServerKind.DNSMASQ: ("dnsmasq", "dnsmasq-base"),
    ServerKind.UDHCPD: ("udhcpd", "udhcpd"),
    ServerKind.ISC: ("dhcpd", "isc-dhcp-server"),
}


def find_program(name: str) -> str | None:
    """Return the full path of program `name`, from PATH or the system's directories, or None."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *_SYSTEM_DIRECTORIES])
    return shutil.which(name, path=path)


def program(name: str) -> str:
    """Return the full path of program `name`. Raises FileNotFoundError if it is not installed."""
    found = find_program(name)
    if found is None:
        raise FileNotFoundError(f"{name} is not installed")
    return found


def has_namespace_rights() -> bool:
    """Return whether this process may create network namespaces without a user namespace."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            held = int(line.split()[1], 16)
            return all(held >> bit & 1 for bit in (_CAP_NET_ADMIN, _CAP_NET_RAW, _CAP_SYS_ADMIN))
    return False


def missing_prerequisites(site: Site | None = None) -> list[str]:
    """Return what is missing to run a lab here, one line each.

    With `site`, this includes the DHCP servers that it names. Creates a namespace with a veth pair for a
    moment, because kernels deny that in many ways.
    """
    missing = [
        f"{name} is not installed (Debian package {package})"
        for name, package in _PACKAGES.items()
        if find_program(name) is None
    ]
    for kind in _named_servers(site):
        name, package = _SERVERS[kind]
        if find_program(name) is None:
            missing.append(f"{name} is not installed (Debian package {package}), and the site names it")
    return missing or _denied_namespaces()


def resolve_server(kind: ServerKind) -> ServerKind:
    """Return `kind`, with AUTO replaced by a server of this machine."""
    if kind is not ServerKind.AUTO:
        return kind
    return ServerKind.BUILTIN if find_program("dnsmasq") is None else ServerKind.DNSMASQ


def _named_servers(site: Site | None) -> list[ServerKind]:
    if site is None:
        return []
    used = {server.server for vlan in site.vlans for server in vlan.dhcp}
    return [kind for kind in _SERVERS if kind in used]


def _denied_namespaces() -> list[str]:
    user = [] if has_namespace_rights() else ["--user", "--map-root-user"]
    network = [program("unshare"), *user, "--net", "--"]
    if user and _failure([program("unshare"), *user, "--", program("sleep"), "0"]) is not None:
        return [_user_namespace_advice()]
    if (reason := _failure([*network, program("sleep"), "0"])) is not None:
        return [_user_namespace_advice() if user else f"network namespaces are denied: {reason}"]
    veth = ["link", "add", "lab0", "type", "veth", "peer", "name", "lab1"]
    if (reason := _failure([*network, program("ip"), *veth])) is not None:
        return [f"the kernel creates no veth pairs here: {reason}"]
    return []


def _failure(command: list[str]) -> str | None:
    """Return why `command` fails, in one line; None if it succeeds."""
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode == 0:
        return None
    lines = done.stderr.strip().splitlines()
    return lines[-1] if lines else f"exit code {done.returncode}"


def _user_namespace_advice() -> str:
    denied = "user namespaces are denied to ordinary users"
    for setting, bad, good in (
        ("kernel/unprivileged_userns_clone", "0", "1"),
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "0"),
        ("user/max_user_namespaces", "0", "15000"),
    ):
        path = _SYSCTL / setting
        if path.exists() and path.read_text().strip() == bad:
            return f"{denied}: as root, sysctl -w {setting.replace('/', '.')}={good}; or run as root"
    return f"{denied}, for a reason that no sysctl shows (a container's seccomp profile?): run as root"
