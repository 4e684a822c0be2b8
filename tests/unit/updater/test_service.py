"""Reports, watch events and the timer, step by step without threads."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import redis
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from services.cluster.errors import Denied, Unavailable
from services.contract.conclusions import Hindrance
from services.contract.messages import Segment, Verdict
from services.contract.names import HOST_TTL_S
from services.contract.outcomes import DHCPOutcome, ReachOutcome
from services.contract.reports import Report
from services.network.parse import nad
from services.network.parse.intent import Intent, read_intent
from services.network.parse.nad import Network, NetworkRef
from services.network.parse.status import Status
from services.network.reasons.events import LIMIT_REASON
from services.network.write.disputes import MAX_CORRECTIONS
from services.network.write.supposing import as_if_written
from services.updater.decide.reviewing import Review
from services.updater.gauges import NetworkGauges
from services.updater.metrics import UpdaterMetrics
from services.updater.open_windows import Windows
from services.updater.review.rounds import CHECK_S, LOOK_S
from services.updater.review.touching import Touch
from services.updater.service import Updater
from services.updater.settings import UpdaterSettings
from tests.support.manual_clock import ManualClock
from tests.unit.network.builders import SEGMENT, config, dhcp, network, offer, verdict
from tests.unit.updater.fakes import FakeCluster, FakeDoubtLog, FakeHosts, FakeMemories, FakeStore

DIGEST = Intent(SEGMENT, "auto").digest
LATER_S = 5.0
SETTINGS = UpdaterSettings(redis_url=SecretStr("unix:///nowhere"), kubeconfig=Path("/nowhere"))


class Bench:
    """An updater whose surroundings a test controls."""

    def __init__(self, settings: UpdaterSettings = SETTINGS, cluster: FakeCluster | None = None) -> None:
        self.clock, self.cluster = ManualClock(), cluster or FakeCluster()
        self.store = FakeStore(self.clock)
        self.memories = FakeMemories()
        self.hosts = FakeHosts("node1")
        self.paused = False
        self.registry = CollectorRegistry()
        metrics = UpdaterMetrics(self.registry)
        self.updater = Updater(
            self.cluster,
            self.store,
            self.hosts,
            self.memories,
            FakeDoubtLog(),
            self.clock,
            settings,
            is_paused=lambda: self.paused,
            random=lambda: 0.5,
            metrics=metrics,
        )
        self.registry.register(
            NetworkGauges(
                self.updater.networks,
                self.updater.verdicts,
                metrics,
                windows=Windows,
                fresh_s=lambda _: settings.fresh_s,
                max_series=10,
            )
        )
        self.updater.review_due()

    def appear(self, target: Network) -> None:
        """Create a network, as seen by the watch."""
        self.cluster.objects[target.ref] = target
        self.updater.upserted(target)

    def report(self, **found: object) -> None:
        """Send a prober's report on the segment."""
        self.updater.take_report(Report(host="node1", verdicts=(verdict(DIGEST, **found),)))  # type: ignore[arg-type]

    def metric(self, name: str, **labels: str) -> float | None:
        """Return the value of one sample."""
        return self.registry.get_sample_value(name, labels)

    def state(self) -> str:
        """Return the state that the only network's annotation names."""
        (target,) = self.cluster.objects.values()
        return "" if target.status is None else target.status.state

    def differences(self) -> float | None:
        """Return how many differences were counted, once the next review is over."""
        self.updater.review_due()
        return self.metric("nadroute_review_differences_total")

    def work(self) -> int:
        """Review and write until nothing is due; return the number of networks taken."""
        self.updater.review_due()
        taken = 0
        while self.updater.write_due():
            taken += 1
        return taken


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_report_makes_its_networks_due(bench: Bench) -> None:
    """All networks of the segment are reviewed, and written only where something changes."""
    bench.appear(network())
    assert bench.work() == 0
    bench.report(dhcp=dhcp(offer()))
    assert bench.work() == 1
    assert len(bench.cluster.written) == 1
    bench.report(dhcp=dhcp(offer()))
    assert bench.work() == 0


def test_metrics_follow_a_report(bench: Bench) -> None:
    """Its verdicts are counted, and the gauges show the state and the gateway."""
    bench.appear(network())
    bench.report(dhcp=dhcp(offer()))
    bench.work()
    assert bench.metric("nadroute_verdicts_total", result="new") == 1
    assert bench.metric("nadroute_networks_in_state", state="Active") == 1
    place = {"host": "node1", "cluster_network": "extra", "vlan": "100"}
    assert bench.metric("nadroute_gateway_reachable", path="routed", **place) == 1


def test_a_network_that_appears_after_its_report_is_written(bench: Bench) -> None:
    """The verdict is stored already."""
    bench.report(dhcp=dhcp(offer()))
    bench.appear(network())
    assert bench.work() == 1


def test_own_writes_are_no_news(bench: Bench) -> None:
    """The watch event repeats the response to the write."""
    bench.appear(network())
    bench.report(dhcp=dhcp(offer()))
    bench.work()
    (written,) = bench.cluster.objects.values()
    bench.updater.upserted(written)
    reviews = bench.metric("nadroute_reduce_seconds_count")
    assert bench.work() == 0
    assert bench.metric("nadroute_reduce_seconds_count") == reviews
    bench.clock.seconds += CHECK_S
    assert bench.work() == 0
    assert len(bench.cluster.written) == 1
    assert bench.differences() == 0


@pytest.mark.parametrize("others", [{}, {"edited": "by its owner"}])
def test_an_own_write_is_known_before_its_response(bench: Bench, others: dict[str, str]) -> None:
    """The watch may be faster. Only what others wrote with it is news."""
    annotate = bench.cluster.annotate

    def watched(target: Network, annotations: Mapping[str, str | None]) -> Network:
        written = annotate(target, annotations)
        bench.updater.upserted(bench.cluster.edit(target.ref, **others) if others else written)
        return written

    bench.cluster.annotate = watched  # type: ignore[method-assign,assignment]
    bench.appear(network())
    bench.report(dhcp=dhcp(offer()))
    bench.work()
    reviews = bench.metric("nadroute_reduce_seconds_count")
    assert reviews is not None
    bench.work()
    assert bench.metric("nadroute_reduce_seconds_count") == reviews + bool(others)
    assert len(bench.cluster.written) == 1
    assert bench.updater.networks() == list(bench.cluster.objects.values())


def test_what_was_written_is_stored_with_what_is_written_meanwhile(bench: Bench) -> None:
    """Thousands of networks are not as many round trips; after the last one, nothing is left."""
    for number in range(3):
        bench.appear(network(uid=f"uid-{number}", ref=NetworkRef("default", f"net-{number}")))
    bench.report(dhcp=dhcp(offer()))
    bench.work()
    assert bench.memories.stored_together == [["uid-0", "uid-1", "uid-2"]]


@pytest.mark.parametrize("end", ["review_due", "stop"])
def test_what_was_written_is_stored_although_more_is_to_be_written(bench: Bench, end: str) -> None:
    """By the next review, and at the end."""
    for number in range(3):
        bench.appear(network(uid=f"uid-{number}", ref=NetworkRef("default", f"net-{number}")))
    bench.report(dhcp=dhcp(offer()))
    bench.updater.review_due()
    assert bench.updater.write_due()
    assert bench.memories.stored_together == []
    getattr(bench.updater, end)()
    assert [len(uids) for uids in bench.memories.stored_together] == [1]


def test_what_was_written_last_is_stored_at_the_end(bench: Bench) -> None:
    """Also if something else was stored a moment ago."""
    for number in range(3):
        bench.appear(network(uid=f"uid-{number}", ref=NetworkRef("default", f"net-{number}")))
    bench.report(dhcp=dhcp(offer()))
    for _ in range(2):
        bench.updater.review_due()
        assert bench.updater.write_due()
    bench.updater.stop()
    assert [len(uids) for uids in bench.memories.stored_together] == [1, 1]


def test_a_network_that_is_moved_by_the_response_to_a_write_is_on_its_new_segment(bench: Bench) -> None:
    """An admission webhook may change more than was written."""
    annotate = bench.cluster.annotate

    def moved(target: Network, annotations: Mapping[str, str | None]) -> Network:
        annotate(target, annotations)
        bench.cluster.objects[target.ref] = replace(bench.cluster.objects[target.ref], config=config(200))
        return bench.cluster.objects[target.ref]

    bench.cluster.annotate = moved  # type: ignore[method-assign,assignment]
    bench.appear(network())
    bench.report(dhcp=dhcp(offer()))
    bench.work()
    assert [segment.vlan for segment in bench.updater._cache.segments()] == [200]


def test_the_hourly_review_finds_and_counts_what_nothing_has_touched(bench: Bench) -> None:
    """Redis says something else than the updater knows. It is written, and counted as a difference."""
    bench.appear(network())
    bench.work()
    bench.clock.seconds += CHECK_S - 1
    bench.store.set_verdicts(verdict(DIGEST, dhcp=dhcp(offer())))
    assert bench.work() == 0
    assert bench.differences() == 0
    bench.clock.seconds += 1
    assert bench.work() == 1
    assert bench.differences() == 1
    bench.clock.seconds += CHECK_S
    bench.work()
    bench.clock.seconds += HOST_TTL_S
    bench.work()
    assert bench.state() == "Unknown"
    assert bench.differences() == 1


def test_what_is_touched_during_the_hourly_review_is_no_difference(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A report that Redis has just before the review of all touches its networks just after it."""
    put = bench.store.put

    def reviewed_meanwhile(verdicts: Iterable[Verdict]) -> frozenset[Segment]:
        changed = put(verdicts)
        bench.updater.review_due()
        return changed

    bench.appear(network())
    bench.work()
    bench.clock.seconds += CHECK_S
    monkeypatch.setattr(bench.store, "put", reviewed_meanwhile)
    bench.report(dhcp=dhcp(offer()))
    assert bench.work() == 1
    assert bench.differences() == 0


def test_a_verdict_that_is_too_old_is_noticed_when_it_is(bench: Bench) -> None:
    """No event tells it. A verdict that is repeated in time is not."""
    bench.appear(network())
    bench.report(dhcp=dhcp(offer()))
    bench.work()
    bench.clock.seconds += SETTINGS.fresh_s
    bench.work()
    assert bench.state() == "Active"
    bench.clock.seconds += SETTINGS.fresh_s
    bench.work()
    assert bench.state() == "Unknown"


def test_many_networks_are_reviewed_in_batches(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What all hosts say of all networks is never in memory at once; each network is reviewed once."""
    monkeypatch.setattr("services.updater.review.rounds.BATCH", 3)
    review, reviewed = bench.updater._rounds._reviewer.review, list[list[str]]()

    def count(networks: list[Network]) -> Review:
        reviewed.append([target.uid for target in networks])
        return review(networks)

    monkeypatch.setattr(bench.updater._rounds._reviewer, "review", count)
    uids = [f"uid-{number}" for number in range(8)]
    for uid in uids:
        bench.appear(network(ref=NetworkRef("default", uid), uid=uid))
    bench.report(dhcp=dhcp(offer()))
    assert bench.work() == 8
    assert [len(batch) for batch in reviewed] == [3, 3, 2]
    assert sorted(uid for batch in reviewed for uid in batch) == uids


def test_one_network_that_cannot_be_assessed_hides_no_other(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others that were touched with it are reviewed by themselves."""
    review = bench.updater._rounds._reviewer.review

    def broken(networks: list[Network]) -> Review:
        assert all(target.uid != "uid-2" for target in networks)
        return review(networks)

    monkeypatch.setattr(bench.updater._rounds._reviewer, "review", broken)
    bench.appear(network())
    bench.appear(network(ref=NetworkRef("default", "bad"), uid="uid-2"))
    bench.report(dhcp=dhcp(offer()))
    assert bench.work() == 1


@pytest.mark.parametrize("last", ["network", "report"])
def test_news_is_kept_while_redis_is_away(bench: Bench, last: str) -> None:
    """A changed network or a report is reviewed when Redis is back."""
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


def test_a_report_of_which_redis_does_not_answer_may_be_stored(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It counts as lost, but what Redis has of it is found as soon as Redis answers."""
    put = bench.store.put

    def stored_without_an_answer(verdicts: Iterable[Verdict]) -> frozenset[Segment]:
        put(verdicts)
        raise redis.ConnectionError("reset by peer")

    bench.appear(network())
    bench.work()
    monkeypatch.setattr(bench.store, "put", stored_without_an_answer)
    with pytest.raises(redis.RedisError):
        bench.report(dhcp=dhcp(offer()))
    assert bench.work() == 1


def test_a_failed_write_is_tried_again_by_the_queue(bench: Bench) -> None:
    """It is due after its delay, without any event."""
    bench.appear(network())
    bench.report(dhcp=dhcp(offer()))
    bench.cluster.failures = [Unavailable("503")]
    assert bench.work() == 1
    assert bench.cluster.written == []
    bench.clock.seconds += 1
    assert bench.updater.write_due()
    assert len(bench.cluster.written) == 1


def test_a_deleted_network_is_not_reviewed(bench: Bench) -> None:
    """Reports on its segment make no difference."""
    target = network()
    bench.appear(target)
    bench.updater.deleted(target.uid)
    bench.report(dhcp=dhcp(offer()))
    assert bench.work() == 0


def test_a_deleted_networks_record_is_deleted(bench: Bench) -> None:
    """By the next review, and as soon as Redis answers."""
    target = network()
    bench.appear(target)
    bench.work()
    assert set(bench.memories.records) == {target.uid}
    bench.updater.deleted(target.uid)
    bench.memories.failure = redis.ConnectionError("away")
    with pytest.raises(redis.RedisError):
        bench.work()
    assert set(bench.memories.records) == {target.uid}
    bench.memories.failure = None
    bench.work()
    assert bench.memories.records == {}


def test_a_network_that_is_deleted_during_its_write_leaves_no_record(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The refusal of the write is recorded after the deletion was seen."""
    target = network()
    bench.appear(target)
    bench.report(dhcp=dhcp(offer()))

    def annotate(*_: object) -> Network:
        bench.updater.deleted(target.uid)
        bench.updater.review_due()
        assert bench.memories.records == {}
        raise Denied("gone meanwhile")

    monkeypatch.setattr(bench.cluster, "annotate", annotate)
    bench.work()
    assert set(bench.memories.records) == {target.uid}
    bench.work()
    assert bench.memories.records == {}


def test_records_that_redis_has_not_are_put_back(bench: Bench) -> None:
    """R17: although nothing else has changed; what Redis has instead is not taken."""
    target = network()
    bench.appear(target)
    bench.report(dhcp=dhcp(offer()))
    bench.work()
    kept = dict(bench.memories.records)
    assert set(kept) == {target.uid}
    bench.memories.records.clear()
    bench.clock.seconds += LOOK_S
    bench.work()
    assert bench.memories.records == kept


def test_records_are_renewed_at_the_start_and_every_hour(bench: Bench) -> None:
    """Before they vanish; those of networks that are gone do."""
    target = network()
    bench.appear(target)
    bench.clock.seconds += CHECK_S
    bench.work()
    assert bench.memories.renewed == [[], [target.uid]]
    bench.clock.seconds += CHECK_S - 1
    bench.work()
    bench.clock.seconds += 1
    bench.work()
    assert bench.memories.renewed == [[], [target.uid], [target.uid]]


def test_an_owners_edit_is_completed_from_known_verdicts(bench: Bench) -> None:
    """A route reduced to its mode is filled in again without another probe."""
    bench.appear(network())
    bench.report(dhcp=dhcp(offer()))
    bench.work()
    (target,) = bench.cluster.objects.values()
    bench.updater.upserted(bench.cluster.edit(target.ref, **{nad.ROUTE: '{"mode":"auto"}'}))
    assert bench.work() == 1
    assert '"connectivity":"true"' in bench.cluster.objects[target.ref].annotations[nad.ROUTE]


def test_only_transitions_are_events(bench: Bench) -> None:
    """Active and then silent makes two Events."""
    bench.appear(network())
    bench.report(dhcp=dhcp(offer()))
    bench.work()
    bench.report(vlan=ReachOutcome.SILENT, routed=ReachOutcome.SILENT)
    bench.work()
    assert [(kind, reason) for kind, reason, _ in bench.cluster.events] == [
        ("Normal", "Active"),
        ("Warning", "Unreachable"),
    ]


def test_everything_is_reviewed_after_a_pause(bench: Bench) -> None:
    """Nothing is written while paused, but reports and networks are kept."""
    bench.paused = True
    bench.appear(network())
    bench.report(dhcp=dhcp(offer()))
    assert bench.work() == 0
    assert (bench.cluster.written, bench.cluster.events) == ([], [])
    bench.paused = False
    assert bench.work() == 1
    assert len(bench.cluster.written) == 1


def test_a_pause_applies_to_queued_writes(bench: Bench) -> None:
    """A write that was decided before waits too."""
    bench.appear(network())
    bench.report(dhcp=dhcp(offer()))
    bench.updater.review_due()
    bench.paused = True
    assert bench.updater.write_due()
    assert bench.cluster.written == []
    bench.paused = False
    bench.clock.seconds += LATER_S
    assert bench.work() == 1


def test_observe_only_posts_each_transition_once(bench: Bench) -> None:
    """Nothing is ever written."""
    observing = Bench(SETTINGS.model_copy(update={"observe_only": True}))
    observing.appear(network())
    for outcome in (ReachOutcome.REACHABLE, ReachOutcome.REACHABLE, ReachOutcome.SILENT, ReachOutcome.SILENT):
        observing.report(dhcp=dhcp(offer()), vlan=outcome, routed=outcome)
        observing.work()
        observing.clock.seconds += LATER_S
        observing.work()
    assert observing.cluster.attempts == 0
    record = observing.memories.records["uid-1"]
    assert record.status["state"] == "Unreachable"
    assert record.unwritten is not None
    assert (record.unwritten.why, record.unwritten.route["connectivity"]) == (Hindrance.OBSERVE_ONLY, "false")
    assert [reason for _, reason, _ in observing.cluster.events] == ["Active", "Unreachable"]
    assert observing.metric("nadroute_networks_in_state", state="Unreachable") == 1


def test_observe_only_comes_to_the_conclusions_of_an_updater_that_writes() -> None:
    """A gateway that DHCP named stays known when DHCP is out, whatever the bare annotation says."""
    free, observing = Bench(), Bench(SETTINGS.model_copy(update={"observe_only": True}))
    silent: dict[str, object] = {"vlan": ReachOutcome.SILENT, "routed": ReachOutcome.SILENT}
    no_offer: dict[str, object] = {"dhcp": dhcp(outcome=DHCPOutcome.NO_OFFER)}
    offered: dict[str, object] = {"dhcp": dhcp(offer())}
    found = (offered, no_offer, no_offer | silent, silent, no_offer, offered)
    for bench in (free, observing):
        bench.appear(network('{"mode":"auto"}'))
    (target,) = free.cluster.objects
    for each in found:
        for bench in (free, observing):
            bench.report(**each)
            for _ in range(3):
                bench.clock.seconds += LATER_S
                bench.work()
        record, written = observing.memories.records["uid-1"], free.cluster.objects[target]
        status = Status.from_fields(record.status)
        assert status is not None
        assert written.status is not None
        assert replace(status, since="") == replace(written.status, since="")
        supposed = as_if_written(observing.cluster.objects[target], record)
        assert supposed.route == written.route
    assert [event[1:] for event in free.cluster.events] == [event[1:] for event in observing.cluster.events]
    assert observing.cluster.attempts == 0


def test_observe_only_follows_its_owners_change() -> None:
    """What was observed of another configuration is not supposed any more."""
    observing = Bench(SETTINGS.model_copy(update={"observe_only": True}))
    observing.appear(network('{"mode":"auto"}'))
    observing.report(dhcp=dhcp(offer()))
    observing.work()
    (target,) = observing.cluster.objects
    manual = '{"mode":"manual","cidr":"10.9.0.0/24","gateway":"10.9.0.1"}'
    observing.updater.upserted(observing.cluster.edit(target, **{nad.ROUTE: manual}))
    observing.work()
    record = observing.memories.records["uid-1"]
    asked = read_intent(observing.cluster.objects[target])
    assert isinstance(asked, Intent)
    assert (record.status["state"], record.status["digest"]) == ("Pending", asked.digest)
    assert record.unwritten is not None
    assert dict(record.unwritten.route) == {}


def test_gauges_show_a_state_that_is_not_written() -> None:
    """They do so at once, and after a restart, where it is read from its record."""
    settings = SETTINGS.model_copy(update={"observe_only": True})
    first, restarted = Bench(settings), Bench(settings)
    first.appear(network())
    first.report(dhcp=dhcp(offer()))
    first.work()
    assert first.metric("nadroute_networks_in_state", state="Active") == 1
    restarted.memories.records.update(first.memories.records)
    restarted.appear(network())
    restarted.work()
    assert restarted.metric("nadroute_networks_in_state", state="Active") == 1


def test_a_network_out_of_scope_is_ignored(bench: Bench) -> None:
    """It gets no write and no Event."""
    scoped = Bench(SETTINGS.model_copy(update={"namespaces": frozenset({"prod"})}))
    scoped.appear(network())
    scoped.report(dhcp=dhcp(offer()))
    assert scoped.work() == 0
    assert (scoped.cluster.attempts, scoped.cluster.events) == (0, [])


@pytest.mark.parametrize("broken", ["{", '{"connectivity":true}', '{"mode":"manual","gateway":"gw.lan"}'])
def test_a_broken_route_is_posted_once_and_never_written(bench: Bench, broken: str) -> None:
    """The webhook would deny every write, so none is tried. A different fault is posted again."""
    bench.appear(network(broken))
    for _ in range(3):
        bench.clock.seconds += LATER_S
        bench.work()
    assert bench.cluster.attempts == 0
    ((kind, reason, message),) = bench.cluster.events
    assert (kind, reason) == ("Warning", "Invalid")
    assert "network.harvesterhci.io/route: " in message
    (target,) = bench.cluster.objects.values()
    bench.updater.upserted(bench.cluster.edit(target.ref, **{nad.ROUTE: '{"mode":1}'}))
    bench.work()
    assert len(bench.cluster.events) == 2


def test_a_second_dhcp_server_is_posted_once(bench: Bench) -> None:
    """The status names it while it answers, and one Event is posted beside the state's own."""
    bench.appear(network())
    for _ in range(3):
        bench.report(dhcp=dhcp(offer(), offer("10.0.112.66", server="10.0.112.66")))
        bench.work()
        bench.clock.seconds += LATER_S
    assert [reason for _, reason, _ in bench.cluster.events] == ["Active", "DHCPServersDisagree"]
    (target,) = bench.cluster.objects.values()
    assert "10.0.112.66 offers" in target.annotations[nad.STATUS]


def test_another_writer_is_corrected_four_times_an_hour(bench: Bench) -> None:
    """Each of its writes is corrected once; then its result stands, nothing is written, and that is told."""
    bench.appear(network())
    bench.report(dhcp=dhcp(offer()))
    bench.work()
    (target,) = bench.cluster.objects.values()
    for _ in range(7):
        route = bench.cluster.objects[target.ref].annotations[nad.ROUTE]
        theirs = route.replace('"connectivity":"true"', '"connectivity":"false"')
        bench.updater.upserted(bench.cluster.edit(target.ref, **{nad.ROUTE: theirs}))
        bench.work()
        bench.clock.seconds += LATER_S
        bench.work()
    assert len([w for w in bench.cluster.written[1:] if nad.ROUTE in w]) == 4
    assert len(bench.cluster.written) == 5
    assert '"connectivity":"false"' in bench.cluster.objects[target.ref].annotations[nad.ROUTE]
    reasons = [reason for _, reason, _ in bench.cluster.events]
    assert reasons == ["Active", "OtherWriter", "CorrectionLimitReached"]
    assert "set connectivity to 'false'" in bench.cluster.events[-1][2]
    (record,) = bench.memories.records.values()
    assert record.unwritten is not None
    assert record.unwritten.why is Hindrance.TAKEN_BACK
    assert record.unwritten.route["connectivity"] == "true"
    ours = route.replace('"connectivity":"false"', '"connectivity":"true"')
    bench.updater.upserted(bench.cluster.edit(target.ref, **{nad.ROUTE: ours}))
    bench.clock.seconds += LATER_S
    bench.work()
    (record,) = bench.memories.records.values()
    assert record.unwritten is None, "the other writer gave way"


def test_a_limit_is_told_once_although_the_network_is_reviewed_meanwhile(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A review during the write does not know yet that it is being told."""
    memories = bench.updater._reconciler._memories
    told = memories.remember_told

    def reviewed_meanwhile(uid: str) -> None:
        bench.updater._touched.add(Touch(networks={uid}))
        bench.updater.review_due()
        told(uid)

    bench.appear(network())
    bench.report(dhcp=dhcp(offer()))
    bench.work()
    monkeypatch.setattr(memories, "remember_told", reviewed_meanwhile)
    (target,) = bench.cluster.objects.values()
    bench.memories.corrected[target.uid] = MAX_CORRECTIONS
    theirs = target.annotations[nad.ROUTE].replace('"connectivity":"true"', '"connectivity":"false"')
    bench.updater.upserted(bench.cluster.edit(target.ref, **{nad.ROUTE: theirs}))
    bench.work()
    assert [reason for _, reason, _ in bench.cluster.events] == ["Active", LIMIT_REASON]
