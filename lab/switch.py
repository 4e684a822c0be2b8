"""The lab's switch: one packet socket for all ports of its network namespace.

    python -m lab.switch ports.json

Reads the ports, prints `ready`, forwards, and announces itself by LLDP, until it is terminated. On SIGHUP it
reads the ports again, and prints `ready` again. It needs no TAP and no VLAN devices, so it runs on any kernel
and in a user namespace.
"""

from __future__ import annotations

import contextlib
import errno
import json
import random
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from lab.forwarding import AccessPort, Forwarding, Port, TrunkPort
from lab.lldp import INTERVAL_SECONDS, PortLabel, lldp_frame, switch_mac
from lab.site import format_vlan_set, parse_vlan_set
from lab.tagged_socket import open_tagged_socket, receive

READY = "ready"
# A port that is down, or whose other end reads too slowly, loses frames, as real ports do.
_LOST = {errno.ENETDOWN, errno.ENOBUFS, errno.ENXIO, errno.ENODEV, errno.EMSGSIZE, errno.EAGAIN}


def encode_ports(ports: Mapping[str, Port]) -> str:
    """Encode `ports` as the JSON that this program reads."""
    return json.dumps(
        {
            name: {
                "cluster_network": port.cluster_network,
                "trunk": isinstance(port, TrunkPort),
                "vlans": format_vlan_set(port.vlans) if isinstance(port, TrunkPort) else str(port.vlan),
                "loss": port.loss if isinstance(port, TrunkPort) else 0.0,
                "lldp": _encode_label(port.lldp) if isinstance(port, TrunkPort) and port.lldp else None,
                "native": port.native if isinstance(port, TrunkPort) else None,
            }
            for name, port in ports.items()
        }
    )


def decode_ports(text: str) -> dict[str, Port]:
    """Decode the output of `encode_ports`."""
    ports: dict[str, Port] = {}
    for name, entry in json.loads(text).items():
        network, vlans = str(entry["cluster_network"]), parse_vlan_set(str(entry["vlans"]))
        if entry["trunk"]:
            label = _decode_label(entry["lldp"]) if entry["lldp"] else None
            loss, native = float(entry["loss"]), entry["native"]
            ports[name] = TrunkPort(
                cluster_network=network, vlans=vlans, loss=loss, lldp=label, native=native
            )
        else:
            ports[name] = AccessPort(cluster_network=network, vlan=min(vlans))
    return ports


def _encode_label(label: PortLabel) -> dict[str, object]:
    vlans = format_vlan_set(label.vlans)
    address = str(label.address) if label.address else None
    return {**asdict(label), "vlans": vlans, "address": address}


def _decode_label(fields: dict[str, Any]) -> PortLabel:
    address, vlans = fields["address"], fields["vlans"]
    return PortLabel(
        switch=str(fields["switch"]),
        port=str(fields["port"]),
        description=str(fields["description"]),
        address=IPv4Address(address) if address else None,
        native_vlan=fields["native_vlan"],
        vlans=parse_vlan_set(vlans) if vlans else frozenset(),
    )


def announce(link: socket.socket, ports: Mapping[str, Port]) -> None:
    """Send LLDP on each port that has a label."""
    for name, port in ports.items():
        if isinstance(port, TrunkPort) and port.lldp is not None:
            _send(link, name, lldp_frame(port.lldp, mac=switch_mac(port.lldp)))


def _send(link: socket.socket, port: str, frame: bytes) -> None:
    try:
        link.sendto(frame, (port, 0))
    except OSError as error:
        if error.errno not in _LOST:
            raise


def forward_one(link: socket.socket, forwarding: Callable[[], Forwarding]) -> None:
    """Wait for one frame and forward it by the rules that are valid when it arrives."""
    received = receive(link)
    if received is None:
        return
    for port, data in forwarding().forward(received.interface, received.tci, received.frame):
        _send(link, port, data)


def main() -> None:
    """Read the ports and forward until terminated."""
    path, chance = Path(sys.argv[1]), random.Random(0)
    ports: dict[str, Port] = {}
    forwarding = Forwarding({})

    def read_ports(*_: object) -> None:
        nonlocal forwarding, ports
        ports = decode_ports(path.read_text())
        forwarding = Forwarding(ports, random=chance.random)
        print(READY, flush=True)

    signal.signal(signal.SIGHUP, read_ports)
    with contextlib.closing(open_tagged_socket()) as link:
        signal.signal(signal.SIGALRM, lambda *_: announce(link, ports))
        signal.setitimer(signal.ITIMER_REAL, INTERVAL_SECONDS, INTERVAL_SECONDS)
        read_ports()
        while True:
            forward_one(link, lambda: forwarding)


if __name__ == "__main__":
    main()
