"""Command lines and configuration of the DHCP servers. Pure, except for locating the programs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path

from lab.dhcp.answering import Subnet
from lab.dhcp.builtin import encode_subnets
from lab.dhcp.isc import isc_program
from lab.dhcp.relay import Leg, encode_legs
from lab.dhcp.task import ServerProgram, Task, pool_size
from lab.prerequisites import program, resolve_server
from lab.site import DhcpServer, ServerKind, Vlan
from lab.wiring import MANAGEMENT_INTERFACE, ROUTER, AccessLink, Relayed, Wiring

_PING_MILLISECONDS = 2000


def server_programs(wiring: Wiring, *, management: IPv4Network, directory: Path) -> list[ServerProgram]:
    """Return the programs that serve all DHCP of `wiring`.

    `management`: the network of the relayed servers. The programs' files go to `directory`.

    Raises:
        FileNotFoundError: a server that the site names is not installed.
    """
    tasks = [task for link in wiring.accesses if (task := _task(link)) is not None]
    tasks += [task for relayed in wiring.relayed if (task := _relayed_task(relayed)) is not None]
    own = {link.machine: IPv4Interface((link.address, management.prefixlen)) for link in wiring.centrals}
    programs: list[ServerProgram] = []
    for namespace in dict.fromkeys(task.namespace for task in tasks):
        here = [task for task in tasks if task.namespace == namespace]
        isc = [task for task in here if task.kind is ServerKind.ISC]
        if isc:
            attached = [own[namespace]] if namespace in own else []
            programs.append(isc_program(isc, directory=directory, attached=attached))
        shared = [task for task in here if task.kind is ServerKind.DNSMASQ and not task.ping_check]
        # It blocks while it probes one address after another, so a subnet with ping_check gets its own
        # process.
        alone = [[task] for task in here if task.kind is ServerKind.DNSMASQ and task.ping_check]
        programs += [_dnsmasq(group, directory) for group in (shared, *alone) if group]
        programs += [_udhcpd(task, directory) for task in here if task.kind is ServerKind.UDHCPD]
        builtin = [task.subnet for task in here if task.kind is ServerKind.BUILTIN]
        if builtin:
            programs.append(_builtin(namespace, builtin))
    if wiring.relayed:
        programs.append(_relay(wiring.relayed))
    return programs


def _task(link: AccessLink) -> Task | None:
    if link.server is None:
        return None
    return _make_task(
        link.vlan, link.server, namespace=link.namespace, label=link.interface, interface=link.interface
    )


def _relayed_task(relayed: Relayed) -> Task | None:
    return _make_task(
        relayed.vlan,
        relayed.server,
        namespace=relayed.machine,
        label=relayed.interface,
        interface=MANAGEMENT_INTERFACE,
    )


def _make_task(vlan: Vlan, server: DhcpServer, *, namespace: str, label: str, interface: str) -> Task | None:
    if vlan.cidr is None:
        return None
    subnet = Subnet(
        interface=interface,
        cidr=vlan.cidr,
        pool_start=server.pool_start,
        pool_end=server.pool_end,
        address=server.address,
        router=server.router,
        lease_seconds=server.lease_seconds,
        relay=vlan.gateway if server.relay else None,
        min_secs=server.min_secs,
    )
    return Task(
        kind=resolve_server(server.server),
        namespace=namespace,
        label=label,
        ping_check=server.ping_check,
        subnet=subnet,
    )


def _relay(relayed: Sequence[Relayed]) -> ServerProgram:
    """Return one process for all gateways that relay; two servers of one VLAN are two targets of its leg."""
    servers: dict[str, list[Relayed]] = {}
    for link in relayed:
        servers.setdefault(link.interface, []).append(link)
    legs = [
        Leg(
            interface=interface,
            address=links[0].relay,
            servers=tuple(link.server.address for link in links),
        )
        for interface, links in servers.items()
    ]
    return ServerProgram(
        name="relay",
        kind="relay",
        namespace=ROUTER,
        argv=(sys.executable, "-m", "lab.dhcp.relay"),
        stdin=encode_legs(legs),
        sockets=2 * len(legs),
    )


def _dnsmasq(tasks: Sequence[Task], directory: Path) -> ServerProgram:
    namespace, ping_check = tasks[0].namespace, tasks[0].ping_check
    suffix = f"-{tasks[0].label}" if ping_check else ""
    name = f"dnsmasq-{namespace}{suffix}"
    lines = [
        "port=0",
        "no-resolv",
        "no-hosts",
        # Shares port 67 with the other servers of the namespace.
        "bind-interfaces",
        "dhcp-authoritative",
        "log-dhcp",
        f"dhcp-leasefile={directory / name}.leases",
        f"dhcp-lease-max={sum(pool_size(task.subnet) for task in tasks)}",
    ]
    if not ping_check:
        lines.append("no-ping")
    for task in tasks:
        subnet = task.subnet
        tag, pool = task.label, f"{subnet.pool_start},{subnet.pool_end}"
        lines += [
            # Several relayed networks share one interface; naming it twice is harmless.
            f"interface={subnet.interface}",
            f"dhcp-range=set:{tag},{pool},{subnet.cidr.netmask},{subnet.lease_seconds}",
            # An empty value omits the option; without the line dnsmasq would send its own address.
            f"dhcp-option=tag:{tag},option:router" + (f",{subnet.router}" if subnet.router else ""),
        ]
    config = directory / f"{name}.conf"
    # In debug mode it stays in the foreground, logs to standard error and does not change its user, which it
    # could not do in a user namespace with a single user.
    argv = (program("dnsmasq"), "--no-daemon", f"--conf-file={config}")
    text = "\n".join(lines) + "\n"
    return ServerProgram(
        name=name, kind=ServerKind.DNSMASQ.value, namespace=namespace, argv=argv, files=((config, text),)
    )


def _udhcpd(task: Task, directory: Path) -> ServerProgram:
    subnet = task.subnet
    name = f"udhcpd-{task.namespace}-{subnet.interface}"
    lines = [
        f"start {subnet.pool_start}",
        f"end {subnet.pool_end}",
        f"max_leases {pool_size(subnet)}",
        f"interface {subnet.interface}",
        f"lease_file {directory / name}.leases",
        f"pidfile {directory / name}.pid",
        f"option subnet {subnet.cidr.netmask}",
        f"option lease {subnet.lease_seconds}",
    ]
    if subnet.router is not None:
        lines.append(f"option router {subnet.router}")
    config = directory / f"{name}.conf"
    ping = str(_PING_MILLISECONDS if task.ping_check else 0)
    argv = (program("udhcpd"), "-f", "-a", ping, str(config))
    text = "\n".join(lines) + "\n"
    return ServerProgram(
        name=name, kind=ServerKind.UDHCPD.value, namespace=task.namespace, argv=argv, files=((config, text),)
    )


def _builtin(namespace: str, subnets: Sequence[Subnet]) -> ServerProgram:
    return ServerProgram(
        name=f"builtin-{namespace}",
        kind=ServerKind.BUILTIN.value,
        namespace=namespace,
        argv=(sys.executable, "-m", "lab.dhcp.builtin"),
        stdin=encode_subnets(subnets),
        sockets=len({subnet.interface for subnet in subnets}),
    )
