"""The thread that gives the engine its frames, its time and its sockets."""

import os
import select
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import structlog

from services.contract.messages import SegmentProbe
from services.contract.outcomes import Fault
from services.prober.engine.engine import Engine
from services.prober.engine.losses import Losses
from services.prober.engine.results import untried
from services.prober.engine.segment import Done
from services.prober.loop.echo_port import EchoPort, OpenEchoSocket
from services.prober.loop.trunk_port import Port
from services.prober.sockets.link import Link, LinkError
from services.runtime.clock import Clock

log = structlog.get_logger(__name__)

_RETRY_S = 0.001
"""Until a send that found no room is tried again."""
_IDLE_S = 1.0
_TRAIN = 512
"""Segments taken at once before it is looked for answers again; their pace is another matter. Fewer are begun
late where servers want the same processor, more are out of its caches when their answers come."""
_STOP_TIMEOUT_S = 5.0

OpenLink = Callable[[str, bytes], Link]
"""(interface, MAC prefix) to an open link; raises LinkError."""


class _Submission(NamedTuple):
    cluster_network: str
    probes: deque[SegmentProbe]
    """Those that are not begun yet."""
    done: Done


class Runner:
    """One engine, all uplinks of a host. submit may be called from any thread, done is called from ours."""

    def __init__(
        self,
        *,
        engine: Engine,
        uplinks: Callable[[], Mapping[str, str]],
        clock: Clock,
        open_link: OpenLink,
        open_echo_socket: OpenEchoSocket,
        failed: Callable[[], None] = lambda: None,
    ) -> None:
        """uplinks: cluster network to interface, as it is now.

        failed: called once if the engine breaks, in its thread.
        """
        self._failed = failed
        self.iterated_at: float | None = None
        """When the engine's loop went round last (monotonic seconds); None while it does not run."""
        self._losses: dict[str, Losses] = {}
        self._engine = engine
        self._uplinks = uplinks
        self._clock = clock
        self._open_link = open_link
        self._lock = threading.Lock()
        self._inbox: deque[_Submission] = deque()
        self._stopping = False
        self._ports: dict[str, Port] = {}
        self._wakeup = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll = select.epoll()
        self._epoll.register(self._wakeup, select.EPOLLIN)
        self._echoes: EchoPort | None = None
        if engine.echoes is not None:
            self._echoes = EchoPort(
                engine.echoes,
                open_socket=open_echo_socket,
                clock=clock,
                watch=lambda descriptor: self._epoll.register(descriptor, select.EPOLLIN),
                forget=self._epoll.unregister,
            )
        self._thread = threading.Thread(target=self._run, name="prober-engine", daemon=True)

    def start(self) -> None:
        """Begin to work in a thread of our own; no socket is opened before there is something to probe."""
        self._thread.start()

    def run(self, until: Callable[[], bool]) -> None:
        """Work in the caller's thread, and end, what is unfinished as STOPPED, when until says so.

        It is asked often, and whatever it raises comes out, after everything was closed.
        """
        try:
            while not until():
                timeout_s = self._work()
                # What was just found may be all: nobody waits for more then.
                if until():
                    break
                self._wait(timeout_s)
        finally:
            self.iterated_at = None
            self._end()

    def submit(self, cluster_network: str, probe: SegmentProbe, done: Done) -> None:
        """Probe a segment. done gets its finding, exactly once, in the engine's thread: it must not block.

        After stop, the finding is at once the fault STOPPED.
        """
        if cluster_network not in self._uplinks():
            raise KeyError(cluster_network)
        with self._lock:
            stopping = self._stopping
            if not stopping:
                self._inbox.append(_Submission(cluster_network, deque((probe,)), done))
                os.eventfd_write(self._wakeup, 1)
        if stopping:
            done(untried(cluster_network, probe, Fault.STOPPED))

    def submit_many(self, cluster_network: str, probes: Iterable[SegmentProbe], done: Done) -> None:
        """The same for many, before start or run."""
        if cluster_network not in self._uplinks():
            raise KeyError(cluster_network)
        with self._lock:
            self._inbox.append(_Submission(cluster_network, deque(probes), done))

    def stop(self) -> None:
        """End: what is unfinished is told as STOPPED before this returns."""
        with self._lock:
            if not self._stopping:
                self._stopping = True
                os.eventfd_write(self._wakeup, 1)
        if self._thread.is_alive():
            self._thread.join(_STOP_TIMEOUT_S)

    def _run(self) -> None:
        try:
            while not self._stopping:
                self._turn()
        except Exception:
            # Nobody else would see it: those who wait are told that nothing more comes.
            log.exception("the engine failed")
            self._failed()
        finally:
            self.iterated_at = None
            self._end()

    def dropped_frames(self) -> dict[str, int]:
        """Frames that the kernel dropped since the start, by cluster network. From any thread."""
        return {cluster_network: losses.frames for cluster_network, losses in list(self._losses.items())}

    def _turn(self) -> None:
        self._wait(self._work())

    def _work(self) -> float:
        """Do what there is to do; how long nothing else will be, in seconds."""
        now = self.iterated_at = self._clock.monotonic()
        more = self._receive()
        for cluster_network, port in list(self._ports.items()):
            port.look(now)
            self._close_failed(cluster_network, port)
        more |= self._take_submissions(now)
        self._engine.advance(now)
        self._send(now)
        self._close_idle(now)
        return 0.0 if more else self._timeout(self._clock.monotonic())

    def _receive(self) -> bool:
        more = False
        for port in self._ports.values():
            more |= port.receive()
        if self._echoes is not None:
            more |= self._echoes.receive()
        return more

    def _take_submissions(self, now: float) -> bool:
        """Begin some of what was submitted; whether there is more."""
        with self._lock:
            train = self._next_train()
            more = bool(self._inbox)
        failures: dict[str, Fault] = {}
        for cluster_network in {cluster_network for cluster_network, _, _ in train} - self._ports.keys():
            fault = self._open(cluster_network)
            if fault is not None:
                failures[cluster_network] = fault
        if train:
            # Opening takes milliseconds, which are not the network's.
            now = self._clock.monotonic()
        for cluster_network, probe, done in train:
            self._engine.start(cluster_network, probe, done=done, now=now)
        for cluster_network, fault in failures.items():
            self._engine.uplink_failed(cluster_network, fault, now=now)
        return more

    def _next_train(self) -> list[tuple[str, SegmentProbe, Done]]:
        train: list[tuple[str, SegmentProbe, Done]] = []
        while self._inbox and len(train) < _TRAIN:
            cluster_network, probes, done = self._inbox[0]
            room = _TRAIN - len(train)
            train += [(cluster_network, probes.popleft(), done) for _ in range(min(room, len(probes)))]
            if not probes:
                self._inbox.popleft()
        return train

    def _open(self, cluster_network: str) -> Fault | None:
        trunk = self._engine.trunk(cluster_network)
        self._losses[cluster_network] = trunk.losses
        prefix = trunk.identity.prefix
        try:
            interface = self._uplinks().get(cluster_network)
            if interface is None:
                raise LinkError(Fault.UPLINK_MISSING, "no such uplink any more")
            link = self._open_link(interface, prefix)
        except LinkError as error:
            log.warning("uplink cannot be used", cluster_network=cluster_network, error=str(error))
            return error.fault
        self._epoll.register(link.fileno(), select.EPOLLIN)
        self._ports[cluster_network] = Port(
            cluster_network=cluster_network,
            link=link,
            engine=self._engine,
            clock=self._clock,
            now=self._clock.monotonic(),
        )
        return None

    def _send(self, now: float) -> None:
        for cluster_network, port in list(self._ports.items()):
            port.send(now)
            self._close_failed(cluster_network, port)
        if self._echoes is not None:
            self._echoes.send(now)

    def _close_idle(self, now: float) -> None:
        for cluster_network, port in list(self._ports.items()):
            if port.idle(now):
                self._close(cluster_network)
        if self._echoes is not None:
            self._echoes.close_if_idle()

    def _timeout(self, now: float) -> float:
        if self._waits_for_room():
            return _RETRY_S
        deadlines = [port.next_look() for port in self._ports.values()]
        due = self._engine.next_deadline()
        if due is not None:
            deadlines.append(due)
        return max(0.0, min(deadlines) - now) if deadlines else _IDLE_S

    def _wait(self, timeout_s: float) -> None:
        for descriptor, _ in self._epoll.poll(timeout_s):
            if descriptor == self._wakeup:
                os.eventfd_read(self._wakeup)

    def _close_failed(self, cluster_network: str, port: Port) -> None:
        if port.failed is not None:
            self._close(cluster_network)

    def _close(self, cluster_network: str) -> None:
        port = self._ports.pop(cluster_network)
        self._epoll.unregister(port.fileno())
        port.close()

    def _waits_for_room(self) -> bool:
        echoes = self._echoes is not None and self._echoes.waits_for_room
        return echoes or any(port.waits_for_room for port in self._ports.values())

    def _end(self) -> None:
        with self._lock:
            self._stopping = True
            submissions = list(self._inbox)
            self._inbox.clear()
        self._engine.stop(self._clock.monotonic())
        for cluster_network, probes, done in submissions:
            for probe in probes:
                done(untried(cluster_network, probe, Fault.STOPPED))
        self._send(self._clock.monotonic())
        for cluster_network in list(self._ports):
            self._close(cluster_network)
        if self._echoes is not None:
            self._echoes.close()
        self._epoll.close()
        os.close(self._wakeup)
