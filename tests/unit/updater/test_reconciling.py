"""Writing one network: what each response of the API server leads to, without threads and real time."""

import json
import threading
from collections.abc import Collection, Mapping
from dataclasses import replace

import pytest
import redis
from prometheus_client import CollectorRegistry

from services.cluster.cache import NetworkCache
from services.cluster.errors import (
    ClusterError,
    Conflict,
    Denied,
    Forbidden,
    NotFound,
    Throttled,
    Unavailable,
)
from services.contract.conclusions import ConclusionRecord, Hindrance
from services.contract.messages import Segment
from services.contract.outcomes import ReachOutcome
from services.contract.verdicts import SegmentVerdicts
from services.network.parse import nad
from services.network.parse.intent import Intent, read_intent
from services.network.parse.nad import Network
from services.updater.decide.assessing import Assessor
from services.updater.decide.denied_backoff import FIRST_PAUSE_S, ONE_PAUSE_S
from services.updater.decide.reviewing import Reviewer
from services.updater.memory.kept_memories import KeptMemories
from services.updater.metrics import UpdaterMetrics
from services.updater.settings import UpdaterSettings
from services.updater.write.pacing import Pace
from services.updater.write.reconciling import CONFLICTS_PAUSE_S, MAX_CONFLICTS, Reconciler
from tests.support.manual_clock import ManualClock
from tests.unit.network.builders import dhcp, network, offer, verdict
from tests.unit.updater.fakes import FakeCluster, FakeDoubtLog, FakeHosts, FakeMemories, FakeStore


class Bench:
    """A reconciler whose surroundings a test controls."""

    def __init__(self, target: Network) -> None:
        self.target = target
        self.clock = ManualClock()
        self.store = FakeStore(self.clock)
        self.cluster = FakeCluster(target)
        self.cache = NetworkCache()
        self.cache.upserted(target)
        self.stopping = threading.Event()
        self.memories = FakeMemories()
        self.paused = False
        self.again: list[str] = []
        """Networks to be reviewed because of a write."""
        self.build()

    def build(self) -> None:
        """Make the reconciler, as after a restart."""
        self.registry = CollectorRegistry()
        metrics = UpdaterMetrics(self.registry)
        kept = KeptMemories(self.memories, self.clock)
        assessor = Assessor(
            self.store,
            FakeHosts("node1"),
            kept,
            FakeDoubtLog(),
            self.clock,
            UpdaterSettings(sweep_interval_s=300.0),
            metrics=metrics,
        )
        self.reviewer = Reviewer(assessor, kept, self.clock, look_again=self.again.append)
        self.reconciler = Reconciler(
            self.cluster,
            self.cache,
            self.reviewer,
            kept,
            self.clock,
            is_paused=lambda: self.paused,
            random=lambda: 0.5,
            stopping=self.stopping,
            pace=Pace(self.clock),
            metrics=metrics,
            look_again=self.again.append,
        )

    @property
    def digest(self) -> str:
        intent = read_intent(self.target)
        assert isinstance(intent, Intent)
        return intent.digest

    def reconcile(self) -> float | None:
        return self.reconciler.reconcile(self.target.uid)

    def wanted(self) -> bool:
        """Return whether a review would have the network written now."""
        return 0.0 in self.reviewer.review(self.cache.snapshot()).due_in_s.values()


@pytest.fixture
def bench() -> Bench:
    made = Bench(network())
    made.store.set_verdicts(verdict(made.digest, dhcp=dhcp(offer())))
    return made


def test_a_write_is_one_patch_and_one_event(bench: Bench) -> None:
    """Route and status are one patch, and the transition is one Event."""
    assert bench.reconcile() is None
    (written,) = bench.cluster.written
    assert set(written) == {nad.ROUTE, nad.STATUS}
    assert bench.cluster.events == [
        ("Normal", "Active", "gateway 10.0.112.1 answers on extra/100 from node1")
    ]


def test_the_next_review_sees_the_write(bench: Bench) -> None:
    """It must, even before the watch event, or it would write again."""
    bench.reconcile()
    assert not bench.wanted()
    assert bench.reconcile() is None
    assert bench.cluster.attempts == 1


def test_a_write_is_decided_once(bench: Bench) -> None:
    """What the review decided is written without a further look, and once."""
    assert bench.wanted()
    bench.store.failure = redis.ConnectionError("away")
    assert bench.reconcile() is None
    assert len(bench.cluster.written) == 1
    assert bench.reconcile() is not None, "this time it would have to look"


def test_a_decision_is_made_again_for_another_version(bench: Bench) -> None:
    """The watch has seen somebody's edit since."""
    assert bench.wanted()
    manual = json.dumps({"mode": "manual", "cidr": "10.0.0.0/24", "gateway": "10.0.0.1"})
    bench.cache.upserted(bench.cluster.edit(bench.target.ref, **{nad.ROUTE: manual}))
    assert bench.reconcile() is None
    assert bench.cluster.attempts == 0


def test_a_conflict_is_decided_again_on_the_fresh_object(bench: Bench) -> None:
    """The other writer's change is kept, and ours is made on top of it."""
    bench.cluster.edit(bench.target.ref, **{"example.com/owner": "me"})
    assert bench.reconcile() is None
    assert bench.cluster.attempts == 2
    assert bench.cluster.objects[bench.target.ref].annotations["example.com/owner"] == "me"


def test_an_edit_that_makes_the_verdict_void_ends_the_write(bench: Bench) -> None:
    """The fresh object has another intent without verdicts, so nothing is written."""
    manual = json.dumps({"mode": "manual", "cidr": "10.0.0.0/24", "gateway": "10.0.0.1"})
    bench.cluster.edit(bench.target.ref, **{nad.ROUTE: manual})
    assert bench.reconcile() is None
    assert bench.cluster.written == []


def test_endless_conflicts_are_postponed(bench: Bench) -> None:
    """The attempts are bounded, with growing pauses; then it is tried again a little later."""
    bench.cluster.failures = [Conflict("409") for _ in range(MAX_CONFLICTS)]
    assert bench.reconcile() == CONFLICTS_PAUSE_S
    assert bench.cluster.attempts == MAX_CONFLICTS
    assert bench.clock.waits == sorted(bench.clock.waits)
    assert bench.wanted()


def test_a_network_that_is_gone_is_forgotten(bench: Bench) -> None:
    """It is no error and not tried again."""
    del bench.cluster.objects[bench.target.ref]
    assert bench.reconcile() is None
    assert bench.cache.get(bench.target.uid) is None


def test_another_object_with_the_name_is_not_written(bench: Bench) -> None:
    """K9: the decision was made for an object that is gone."""
    bench.cluster.objects[bench.target.ref] = network(uid="uid-2")
    assert bench.reconcile() is None
    assert bench.cluster.written == []


def test_failures_of_a_predecessor_do_not_delay_the_successor(bench: Bench) -> None:
    """K9: the growing delay between two tries belongs to a network, not to its name."""
    for _ in range(6):
        bench.cluster.failures = [Unavailable("503")]
        bench.reconcile()
    successor = network(uid="uid-2", version="9")
    bench.cache.deleted(bench.target.uid)
    bench.cache.upserted(successor)
    bench.cluster.objects[successor.ref] = successor
    bench.cluster.failures = [Unavailable("503")]
    delay_s = bench.reconciler.reconcile(successor.uid)
    assert delay_s is not None
    assert delay_s < 1


def test_a_denied_change_backs_off_and_is_posted_once(bench: Bench) -> None:
    """K8: the pause grows, but to less than a minute: the webhook may have let go."""
    pauses = []
    for expected in (FIRST_PAUSE_S, 2 * FIRST_PAUSE_S, ONE_PAUSE_S, ONE_PAUSE_S):
        bench.cluster.failures = [Denied("denied the request")]
        assert bench.reconcile() == expected
        bench.clock.seconds += expected - 1
        pauses.append(bench.wanted())
        bench.clock.seconds += 1
        assert bench.wanted()
    assert pauses == [False] * 4
    assert [(kind, reason) for kind, reason, _ in bench.cluster.events] == [("Warning", "WriteDenied")]
    assert "denied the request" in bench.cluster.events[0][2]


def test_a_denied_change_is_due_again_when_its_pause_is_over(bench: Bench) -> None:
    """Whatever else was due for the network meanwhile: a review has it queued for then."""
    bench.cluster.failures = [Denied("denied the request")]
    bench.reconcile()
    bench.clock.seconds += 10
    review = bench.reviewer.review(bench.cache.snapshot())
    assert review.due_in_s == {bench.target.uid: FIRST_PAUSE_S - 10}


def test_a_denied_change_does_not_delay_another(bench: Bench) -> None:
    """A new state or a repaired object is tried at once."""
    bench.cluster.failures = [Denied("denied the request")]
    bench.reconcile()
    assert not bench.wanted()
    bench.clock.seconds += 1
    bench.store.put([verdict(bench.digest, dhcp=dhcp(offer()), vlan=ReachOutcome.SILENT)])
    assert bench.wanted()
    bench.reconcile()
    assert len(bench.cluster.written) == 1


@pytest.mark.parametrize("error", [Unavailable("503"), Forbidden("403"), redis.ConnectionError("away")])
def test_transient_errors_are_retried(bench: Bench, error: Exception) -> None:
    """The delay grows with jitter; there is no last attempt."""
    delays = []
    for _ in range(3):
        if isinstance(error, ClusterError):
            bench.cluster.failures = [error]
        else:
            bench.store.failure = error
        delays.append(bench.reconcile())
    assert all(delay is not None and delay > 0 for delay in delays)
    assert delays == sorted(delays, key=lambda delay: delay or 0)
    bench.store.failure = None
    assert bench.reconcile() is None
    assert len(bench.cluster.written) == 1


def test_a_throttled_network_waits_as_long_as_the_server_asks(bench: Bench) -> None:
    """It alone: what the server took of another network meanwhile is written at once."""
    other = replace(network(uid="uid-2"), ref=replace(bench.target.ref, name="other"))
    bench.cache.upserted(other)
    bench.cluster.objects[other.ref] = other
    bench.cluster.failures = [Throttled("429", retry_after_s=7.0)]
    delay_s = bench.reconcile()
    assert delay_s is not None
    assert 7.0 <= delay_s < 8.0
    assert bench.reconciler.reconcile(other.uid) is None
    assert len(bench.cluster.written) == 1
    bench.clock.seconds += delay_s
    assert bench.reconcile() is None
    assert len(bench.cluster.written) == 2


def test_nothing_is_written_while_stopping(bench: Bench) -> None:
    """This holds after a conflict, too."""
    bench.stopping.set()
    assert bench.reconcile() is None
    assert bench.cluster.attempts == 0


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (None, "written"),
        (Denied("x"), "denied"),
        (NotFound("x"), "gone"),
        (Throttled("x", retry_after_s=1), "throttled"),
        (Unavailable("x"), "failed"),
    ],
)
def test_a_write_is_counted_by_its_result(bench: Bench, error: ClusterError | None, result: str) -> None:
    """Each attempt is observed once."""
    bench.cluster.failures += [] if error is None else [error]
    bench.reconcile()
    results = ("written", "denied", "gone", "throttled", "failed")
    counts = {
        each: bench.registry.get_sample_value("nadroute_writes_total", {"result": each}) for each in results
    }
    assert counts == {**dict.fromkeys(results, 0), result: 1}
    assert bench.registry.get_sample_value("nadroute_write_seconds_count") == 1


def test_a_conflict_is_counted_separately(bench: Bench) -> None:
    """The write that follows it has its own result."""
    bench.cluster.failures.append(Conflict("x"))
    bench.reconcile()
    assert bench.registry.get_sample_value("nadroute_conflicts_total") == 1
    assert bench.registry.get_sample_value("nadroute_writes_total", {"result": "written"}) == 1


def test_a_record_is_stored_before_its_patch(bench: Bench) -> None:
    """A restart in between finds what was concluded; without Redis nothing is patched."""
    bench.cluster.failures = [Unavailable("503")]
    bench.reconcile()
    (record,) = bench.memories.stored
    assert (record.status["state"], record.unwritten) == ("Active", None)
    assert bench.cluster.written == []
    fresh = Bench(network())
    fresh.store.set_verdicts(verdict(fresh.digest, dhcp=dhcp(offer())))
    fresh.memories.failure = redis.ConnectionError("away")
    assert fresh.reconcile() is not None
    assert fresh.cluster.attempts == 0


def test_a_record_is_stored_once_by_a_review_and_again_only_when_it_changes(bench: Bench) -> None:
    """Neither the write that follows nor later reviews store it again, and a restart does not either."""
    assert bench.wanted()
    bench.reconcile()
    for _ in range(3):
        bench.clock.seconds += 100
        assert not bench.wanted()
    assert len(bench.memories.stored) == 1
    bench.build()
    assert not bench.wanted()
    assert len(bench.memories.stored) == 1
    bench.clock.seconds += 1
    silent = ReachOutcome.SILENT
    bench.store.put([verdict(bench.digest, dhcp=dhcp(offer()), vlan=silent, routed=silent)])
    assert bench.wanted()
    assert [record.status["state"] for record in bench.memories.stored] == ["Active", "Unreachable"]


def test_a_review_leaves_the_record_of_a_write_meanwhile(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It read the verdicts before the one that the write is about."""
    bench.store.lose()
    read = bench.store.read

    def written_meanwhile(segments: Collection[Segment]) -> Mapping[Segment, SegmentVerdicts]:
        before = read(segments)
        monkeypatch.setattr(bench.store, "read", read)
        bench.store.put([verdict(bench.digest, dhcp=dhcp(offer()))])
        bench.reconcile()
        return before

    monkeypatch.setattr(bench.store, "read", written_meanwhile)
    bench.reviewer.review([bench.target])
    assert [record.status["state"] for record in bench.memories.stored] == ["Active"]


def test_a_network_without_a_result_has_a_record_too(bench: Bench) -> None:
    """Its annotation is not written, but whoever looks learns the reason."""
    bench.store.lose()
    assert not bench.wanted()
    (record,) = bench.memories.stored
    assert (record.status["state"], record.status["reason"]) == ("Pending", "NotProbedYet")
    assert (record.namespace, record.name, record.uid) == ("default", "net", "uid-1")


def test_the_record_of_a_denied_change_names_the_refusal(bench: Bench) -> None:
    """Reviews keep it, also after a restart or a race; a write that succeeds clears it."""
    bench.cluster.failures = [Denied("denied the request")]
    bench.reconcile()
    refused = bench.memories.records["uid-1"]
    assert refused.unwritten is not None
    assert (refused.unwritten.why, refused.unwritten.detail) == (Hindrance.DENIED, "denied the request")
    assert refused.unwritten.route == {
        "mode": "auto", "cidr": "10.0.112.0/20", "gateway": "10.0.112.1", "connectivity": "true",
    }  # fmt: skip
    assert refused.unwritten.status
    stored = len(bench.memories.stored)
    assert not bench.wanted()
    assert len(bench.memories.stored) == stored

    bench.build()
    assert bench.wanted()
    assert bench.memories.records["uid-1"] == refused
    bench.reconcile()
    assert bench.memories.records["uid-1"].unwritten is None


def test_missing_rights_are_recorded_and_tried_again(bench: Bench) -> None:
    """RBAC is no final refusal of this change, but whoever looks learns why it is not written."""
    bench.cluster.failures = [Forbidden("403"), Forbidden("403")]
    assert bench.reconcile() is not None
    record = bench.memories.records["uid-1"]
    assert record.unwritten is not None
    assert (record.unwritten.why, record.unwritten.detail) == (Hindrance.DENIED, "403")
    stored = len(bench.memories.stored)
    assert bench.reconcile() is not None
    assert len(bench.memories.stored) == stored
    assert bench.reconcile() is None
    assert bench.memories.records["uid-1"].unwritten is None


def test_half_a_surrogate_pair_in_a_refusal_is_replaced(bench: Bench) -> None:
    """JSON escapes it, and other readers of JSON refuse that."""
    bench.cluster.failures = [Denied("x\ud800" + "y" * 1000)]
    bench.reconcile()
    unwritten = bench.memories.records["uid-1"].unwritten
    assert unwritten is not None
    assert unwritten.detail.startswith("x?y")
    assert ConclusionRecord.from_wire(bench.memories.records["uid-1"].to_wire()).unwritten == unwritten
