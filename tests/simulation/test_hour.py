"""One hour of a large site in simulated time: 32 hosts, 400 segments, and the faults of an hour."""

import itertools
import random
from collections.abc import Callable, Iterator

import pytest

from services.contract.outcomes import State
from services.network.judge.doubting import ANSWER_MS
from services.network.judge.reduction import CONFIRMATIONS
from services.watcher.limits.pace import CHECK_BUSY_S
from tests.simulation import budgets
from tests.simulation.loop import PACE, Loop, Record, network_of
from tests.simulation.site import DHCP_DEADLINE_S, SILENT_AFTER_S, Outage, Vlan

HOUR_S = 3_600.0
HOSTS = tuple(f"n{number:02}" for number in range(1, 33))
LOST = 0.002
"""Share of reports that never arrive."""
CREATED_S = 20.0
"""Networks are created within this time from the start."""
RESTARTS = {"n05": 700.0, "n17": 1_900.0, "n29": 3_000.0}
RESTART_S = 20.0
POSTPONED_S = 20.0
"""Time that the checks of all segments by one host may wait: 400 and more frames, beside the usual ones."""
GONE = ("n08", 2_400.0)
HOST_EVENTS = 2 * len(RESTARTS) + 1
SWEEP_S, RETRY_S = PACE.sweep_s * 1.1 + 1, PACE.retry_s * 1.1 + 1
"""The longest intervals, jitter included."""


def _vlans() -> Iterator[Vlan]:
    chance = random.Random(7)

    def outage() -> Outage:
        start = chance.uniform(600.0, 1_500.0)
        return start, start + chance.uniform(400.0, 1_200.0)

    for vlan in range(1, 401):
        match vlan % 20:
            case 0:
                yield Vlan(vlan, has_dhcp=False)
            case 1:
                yield Vlan(vlan, is_manual=True, gateway_out=(0.0, HOUR_S * 2))
            case 2 | 3 as kind:
                yield Vlan(vlan, is_manual=kind == 3, gateway_out=outage())
            case 4:
                yield Vlan(vlan, dhcp_out=outage())
            case 5 if vlan < 200:
                yield Vlan(vlan, is_routed=False)
            case 6 if vlan < 200:
                yield Vlan(vlan, is_manual=True, cut_off=frozenset(HOSTS[3:6]))
            case 6:
                yield Vlan(vlan, is_manual=True, cut_off=frozenset(HOSTS))
            case 7 | 8 | 9:
                yield Vlan(vlan, is_manual=True)
            case _:
                yield Vlan(vlan)


# The first test simulates the hour, perhaps on a busy machine.
pytestmark = pytest.mark.timeout(300)

VLANS = {vlan.vlan: vlan for vlan in _vlans()}


@pytest.fixture(scope="module")
def hour() -> Loop:
    """Simulate the site for an hour. It takes some 30 seconds, so all tests share it."""
    loop = Loop(VLANS.values(), seed=11, lost=LOST)
    loop.announce(dict.fromkeys(HOSTS, 1))
    chance = random.Random(3)
    for number, vlan in VLANS.items():
        loop.at(chance.uniform(0.0, CREATED_S), _creating(loop, number, vlan))
    hosts = dict.fromkeys(HOSTS, 1)
    for name, at in RESTARTS.items():
        loop.at(at, _announcing(loop, hosts, name, None))
        loop.at(at + RESTART_S, _announcing(loop, hosts, name, 2))
    loop.at(GONE[1], _announcing(loop, hosts, GONE[0], None))
    loop.run(HOUR_S)
    return loop


def _creating(loop: Loop, number: int, vlan: Vlan) -> Callable[[], None]:
    return lambda: loop.create(number, network_of(vlan))


def _announcing(loop: Loop, hosts: dict[str, int], name: str, incarnation: int | None) -> Callable[[], None]:
    def announce() -> None:
        hosts.pop(name, None)
        if incarnation is not None:
            hosts[name] = incarnation
        loop.announce(hosts)

    return announce


def _is(vlan: Vlan) -> State:
    """Return the true state at the end, by the design's table alone."""
    if not vlan.has_dhcp:
        return State.DHCP_FAILED
    if not vlan.is_gateway_up(HOUR_S):
        return State.UNREACHABLE
    if len(vlan.cut_off) == len(HOSTS):
        return State.OFF_VLAN
    if vlan.cut_off:
        return State.PARTIAL
    return State.ACTIVE if vlan.is_routed else State.ISOLATED


def _is_steady(vlan: Vlan) -> bool:
    return vlan.gateway_out[0] == 0.0 and vlan.dhcp_out == (0.0, 0.0)


def _news(vlan: Vlan, record: Record) -> int:
    """Return the number of events that are probed at once: creation, first result, outages, hosts, losses."""
    return 2 + 4 * (not _is_steady(vlan)) + HOST_EVENTS + record.lost


def test_every_state_is_right_at_the_end(hour: Loop) -> None:
    """DHCP is reported out only where it is."""
    reported = {number: hour.records[number].reported[-1] for number in VLANS}
    assert {number: State(state) for number, (_, state, _, _) in reported.items()} == {
        number: _is(vlan) for number, vlan in VLANS.items()
    }
    assert not [number for number, (_, _, _, dhcp_out) in reported.items() if dhcp_out]


def test_hosts_ask_dhcp_one_at_a_time_unless_they_confirm(hour: Loop) -> None:
    """Where every ask is answered, two hosts never ask on one segment at once; elsewhere those that confirm
    do. Hosts that are gone ask nothing any more."""
    gone = {*RESTARTS, GONE[0]}
    for number, vlan in VLANS.items():
        is_answered = vlan.has_dhcp and vlan.dhcp_out == (0.0, 0.0) and not vlan.cut_off
        limit = 1 if is_answered else 1 + CONFIRMATIONS
        asks = [ask for ask in hour.records[number].asks if ask[2] not in gone]
        for now, _, _ in asks:
            assert len({host for start, end, host in asks if start <= now < end}) <= limit, number


def test_dhcp_is_asked_once_an_interval(hour: Loop) -> None:
    """A healthy segment is asked once per sweep in rotation, a failing one once per retry interval, plus the
    budget for news. Without news at least 90 % of the interval lies between two asks."""
    for number, vlan in VLANS.items():
        asks = hour.records[number].asks
        if vlan.is_manual:
            assert asks == []
            continue
        down_s = vlan.gateway_out[1] - vlan.gateway_out[0] + vlan.dhcp_out[1] - vlan.dhcp_out[0]
        failing_s = HOUR_S if not vlan.has_dhcp else (down_s + SWEEP_S if down_s else 0.0)
        news = _news(vlan, hour.records[number])
        budget = budgets.dhcp_asks(failing_s, interval_s=PACE.retry_s)
        budget += budgets.dhcp_asks(HOUR_S - failing_s, interval_s=PACE.sweep_s, news=news)
        assert len(asks) <= budget, number
        if _is_steady(vlan) and not hour.records[number].lost:
            interval_s = PACE.retry_s if failing_s else PACE.sweep_s
            gaps = [b - a for (a, _, _), (b, _, _) in itertools.pairwise(asks)]
            soon = [gap for gap in gaps if gap < 0.9 * interval_s]
            assert len(soon) <= (1 + CONFIRMATIONS) * (not vlan.has_dhcp) + HOST_EVENTS, (number, gaps)
            assert len({host for _, _, host in asks}) >= min(10, len(asks) - HOST_EVENTS)


def test_arp_stays_within_its_budget(hour: Loop) -> None:
    """The budget is per gateway, for all hosts together."""
    for number, vlan in VLANS.items():
        if not vlan.has_dhcp:
            assert hour.records[number].checks == []
            continue
        sent = sum(probes for _, _, _, probes in hour.records[number].checks)
        hosts, news = len(HOSTS), _news(vlan, hour.records[number])
        match _is(vlan):
            case State.UNREACHABLE | State.OFF_VLAN:
                budget = budgets.arp_probes_silent(HOUR_S, hosts=hosts, retry_s=PACE.retry_s, news=news)
            case State.ACTIVE:
                down_s = vlan.gateway_out[1] - vlan.gateway_out[0]
                budget = budgets.arp_probes(HOUR_S, hosts=hosts, interval_s=PACE.sweep_s, news=news)
                budget += budgets.arp_probes_silent(down_s, hosts=hosts, retry_s=PACE.retry_s)
            case _:
                cut_off = len(vlan.cut_off)
                budget = budgets.arp_probes(
                    HOUR_S, hosts=hosts + 2 * cut_off, interval_s=PACE.retry_s, news=news
                )
        assert sent <= budget, number


def test_a_silent_gateway_is_probed_by_one_host_at_a_time(hour: Loop) -> None:
    """This holds from when it is reported silent and earlier checks are over, until it answers a host: then
    all look again."""
    for number, record in hour.records.items():
        for since, until in _silences(record, HOUR_S):
            known = since + SILENT_AFTER_S + DHCP_DEADLINE_S + CHECK_BUSY_S
            # A host that comes back probes it once, besides the host in rotation.
            # Its answer is told a moment later: by the next report after ANSWER_MS at the latest.
            answered = until - 3 * ANSWER_MS / 1000
            checks = [c for c in record.checks if known <= c[0] < answered and not _has_come_back(c[0], c[2])]
            for (_, end, host, _), (start, _, other, _) in itertools.pairwise(checks):
                assert start >= end or host == other or host in {*RESTARTS, GONE[0]}, number


def _silences(record: Record, end: float) -> Iterator[tuple[float, float]]:
    for (at, state, _, _), (until, *_) in itertools.pairwise([*record.reported, (end, "", "", False)]):
        if state in (State.UNREACHABLE, State.OFF_VLAN):
            yield at, until


def test_missing_dhcp_is_reported_after_three_hosts(hour: Loop) -> None:
    """The two that confirm wait for their deadline together; a lost report takes another ask."""
    for number, vlan in VLANS.items():
        if vlan.has_dhcp:
            continue
        record = hour.records[number]
        first = record.asks[0][0]
        failed_at, _, reason, _ = next(
            reported for reported in record.reported if reported[1] == State.DHCP_FAILED
        )
        asked = {host for start, end, host in record.asks if end <= failed_at}
        assert len(asked) >= 3
        assert reason == "NoDHCPOffer"
        soonest = 2 * DHCP_DEADLINE_S
        assert soonest <= failed_at - first <= soonest + 2 + (record.lost > 0) * 2 * RETRY_S


def test_a_gateway_going_down_or_up_is_reported_soon(hour: Loop) -> None:
    """Down is found by one sweep and then by all hosts, up within a retry interval; each is reported once."""
    down, up = list[float](), list[float]()
    for number, vlan in VLANS.items():
        if _is_steady(vlan) or vlan.gateway_out == (0.0, 0.0):
            continue
        record = hour.records[number]
        at = {state: [reported for reported in record.reported if reported[1] == state] for state in State}
        (told_down,) = at[State.UNREACHABLE]
        down.append(told_down[0] - vlan.gateway_out[0])
        told_up = [at for at, *_ in at[State.ACTIVE] if at >= vlan.gateway_out[1]]
        up.append(told_up[0] - vlan.gateway_out[1])
        # The last verdict of a host that comes back counts until its next one.
        assert len([at for at in told_up[1:] if not _has_come_back(at)]) == 0, (number, record.reported)
        assert len(at[State.ACTIVE]) - len(told_up) == 1
    assert len(down) == 40
    assert max(down) <= SWEEP_S
    assert sorted(down)[20] <= 40.0
    assert max(up) <= 2 * RETRY_S


def _has_come_back(now: float, host: str | None = None) -> bool:
    """Return whether this host, or any, has just come back, and its checks may wait for the budget."""
    return any(
        0 <= now - at - RESTART_S < POSTPONED_S for name, at in RESTARTS.items() if host in (None, name)
    )


def test_a_dhcp_outage_is_reported_and_the_gateway_stays_active(hour: Loop) -> None:
    """It is found by the next ask, confirmed by two other hosts at once, and withdrawn by the first offer."""
    for number, vlan in VLANS.items():
        start, end = vlan.dhcp_out
        if not end:
            continue
        reported = hour.records[number].reported
        assert {state for _, state, _, _ in reported if state != State.PENDING} == {State.ACTIVE}
        flags = [(at, dhcp_out) for at, state, _, dhcp_out in reported if state == State.ACTIVE]
        assert [dhcp_out for _, dhcp_out in flags] == [False, True, False], (number, reported)
        # The next sweep makes up for a confirmation whose report was lost.
        asks_needed = 1 + hour.records[number].lost
        assert flags[1][0] - start <= asks_needed * SWEEP_S + 3 * DHCP_DEADLINE_S + 1
        assert flags[2][0] - end <= RETRY_S + 2


def test_a_steady_network_is_reported_once(hour: Loop) -> None:
    """Hosts that restart or go and lost reports are no news about a network."""
    for number, vlan in VLANS.items():
        record = hour.records[number]
        states = [state for _, state, _, _ in record.reported]
        if _is_steady(vlan):
            final = states.index(_is(vlan))
            assert set(states[final:]) == {_is(vlan)}, (number, record.reported)
            assert record.writes <= 4 + len(HOSTS) * bool(vlan.cut_off), (number, record.reported)
