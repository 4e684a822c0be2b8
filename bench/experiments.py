"""Experiments that should make the exchange cheaper: `python -m bench.experiments`, as root.

Each is measured beside the present code, so that nobody has to guess its effect again.
"""

import argparse
import resource
import socket
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from bench.compiling import Programs
from bench.engine import Collector, Scan
from bench.exchanges import VLANS
from bench.trunk import Trunk
from lab.bigsite.fabric import UPLINK, cable
from services.prober.sockets.sendmmsg import BATCH_FRAMES, SendBatch

_SOL_PACKET, _QDISC_BYPASS = 263, 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one line per experiment."""
    parser = argparse.ArgumentParser(prog="python -m bench.experiments", description=__doc__)
    parser.add_argument(
        "--runs",
        type=int,
        default=3,
        help="runs per experiment, of which the fastest counts (default: %(default)s)",
    )
    runs = parser.parse_args(arguments).runs
    with tempfile.TemporaryDirectory(prefix="nadroute-bench-") as name, cable() as site:
        trunk = Trunk(Programs(Path(name)), site)
        with trunk.responder():
            for collector in Collector:
                scan = replace(Scan(vlans=VLANS), collector=collector)
                probed = min((trunk.probe(scan) for _ in range(runs)), key=lambda run: run.cpu_s)
                _print(f"scan, garbage collector {collector}", probed.cpu_s, f"{probed.peak_mib:.0f} MiB")
        site.host.enter()
        for bypass in (0, 1):
            _sending(bypass=bypass, runs=runs)
    return 0


def _sending(*, bypass: int, runs: int) -> None:
    # An EtherType for experiments (IEEE 802a); frames as long as a DISCOVER.
    head = b"\xff" * 6 + b"\x02\0\0\0\0\1" + b"\x81\0"
    tags = (vlan.to_bytes(2, "big") for vlan in range(1, VLANS + 1))
    frames = [(head + tag + b"\x88\xb5").ljust(346, b"\0") for tag in tags]
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
        sock.setsockopt(_SOL_PACKET, _QDISC_BYPASS, bypass)
        sock.bind((UPLINK, 0))

        batch = SendBatch(sock)

        def one_by_one() -> None:
            for frame in frames:
                sock.send(frame)

        def together() -> None:
            sent = 0
            while sent < len(frames):
                sent += batch.send(frames[sent : sent + BATCH_FRAMES])

        bypassing = "with" if bypass else "without"
        _print(f"{VLANS} frames, send, {bypassing} PACKET_QDISC_BYPASS", _least(one_by_one, runs))
        _print(
            f"{VLANS} frames, sendmmsg by ctypes, {bypassing} PACKET_QDISC_BYPASS",
            _least(together, runs),
        )


def _least(work: Callable[[], None], runs: int) -> float:
    taken = []
    for _ in range(runs):
        before = _cpu_s()
        work()
        taken.append(_cpu_s() - before)
    return min(taken)


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _print(name: str, cpu_s: float, more: str = "") -> None:
    print(f"{cpu_s * 1000:7.1f} ms  {name}  {more}".rstrip())


if __name__ == "__main__":
    sys.exit(main())
