"""What the random histories hold for Redis, against a real one, whose clock is steered."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.contract.messages import Segment, Verdict
from services.contract.names import SENDING_KEY, SENDING_TTL_S
from services.contract.reports import Repeats
from services.contract.verdicts import Confirmed, ObservedTime, SegmentVerdicts
from services.runtime.stored.verdict_store import VerdictStore
from tests.reference.generating import generate
from tests.reference.memory_redis import MakeRedis, MemoryRedis, MemoryVerdicts
from tests.reference.playing import Player
from tests.support.manual_clock import ManualClock
from tests.support.redis_server import RedisServer
from tests.unit.network.builders import SEGMENT, dhcp, offer, verdict

HISTORIES, LENGTH = 12, 100
CLOCK_KEY = "test:now"
TIME, STEERED = "redis.call('TIME')", f"{{redis.call('GET', '{CLOCK_KEY}'), 0}}"


class SteeredRedis(MemoryRedis):
    """A real server, in which keys expire by the test's clock."""

    def __init__(self, clock: ManualClock, client: redis.Redis) -> None:
        super().__init__(clock)
        self._client = client
        self._until: dict[str, float] = {}
        self.flushall()

    @property
    def client(self) -> redis.Redis:
        """The server, as it is at this time of the clock."""
        now = self.now
        for key in [key for key, until in self._until.items() if until <= now]:
            self.delete(key)
        self._client.set(CLOCK_KEY, int(now))
        return self._client

    def flushall(self) -> None:
        self._client.flushall()
        self._until.clear()
        self.losses += 1

    def set(self, key: str, value: str, *, ex: float = float("inf")) -> None:
        self._until[key] = self.now + ex
        self._client.set(key, value)

    def get(self, key: str) -> str | None:
        return None if (value := self.client.get(key)) is None else str(value)

    def delete(self, key: str) -> None:
        self._until.pop(key, None)
        self._client.delete(key)

    def scan_iter(self, *, match: str, **options: object) -> Iterator[bytes]:
        return iter(self.client.scan_iter(match=match, **options))  # type: ignore[arg-type]

    def execute_command(self, name: str, *given: Any, **options: object) -> list[bytes | int | None]:
        found = list(self.client.execute_command(name, *given, **options))  # type: ignore[no-untyped-call]
        for at, key in enumerate(given[2 : 2 + given[1]]):
            found[2 * at + 1] = round((self._until.get(key.decode(), self.now) - self.now) * 1000)
        return found


class SteeredVerdicts(VerdictStore):
    """The real store, which reads the test's clock in place of Redis' TIME."""

    def __init__(self, server: SteeredRedis) -> None:
        super().__init__(server.client)
        self._arrivals: list[tuple[int, Verdict]] = []
        self._server = server
        self._losses = server.losses
        scripts = (self._put_script, self._confirm_script, self._read_script, self._tick_script)
        for script in scripts:
            assert TIME in str(script.script)
            steered = server.client.register_script(str(script.script).replace(TIME, STEERED))
            script.script, script.sha = steered.script, steered.sha

    @property
    def arrivals(self) -> list[tuple[int, Verdict]]:
        if self._losses != self._server.losses:
            self._losses = self._server.losses
            self._arrivals.clear()
        return self._arrivals

    def restart(self) -> None:
        self._known_ms = self._ticked_ms = 0

    def observed_ms(self) -> int:
        assert self._server.client
        return super().observed_ms()

    def time(self) -> ObservedTime:
        assert self._server.client
        return super().time()

    def tick(self) -> ObservedTime:
        assert self._server.client
        return super().tick()

    def put(self, verdicts: Iterable[Verdict]) -> frozenset[Segment]:
        given = list(verdicts)
        self.arrivals.extend([(self.observed_ms(), verdict) for verdict in given])
        return super().put(given)

    def confirm(self, host: str, repeats: Repeats) -> Confirmed:
        assert self._server.client
        confirmed, observed = super().confirm(host, repeats), self.observed_ms()
        full = {(v.segment, v.fingerprint): v for _, v in self.arrivals if v.host == host}
        for vlan, counter, fingerprint, _ in repeats.verdicts:
            segment = Segment(cluster_network=repeats.cluster_network, vlan=vlan)
            if segment in confirmed.gaps_s:
                order = {"incarnation": repeats.incarnation, "counter": counter}
                self.arrivals.append((observed, full[segment, fingerprint].model_copy(update=order)))
        return confirmed

    def read(self, segments: Collection[Segment]) -> dict[Segment, SegmentVerdicts]:  # type: ignore[override]
        assert self._server.client
        return super().read(segments)


@pytest.fixture
def real_redis(redis_server: RedisServer) -> MakeRedis:
    """Make a site's Redis out of the real one."""

    def make(clock: ManualClock) -> tuple[MemoryRedis, SteeredVerdicts]:
        server = SteeredRedis(clock, redis_server.client)
        return server, SteeredVerdicts(server)

    return make


@pytest.mark.parametrize("seed", range(HISTORIES))
def test_the_updater_on_a_real_redis_does_as_the_reference(real_redis: MakeRedis, seed: int) -> None:
    """As in tests/unit/updater/test_against_reference.py, with the scripts that Redis runs."""
    history = generate(seed, LENGTH)
    Player(history, real_redis).play(history.steps)


STEPS = st.one_of(
    st.tuples(st.just("wait"), st.integers(1, 60)),
    st.tuples(st.just("tick"), st.just(0)),
    st.tuples(st.just("flush"), st.just(0)),
    st.tuples(st.just("restart"), st.just(0)),
    st.tuples(st.just("sending"), st.integers(0, 1)),
    st.tuples(st.sampled_from(["check", "ask"]), st.integers(0, 5)),
)


@given(steps=st.lists(STEPS, min_size=5, max_size=30))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_the_store_in_memory_does_as_the_real_one(
    redis_server: RedisServer, steps: list[tuple[str, int]]
) -> None:
    """Order, copies, ages, observed time and the loss of data."""
    clock = ManualClock(1_000_000.0)
    server, memory = SteeredRedis(clock, redis_server.client), MemoryRedis(clock)
    real, double = SteeredVerdicts(server), MemoryVerdicts(memory)
    for what, number in steps:
        if what == "wait":
            clock.seconds += number
        elif what == "tick":
            real.tick()
            double.tick()
        elif what == "flush":
            server.flushall()
            memory.flushall()
        elif what == "restart":
            real.restart()
            double.restart()
        elif what == "sending":
            for each in (server, memory):
                each.set(SENDING_KEY, "1", ex=SENDING_TTL_S * number)
        else:
            said = verdict("0" * 16, counter=number, dhcp=dhcp(offer()) if what == "ask" else None)
            assert real.put([said]) == double.put([said])
        assert _comparable(real.read([SEGMENT])) == _comparable(double.read([SEGMENT]))
        assert real.observed_ms() == double.observed_ms()


def _comparable(found: Mapping[Segment, SegmentVerdicts]) -> object:
    return dict(found)
