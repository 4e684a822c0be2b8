"""Measuring each step of the engine, without a socket or a thread: `python -m bench.steps`.

Prints CPU time per VLAN, the least of a few runs over all VLANs, with Python's garbage collector off and at
its defaults; the difference is the cost of garbage collection.
"""

import argparse
import gc
import random
import sys
import time
from collections.abc import Callable, Sequence

from bench.frames import GOOD_OPTIONS, arp_reply, dhcp_frame
from lab.bigsite import addressing
from services.contract.messages import SegmentProbe, Target
from services.contract.outcomes import ReachOutcome
from services.prober.engine.engine import Engine
from services.prober.engine.results import SegmentResult
from services.prober.engine.settings import EngineSettings
from services.prober.engine.trunk import Trunk
from services.prober.frames import ipv4, templates
from services.prober.verdicts import verdict

_VLANS = range(1, 4095)
_NAME = "bench"
_BOOTP, _TAG = 42, 4
Steps = dict[str, float]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the microseconds for each step."""
    parser = argparse.ArgumentParser(prog="python -m bench.steps", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="runs over all VLANs (default: %(default)s)")
    runs = parser.parse_args(arguments).runs
    templates.load()
    gc.disable()
    without = [one_run() for _ in range(runs)]
    gc.enable()
    default = [one_run() for _ in range(runs)]
    print(" no gc  default  µs per VLAN")
    for name in without[0]:
        least, usual = (min(run[name] for run in kind) for kind in (without, default))
        print(f"{least:6.2f}   {usual:6.2f}  {name}")
    totals = (min(sum(run.values()) for run in kind) for kind in (without, default))
    print("{:6.2f}   {:6.2f}  total".format(*totals))
    return 0


def one_run() -> Steps:
    """Run every VLAN through a new engine; return the microseconds per VLAN of each step."""
    steps: Steps = {}
    found: list[SegmentResult] = []
    engine = Engine(
        host=_NAME,
        # As the C program: the address is used at once, and one ARP answer is enough.
        settings=EngineSettings(
            start_rate=None, arp_rate=None, conflict_probes=0, tries_without_address=False
        ),
        templates=templates.load(),
        randomness=random.Random(1),
        routed=False,
    )
    trunk = engine.trunk(_NAME)
    target = Target(digest="0" * 16)
    probes: list[SegmentProbe] = []

    def make() -> None:
        for vlan in _VLANS:
            ours = addressing.ours(vlan)
            probes.append(SegmentProbe(vlan=vlan, ask_dhcp=True, source=ours, targets=(target,)))

    steps["build SegmentProbe (contract model) and an address"] = _take(make)

    def start() -> None:
        for probe in probes:
            engine.start(_NAME, probe, done=found.append, now=1.0)

    steps["start: state, timers, DISCOVER"] = _take(start)
    offers = [_offer_to(frame) for frame, _ in trunk.take_frames()]
    steps["OFFER: parse, match, ARP probe"] = _take(lambda: _hand_in(trunk, offers))
    replies = [_reply_to(frame) for frame, _ in trunk.take_frames()]
    steps["ARP reply: parse, match, echo"] = _take(lambda: _hand_in(trunk, replies))
    echoes = [_echo_to(frame) for frame, _ in trunk.take_frames()]
    steps["echo reply: parse, match"] = _take(lambda: _hand_in(trunk, echoes))
    steps["close the window: SegmentResult"] = _take(lambda: engine.advance(2.0))
    done = [finding for finding in found if finding.targets[0].echo.outcome is ReachOutcome.REACHABLE]
    if len(done) != len(_VLANS):
        raise AssertionError(
            f"{len(done)} of {len(_VLANS)} VLANs finished: the steps no longer fit the engine"
        )
    steps["SegmentResult to Verdict (contract models)"] = _take(lambda: _convert(found))
    return steps


def _take(work: Callable[[], object]) -> float:
    before = time.process_time()
    work()
    return (time.process_time() - before) / len(_VLANS) * 1e6


def _hand_in(trunk: Trunk, frames: list[tuple[int, bytes]]) -> None:
    for vlan, frame in frames:
        trunk.receive(vlan, frame, verify_checksum=False, now=1.1)


def _convert(found: list[SegmentResult]) -> None:
    for counter, finding in enumerate(found):
        verdict(finding, host=_NAME, request_id=_NAME, incarnation=0, counter=counter)


def _offer_to(discover: bytes) -> tuple[int, bytes]:
    offer = bytearray(dhcp_frame(GOOD_OPTIONS))
    asked = discover[_TAG:]
    offer[_BOOTP + 4 : _BOOTP + 8] = asked[_BOOTP + 4 : _BOOTP + 8]
    offer[_BOOTP + 28 : _BOOTP + 34] = asked[_BOOTP + 28 : _BOOTP + 34]
    return _vlan(discover), bytes(offer)


def _reply_to(request: bytes) -> tuple[int, bytes]:
    reply = bytearray(arp_reply())
    reply[0:6] = reply[32:38] = request[6:12]
    return _vlan(request), bytes(reply)


def _echo_to(request: bytes) -> tuple[int, bytes]:
    asked = request[_TAG:]
    ip = asked[14:26] + asked[30:34] + asked[26:30]
    message = b"\0\0\0\0" + asked[38:]
    message = message[:2] + ipv4.checksum(message).to_bytes(2, "big") + message[4:]
    return _vlan(request), request[6:12] + asked[0:6] + b"\x08\0" + ip + message


def _vlan(frame: bytes) -> int:
    return int.from_bytes(frame[14:16], "big")


if __name__ == "__main__":
    sys.exit(main())
