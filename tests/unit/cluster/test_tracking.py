"""Which lists, events and deletions are new, in any order."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from services.cluster.metrics import WatchMetrics
from services.cluster.tracking import Tracker, is_older
from services.network.parse.nad import Network, NetworkRef
from tests.support.listening import Recorder


def network(name: str = "a", *, version: int | str = 1, uid: str = "u1") -> Network:
    return Network(NetworkRef("default", name), uid, str(version), "{}")


def test_a_known_version_is_not_reported_again() -> None:
    """It makes no difference whether it comes by list or by event."""
    seen = Recorder()
    tracker = Tracker(seen, metrics=WatchMetrics(CollectorRegistry()))
    tracker.listed([network()])
    tracker.changed(network())
    tracker.listed([network()])
    assert seen.calls == [("upserted", "a", "1")]


def test_a_network_missing_from_a_list_was_deleted() -> None:
    """A new list shows the deletions that no event reported."""
    seen = Recorder()
    tracker = Tracker(seen, metrics=WatchMetrics(CollectorRegistry()))
    tracker.listed([network("a"), network("b", uid="u2")])
    tracker.listed([network("a")])
    assert seen.calls[2:] == [("deleted", "b", "u2")]


def test_only_what_is_reported_is_counted() -> None:
    """A known version is no event."""
    registry = CollectorRegistry()
    tracker = Tracker(Recorder(), metrics=WatchMetrics(registry))
    tracker.listed([network("a"), network("b", uid="u2")])
    tracker.listed([network("a")])
    counts = {
        event: registry.get_sample_value("nadroute_watch_events_total", {"event": event})
        for event in ("upserted", "deleted")
    }
    assert counts == {"upserted": 2, "deleted": 1}


def test_an_older_version_changes_nothing() -> None:
    """Versions of one object only grow; 9 is older than 10."""
    seen = Recorder()
    tracker = Tracker(seen, metrics=WatchMetrics(CollectorRegistry()))
    tracker.changed(network(version=10))
    tracker.changed(network(version=9))
    assert seen.calls == [("upserted", "a", "10")]


def test_an_opaque_version_is_taken() -> None:
    """It cannot be compared, so what comes later wins."""
    seen = Recorder()
    tracker = Tracker(seen, metrics=WatchMetrics(CollectorRegistry()))
    tracker.changed(network(version="x"))
    tracker.changed(network(version="abc"))
    assert seen.calls == [("upserted", "a", "x"), ("upserted", "a", "abc")]


def test_another_uid_is_reported_as_a_deletion_first() -> None:
    """The network was deleted and created again, and the deletion was missed."""
    seen = Recorder()
    tracker = Tracker(seen, metrics=WatchMetrics(CollectorRegistry()))
    tracker.changed(network(version=1))
    tracker.changed(network(version=2, uid="u2"))
    assert seen.calls[1:] == [("deleted", "a", "u1"), ("upserted", "a", "2")]


def test_the_late_deletion_of_a_predecessor_is_ignored() -> None:
    """The successor stays."""
    seen = Recorder()
    tracker = Tracker(seen, metrics=WatchMetrics(CollectorRegistry()))
    tracker.changed(network(version=3, uid="u2"))
    tracker.removed(network(version=2, uid="u1"))
    assert seen.names() == {"a"}


def test_an_accepted_older_list_replaces_newer_versions() -> None:
    """After restoring a backup the listener gets the old version, and the deletion of the newer one."""
    seen = Recorder()
    tracker = Tracker(seen, metrics=WatchMetrics(CollectorRegistry()))
    tracker.listed([network(version=10)])
    tracker.listed([network(version=4)], accept_older=True)
    assert seen.calls[1:] == [("deleted", "a", "u1"), ("upserted", "a", "4")]


def test_is_older_compares_only_numbers() -> None:
    """Other versions are never older."""
    assert is_older("9", than="10")
    assert not is_older("10", than="9")
    assert not is_older("9", than="")
    assert not is_older("a", than="b")


STEPS = st.lists(
    st.tuples(st.sampled_from("ab"), st.sampled_from(["put", "delete", "recreate"]), st.booleans()),
    max_size=30,
)


@given(steps=STEPS)
def test_a_list_repairs_any_missed_events(steps: list[tuple[str, str, bool]]) -> None:
    """In any history of which the watch sees any part, the listener is right after a list, and every deletion
    it gets is of a uid that it knew."""
    seen = Recorder()
    tracker = Tracker(seen, metrics=WatchMetrics(CollectorRegistry()))
    truth: dict[str, Network] = {}
    uid = 0
    for version, (name, step, is_seen) in enumerate(steps, start=1):
        before = truth.get(name)
        if step == "delete" and before is not None:
            del truth[name]
            if is_seen:
                tracker.removed(before)
        elif step != "delete":
            if before is None or step == "recreate":
                uid += 1
            truth[name] = network(
                name, version=version, uid=f"u{uid}" if before is None or step == "recreate" else before.uid
            )
            if is_seen:
                tracker.changed(truth[name])
    tracker.listed(list(truth.values()))
    assert {known.ref.name: known for known in seen.networks.values()} == truth
    deleted = {uid for kind, _, uid in seen.calls if kind == "deleted"}
    assert len(deleted) == sum(kind == "deleted" for kind, _, _ in seen.calls)
