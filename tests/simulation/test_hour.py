"""An hour of a large site in simulated time: 32 hosts, 1,000 segments, and what goes wrong in an hour."""

import itertools
import random
from collections.abc import Callable, Iterator

import pytest

from services.contract.outcomes import State
from services.network.judge.reduction import CONFIRMATIONS
from services.watcher.plan.segment_plan import CHECK_BUSY_S
from tests.simulation import budgets
from tests.simulation.loop import PACE, Loop, Record, network_of
from tests.simulation.site import DHCP_DEADLINE_S, SILENT_AFTER_S, Outage, Vlan

HOUR_S = 3_600.0
HOSTS = tuple(f"n{number:02}" for number in range(1, 33))
LOST = 0.002
"""Of all reports; each is as if nobody had asked."""
CREATED_S = 20.0
"""Networks are created within so many seconds from the start."""
RESTARTS = {"n05": 700.0, "n17": 1_900.0, "n29": 3_000.0}
RESTART_S = 20.0
GONE = ("n08", 2_400.0)
HOST_EVENTS = 2 * len(RESTARTS) + 1
SWEEP_S, RETRY_S = PACE.sweep_s * 1.1 + 1, PACE.retry_s * 1.1 + 1
"""The longest that they take, jitter included."""


def _vlans() -> Iterator[Vlan]:
    chance = random.Random(7)

    def outage() -> Outage:
        start = chance.uniform(600.0, 1_500.0)
        return start, start + chance.uniform(400.0, 1_200.0)

    for vlan in range(1, 1_001):
        match vlan % 20:
            case 0:
                yield Vlan(vlan, has_dhcp=False)
            case 1:
                yield Vlan(vlan, is_manual=True, gateway_out=(0.0, HOUR_S * 2))
            case 2:
                yield Vlan(vlan, gateway_out=outage())
            case 3:
                yield Vlan(vlan, is_manual=True, gateway_out=outage())
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


# The first of them pays for the hour, on a machine that may be busy with others' work.
pytestmark = pytest.mark.timeout(300)

VLANS = {vlan.vlan: vlan for vlan in _vlans()}


@pytest.fixture(scope="module")
def hour() -> Loop:
    """The site after an hour. Some 30 seconds of work, so all that is to be seen in it is looked at here."""
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
    """What is true of it at the end: the design's table, and nothing of how it is found out."""
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
    """How much happened that is answered at once: its creation and first result, outages, hosts, losses."""
    return 2 + 4 * (not _is_steady(vlan)) + HOST_EVENTS + record.lost


def test_every_state_is_right_at_the_end(hour: Loop) -> None:
    """And nothing is said of DHCP that is not so."""
    told = {number: hour.records[number].told[-1] for number in VLANS}
    assert {number: State(state) for number, (_, state, _, _) in told.items()} == {
        number: _is(vlan) for number, vlan in VLANS.items()
    }
    assert not [number for number, (_, _, _, dhcp_out) in told.items() if dhcp_out]


def test_never_do_two_hosts_ask_dhcp_on_one_segment_at_once(hour: Loop) -> None:
    """Not for a moment in an hour; but for a host that is gone, and asks nobody any more."""
    gone = {*RESTARTS, GONE[0]}
    for record in hour.records.values():
        for (_, end, host), (start, _, other) in itertools.pairwise(record.asks):
            assert start >= end or host == other or host in gone


def test_dhcp_is_asked_once_an_interval(hour: Loop) -> None:
    """Of what is well, once in a sweep, by one host after another; of what fails, once in a retry interval;
    and so much more as news may add. But for news nine tenths of the interval lie between two asks."""
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
            assert len(soon) <= CONFIRMATIONS * (not vlan.has_dhcp) + HOST_EVENTS, (number, gaps)
            assert len({host for _, _, host in asks}) >= min(10, len(asks) - HOST_EVENTS)


def test_arp_stays_within_its_budget(hour: Loop) -> None:
    """For each gateway, all hosts together."""
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


def test_a_silent_gateway_is_asked_by_one_host_at_a_time(hour: Loop) -> None:
    """From when it is told to be silent, and all that were asked before are done, until it answers."""
    for number, record in hour.records.items():
        for since, until in _silences(record, HOUR_S):
            known = since + SILENT_AFTER_S + DHCP_DEADLINE_S + CHECK_BUSY_S
            # A host that comes back tries it once, whoever does at that time.
            checks = [c for c in record.checks if known <= c[0] < until and not _has_come_back(c[0], c[2])]
            for (_, end, host, _), (start, _, other, _) in itertools.pairwise(checks):
                assert start >= end or host == other or host in {*RESTARTS, GONE[0]}, number


def _silences(record: Record, end: float) -> Iterator[tuple[float, float]]:
    for (at, state, _, _), (until, *_) in itertools.pairwise([*record.told, (end, "", "", False)]):
        if state in (State.UNREACHABLE, State.OFF_VLAN):
            yield at, until


def test_no_dhcp_is_told_after_three_hosts_and_not_much_later(hour: Loop) -> None:
    """Each of them has waited for the deadline; where a report was lost, it takes another ask."""
    for number, vlan in VLANS.items():
        if vlan.has_dhcp:
            continue
        record = hour.records[number]
        first = record.asks[0][0]
        failed_at, _, reason, _ = next(told for told in record.told if told[1] == State.DHCP_FAILED)
        asked = {host for start, end, host in record.asks if end <= failed_at}
        assert len(asked) >= 3
        assert reason == "NoDHCPOffer"
        soonest = 3 * DHCP_DEADLINE_S
        assert soonest <= failed_at - first <= soonest + 2 + (record.lost > 0) * 2 * RETRY_S


def test_a_gateway_that_goes_down_or_up_is_told_so_soon(hour: Loop) -> None:
    """Down by the first that sweeps it and then by all; up within a retry interval; neither ever twice."""
    down, up = list[float](), list[float]()
    for number, vlan in VLANS.items():
        if _is_steady(vlan) or vlan.gateway_out == (0.0, 0.0):
            continue
        record = hour.records[number]
        at = {state: [told for told in record.told if told[1] == state] for state in State}
        (told_down,) = at[State.UNREACHABLE]
        down.append(told_down[0] - vlan.gateway_out[0])
        told_up = [at for at, *_ in at[State.ACTIVE] if at >= vlan.gateway_out[1]]
        up.append(told_up[0] - vlan.gateway_out[1])
        # A host that comes back is believed what it said last, until it has looked again.
        assert len([at for at in told_up[1:] if not _has_come_back(at)]) == 0, (number, record.told)
        assert len(at[State.ACTIVE]) - len(told_up) == 1
    assert len(down) == 100
    assert max(down) <= SWEEP_S
    assert sorted(down)[50] <= 40.0
    assert max(up) <= 2 * RETRY_S


def _has_come_back(now: float, host: str | None = None) -> bool:
    """Whether this host, or any, has just done so."""
    return any(0 <= now - at - RESTART_S < 2 for name, at in RESTARTS.items() if host in (None, name))


def test_a_dhcp_server_that_goes_out_is_told_so_and_the_gateway_stays_active(hour: Loop) -> None:
    """Found by the next ask, confirmed by two others at once, and taken back by the first offer."""
    for number, vlan in VLANS.items():
        start, end = vlan.dhcp_out
        if not end:
            continue
        told = hour.records[number].told
        assert {state for _, state, _, _ in told if state != State.PENDING} == {State.ACTIVE}
        flags = [(at, dhcp_out) for at, state, _, dhcp_out in told if state == State.ACTIVE]
        assert [dhcp_out for _, dhcp_out in flags] == [False, True, False], (number, told)
        # A confirmation whose report was lost is made up for by the next sweep.
        asks_needed = 1 + hour.records[number].lost
        assert flags[1][0] - start <= asks_needed * SWEEP_S + 3 * DHCP_DEADLINE_S + 1
        assert flags[2][0] - end <= RETRY_S + 2


def test_what_is_steady_is_told_once(hour: Loop) -> None:
    """Hosts that restart or go, and reports that are lost, are no news of a network."""
    for number, vlan in VLANS.items():
        record = hour.records[number]
        states = [state for _, state, _, _ in record.told]
        if _is_steady(vlan):
            final = states.index(_is(vlan))
            assert set(states[final:]) == {_is(vlan)}, (number, record.told)
            assert record.writes <= 4 + len(HOSTS) * bool(vlan.cut_off), (number, record.told)
