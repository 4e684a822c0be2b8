"""The event loop that drives the engine: it polls the sockets, passes frames and time, and sends."""

import logging
import select
import threading
from collections.abc import Callable, Mapping, Sequence

from services.contract.outcomes import Fault
from services.prober.engine.engine import Engine
from services.prober.engine.losses import Losses
from services.prober.engine.probes import Probe
from services.prober.engine.results import untried
from services.prober.engine.segment import ResultCallback
from services.prober.frames.ignore_reasons import IgnoreReason
from services.prober.loop.batches import ProbeInbox
from services.prober.loop.ports import EchoPort, OpenEchoSocket, TrunkPort
from services.prober.loop.uplink_log import UplinkLog
from services.prober.sockets.link import Link, LinkError
from services.runtime.process.clock import Clock

log = logging.getLogger(__name__)

_RETRY_S = 0.001
"""Delay before a send that a socket did not accept is retried."""
_IDLE_S = 1.0
_STOP_TIMEOUT_S = 5.0

OpenLink = Callable[[str, bytes], Link]
"""Opens a link for (interface, MAC prefix); raises LinkError."""


class Runner:
    """Runs one engine for all uplinks of a host. submit is thread-safe; done runs in the engine's thread."""

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
        """uplinks: returns the current interface of each cluster network.

        failed: called once, in the engine's thread, when the engine raises.
        """
        self._failed = failed
        self.iterated_at: float | None = None
        """Time of the last loop iteration in monotonic seconds; None while the loop does not run."""
        self._losses: dict[str, Losses] = {}
        self._engine = engine
        self._uplinks = uplinks
        self._clock = clock
        self._open_link = open_link
        self._inbox = ProbeInbox()
        self._uplink_log = UplinkLog()
        self._ports: dict[str, TrunkPort] = {}
        self._epoll = select.epoll()
        self._epoll.register(self._inbox.fileno(), select.EPOLLIN)
        self._echoes: EchoPort | None = None
        if engine.echoes is not None:
            self._echoes = EchoPort(
                engine.echoes,
                open_socket=open_echo_socket,
                clock=clock,
                watch=lambda descriptor: self._epoll.register(descriptor, select.EPOLLIN),
                unwatch=self._epoll.unregister,
            )
        self._thread = threading.Thread(target=self._run, name="prober-engine", daemon=True)

    def start(self) -> None:
        """Start the engine's thread. Sockets are opened when there is something to probe."""
        self._thread.start()

    def run(self, until: Callable[[], bool]) -> None:
        """Run in the caller's thread until `until` returns True; unfinished segments end as STOPPED.

        until: called in each iteration. Its exceptions propagate, after all resources are released.
        """
        try:
            while not until():
                timeout_s = self._process()
                # The last result may have come: do not wait then.
                if until():
                    break
                self._wait(timeout_s)
        finally:
            self.iterated_at = None
            self._end()

    def submit(self, cluster_network: str, probe: Probe, done: ResultCallback) -> None:
        """Probe a segment. done gets its result exactly once, in the engine's thread: it must not block.

        After stop(), done gets the fault STOPPED at once. Raises KeyError for an unknown cluster network.
        """
        self.submit_many(cluster_network, (probe,), done)

    def submit_many(self, cluster_network: str, probes: Sequence[Probe], done: ResultCallback) -> None:
        """Probe segments; see submit."""
        if cluster_network not in self._uplinks():
            raise KeyError(cluster_network)
        if not self._inbox.put(cluster_network, probes, done):
            for probe in probes:
                done(untried(cluster_network, probe, Fault.STOPPED))

    def stop(self) -> None:
        """Stop the loop; unfinished segments have ended as STOPPED when this returns."""
        self._inbox.close()
        if self._thread.is_alive():
            self._thread.join(_STOP_TIMEOUT_S)

    def _run(self) -> None:
        try:
            self.run(lambda: self._inbox.closed)
        except Exception:
            # Nothing else would report it. Callers have got STOPPED for what was unfinished.
            log.exception("engine failed")
            self._failed()

    def dropped_frames(self) -> dict[str, int]:
        """Return the frames that the kernel dropped since the start, by cluster network. Thread-safe."""
        return {cluster_network: losses.frames for cluster_network, losses in list(self._losses.items())}

    def ignored_frames(self) -> Mapping[IgnoreReason, int]:
        """Return the received frames that the engine ignored since the start, by reason. Thread-safe."""
        return self._engine.ignored_frames()

    def _process(self) -> float:
        """Do what is due; returns for how many seconds nothing will be."""
        now = self.iterated_at = self._clock.monotonic()
        more = self._receive()
        for cluster_network, port in list(self._ports.items()):
            port.check_link(now)
            self._close_failed(cluster_network, port)
        more |= self._start_batch(now)
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

    def _start_batch(self, now: float) -> bool:
        """Start a batch of submitted probes; returns whether more are left."""
        batch, more = self._inbox.take_batch()
        failures: dict[str, Fault] = {}
        for cluster_network in {cluster_network for cluster_network, _, _ in batch} - self._ports.keys():
            fault = self._open(cluster_network)
            if fault is not None:
                failures[cluster_network] = fault
        if batch:
            # Opening a link takes milliseconds, which must not count as network time.
            now = self._clock.monotonic()
        for cluster_network, probe, done in batch:
            self._engine.start(cluster_network, probe, done=done, now=now)
        for cluster_network, fault in failures.items():
            self._engine.uplink_failed(cluster_network, fault, now=now)
        return more

    def _open(self, cluster_network: str) -> Fault | None:
        trunk = self._engine.trunk(cluster_network)
        self._losses[cluster_network] = trunk.losses
        prefix = trunk.identity.prefix
        try:
            interface = self._uplinks().get(cluster_network)
            if interface is None:
                raise LinkError(Fault.UPLINK_MISSING, "the uplink is gone")
            link = self._open_link(interface, prefix)
        except LinkError as error:
            self._uplink_log.failed(cluster_network, error)
            return error.fault
        self._epoll.register(link.fileno(), select.EPOLLIN)
        self._ports[cluster_network] = TrunkPort(
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
                self._uplink_log.worked(cluster_network)
                self._close(cluster_network)
        if self._echoes is not None:
            self._echoes.close_if_idle()

    def _timeout(self, now: float) -> float:
        echoes_unsent = self._echoes is not None and self._echoes.has_unsent
        if echoes_unsent or any(port.has_unsent for port in self._ports.values()):
            return _RETRY_S
        deadlines = [port.next_check_at() for port in self._ports.values()]
        due = self._engine.next_deadline()
        if due is not None:
            deadlines.append(due)
        return max(0.0, min(deadlines) - now) if deadlines else _IDLE_S

    def _wait(self, timeout_s: float) -> None:
        for descriptor, _ in self._epoll.poll(timeout_s):
            if descriptor == self._inbox.fileno():
                self._inbox.clear_wakeup()

    def _close_failed(self, cluster_network: str, port: TrunkPort) -> None:
        if port.failed is not None:
            self._uplink_log.failed(cluster_network, port.failed)
            self._close(cluster_network)

    def _close(self, cluster_network: str) -> None:
        port = self._ports.pop(cluster_network)
        self._epoll.unregister(port.fileno())
        port.close()

    def _end(self) -> None:
        not_started = self._inbox.release()
        self._engine.stop(self._clock.monotonic())
        for cluster_network, probe, done in not_started:
            done(untried(cluster_network, probe, Fault.STOPPED))
        self._send(self._clock.monotonic())
        for cluster_network in list(self._ports):
            self._close(cluster_network)
        if self._echoes is not None:
            self._echoes.close()
        self._epoll.close()
