"""ISC dhcpd for many VLANs, in shards, because one process gets slow with thousands of interfaces."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from lab.bigsite import addressing
from lab.bigsite.splitting import port_name
from lab.namespaces import Namespace
from lab.prerequisites import find_program, program
from lab.readiness import wait_for_sockets
from lab.site import SiteError

SHARD_VLANS = 512
_READY_SECONDS = 60.0
_STOP_SECONDS = 5.0
_LEASE_SECONDS = 3600


def is_installed() -> bool:
    """Return whether dhcpd is installed (Debian package isc-dhcp-server)."""
    return find_program("dhcpd") is not None


def shards(vlans: Sequence[int]) -> list[Sequence[int]]:
    """Return the VLANs of each process."""
    return [vlans[at : at + SHARD_VLANS] for at in range(0, len(vlans), SHARD_VLANS)]


def configuration(vlans: Sequence[int]) -> str:
    """Render dhcpd.conf(5) for these VLANs.

    ping-check is off: probing an address before the offer takes a second, and is not part of the measurement.
    The ordinary socket does not receive broadcasts: each would wake every server on this machine, while
    frames of a server's own VLANs arrive on its packet sockets anyway.
    """
    lines = [
        "authoritative;",
        "ping-check false;",
        "local-address 127.0.0.1;",
        f"default-lease-time {_LEASE_SECONDS};",
        f"max-lease-time {_LEASE_SECONDS};",
    ]
    for vlan in vlans:
        network, (first, last) = addressing.network(vlan), addressing.pool(vlan)
        lines += [
            f"subnet {network.network_address} netmask {network.netmask} {{",
            f"  range {first} {last};",
            f"  option routers {addressing.gateway(vlan)};",
            "}",
        ]
    return "\n".join(lines) + "\n"


@contextlib.contextmanager
def servers(namespace: Namespace, vlans: Sequence[int], *, directory: Path) -> Iterator[None]:
    """Serve `vlans` on their ports in `namespace`, with files in `directory`; yield when all are ready.

    Raises:
        FileNotFoundError: dhcpd is not installed.
        SiteError: a server did not start.
    """
    # Debian's AppArmor profile applies to the program's path, and admits reads only from /etc/dhcp.
    executable = shutil.copy(program("dhcpd"), directory / "dhcpd")
    running: list[subprocess.Popen[bytes]] = []
    log = (directory / "dhcpd.log").open("wb")
    try:
        for number, shard in enumerate(shards(vlans)):
            argv = _prepare(number, shard, executable=executable, directory=directory)
            running.append(namespace.start(argv, stdout=log, stderr=log))
        for process in running:
            # dhcpd opens its one ordinary socket last.
            if not wait_for_sockets(process.pid, count=1, timeout=_READY_SECONDS):
                raise SiteError(f"dhcpd did not start: {_last_line(directory / 'dhcpd.log')}")
        yield
    finally:
        log.close()
        for process in running:
            process.terminate()
        for process in running:
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _prepare(number: int, vlans: Sequence[int], *, executable: str | Path, directory: Path) -> list[str]:
    config, leases = directory / f"dhcpd{number}.conf", directory / f"dhcpd{number}.leases"
    config.write_text(configuration(vlans))
    leases.touch()
    options = ["-4", "-f", "-q", "--no-pid", "-cf", str(config), "-lf", str(leases)]
    return [str(executable), *options, *map(port_name, vlans)]


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "no output"
