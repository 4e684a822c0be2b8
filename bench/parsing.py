"""Measuring the parsing of one frame: `python -m bench.parsing RUNS` prints one line of JSON."""

import json
import sys
import time
import timeit
from collections.abc import Callable, Iterator

from bench.frames import XID, good_frames, hostile_frames
from bench.processes import RunFailed, read_object, run
from bench.table import Entry, Row, Unit
from lab.namespaces import Namespace

_SECTION = "Reading a frame, interpreted"
_TIMES = 2_000
_TIMES_SCAPY = 100


def measure(*, runs: int) -> Iterator[Entry]:
    """Measure the microseconds for each kind of frame, and for scapy on the same OFFER."""
    namespace = Namespace("parsing")
    try:
        done = run(namespace, [sys.executable, "-m", "bench.parsing", str(runs)])
    finally:
        namespace.close()
    for name, values in read_object(done.output).items():
        if not isinstance(values, list) or not all(isinstance(value, float) for value in values):
            raise RunFailed(f"parsing: expected numbers for {name}")
        yield Row(section=_SECTION, name=name, unit=Unit.MICROSECONDS, values=tuple(values))


def reader() -> Callable[[bytes], object]:
    """Return the function that parses a frame as the engine does when it is not from this host."""
    from services.prober.frames import arp
    from services.prober.frames.dhcp_frames import DHCPFrameReader

    replies, xids = DHCPFrameReader(), {XID}

    def read(frame: bytes) -> object:
        if frame[12:14] == b"\x08\x06":
            return arp.parse(frame)
        return replies.read(frame, verify_checksum=True, xids=xids)

    return read


def step_by_step(frame: bytes) -> object:
    """Parse a frame whose form the engine has not seen before."""
    from services.prober.frames import dhcp, ipv4

    datagram = ipv4.parse_udp(frame, start=14, verify_checksum=True)
    return None if datagram is None else dhcp.parse_reply(datagram.payload)


def _take(read: Callable[[bytes], object], frame: bytes, *, times: int, runs: int) -> list[float]:
    return [taken / times * 1e6 for taken in _repeat(lambda: read(frame), times=times, runs=runs)]


def _repeat(work: Callable[[], object], *, times: int, runs: int) -> list[float]:
    # CPU time, because other processes may run in between.
    return timeit.repeat(work, timer=time.process_time, number=times, repeat=runs)


def main() -> int:
    """Measure in this process and print JSON."""
    runs = int(sys.argv[1])
    found: dict[str, list[float]] = {}
    good = good_frames()
    for name, frame in good.items():
        found[f"good: {name}"] = _take(reader(), frame, times=_TIMES, runs=runs)
    found["good: OFFER in a form not seen before"] = _take(
        step_by_step, good["OFFER"], times=_TIMES, runs=runs
    )
    for name, frame in hostile_frames().items():
        found[f"hostile: {name}"] = _take(reader(), frame, times=_TIMES, runs=runs)
    from scapy.layers.dhcp import DHCP
    from scapy.layers.l2 import Ether

    def dissect(frame: bytes) -> object:
        return Ether(frame)[DHCP].options

    found["scapy: the same OFFER"] = _take(dissect, good["OFFER"], times=_TIMES_SCAPY, runs=runs)
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
