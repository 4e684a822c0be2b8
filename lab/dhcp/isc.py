"""ISC dhcpd: one process for all subnets of a namespace."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Interface
from pathlib import Path

from lab.dhcp.task import ServerProgram, Task
from lab.prerequisites import program


def isc_program(
    tasks: Sequence[Task], *, directory: Path, attached: Sequence[IPv4Interface] = ()
) -> ServerProgram:
    """Return the process that serves `tasks`, all of one namespace; its files go to `directory`.

    `attached`: its addresses on networks that it does not serve, where it listens for relays.

    Raises:
        FileNotFoundError: dhcpd is not installed.
    """
    namespace = tasks[0].namespace
    name = f"isc-{namespace}"
    config, leases, executable = (directory / f"{name}.{end}" for end in ("conf", "leases", "program"))
    interfaces = dict.fromkeys(task.subnet.interface for task in tasks)
    return ServerProgram(
        name=name,
        kind="isc",
        namespace=namespace,
        argv=(
            *(str(executable), "-4", "-f", "-d", "--no-pid"),
            *("-cf", str(config), "-lf", str(leases)),
            *interfaces,
        ),
        files=((config, configuration(tasks, attached=attached)), (leases, "")),
        # Debian's AppArmor profile applies to the program's path, and admits reads only from /etc/dhcp.
        copies=((executable, Path(program("dhcpd"))),),
        # It reads frames, and opens its one ordinary socket last.
        reads_frames=True,
    )


def configuration(tasks: Sequence[Task], *, attached: Sequence[IPv4Interface] = ()) -> str:
    """Render dhcpd.conf(5) for `tasks`."""
    lines = ["authoritative;"]
    for address in attached:
        network = address.network
        lines.append(f"subnet {network.network_address} netmask {network.netmask} {{ }}")
    for task in tasks:
        subnet = task.subnet
        lines += [
            f"subnet {subnet.cidr.network_address} netmask {subnet.cidr.netmask} {{",
            f"  range {subnet.pool_start} {subnet.pool_end};",
            f"  default-lease-time {subnet.lease_seconds};",
            f"  max-lease-time {subnet.lease_seconds};",
            f"  min-lease-time {subnet.lease_seconds};",
            f"  ping-check {'true' if task.ping_check else 'false'};",
            f"  min-secs {subnet.min_secs};",
        ]
        if subnet.router is not None:
            lines.append(f"  option routers {subnet.router};")
        lines.append("}")
    return "\n".join(lines) + "\n"
