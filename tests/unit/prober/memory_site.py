"""A runner with links and sockets in memory."""

import os
import queue
import random
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from services.contract.messages import SegmentProbe, Target
from services.prober.engine.engine import Engine
from services.prober.engine.results import SegmentResult
from services.prober.engine.settings import EngineSettings
from services.prober.frames import templates
from services.prober.loop.runner import Runner
from services.prober.sockets.link import LinkError, Received
from services.runtime.process.clock import SystemClock
from tests.unit.prober import frames
from tests.unit.prober.world import Reaction, target

QUICK = EngineSettings(dhcp_deadline_s=0.3, offer_window_s=0.01, reach_interval_s=0.05, reach_wait_s=0.05)
PATIENT = EngineSettings(dhcp_deadline_s=600.0)
TIMEOUT_S = 60.0


class MemoryLink:
    """A Link in memory; room: frames accepted per call."""

    def __init__(self, nodes: dict[int, list[Reaction]], *, room: int = 1000) -> None:
        self.nodes = nodes
        self.room = room
        self.closed = threading.Event()
        self.opened = threading.Event()
        self.drops: deque[int] = deque()
        self.flaps: deque[int] = deque()
        self.listened_for: list[frozenset[int]] = []
        self.broken: LinkError | None = None
        self._received: deque[Received] = deque()
        self._ready = os.eventfd(0, os.EFD_NONBLOCK)

    def fileno(self) -> int:
        return self._ready

    def send(self, frames_out: Sequence[bytes]) -> int:
        if self.broken is not None:
            raise self.broken
        for frame in frames_out[: self.room]:
            sent = frames.take_apart(frame)
            for node in self.nodes.get(sent.vlan, []):
                self._received.extend(Received(sent.vlan, reply, True, 0.0) for _, reply in node(sent))
                os.eventfd_write(self._ready, 1)
        return min(self.room, len(frames_out))

    def receive(self, limit: int) -> list[Received]:
        taken = [self._received.popleft() for _ in range(min(limit, len(self._received)))]
        if not self._received:
            with suppress(BlockingIOError):
                os.eventfd_read(self._ready)
        return taken

    def dropped(self) -> int:
        return self.drops.popleft() if self.drops else 0

    def carrier_changes(self, now: float) -> int:
        if self.broken is not None:
            raise self.broken
        return self.flaps.popleft() if self.flaps else 0

    def listen_for(self, addresses: frozenset[int]) -> None:
        self.listened_for.append(addresses)

    def close(self) -> None:
        os.close(self._ready)
        self.closed.set()


class MemoryEchoes:
    """An EchoSocket whose gateways answer at once."""

    def __init__(self, routed: set[int]) -> None:
        self._routed = routed
        self._replies: deque[bytes] = deque()
        self._ready = os.eventfd(0, os.EFD_NONBLOCK)

    def fileno(self) -> int:
        return self._ready

    def send(self, packets: Sequence[tuple[int, bytes]]) -> int:
        for gateway, message in packets:
            if gateway in self._routed:
                self._replies.append(frames.echo_reply(message, source=frames.dotted(gateway)))
                os.eventfd_write(self._ready, 1)
        return len(packets)

    def receive(self, limit: int) -> list[tuple[bytes, float]]:
        taken = [(self._replies.popleft(), 0.0) for _ in range(min(limit, len(self._replies)))]
        if taken:
            os.eventfd_read(self._ready)
        return taken

    def dropped(self) -> int:
        return 0

    def close(self) -> None:
        os.close(self._ready)


class Site:
    """A runner with memory links; its results are in `results`."""

    def __init__(self, settings: EngineSettings, *, room: int = 1000) -> None:
        self.nodes: dict[int, list[Reaction]] = {}
        self.routed: set[int] = set()
        self.links: list[MemoryLink] = []
        self.refusal: LinkError | None = None
        self.echo_refusal: LinkError | None = None
        self.results: queue.Queue[SegmentResult] = queue.Queue()
        self.failed = threading.Event()
        self._room = room
        self.engine = Engine(
            host="node1", settings=settings, templates=templates.load(), randomness=random.Random(1)
        )
        self.runner = Runner(
            engine=self.engine,
            uplinks=lambda: {"extra": "extra-bo"},
            clock=SystemClock(),
            open_link=self._open,
            open_echo_socket=self._open_echoes,
            failed=self.failed.set,
        )

    def _open(self, interface: str, mac_prefix: bytes) -> MemoryLink:
        assert interface == "extra-bo"
        assert len(mac_prefix) == 4
        if self.refusal is not None:
            raise self.refusal
        self.links.append(MemoryLink(self.nodes, room=self._room))
        return self.links[-1]

    def _open_echoes(self, mark: bytes) -> MemoryEchoes:
        if self.echo_refusal is not None:
            raise self.echo_refusal
        return MemoryEchoes(self.routed)

    def submit(self, vlan: int, *targets: Target, ask_dhcp: bool = True) -> None:
        probe = SegmentProbe(vlan=vlan, ask_dhcp=ask_dhcp, targets=targets or (target(),))
        self.runner.submit("extra", probe, self.results.put)

    def next(self) -> SegmentResult:
        return self.results.get(timeout=TIMEOUT_S)


@contextmanager
def running(settings: EngineSettings = QUICK, *, room: int = 1000) -> Iterator[Site]:
    site = Site(settings, room=room)
    site.runner.start()
    try:
        yield site
    finally:
        site.runner.stop()


def wait_until(condition: Callable[[], bool]) -> None:
    clock, never = SystemClock(), threading.Event()
    deadline = clock.monotonic() + TIMEOUT_S
    while not condition():
        assert clock.monotonic() < deadline
        clock.wait(never, 0.005)
