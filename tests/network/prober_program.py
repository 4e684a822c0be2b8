"""The prober's runner as a program on a host of the lab.

    python -m tests.network.prober_program INTERFACE '[SegmentProbe, ...]' [--deadline 12] [--rate 1000]

Prints `begun`, then one JSON object: `verdicts`, as the updater would receive them; `capabilities`, the
effective ones; and `seconds`. With `--overflow ADDRESS VLAN` it sends ARP probes through a link with a tiny
ring and reads nothing until the kernel has dropped a reply; then it prints how many probes were `sent`, and
how many replies were `dropped` and `received`.
"""

import argparse
import json
import queue
import random
import sys
import threading
from pathlib import Path

from services.contract.messages import SegmentProbe
from services.prober.engine.engine import Engine
from services.prober.engine.identity import Identity
from services.prober.engine.results import SegmentResult
from services.prober.engine.settings import EngineSettings
from services.prober.frames import templates
from services.prober.loop.runner import Runner
from services.prober.sockets.icmp_socket import ICMPSocket
from services.prober.sockets.packet_link import PacketLink
from services.prober.verdicts import verdict
from services.runtime.process.clock import SystemClock

SLOTS = 32
POLL_S = 0.01


def main() -> None:
    """Probe, and print the results."""
    parser = argparse.ArgumentParser()
    parser.add_argument("interface")
    parser.add_argument("probes", nargs="?", default="[]")
    parser.add_argument("--deadline", type=float, default=12.0)
    parser.add_argument("--rate", type=float, default=None)
    parser.add_argument("--overflow", nargs=2)
    arguments = parser.parse_args()
    if arguments.overflow:
        address, vlan = arguments.overflow
        say(json.dumps(overflow(arguments.interface, target=int(address), vlan=int(vlan))))
        return
    settings = EngineSettings(dhcp_deadline_s=arguments.deadline, start_rate=arguments.rate)
    probes = [SegmentProbe.model_validate(probe) for probe in json.loads(arguments.probes)]
    say(json.dumps(run(arguments.interface, probes, settings)))


def say(line: str) -> None:
    """Print a line without buffering."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def run(interface: str, probes: list[SegmentProbe], settings: EngineSettings) -> dict[str, object]:
    """Run all probes at once."""
    clock = SystemClock()
    runner = Runner(
        engine=Engine(
            host="node1", settings=settings, templates=templates.load(), randomness=random.Random()
        ),
        uplinks=lambda: {"extra": interface},
        clock=clock,
        open_link=lambda name, mac_prefix: PacketLink(name, mac_prefix=mac_prefix),
        open_echo_socket=lambda mark: ICMPSocket(mark=mark),
    )
    found: queue.SimpleQueue[SegmentResult] = queue.SimpleQueue()
    began = clock.monotonic()
    runner.start()
    for probe in probes:
        runner.submit("extra", probe, found.put)
    say("begun")
    verdicts = [
        verdict(found.get(), host="node1", request_id="test", incarnation=0, counter=0) for _ in probes
    ]
    seconds = clock.monotonic() - began
    runner.stop()
    status = Path("/proc/self/status").read_text()
    return {
        "verdicts": [made.model_dump(mode="json") for made in verdicts],
        "capabilities": int(status.split("CapEff:")[1].split()[0], 16),
        "seconds": seconds,
    }


def overflow(interface: str, *, target: int, vlan: int) -> dict[str, int]:
    """Fill the ring without reading it until the kernel reports a drop; then read its contents."""
    identity = Identity(host="node1", cluster_network="extra")
    link = PacketLink(interface, mac_prefix=identity.prefix, slots=SLOTS)
    probe = templates.load().arp.render(station=identity.station(vlan), target=target)
    sent, dropped, never = 0, 0, threading.Event()
    while not dropped:
        sent += link.send([probe] * (SLOTS + 1))
        never.wait(POLL_S)
        dropped = link.dropped()
    received = 0
    while received < SLOTS:
        received += len(link.receive(SLOTS - received))
    link.close()
    return {"sent": sent, "dropped": dropped, "received": received}


if __name__ == "__main__":
    main()
