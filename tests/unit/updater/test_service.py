"""Reports, the watch and the timer meet: driven step by step, without threads."""

from pathlib import Path

import pytest
import redis
from pydantic import SecretStr

from services.cluster.errors import Unavailable
from services.contract.messages import Report
from services.contract.outcomes import ReachOutcome
from services.network.parse import annotations as names
from services.network.parse.intent import Intent
from services.network.parse.nad import Network
from services.updater.service import Updater
from services.updater.settings import UpdaterSettings
from tests.support.manual_clock import ManualClock
from tests.unit.network.builders import SEGMENT, dhcp, network, offer, verdict
from tests.unit.updater.fakes import FakeCluster, FakeHosts, FakeMemories, FakeStore

DIGEST = Intent(SEGMENT, "auto").digest
SETTINGS = UpdaterSettings(redis_url=SecretStr("unix:///nowhere"), kubeconfig=Path("/nowhere"))


class Bench:
    """An updater in a test's hands."""

    def __init__(self, settings: UpdaterSettings = SETTINGS) -> None:
        self.clock, self.store, self.cluster = ManualClock(), FakeStore(), FakeCluster()
        self.memories = FakeMemories()
        self.paused = False
        self.updater = Updater(
            self.cluster,
            self.store,
            FakeHosts("node1"),
            self.memories,
            self.clock,
            settings,
            is_paused=lambda: self.paused,
            random=lambda: 0.5,
        )
        self.updater.review_due()

    def appear(self, target: Network) -> None:
        """Kubernetes has it, and the watch tells of it."""
        self.cluster.objects[target.ref] = target
        self.updater.upserted(target)

    def report(self, **found: object) -> None:
        """A prober's report on the segment."""
        self.updater.take_report(Report(host="node1", verdicts=(verdict(DIGEST, **found),)))  # type: ignore[arg-type]

    def work(self) -> int:
        """Look and write until nothing is due; how many networks were taken."""
        self.updater.review_due()
        taken = 0
        while self.updater.write_due():
            taken += 1
        return taken


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_report_makes_its_networks_due(bench: Bench) -> None:
    """All on the segment, and only when something is to be written."""
    bench.appear(network())
    assert bench.work() == 0
    bench.report(dhcp=dhcp(offer()))
    assert bench.work() == 1
    assert len(bench.cluster.written) == 1
    bench.report(dhcp=dhcp(offer()))
    assert bench.work() == 0


def test_a_network_that_appears_after_its_report_is_written(bench: Bench) -> None:
    """The verdict waited for it."""
    bench.report(dhcp=dhcp(offer()))
    bench.appear(network())
    assert bench.work() == 1


def test_own_writes_come_back_as_no_news(bench: Bench) -> None:
    """The watch tells of what the write's answer told before."""
    bench.appear(network())
    bench.report(dhcp=dhcp(offer()))
    bench.work()
    (written,) = bench.cluster.objects.values()
    bench.store.looked_at.clear()
    bench.updater.upserted(written)
    assert bench.work() == 0
    assert bench.store.looked_at == []
    bench.clock.seconds += SETTINGS.reduce_interval_s
    assert bench.work() == 0
    assert len(bench.cluster.written) == 1


def test_the_timer_finds_what_no_event_told_of(bench: Bench) -> None:
    """A verdict that another updater stored, or one that has grown old."""
    bench.appear(network())
    bench.work()
    bench.store.say(verdict(DIGEST, dhcp=dhcp(offer())))
    assert bench.work() == 0
    bench.clock.seconds += SETTINGS.reduce_interval_s
    assert bench.work() == 1


@pytest.mark.parametrize("last", ["network", "report"])
def test_news_is_kept_while_redis_is_away(bench: Bench, last: str) -> None:
    """What was to be looked at is looked at when it is back: a network, or a report."""
    if last == "network":
        bench.report(dhcp=dhcp(offer()))
        bench.work()
        bench.appear(network())
    else:
        bench.appear(network())
        bench.work()
        bench.report(dhcp=dhcp(offer()))
    bench.store.failure = redis.ConnectionError("away")
    with pytest.raises(redis.RedisError):
        bench.work()
    bench.store.failure = None
    assert bench.work() == 1


def test_a_failed_write_is_tried_again_by_the_queue(bench: Bench) -> None:
    """After its delay, without any event."""
    bench.appear(network())
    bench.report(dhcp=dhcp(offer()))
    bench.cluster.failures = [Unavailable("503")]
    assert bench.work() == 1
    assert bench.cluster.written == []
    bench.clock.seconds += 1
    assert bench.updater.write_due()
    assert len(bench.cluster.written) == 1


def test_a_deleted_network_is_not_looked_at(bench: Bench) -> None:
    """Whatever is reported of its segment."""
    target = network()
    bench.appear(target)
    bench.updater.deleted(target.ref, target.uid)
    bench.report(dhcp=dhcp(offer()))
    assert bench.work() == 0


def test_the_owners_edit_is_answered_from_what_is_known(bench: Bench) -> None:
    """A route cut back to its mode is filled in again without another probe."""
    bench.appear(network())
    bench.report(dhcp=dhcp(offer()))
    bench.work()
    (target,) = bench.cluster.objects.values()
    bench.updater.upserted(bench.cluster.edit(target.ref, **{names.ROUTE: '{"mode":"auto"}'}))
    assert bench.work() == 1
    assert '"connectivity":"true"' in bench.cluster.objects[target.ref].annotations[names.ROUTE]


def test_transitions_are_events_and_steps_within_a_state_are_not(bench: Bench) -> None:
    """Active, then silent: two Events."""
    bench.appear(network())
    bench.report(dhcp=dhcp(offer()))
    bench.work()
    bench.report(vlan=ReachOutcome.SILENT, routed=ReachOutcome.SILENT)
    bench.work()
    assert [(kind, reason) for kind, reason, _ in bench.cluster.events] == [
        ("Normal", "Active"),
        ("Warning", "Unreachable"),
    ]


def test_while_paused_nothing_is_written_and_then_all(bench: Bench) -> None:
    """Reports are kept, networks are known; on resuming each is looked at, without any event."""
    bench.paused = True
    bench.appear(network())
    bench.report(dhcp=dhcp(offer()))
    assert bench.work() == 0
    assert (bench.cluster.written, bench.cluster.events) == ([], [])
    bench.paused = False
    assert bench.work() == 1
    assert len(bench.cluster.written) == 1


def test_a_pause_reaches_what_is_queued_already(bench: Bench) -> None:
    """A write that was decided upon waits too."""
    bench.appear(network())
    bench.report(dhcp=dhcp(offer()))
    bench.updater.review_due()
    bench.paused = True
    assert bench.updater.write_due()
    assert bench.cluster.written == []
    bench.paused = False
    bench.clock.seconds += SETTINGS.reduce_interval_s
    assert bench.work() == 1


def test_who_only_observes_tells_each_transition_once(bench: Bench) -> None:
    """By Events; nothing is ever written."""
    observing = Bench(SETTINGS.model_copy(update={"observe_only": True}))
    observing.appear(network())
    for outcome in (ReachOutcome.REACHABLE, ReachOutcome.REACHABLE, ReachOutcome.SILENT, ReachOutcome.SILENT):
        observing.report(dhcp=dhcp(offer()), vlan=outcome, routed=outcome)
        observing.work()
        observing.clock.seconds += SETTINGS.reduce_interval_s
        observing.work()
    assert observing.cluster.attempts == 0
    assert [reason for _, reason, _ in observing.cluster.events] == ["Active", "Unreachable"]


def test_what_is_out_of_scope_is_left_alone(bench: Bench) -> None:
    """No write and no Event, whatever is found."""
    scoped = Bench(SETTINGS.model_copy(update={"namespaces": frozenset({"prod"})}))
    scoped.appear(network())
    scoped.report(dhcp=dhcp(offer()))
    assert scoped.work() == 0
    assert (scoped.cluster.attempts, scoped.cluster.events) == (0, [])


@pytest.mark.parametrize("broken", ["{", '{"connectivity":true}', '{"mode":"manual","gateway":"gw.lan"}'])
def test_a_broken_route_is_told_by_one_event_and_never_written_to(bench: Bench, broken: str) -> None:
    """The webhook would refuse every write: none is tried, not even once; and a new fault is told anew."""
    bench.appear(network(broken))
    for _ in range(3):
        bench.clock.seconds += SETTINGS.reduce_interval_s
        bench.work()
    assert bench.cluster.attempts == 0
    ((kind, reason, message),) = bench.cluster.events
    assert (kind, reason) == ("Warning", "Invalid")
    assert "network.harvesterhci.io/route: " in message
    (target,) = bench.cluster.objects.values()
    bench.updater.upserted(bench.cluster.edit(target.ref, **{names.ROUTE: '{"mode":1}'}))
    bench.work()
    assert len(bench.cluster.events) == 2


def test_a_second_dhcp_server_is_told_once(bench: Bench) -> None:
    """In the status for as long as it is heard, and by one Event beside the state's own."""
    bench.appear(network())
    for _ in range(3):
        bench.report(dhcp=dhcp(offer(), offer("10.0.112.66", server="10.0.112.66")))
        bench.work()
        bench.clock.seconds += SETTINGS.reduce_interval_s
    assert [reason for _, reason, _ in bench.cluster.events] == ["Active", "DHCPServersDisagree"]
    (target,) = bench.cluster.objects.values()
    assert "10.0.112.66 offers" in target.annotations[names.STATUS]


def test_another_writer_is_corrected_four_times_an_hour(bench: Bench) -> None:
    """Once for each of its writes; then its result is left, and nothing is written any more."""
    bench.appear(network())
    bench.report(dhcp=dhcp(offer()))
    bench.work()
    (target,) = bench.cluster.objects.values()
    for _ in range(7):
        route = bench.cluster.objects[target.ref].annotations[names.ROUTE]
        theirs = route.replace('"connectivity":"true"', '"connectivity":"false"')
        bench.updater.upserted(bench.cluster.edit(target.ref, **{names.ROUTE: theirs}))
        bench.work()
        bench.clock.seconds += SETTINGS.reduce_interval_s
        bench.work()
    assert len([w for w in bench.cluster.written[1:] if names.ROUTE in w]) == 4
    assert len(bench.cluster.written) == 5
    assert '"connectivity":"false"' in bench.cluster.objects[target.ref].annotations[names.ROUTE]
    assert [reason for _, reason, _ in bench.cluster.events] == ["Active", "OtherWriter"]
