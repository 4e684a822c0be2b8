"""Who set which field last, as the lab's API server tracks it."""

from datetime import UTC, datetime, timedelta

from lab.kube.jsontypes import JsonObject, metadata
from lab.kube.objects import Actor
from lab.kube.resources import NADS
from lab.kube.store import Store

ANN, BOB = Actor(agent="ann/1.0 (linux)"), Actor(agent="kubectl/v1.34", manager="bob")


class Clock:
    """A second passes between two writes."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.time += timedelta(seconds=1)
        return self.time


def made() -> Store:
    """Return a store with a network that Ann created."""
    store = Store(now=Clock())
    body: JsonObject = {
        "metadata": {"name": "a", "annotations": {"x": "1", "y": "1"}, "finalizers": ["f"]},
        "spec": {"config": "{}"},
    }
    store.create(NADS, "default", body, actor=ANN)
    return store


def annotate(store: Store, actor: Actor, **annotations: str) -> None:
    """Set these annotations, and remove all others."""

    def edit(body: JsonObject) -> JsonObject:
        metadata(body)["annotations"] = dict(annotations)
        return body

    store.change(NADS, "default", "a", edit, actor=actor)


def managed(store: Store) -> dict[str, object]:
    """Return the fields of each manager."""
    entries = metadata(store.get(NADS, "default", "a").body).get("managedFields")
    assert isinstance(entries, list)
    return {str(entry["manager"]): entry["fieldsV1"] for entry in entries if isinstance(entry, dict)}


def test_who_creates_an_object_owns_what_the_request_sets() -> None:
    """Name, uid and the like are nobody's; the manager is the user agent up to the slash."""
    assert managed(made()) == {
        "ann": {
            "f:metadata": {
                "f:annotations": {".": {}, "f:x": {}, "f:y": {}},
                "f:finalizers": {".": {}, 'v:"f"': {}},
            },
            "f:spec": {".": {}, "f:config": {}},
        }
    }


def test_a_changed_value_changes_its_owner() -> None:
    """An unchanged one keeps it; a removed one has none; the name given in the request counts."""
    store = made()
    annotate(store, BOB, x="2", z="1")
    found = managed(store)
    assert found["bob"] == {"f:metadata": {"f:annotations": {"f:x": {}, "f:z": {}}}}
    assert found["ann"] == {
        "f:metadata": {"f:annotations": {}, "f:finalizers": {".": {}, 'v:"f"': {}}},
        "f:spec": {".": {}, "f:config": {}},
    }


def test_a_write_without_a_difference_leaves_no_trace() -> None:
    """Neither a version nor a time."""
    store = made()
    before = store.get(NADS, "default", "a")
    annotate(store, BOB, x="1", y="1")
    assert store.get(NADS, "default", "a") is before


def test_many_managers_are_merged() -> None:
    """Ten are kept by name; those who were silent longest are one entry, which owns what they owned."""
    store = made()
    for number in range(15):
        annotate(store, Actor(agent=f"w{number}"), **{f"k{n}": "1" for n in range(number + 1)})
    found = managed(store)
    assert len(found) == 10
    assert "w14" in found
    merged = found["ancient-changes"]
    assert isinstance(merged, dict)
    assert "f:k0" in merged["f:metadata"]["f:annotations"]
