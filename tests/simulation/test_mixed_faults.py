"""An hour of all that breaks, a crash loop, a rolling restart and a lost host: nothing false is told."""

import random
from collections.abc import Callable
from functools import partial

import pytest

from services.contract.names import PAUSED_KEY
from services.contract.outcomes import State
from tests.simulation.full_loop import START_S, FullLoop
from tests.simulation.ground_truth import WORSE_S, falsehoods, unheard
from tests.simulation.site import Vlan

HOUR_S = 3_600.0
SETTLED_S = 120.0
VLANS = tuple(Vlan(number, is_manual=number % 3 == 0) for number in range(1, 31))


def _hosts(count: int) -> tuple[str, ...]:
    return tuple(f"n{number:02}" for number in range(1, count + 1))


def _settled(hosts: int, *, seed: int = 1, vlans: tuple[Vlan, ...] = VLANS) -> FullLoop:
    """Return a loop in which everything is Active."""
    loop = FullLoop(hosts=_hosts(hosts), vlans=vlans, seed=seed)
    loop.run(SETTLED_S)
    assert {loop.status(vlan).state for vlan in loop.vlans} == {State.ACTIVE}
    return loop


def _lies(loop: FullLoop) -> list[str]:
    return [
        f"{written.at - START_S:.2f} VLAN {written.vlan}: {what} ({written.after})"
        for written in loop.written
        for what in (*falsehoods(loop.truth, written), *unheard(written))
    ]


class Shaking:
    """Breaks something every few seconds, and heals it some time later."""

    def __init__(self, loop: FullLoop, seed: int) -> None:
        self.loop = loop
        self.chance = random.Random(seed)

    def begin(self, until: float) -> None:
        """Go on until that time of the clock."""
        if self.loop.clock.seconds >= until:
            return
        kinds = (self.gateway, self.path, self.dhcp, self.prober, self.prober, self.crash_loop, self.part)
        self.chance.choice(kinds)()
        self.loop.after(self.chance.uniform(2.0, 25.0), partial(self.begin, until))

    def _heal(self, action: Callable[[], None], shortest_s: float = 5.0) -> None:
        self.loop.after(self.chance.choice((shortest_s, 20.0, 60.0, 200.0, 400.0)), action)

    def _vlan(self) -> int:
        return self.chance.choice(list(self.loop.vlans))

    def _host(self) -> str:
        return self.chance.choice(list(self.loop.hosts.probers))

    def gateway(self) -> None:
        """A gateway dies, with all its paths."""
        vlan, hosts = self._vlan(), list(self.loop.hosts.probers)
        for path in ("vlan", "routed"):
            self.loop.set_path(path, vlan, hosts, False)
            self._heal(partial(self.loop.set_path, path, vlan, hosts, True))

    def path(self) -> None:
        """One host loses one path to one gateway."""
        path, vlan, hosts = self.chance.choice(("vlan", "routed")), self._vlan(), [self._host()]
        self.loop.set_path(path, vlan, hosts, False)
        self._heal(partial(self.loop.set_path, path, vlan, hosts, True))

    def dhcp(self) -> None:
        """A DHCP server falls silent."""
        vlan = self._vlan()
        self.loop.set_path("dhcp", vlan, [], False)
        self._heal(partial(self.loop.set_path, "dhcp", vlan, [], True))

    def prober(self) -> None:
        """A prober stops or is killed, and comes back."""
        host = self._host()
        self.chance.choice((self.loop.hosts.stop, self.loop.hosts.crash))(host)
        self.loop.after(
            self.chance.choice((0.5, 2.0, 5.0, 10.0, 30.0, 90.0)), partial(self.loop.hosts.start, host)
        )

    def crash_loop(self) -> None:
        """A prober is killed every five seconds for a minute."""
        host = self._host()
        for number in range(12):
            self.loop.after(5.0 * number, partial(self.loop.hosts.crash, host))
            self.loop.after(5.0 * number + 2.0, partial(self.loop.hosts.start, host))

    def part(self) -> None:
        """Redis, the API server, the watcher or the updater is away for a while, or an operator pauses."""
        match self.chance.choice(("flush", "redis", "api", "watcher", "updater", "pause")):
            case "flush":
                self.loop.redis.flushall()
            case "updater":
                self.loop.start_updater()
            case "redis":
                self._away(self.loop.redis)
            case "api":
                self._away(self.loop.cluster)
            case "watcher":
                self.loop.start_watcher()
            case "pause" if not self.loop.redis.is_away:
                self.loop.redis.set(PAUSED_KEY, "{}")
                self._heal(lambda: self.loop.redis.delete(PAUSED_KEY))

    def _away(self, part: object) -> None:
        part.is_away = True  # type: ignore[attr-defined]
        self._heal(lambda: setattr(part, "is_away", False))


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.long)])
def test_no_false_state_in_an_hour_of_mixed_faults(seed: int) -> None:
    """Every status that is written was true, on each host, within the time that they had to look again."""
    loop = _settled(4, seed=seed)
    Shaking(loop, seed).begin(loop.clock.seconds + HOUR_S)
    loop.run(HOUR_S)
    assert len(loop.written) > 80
    assert not (lies := _lies(loop)), "\n".join(lies)


def test_a_crash_loop_hides_no_outage() -> None:
    """W12: a prober is killed every five seconds for ten minutes, while one VLAN dies on all hosts: "false"
    is told within the bound from the first silent check, and nothing is told of any other VLAN."""
    loop = _settled(2)
    begin, written = loop.clock.seconds, len(loop.written)
    for number in range(120):
        loop.at(begin + 5.0 * number, partial(loop.hosts.crash, "n02"))
        loop.at(begin + 5.0 * number + 2.0, partial(loop.hosts.start, "n02"))
    for path in ("vlan", "routed"):
        loop.at(begin + 60.0, partial(loop.set_path, path, 7, _hosts(2), False))
    loop.run(600.0)
    silent_at = next(at for at, _, silent in loop.reported[7] if silent)
    told = [each for each in loop.written[written:] if each.after.connectivity == "false"]
    assert [each.vlan for each in told[:1]] == [7]
    assert told[0].at - silent_at <= WORSE_S
    assert {each.vlan for each in loop.written[written:] if each.after.state != State.ACTIVE} == {7}
    assert not (lies := _lies(loop)), "\n".join(lies)


@pytest.mark.parametrize("how", ["stop", "crash"])
def test_a_rolling_restart_makes_no_state_worse(how: str) -> None:
    """W12: sixteen probers restart one after the other, and nothing at all is written."""
    loop = _settled(16, vlans=VLANS[:10])
    # Two networks that not all hosts see alike: one is routed on a single host, one misses a trunk.
    loop.set_path("routed", 1, [host for host in _hosts(16) if host != "n05"], False)
    loop.set_path("vlan", 2, ["n09"], False)
    loop.run(700.0)
    assert [loop.status(vlan).state for vlan in (1, 2)] == [State.ACTIVE, State.PARTIAL]
    written = len(loop.written)
    for number, host in enumerate(_hosts(16)):
        loop.after(20.0 * number, partial(getattr(loop.hosts, how), host))
        loop.after(20.0 * number + 8.0, partial(loop.hosts.start, host))
    loop.run(16 * 20.0 + SETTLED_S)
    assert loop.written[written:] == []


def test_a_lost_host_counts_no_more_within_a_minute() -> None:
    """W6: the only host with a route is gone: "true" is not told for longer than a minute."""
    loop = _settled(2, vlans=VLANS[:5])
    loop.set_path("routed", 1, ["n01"], False)
    loop.run(400.0)
    assert loop.status(1).connectivity == "true"
    loop.hosts.crash("n02")
    loop.run(60.0)
    assert loop.status(1).connectivity == "false"
    assert not (lies := _lies(loop)), "\n".join(lies)


def test_without_any_host_the_state_is_unknown_within_a_minute() -> None:
    """W6: the last host is gone: nothing is told for longer than a minute as if it were still so."""
    loop = _settled(1, vlans=VLANS[:5])
    loop.hosts.crash("n01")
    loop.run(60.0)
    assert {loop.status(vlan).state for vlan in loop.vlans} == {State.UNKNOWN}


def test_a_redis_that_loses_its_data_makes_no_write() -> None:
    """R2: all is as before, so nothing is written of it."""
    loop = _settled(4)
    written = len(loop.written)
    loop.redis.flushall()
    loop.run(SETTLED_S)
    assert loop.written[written:] == []
