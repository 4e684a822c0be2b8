"""A running site: namespaces, cables, the switch and the DHCP servers."""

from __future__ import annotations

import contextlib
import select
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from lab.cabling import lay_cables
from lab.dhcp.programs import server_programs
from lab.dhcp.task import ServerProgram
from lab.forwarding import AccessPort, Port, TrunkPort
from lab.namespaces import Namespace, end_processes_in, python_module
from lab.readiness import wait_for_link, wait_for_sockets
from lab.site import Host, Site, SiteError, Vlan
from lab.switch import READY, encode_ports
from lab.wiring import FABRIC, Wiring, plan

_READY_SECONDS = 20.0


class Machinery:
    """The parts of one running site. Single-threaded: call `up` once, inject faults, then call `down`."""

    def __init__(self, site: Site, *, directory: Path) -> None:
        self._site = site
        self._directory = directory
        self._wiring: Wiring = plan(site)
        self._namespaces: dict[str, Namespace] = {}
        self._hosts: dict[str, Namespace] = {}
        self._programs: dict[str, subprocess.Popen[bytes]] = {}
        self._ports: dict[str, Port] = {}
        self.servers: tuple[ServerProgram, ...] = ()

    def up(self) -> None:
        """Start everything; return when the switch forwards and every DHCP server listens.

        Raises:
            SiteError: a part could not be started; `down` must still be called.
        """
        try:
            self._make_namespaces()
            lay_cables(self._site, self._wiring, namespaces=self._namespaces, hosts=self._hosts)
            self._start_switch()
            self._start_servers()
            for host in self._site.hosts:
                self._wait_for_uplinks(host, running=True)
        except OSError as error:
            raise SiteError(str(error)) from error

    def down(self) -> None:
        """Stop everything, also processes that others run on the hosts. May be called after a failed `up`."""
        for child in self._programs.values():
            child.kill()
        for child in self._programs.values():
            child.wait()
            if child.stdout is not None:
                child.stdout.close()
        namespaces = [*self._namespaces.values(), *self._hosts.values()]
        end_processes_in(frozenset(namespace.inode for namespace in namespaces))
        for namespace in namespaces:
            namespace.close()
        self._programs, self._namespaces, self._hosts = {}, {}, {}

    def host_pid(self, name: str) -> int:
        """Return the ID of a process in the network namespace of host `name`, for nsenter."""
        return self._hosts[name].pid

    def namespace_pids(self) -> dict[str, int]:
        """Return such a process ID for each namespace that is not a host, by name."""
        return {name: namespace.pid for name, namespace in self._namespaces.items()}

    def children(self) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
        """Yield every process whose end would break the site, by name."""
        yield from self._programs.items()
        for name, namespace in (*self._namespaces.items(), *self._hosts.items()):
            yield f"namespace {name}", namespace.holder

    def last_words(self, name: str) -> str:
        """Return the last line that program `name` logged."""
        with contextlib.suppress(OSError):
            lines = self._log(name).read_text(errors="replace").strip().splitlines()
            return lines[-1] if lines else "no output"
        return "no output"

    def set_vlan(self, vlan: Vlan, *, alive: bool) -> None:
        """Silence the gateway and the servers of `vlan`, or restore them. Hosts still reach each other."""
        for link in self._wiring.accesses:
            if link.vlan is vlan:
                # The kernel would still answer routed pings to the address of an interface that is down.
                address = [f"addr flush dev {link.interface}"]
                if alive and link.address is not None:
                    address = [f"addr replace {link.address} dev {link.interface}"]
                lines = [*address, f"link set {link.interface} {_state(alive)}"]
                self._namespaces[link.namespace].run_ip(lines)

    def set_host(self, host: Host, *, alive: bool) -> None:
        """Disconnect the cables of all uplinks of `host`, or connect them again."""
        lines = [f"link set {link.port} {_state(alive)}" for link in self._wiring.trunks if link.host is host]
        self._namespaces[FABRIC].run_ip(lines)
        self._wait_for_uplinks(host, running=alive)

    def set_trunk(self, host: Host, vlan: Vlan, *, carried: bool) -> None:
        """Take `vlan` off the trunk of `host`, or put it back."""
        for link in self._wiring.trunks:
            port = self._ports[link.port]
            if link.host is host and isinstance(port, TrunkPort):
                if port.cluster_network != vlan.cluster_network:
                    continue
                vlans = port.vlans | {vlan.vlan} if carried else port.vlans - {vlan.vlan}
                self._ports[link.port] = replace(port, vlans=vlans)
        self._reload_switch()

    def set_loss(self, host: Host, *, percent: float) -> None:
        """Make the cables of all uplinks of `host` lose so many frames, in each direction."""
        for link in self._wiring.trunks:
            port = self._ports[link.port]
            if link.host is host and isinstance(port, TrunkPort):
                self._ports[link.port] = replace(port, loss=percent / 100)
        self._reload_switch()

    def _make_namespaces(self) -> None:
        for name in self._wiring.namespaces:
            self._namespaces[name] = Namespace(name)
        for host in self._site.hosts:
            self._hosts[host.name] = Namespace(host.name)

    def _start_switch(self) -> None:
        self._ports = {
            link.port: TrunkPort(
                cluster_network=link.uplink.cluster_network,
                vlans=link.uplink.vlans,
                lldp=link.uplink.lldp,
                native=link.uplink.native,
            )
            for link in self._wiring.trunks
        }
        for link in self._wiring.accesses:
            port = AccessPort(cluster_network=link.vlan.cluster_network, vlan=link.vlan.vlan)
            self._ports[link.port] = port
        self._ports_file.write_text(encode_ports(self._ports))
        with self._log("switch").open("wb") as log:
            self._programs["switch"] = self._namespaces[FABRIC].start(
                [*python_module("lab.switch"), str(self._ports_file)], stdout=subprocess.PIPE, stderr=log
            )
        self._wait_for_switch()

    def _reload_switch(self) -> None:
        self._ports_file.write_text(encode_ports(self._ports))
        self._programs["switch"].send_signal(signal.SIGHUP)
        self._wait_for_switch()

    def _wait_for_switch(self) -> None:
        output = self._programs["switch"].stdout
        assert output is not None
        readable, _, _ = select.select([output], [], [], _READY_SECONDS)
        if not readable or output.readline().strip() != READY.encode():
            raise SiteError(f"the switch did not start: {self.last_words('switch')}")

    def _start_servers(self) -> None:
        management = self._site.management.cidr
        self.servers = tuple(server_programs(self._wiring, management=management, directory=self._directory))
        # If several sockets of a namespace are bound to port 67, the latest one receives unicast datagrams. A
        # server that reads frames needs nothing from its own socket, so it is started first.
        for reads_frames in (True, False):
            self._start_together([server for server in self.servers if server.reads_frames is reads_frames])

    def _start_together(self, servers: Sequence[ServerProgram]) -> None:
        for server in servers:
            for path, text in server.files:
                path.write_text(text)
            for path, original in server.copies:
                shutil.copy(original, path)
            with self._log(server.name).open("wb") as log:
                self._programs[server.name] = self._namespaces[server.namespace].start(
                    server.argv, stdout=log, stderr=log, stdin=server.stdin.encode()
                )
        for server in servers:
            child = self._programs[server.name]
            if not wait_for_sockets(child.pid, count=server.sockets, timeout=_READY_SECONDS):
                raise SiteError(f"{server.name} did not start: {self.last_words(server.name)}")

    def _wait_for_uplinks(self, host: Host, *, running: bool) -> None:
        self._hosts[host.name].enter()
        for uplink in host.uplinks:
            if not wait_for_link(uplink.interface, running=running, timeout=_READY_SECONDS):
                raise SiteError(f"{uplink.interface} of {host.name} does not become {_state(running)}")

    @property
    def _ports_file(self) -> Path:
        return self._directory / "ports.json"

    def _log(self, name: str) -> Path:
        return self._directory / f"{name}.log"


def _state(alive: bool) -> str:
    return "up" if alive else "down"
