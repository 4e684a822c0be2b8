"""A trunk with the C responder at its far end and a prober at its near end."""

import contextlib
import select
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

from bench.compiling import Programs
from bench.engine import Probed, Scan, probe
from bench.processes import RunFailed, number, read_object, run
from lab.bigsite.fabric import FAR_END, UPLINK, BigSite, cable

_READY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Baseline:
    """Cost of the exchange in C, in seconds."""

    cpu_s: float
    wall_s: float


class Trunk:
    """The near end of the trunk."""

    def __init__(self, programs: Programs, site: BigSite) -> None:
        self._programs = programs
        self._host = site.host
        self._network = site.network
        self.seen: dict[str, object] = {}
        """Counters of the last responder, set when it has ended."""

    @contextlib.contextmanager
    def responder(self, *, mute: int | None = None) -> Iterator[None]:
        """Answer on every VLAN, except those whose number is divisible by mute."""
        options = [] if mute is None else ["-m", str(mute)]
        process = self._network.start(
            [str(self._programs.responder), *options, FAR_END],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert process.stdout is not None
        try:
            readable, _, _ = select.select([process.stdout], [], [], _READY_SECONDS)
            output = process.stdout.readline().decode(errors="replace").strip() if readable else "nothing"
            if output != "ready":
                raise RunFailed(f"the responder does not start: expected ready, got {output}")
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            output = process.stdout.read().decode(errors="replace")
            process.stdout.close()
            process.wait()
        self.seen = read_object(output)

    def baseline(
        self,
        *,
        vlans: int,
        lease: bool = False,
        ping: bool = False,
        retry_s: float = 0.2,
        give_up_s: float = 20.0,
    ) -> Baseline:
        """Run the same exchange in C. Raises RunFailed if a VLAN does not answer."""
        times = ["-r", str(round(retry_s * 1000)), "-d", str(round(give_up_s * 1000))]
        steps = [*(["-l"] if lease else []), *(["-i"] if ping else [])]
        command = [str(self._programs.baseline), "-n", str(vlans), *times, *steps, UPLINK]
        done = read_object(run(self._host, command).output)
        return Baseline(cpu_s=number(done, "cpu_s"), wall_s=number(done, "wall_s"))

    def probe(self, scan: Scan, *, interpreted: bool = False) -> Probed:
        """Run the engine, compiled or interpreted: see bench.engine.probe."""
        return probe(self._host, scan, None if interpreted else self._programs.engine)


@contextlib.contextmanager
def open_trunk(programs: Programs) -> Iterator[Trunk]:
    """Build two namespaces joined by a cable."""
    with cable() as site:
        yield Trunk(programs, site)
