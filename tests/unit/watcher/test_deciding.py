"""The deciding loop, one iteration at a time, on a manual clock."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

import pytest
from prometheus_client import CollectorRegistry

from services.contract.by_hand import ByHand
from services.contract.conclusions import ConclusionRecord, Hindrance, Unwritten
from services.contract.doubts import DoubtKind
from services.watcher import change_log
from services.watcher.deciding import LONGEST_WAIT_S, RESEND_CAP_S, Decider
from services.watcher.dispatch import Dispatched, Dispatcher, Paused
from services.watcher.hosts import PollResult
from services.watcher.mailbox import Mailbox
from services.watcher.metrics import WatcherMetrics
from services.watcher.plan.host_probe import HostProbe
from services.watcher.plan.schedule import LIMIT
from services.watcher.plan.spreading import PROBES_PER_S
from services.watcher.requests import NotSent
from tests.support.log_lines import log_lines
from tests.support.manual_clock import ManualClock
from tests.unit.watcher.builders import ACTIVE, MANUAL, described, doubt, host, network, schedule


class Sent:
    """A dispatcher that records the probes or refuses them."""

    def __init__(self) -> None:
        self.probes: list[str] = []
        self.forgotten: list[str] = []
        self.refuses = self.paused = False
        self.marks = 0

    def dispatch(self, probes: Sequence[HostProbe]) -> Dispatched:
        if self.paused:
            raise Paused("set")
        if self.refuses:
            raise NotSent("away")
        self.probes += described(probes)
        return Dispatched((), covered=0)

    def mark_sending(self, intervals_s: Mapping[str, float], pace: float) -> None:
        self.marks += 1

    def forget_host(self, name: str) -> None:
        self.forgotten.append(name)

    def forget_all(self) -> None:
        self.forgotten.append("all")


class Loop:
    """A decider with everything it needs."""

    def __init__(self) -> None:
        self.clock, self.sent, self.leads = ManualClock(100.0), Sent(), True
        self.mailbox = Mailbox(self.clock)
        self.decider = Decider(
            schedule(),
            self.mailbox,
            cast("Dispatcher", self.sent),
            is_leader=lambda: self.leads,
            clock=self.clock,
            random=lambda: 1.0,
            metrics=WatcherMetrics(CollectorRegistry()),
        )
        self.mailbox.polled(PollResult((host("n1"),)))
        self.mailbox.upserted(network(route=MANUAL, status=ACTIVE))


@pytest.fixture
def loop() -> Loop:
    return Loop()


def test_a_due_probe_is_sent_once(loop: Loop) -> None:
    """It is sent at once and then not before the sweep; meanwhile the loop iterates once a second."""
    for _ in range(5):
        loop.decider.step()
    assert loop.sent.probes == ["n1 7"]
    assert max(loop.clock.waits) <= LONGEST_WAIT_S


def test_a_standby_sends_nothing_and_a_new_leader_everything(loop: Loop) -> None:
    """That includes what was due before, and repeats each time it becomes leader."""
    loop.leads = False
    for _ in range(5):
        loop.decider.step()
    assert loop.sent.probes == []
    for times in (1, 2):
        loop.leads = True
        loop.decider.step()
        assert loop.sent.probes == ["n1 7"] * times
        loop.leads = False
        loop.decider.step()


def test_refused_probes_are_sent_later(loop: Loop) -> None:
    """Retries back off up to a cap; probes that become due meanwhile are sent with them, once."""
    loop.sent.refuses = True
    began = loop.clock.seconds
    for _ in range(100):
        loop.decider.step()
    assert loop.decider._refusals < 100
    loop.mailbox.upserted(network("b", vlan=9, route=MANUAL, status=ACTIVE))
    loop.sent.refuses = False
    now = loop.clock.seconds
    assert now > began
    while loop.clock.seconds < now + RESEND_CAP_S + 1:
        loop.decider.step()
    assert sorted(loop.sent.probes) == ["n1 7", "n1 9"]


def test_what_is_due_and_not_sent_waits_since_then(loop: Loop) -> None:
    """Also between two tries. Nothing waits once it is sent, on standby, while paused or with nothing due."""

    def waited_s() -> float | None:
        loop.decider.step()
        since = loop.decider.waiting_since
        return None if since is None else loop.clock.monotonic() - since

    assert waited_s() is None
    loop.sent.refuses = True
    loop.mailbox.upserted(network("b", vlan=9, route=MANUAL, status=ACTIVE))
    began = loop.clock.monotonic()
    for _ in range(20):
        assert loop.clock.monotonic() - began - LONGEST_WAIT_S <= (waited_s() or 0.0)
    assert (waited_s() or 0.0) > RESEND_CAP_S
    loop.leads = False
    assert waited_s() is None
    loop.leads = True
    assert waited_s() == 0.0
    loop.mailbox.polled(PollResult((host("n1"),), paused=True))
    assert waited_s() is None
    loop.mailbox.polled(PollResult((host("n1"),)))
    loop.sent.refuses = False
    while "n1 9" not in loop.sent.probes:
        loop.decider.step()
    assert waited_s() is None


def test_the_dispatcher_forgets_a_host_that_comes_restarts_or_goes(loop: Loop) -> None:
    """Its outstanding requests are forgotten each time; an unchanged host keeps them."""
    for hosts in ((host("n1"),), (host("n1", incarnation=2),), (), (host("n1", incarnation=2),)):
        loop.mailbox.polled(PollResult(hosts))
        loop.decider.step()
    assert loop.sent.forgotten == ["n1"] * 4


def test_nothing_is_sent_while_paused_and_everything_afterwards(loop: Loop) -> None:
    """That includes what became due meanwhile, once."""
    loop.mailbox.polled(PollResult((host("n1"),), paused=True))
    for _ in range(5):
        loop.decider.step()
    loop.mailbox.upserted(network("b", vlan=9, route=MANUAL, status=ACTIVE))
    loop.decider.step()
    assert loop.sent.probes == []
    loop.mailbox.polled(PollResult((host("n1"),)))
    for _ in range(5):
        loop.decider.step()
    assert sorted(loop.sent.probes) == ["n1 7", "n1 9"]


def test_a_pause_seen_first_by_the_dispatcher_counts(loop: Loop) -> None:
    """It lies between two polls of Redis; what was refused is sent when a poll shows that the pause is
    over."""
    loop.sent.paused = True
    for _ in range(5):
        loop.decider.step()
    loop.sent.paused = False
    loop.decider.step()
    assert loop.sent.probes == []
    loop.mailbox.polled(PollResult((host("n1"),)))
    loop.decider.step()
    assert loop.sent.probes == ["n1 7"]


def test_everything_is_sent_again_after_redis_lost_its_data(loop: Loop) -> None:
    """Nothing counts as outstanding any more."""
    loop.decider.step()
    loop.mailbox.polled(PollResult((host("n1"),), lost=True))
    loop.decider.step()
    assert loop.sent.probes == ["n1 7", "n1 7"]
    assert loop.sent.forgotten[-1] == "all"


def test_after_an_outage_news_goes_first_and_the_rest_is_spread(loop: Loop) -> None:
    """Of 1,000 networks on 32 hosts that fell due meanwhile, no second gets more than its share."""
    hosts = tuple(host(f"n{number}") for number in range(32))
    loop.mailbox.polled(PollResult(hosts))
    for vlan in range(1, 1_001):
        loop.mailbox.upserted(network(f"a{vlan}", vlan=vlan, route=MANUAL, status=ACTIVE))
    for _ in range(200):
        loop.decider.step()
    loop.sent.refuses = True
    began = loop.clock.seconds
    while loop.clock.seconds < began + 400:
        loop.decider.step()
    loop.mailbox.upserted(network("new", vlan=2_000, route=MANUAL))
    loop.decider.step()
    loop.sent.probes.clear()
    loop.sent.refuses = False
    counts, back = dict[int, int](), loop.clock.seconds
    while loop.clock.seconds < back + 30:
        before = len(loop.sent.probes)
        loop.decider.step()
        second = int(loop.clock.seconds - back)
        counts[second] = counts.get(second, 0) + len(loop.sent.probes) - before
        if second <= RESEND_CAP_S and len(loop.sent.probes) > LIMIT + 32:
            assert "n1 2000" in loop.sent.probes
    assert len(set(loop.sent.probes)) >= 32_000
    assert max(counts.values()) <= PROBES_PER_S + LIMIT + 4 * 32


def test_a_doubt_is_checked_at_once(loop: Loop) -> None:
    """By the leader, once, whatever else is due."""
    loop.decider.step()
    loop.sent.probes.clear()
    loop.mailbox.doubted([doubt(DoubtKind.SILENT)])
    for _ in range(5):
        loop.decider.step()
    assert loop.sent.probes == ["n1 7"]


@pytest.mark.parametrize("why", ["standby", "paused"])
def test_a_watcher_that_does_not_send_ignores_doubts(
    loop: Loop, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even a log line says otherwise; when it sends again, everything is due anyway."""
    loop.decider.step()
    lines = log_lines(monkeypatch, change_log)
    loop.leads = why != "standby"
    loop.mailbox.polled(PollResult((host("n1"),), paused=why == "paused"))
    loop.decider.step()
    loop.mailbox.doubted([doubt(DoubtKind.SILENT)])
    loop.decider.step()
    assert lines == []
    assert loop.sent.probes == ["n1 7"]


def test_it_marks_at_each_poll_that_it_sends(loop: Loop) -> None:
    """Neither on standby nor while paused, nor while Redis cannot be polled."""
    for leads, paused, expected in ((True, False, 1), (False, False, 1), (True, True, 1), (True, False, 2)):
        loop.leads = leads
        loop.mailbox.polled(PollResult((host("n1"),), paused=paused))
        for _ in range(3):
            loop.decider.step()
        assert loop.sent.marks == expected


def test_run_returns_when_stopped(loop: Loop) -> None:
    """It returns at its next iteration."""
    stop = threading.Event()
    stop.set()
    loop.decider.run(stop)
    assert loop.sent.probes == []


def test_what_is_not_written_to_a_network_is_probed_as_if_it_was(loop: Loop) -> None:
    """The hosts that did not learn the gateway from DHCP check it, until its record is gone."""
    loop.decider.step()
    loop.mailbox.polled(PollResult((host("n1"), host("n2"))))
    bare = network("new", vlan=8, route='{"mode":"auto"}')
    route = {"cidr": "10.0.8.0/24", "gateway": "10.0.8.1", "connectivity": "true"}
    record = ConclusionRecord(
        namespace="default",
        name="new",
        uid=bare.uid,
        status={"state": "Active", "reason": "GatewayAnswers"},
        unwritten=Unwritten(why=Hindrance.OBSERVE_ONLY, route=dict(route)),
    )

    def known_gateway() -> str:
        (version,) = [each for each in loop.decider._schedule._versions.values() if each.uid == bare.uid]
        return version.route.gateway

    loop.mailbox.upserted(bare)
    loop.decider.step()
    assert known_gateway() == ""
    loop.sent.probes.clear()
    loop.mailbox.take_unwritten({bare.uid: record})
    loop.decider.step()
    assert known_gateway() == "10.0.8.1"
    loop.decider.step()
    assert loop.sent.probes == ["n2 8"]
    loop.mailbox.upserted(replace(bare, resource_version="9"))
    loop.decider.step()
    assert known_gateway() == "10.0.8.1"
    loop.mailbox.take_unwritten({})
    loop.decider.step()
    assert known_gateway() == ""
    loop.mailbox.take_unwritten({"unknown": record})
    loop.mailbox.deleted(bare.uid)
    loop.decider.step()
    assert bare.uid not in loop.decider._networks


def test_what_was_probed_by_hand_is_counted(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    """On each of its segments."""
    counted: list[tuple[str, float]] = []
    lanes = loop.decider._schedule.lanes
    monkeypatch.setattr(lanes, "sent_by_hand", lambda at, frames, _: counted.append((str(at), frames)))
    said = ByHand(cluster_network="extra", frames=((7, 3), (8, 1)))
    loop.mailbox.polled(PollResult((host("n1"),), by_hand=(said,)))
    loop.decider.step()
    assert counted == [("extra/7", 3), ("extra/8", 1)]
