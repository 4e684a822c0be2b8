"""Send and arrival times of frames: those of the call and the kernel, not of the loop iteration."""

import random
from collections.abc import Sequence

import pytest

from services.contract.messages import SegmentProbe
from services.contract.outcomes import Depth
from services.prober.engine.engine import Engine
from services.prober.engine.results import SegmentResult
from services.prober.engine.settings import EngineSettings
from services.prober.frames import templates
from services.prober.loop.ports import TrunkPort
from services.prober.sockets.link import Received
from tests.support.manual_clock import ManualClock
from tests.unit.prober import frames
from tests.unit.prober.leasing import LeasingServer, Pinged
from tests.unit.prober.world import UPLINK, DHCPServer, Gateway, World, target

EACH_S = 0.001
"""Time to send one frame."""


class _SlowLink:
    """Takes 1 ms to send a frame; receives the frames in `waiting`."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self.sent: list[frames.Sent] = []
        self.waiting: list[Received] = []

    def fileno(self) -> int:
        return 0

    def send(self, frames_out: Sequence[bytes]) -> int:
        self._clock.seconds += EACH_S * len(frames_out)
        self.sent += [frames.take_apart(frame) for frame in frames_out]
        return len(frames_out)

    def receive(self, limit: int) -> list[Received]:
        taken, self.waiting = self.waiting[:limit], self.waiting[limit:]
        return taken

    def dropped(self) -> int:
        return 0

    def carrier_changes(self, now: float) -> int:
        return 0

    def listen_for(self, addresses: frozenset[int]) -> None:
        raise AssertionError("no address is held")

    def close(self) -> None: ...


class _Bench:
    """A TrunkPort between an engine and a slow link."""

    def __init__(self) -> None:
        self.clock = ManualClock(on_wait="fail")
        self.link = _SlowLink(self.clock)
        self.engine = Engine(
            host="node1",
            settings=EngineSettings(start_rate=None, arp_rate=None),
            templates=templates.load(),
            randomness=random.Random(1),
            routed=False,
        )
        self.port = TrunkPort(
            cluster_network=UPLINK,
            link=self.link,
            engine=self.engine,
            clock=self.clock,
            now=self.clock.seconds,
        )
        self.found: list[SegmentResult] = []

    def ask(self, vlans: Sequence[int]) -> None:
        for vlan in vlans:
            probe = SegmentProbe(vlan=vlan, ask_dhcp=True, targets=(target(),))
            self.engine.start(UPLINK, probe, done=self.found.append, now=self.clock.seconds)
        self.port.send(self.clock.seconds)

    def offers(self, age_s: float) -> None:
        """Answer every DISCOVER by an offer that was received age_s ago."""
        for sent in self.link.sent:
            for _, reply in DHCPServer()(sent):
                self.link.waiting.append(Received(sent.vlan, reply, True, age_s))
        self.port.receive()

    def times(self) -> list[float]:
        """Return the time from DISCOVER to OFFER in seconds, by VLAN."""
        while (due := self.engine.next_deadline()) is not None:
            self.clock.seconds = max(self.clock.seconds, due)
            self.engine.advance(self.clock.seconds)
        ordered = sorted(self.found, key=lambda result: result.vlan)
        return [result.dhcp.offers[0].after_s for result in ordered if result.dhcp]


def test_the_time_of_an_offer_is_from_its_own_frame_to_its_arrival() -> None:
    """Each frame of a burst has its own send time; the time until a reply is read does not count."""
    bench = _Bench()
    bench.ask(range(1, 101))
    bench.clock.seconds += 5.0
    bench.offers(age_s=4.9)
    # All arrived 0.1 s after the last frame was sent.
    assert bench.times() == pytest.approx([0.1 + EACH_S * (100 - sent) for sent in range(100)])


@pytest.mark.parametrize(("age_s", "expected"), [(-3600.0, 0.5), (3600.0, 0.001), (0.0, 0.5)])
def test_a_step_of_the_wall_clock_does_not_change_times(age_s: float, expected: float) -> None:
    """W7: kernel timestamps use the wall clock; arrival times are clamped between the last read and now."""
    bench = _Bench()
    bench.ask([7])
    bench.port.receive()
    bench.clock.seconds += 0.499
    bench.offers(age_s=age_s)
    assert bench.times() == [pytest.approx(expected)]


def test_no_time_is_negative() -> None:
    """Send and arrival times come from different clock readings, which may differ by microseconds."""
    world = World(routed=False, depth=Depth.LEASE)
    world.put(7, LeasingServer(), Gateway(delay_s=-0.000_01), Pinged())
    world.probe(7)
    asked = next(s for f, _ in world.trunk.take_frames() if (s := frames.take_apart(f)).dhcp)
    reply = frames.answer(asked, options=frames.offer_options())
    world.trunk.receive(7, reply, verify_checksum=True, now=world.now - 0.000_01)
    found = world.only()
    assert found.dhcp is not None
    assert found.lease is not None
    assert found.dhcp.elapsed_s == found.dhcp.offers[0].after_s == 0.0
    assert found.lease.elapsed_s >= 0.0
    assert all((reached.rtt_s or 0.0) >= 0.0 for reached in (found.targets[0].vlan, found.targets[0].echo))


def test_a_request_may_demand_a_lease() -> None:
    """SegmentProbe.depth overrides the prober's setting."""
    world = World(routed=False)
    world.put(7, LeasingServer(), Gateway(), Pinged())
    probe = SegmentProbe(vlan=7, ask_dhcp=True, depth=Depth.LEASE, targets=(target(),))
    found: list[SegmentResult] = []
    world._begun = 1
    world.engine.start(
        UPLINK, probe, done=lambda f: found.append(world.found.setdefault(7, f)), now=world.now
    )
    world.run()
    assert found[0].lease is not None
