"""Faults of nadroute's processes and of Redis."""

import contextlib
import signal

import redis

from services.contract.names import PAUSED_KEY
from tests.faults.soak.faulting import Fault, Kinds, nothing
from tests.faults.soak.layout import HOSTS
from tests.faults.soak.parts import Part

EMPTIED_S = 60.0
"""N of docs/faults.md for a Redis that has lost its data."""
ROLLING_S = 60.0
RESTARTING_S = 5.0


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

    def redis(self) -> Fault:
        """Redis is killed, frozen or emptied."""
        part = self.world.redis
        match self.chance.choice(("kill", "freeze", "flush", "flush and restart")):
            case "kill":
                return self.central("Redis is killed", "redis", part.end, part.start)
            case "freeze":
                return self.central("Redis is frozen", "redis", part.freeze, part.thaw)
            case "flush and restart":
                return self._flush_while_restarting()
        return Fault("Redis is emptied", frozenset({"redis"}), self._flush, nothing, 0.0)

    def _flush_while_restarting(self) -> Fault:
        """What this host found is lost, and the others report first: what they see must not decide."""
        host = self.chance.choice(HOSTS)
        part = self.world.probers[host].part

        def begin() -> None:
            part.end(signal.SIGTERM)
            self._flush()

        label = f"Redis is emptied while the prober of {host} restarts"
        return Fault(label, frozenset({"redis", f"prober {host}"}), begin, part.start, RESTARTING_S)

    def _flush(self) -> None:
        with contextlib.suppress(redis.RedisError):
            self.world.client.flushall()
        self.recover(EMPTIED_S)

    def service(self) -> Fault:
        """The watcher or the updater is killed, stopped or frozen."""
        part: Part = self.chance.choice((self.world.watcher, self.world.updater))
        match self.chance.choice(("kill", "stop", "freeze")):
            case "kill":
                return self.central(f"the {part.name} is killed", part.name, part.end, part.start)
            case "stop":
                stop = f"the {part.name} is stopped"
                return self.central(stop, part.name, lambda: part.end(signal.SIGTERM), part.start)
        return self.central(f"the {part.name} is frozen", part.name, part.freeze, part.thaw)

    def pause(self) -> Fault:
        """An operator pauses."""

        def begin() -> None:
            with contextlib.suppress(redis.RedisError):
                self.world.client.set(PAUSED_KEY, "{}")
            self.world.is_paused = True

        def heal() -> None:
            with contextlib.suppress(redis.RedisError):
                self.world.client.delete(PAUSED_KEY)
            self.world.is_paused = False

        return self.central("an operator has paused", "redis", begin, heal)
