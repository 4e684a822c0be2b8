"""W15: whatever the intervals, every host gets its turn within a stated time, or the settings are refused."""

import itertools
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.contract.errors import ConfigurationError
from services.contract.limits import MAX_TARGETS
from services.contract.messages import Target
from services.watcher.limits.pace import CHECK_BUSY_S, JITTER, MIN_GAP_S, Pace
from services.watcher.plan.schedule import Schedule
from services.watcher.settings import WatcherSettings
from tests.unit.watcher.builders import ACTIVE, KNOWN, MANUAL, host, network, status_of

SECONDS = st.sampled_from([1.0, 2.5, 5.0, 12.0, 15.0, 30.0, 60.0, 300.0]) | st.floats(0.5, 400.0)
POSTPONED_S = 2.0
"""How long a turn may wait for the budget: a probe of 64 silent gateways is 192 frames."""
ROUNDING_S = 1e-6
"""Of sums of floating-point numbers."""


@dataclass(frozen=True)
class Intervals:
    """The settings that decide when a host has its turn, in seconds."""

    sweep_s: float = 300.0
    retry_s: float = 30.0
    ask_window_s: float = 15.0

    def load(self) -> Pace:
        """Return them as the watcher starts with them; raise ConfigurationError where it does not start."""
        return WatcherSettings.load(
            sweep_interval_s=self.sweep_s,
            retry_interval_s=self.retry_s,
            ask_window_s=self.ask_window_s,
            request_max_age_s=1.0,
        ).plan_pace


DEMO = Intervals(15.0, 5.0, 15.0)
Work = Mapping[str, list[tuple[float, frozenset[Target]]]]
"""Host to each time at which it did the work, and the part that it did."""


def play(
    pace: Pace, hosts: int, *, autos: int, silent: int, fails: bool, jitter: float, until: float
) -> tuple[Work, Work]:
    """Return who asked DHCP, and who probed silent gateways, until then.

    autos, silent: numbers of networks with DHCP, and of manual ones whose gateway is silent. fails: whether
    the former fail too. jitter: 0 to 1, or more for random numbers with that seed.
    """
    chance: Callable[[], float] = (lambda: jitter) if jitter <= 1 else random.Random(jitter).random
    due = Schedule(pace=pace, random=chance)
    names = [f"n{number}" for number in range(hosts)]
    due.set_hosts([host(name) for name in names], 0.0)
    for number in range(autos):
        # Without a known gateway, or the checks of silent ones would have more parts.
        route = json.dumps({"mode": "auto", "serverIPAddr": f"10.0.7.{number + 1}"})
        status = status_of("DHCPFailed", "NoDHCPOffer") if fails else ACTIVE
        due.upsert(network(f"auto-{number}", route=route, status=status), 0.0)
    for number in range(silent):
        gateway = f"10.0.7.{number + 2}"
        status = status_of("Unreachable", gateway=gateway)
        route = MANUAL.replace("10.0.7.1", gateway)
        due.upsert(network(f"silent-{number}", route=route, status=status), 0.0)
    asks: dict[str, list[tuple[float, frozenset[Target]]]] = {name: [] for name in names}
    checks: dict[str, list[tuple[float, frozenset[Target]]]] = {name: [] for name in names}
    now = 0.0
    while now < until:
        for probe in due.due(now, limit=10**6):
            targets = frozenset(probe.probe.targets)
            if probe.probe.ask_dhcp:
                asks[probe.host].append((now, targets))
            elif any(not target.from_dhcp for target in targets):
                checks[probe.host].append((now, targets))
        now = max(now, due.next_due())
    return asks, checks


def longest_gap(times: Sequence[float], until: float) -> float:
    """Return the longest time without one of these, from 0 to until."""
    return max(later - at for at, later in itertools.pairwise([0.0, *sorted(times), until]))


def parts_of(work: Work) -> dict[frozenset[Target], list[float]]:
    """Return when each part was done by any host."""
    parts: dict[frozenset[Target], list[float]] = {}
    for at, part in itertools.chain.from_iterable(work.values()):
        parts.setdefault(part, []).append(at)
    return parts


def check_turns(work: Work, parts: int, turn_s: float, until: float) -> None:
    """Check that each host had its turn in time, that each part was done in time, and by every host."""
    for name, done in work.items():
        assert longest_gap([at for at, _ in done], until) <= len(work) * turn_s + ROUNDING_S, name
    by_part = parts_of(work)
    assert len(by_part) == parts
    for times in by_part.values():
        assert longest_gap(times, until) <= 2 * parts * turn_s + ROUNDING_S
    assert all(len({part for _, part in done}) == parts for done in work.values())


@given(
    intervals=st.builds(Intervals, SECONDS, SECONDS, SECONDS),
    hosts=st.integers(1, 5),
    ask_parts=st.integers(0, 3),
    check_parts=st.integers(0, 2),
    fails=st.booleans(),
    jitter=st.sampled_from([0.0, 0.5, 1.0]) | st.integers(2, 2**32).map(float),
)
@example(intervals=DEMO, hosts=2, ask_parts=1, check_parts=0, fails=True, jitter=0.5)
@example(intervals=DEMO, hosts=2, ask_parts=1, check_parts=1, fails=True, jitter=0.0)
@example(intervals=Intervals(), hosts=2, ask_parts=2, check_parts=1, fails=True, jitter=0.5)
@example(intervals=Intervals(5.0, 1.0, 5.0), hosts=1, ask_parts=1, check_parts=1, fails=True, jitter=1.0)
@settings(max_examples=80)
def test_every_host_gets_its_turn_whatever_the_intervals(
    intervals: Intervals, hosts: int, ask_parts: int, check_parts: int, fails: bool, jitter: float
) -> None:
    """W15: for DHCP asks and for checks of silent gateways, in one part or in several. Settings for which
    this cannot hold are refused, and no others."""
    try:
        pace = intervals.load()
    except ConfigurationError:
        assert (
            intervals.sweep_s < 5
            or intervals.retry_s < 1
            or intervals.ask_window_s < 1
            or (max(intervals.retry_s, intervals.ask_window_s) > intervals.sweep_s)
        )
        return
    stretch = 1 + JITTER
    interval_s = intervals.retry_s if fails else intervals.sweep_s
    ask_s = max(stretch * interval_s / max(1, ask_parts) + 1, intervals.ask_window_s)
    check_s = max(stretch * intervals.retry_s / max(1, check_parts) + 1, CHECK_BUSY_S)
    check_s += intervals.ask_window_s + MIN_GAP_S
    ask_s, check_s = ask_s + POSTPONED_S, check_s + POSTPONED_S
    until = 2 * hosts * 3 * max(ask_s, check_s)
    asks, checks = play(
        pace,
        hosts,
        autos=ask_parts * MAX_TARGETS,
        silent=check_parts * MAX_TARGETS,
        fails=fails,
        jitter=jitter,
        until=until,
    )
    if ask_parts:
        check_turns(asks, ask_parts, ask_s, until)
    if check_parts:
        check_turns(checks, check_parts, check_s, until)


@given(
    news=st.lists(st.floats(0.1, 40.0), min_size=10, max_size=200),
    hosts=st.integers(2, 5),
    intervals=st.sampled_from([DEMO, Intervals()]),
)
def test_no_host_keeps_its_turn_by_news(news: list[float], hosts: int, intervals: Intervals) -> None:
    """W15: however often somebody asks for a probe, a turn ends when the time of a DHCP ask is over."""
    due = Schedule(pace=intervals.load(), random=lambda: 0.5)
    due.set_hosts([host(f"n{number}") for number in range(hosts)], 0.0)
    asks, now = list[tuple[float, str]](), 0.0
    for number, gap_s in enumerate(news):
        due.upsert(network(route=KNOWN, status=ACTIVE, probe_now=str(number)), now)
        until = now + gap_s
        while (now := max(now, due.next_due())) < until:
            asks += [(now, probe.host) for probe in due.due(now) if probe.probe.ask_dhcp]
        now = until
    turns = [list(turn) for _, turn in itertools.groupby(asks, key=lambda ask: ask[1])]
    assert all(turn[-1][0] - turn[0][0] < intervals.ask_window_s for turn in turns)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        (
            {"retry_interval_s": 301},
            "retry_interval_s=301 and sweep_interval_s=300: expected retry_interval_s",
        ),
        ({"ask_window_s": 301}, "ask_window_s=301 and sweep_interval_s=300: expected ask_window_s"),
        (
            {"sweep_interval_s": 20, "retry_interval_s": 5},
            "request_max_age_s=60 and sweep_interval_s=20: expected request_max_age_s to be at most",
        ),
        ({"sweep_interval_s": 4}, "--sweep-interval-s=4: Input should be greater than or equal to 5"),
        ({"host_poll_interval_s": 6}, "--host-poll-interval-s=6: Input should be less than or equal to 5"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(fields: dict[str, float], named: str) -> None:
    """W15: the error names the fields, their values and what was expected."""
    with pytest.raises(ConfigurationError, match=f"^{named}"):
        WatcherSettings.load(**fields)


def test_every_contradiction_is_named() -> None:
    """W15: one line each, so that a person corrects all of them at once."""
    with pytest.raises(ConfigurationError) as error:
        WatcherSettings.load(sweep_interval_s=10, retry_interval_s=11, ask_window_s=12)
    assert [line.split("=")[0] for line in str(error.value).splitlines()] == [
        "retry_interval_s",
        "ask_window_s",
        "request_max_age_s",
    ]
