"""Faults of nadroute's processes."""

import signal

from tests.faults.soak.faulting import RECOVERY_S, Fault, Kinds
from tests.faults.soak.layout import HOSTS
from tests.faults.soak.parts import Part

ROLLING_S = 60.0
LOST_S = 70.0
"""Longer than the minute for which a host's word counts that has left."""


class ProcessFaults(Kinds):
    """See the module."""

    def stop(self) -> Fault:
        """A prober is stopped in an orderly way."""
        return self._end(signal.SIGTERM, "stopped")

    def kill(self) -> Fault:
        """A prober is killed."""
        return self._end(signal.SIGKILL, "killed")

    def _end(self, how: signal.Signals, word: str) -> Fault:
        host = self.chance.choice(HOSTS)
        part = self.world.probers[host].part
        seconds = self.chance.choice((0.5, 2.0, 10.0, 30.0, 80.0))
        label, claims = f"the prober of {host} is {word}", frozenset({f"prober {host}"})
        return Fault(label, claims, lambda: part.end(how), part.start, seconds)

    def freeze(self) -> Fault:
        """A prober is frozen."""
        host = self.chance.choice(HOSTS)
        part = self.world.probers[host].part
        label, claims = f"the prober of {host} is frozen", frozenset({f"prober {host}"})
        return Fault(label, claims, part.freeze, part.thaw, self.seconds())

    def crash_loop(self) -> Fault:
        """A prober is killed as often as it comes back."""
        host = self.chance.choice(HOSTS)

        def heal() -> None:
            self.world.crashing.discard(host)
            self.world.probers[host].part.start()

        label, claims = f"the prober of {host} crashes again and again", frozenset({f"prober {host}"})
        return Fault(label, claims, lambda: self.world.crashing.add(host), heal, self.seconds())

    def rolling(self) -> Fault:
        """All probers restart, one after the other; the next one when the last one serves."""

        def heal() -> None:
            self.world.rolling.clear()
            for prober in self.world.probers.values():
                prober.part.start()

        claims = frozenset(f"prober {host}" for host in HOSTS)
        return Fault(
            "all probers restart one after the other",
            claims,
            lambda: self.world.rolling.extend(HOSTS),
            heal,
            ROLLING_S,
        )

    def service(self) -> Fault:
        """The watcher or the updater is killed, stopped or frozen."""
        part: Part = self.chance.choice((self.world.watcher, self.world.updater))
        match self.chance.choice(("kill", "stop", "freeze")):
            case "kill":
                return self._without(part, signal.SIGKILL, "killed")
            case "stop":
                return self._without(part, signal.SIGTERM, "stopped")
        return self.central(f"the {part.name} is frozen", part.name, part.freeze, part.thaw)

    def kill_updater(self) -> Fault:
        """The updater is killed (W2)."""
        return self._without(self.world.updater, signal.SIGKILL, "killed")

    def kill_watcher(self) -> Fault:
        """The watcher is killed (W3)."""
        return self._without(self.world.watcher, signal.SIGKILL, "killed")

    def stop_any(self) -> Fault:
        """Any process is stopped in an orderly way (W4)."""
        part = self.chance.choice((self.world.watcher, self.world.updater, None))
        return self.stop() if part is None else self._without(part, signal.SIGTERM, "stopped")

    def freeze_any(self) -> Fault:
        """Any process is frozen (W5)."""
        part = self.chance.choice((self.world.watcher, self.world.updater, None))
        if part is None:
            return self.freeze()
        return self.central(f"the {part.name} is frozen", part.name, part.freeze, part.thaw)

    def lose_host(self) -> Fault:
        """A host's prober is away for longer than anybody counts on what it found (W6)."""
        host = self.chance.choice(HOSTS)
        part = self.world.probers[host].part
        claims = frozenset({f"prober {host}"})
        return Fault(f"{host} is lost", claims, part.end, part.start, LOST_S)

    def full_disk(self) -> Fault:
        """A process runs while the disk of its log is full (W8)."""
        part = self.chance.choice((self.world.watcher, self.world.updater))

        def restart(*, is_disk_full: bool) -> None:
            part.end(signal.SIGTERM)
            part.is_disk_full = is_disk_full
            part.start()
            self.recover(RECOVERY_S)

        return Fault(
            f"the disk of the {part.name}'s log is full",
            frozenset({part.name}),
            lambda: restart(is_disk_full=True),
            lambda: restart(is_disk_full=False),
            self.seconds(),
        )

    def second_prober(self) -> Fault:
        """A second prober is started under a host's name (W13)."""
        host = self.chance.choice(HOSTS)
        spare = self.world.spare_probers[host]
        label, claims = f"a second prober runs as {host}", frozenset({f"prober {host}"})
        return Fault(label, claims, spare.start, lambda: spare.end(signal.SIGTERM), self.seconds())

    def second_watcher(self) -> Fault:
        """A second watcher waits, and the one that leads is frozen (K14)."""
        leading, spare = self.world.watcher, self.world.spare_watcher
        assert spare is not None

        def begin() -> None:
            spare.start()
            leading.freeze()

        def heal() -> None:
            leading.thaw()
            spare.end(signal.SIGTERM)

        return self.central("the watcher that leads is frozen, and another waits", "watcher", begin, heal)

    def _without(self, part: Part, how: signal.Signals, word: str) -> Fault:
        return self.central(f"the {part.name} is {word}", part.name, lambda: part.end(how), part.start)
