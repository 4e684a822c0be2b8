"""What a prober costs its host: its CPU, and the throughput of a bulk transfer on the same trunk.

The transfer runs without a prober, beside one that checks gateways all the time, and beside one that has
nothing to do and has closed its packet socket.
"""

import itertools
import json
import select
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from bench.compiling import Programs
from bench.loop_client import Told
from bench.loop_site import vlans
from bench.processes import RunFailed, cpu_s, memory_mib, number, read_object
from bench.real_loop import RealLoop, open_real_loop
from bench.table import Entry, Row, Section, Unit
from lab.bigsite import addressing
from lab.bigsite.fabric import FAR_END, UPLINK
from services.contract.names import PAUSED_KEY

NETWORKS = 1_000
"""Each is checked every 15 s, so that the packet socket never closes."""
_SENDER, _RECEIVER = "192.168.251.1", "192.168.251.2"
_MIB = 1_024
_TOLD_S = 180.0
_CPU_S = 30.0
_SHUT_S = 5.0
"""Longer than the prober keeps a socket without work."""


def measure(programs: Programs, *, runs: int, networks: int = NETWORKS) -> Iterator[Entry]:
    """Measure the prober's CPU once, and the transfer in turns."""
    title = f"Cost of a prober to its host, {networks:,} networks of one host"
    row, told = Section(title), Told()
    without, opened, shut = list[float](), list[float](), list[float]()
    mine = vlans(networks)
    with open_real_loop(programs) as loop:
        _add_addresses(loop)
        loop.route(addressing.gateway(vlan) for vlan in mine)
        loop.services.client.watch(told)
        with loop.prober():
            loop.services.client.create(mine)
            told.wait(networks, seconds=_TOLD_S)
        for at in range(runs):
            without.append(_transfer(loop))
            with loop.prober() as process:
                _wait_for_checks(loop)
                busy = _Spent.of(loop, process.pid) if at == 0 else None
                opened.append(_transfer(loop))
                loop.services.redis.client.set(PAUSED_KEY, "bench")
                threading.Event().wait(_SHUT_S)
                if busy is not None:
                    yield from _cpu(row, busy, idle=_Spent.of(loop, process.pid), pid=process.pid)
                shut.append(_transfer(loop))
                loop.services.redis.client.delete(PAUSED_KEY)
        without.append(_transfer(loop))
    unit = Unit.MEBIBYTES_PER_SECOND
    for name, values in (("no prober", without), ("socket open", opened), ("socket shut", shut)):
        yield Row(section=title, name=f"bulk transfer, {name}", unit=unit, values=tuple(values))
    bases = [(before + after) / 2 for before, after in itertools.pairwise(without)]
    for name, values in (("open", opened), ("shut", shut)):
        yield Row(
            section=title,
            name=f"bulk transfer, socket {name} ÷ no prober",
            unit=Unit.TIMES,
            values=tuple(value / base for value, base in zip(values, bases, strict=True)),
            limit=0.95,
            at_least=True,
            alone=True,
        )


@dataclass(frozen=True, slots=True)
class _Spent:
    """What the prober spent per second."""

    share: float
    """Of a core."""
    checks: float

    @classmethod
    def of(cls, loop: RealLoop, pid: int) -> "_Spent":
        """Measure it for some time."""
        before, sent, began = cpu_s(pid), _sent(loop), time.monotonic()
        threading.Event().wait(_CPU_S)
        passed = time.monotonic() - began
        return cls((cpu_s(pid) - before) / passed, (_sent(loop) - sent) / passed)


def _cpu(row: Section, busy: _Spent, *, idle: _Spent, pid: int) -> Iterator[Row]:
    yield row("checks", Unit.PER_SECOND, busy.checks)
    yield row("prober that checks: CPU, percent of a core", Unit.PERCENT, busy.share * 100)
    yield row("prober without work: CPU, percent of a core", Unit.PERCENT, idle.share * 100)
    each_ms = (busy.share - idle.share) * 1000 / max(busy.checks, 1.0)
    yield row("prober: CPU per check", Unit.MILLISECONDS, each_ms, limit=0.1)
    yield row("prober: peak memory", Unit.MEBIBYTES, memory_mib(pid), limit=100.0)


def _add_addresses(loop: RealLoop) -> None:
    """Give both ends of the trunk an address: the transfer is untagged, since not every kernel has VLANs."""
    for in_network, link, address in ((True, FAR_END, _SENDER), (False, UPLINK, _RECEIVER)):
        loop.ip(f"address add {address}/24 dev {link}", in_network=in_network)


def _transfer(loop: RealLoop) -> float:
    """Return MiB per second from the network to the host."""
    command = [sys.executable, "-m", "bench.bulk"]
    receiver = loop.start(*command, "receive", _RECEIVER, str(_MIB))
    assert receiver.stdout is not None
    with receiver.stdout as output:
        readable, _, _ = select.select([output], [], [], _SHUT_S)
        if not readable or output.readline() != b"ready\n":
            raise RunFailed("the receiver of the bulk transfer does not start")
        loop.run(*command, "send", _RECEIVER, str(_MIB), in_network=True)
        found = read_object(output.read().decode())
    receiver.wait()
    return _MIB / number(found, "seconds")


def _wait_for_checks(loop: RealLoop) -> None:
    deadline, before = time.monotonic() + _TOLD_S, _sent(loop)
    while _sent(loop) == before:
        if time.monotonic() > deadline:
            raise RunFailed("the prober checks nothing")
        threading.Event().wait(0.5)


def _sent(loop: RealLoop) -> int:
    """Return the frames sent on the trunk so far: while nothing else runs there, one for each check."""
    links = json.loads(loop.run("ip", "-json", "-statistics", "link", "show", "dev", UPLINK))
    return int(links[0]["stats64"]["tx"]["packets"])
