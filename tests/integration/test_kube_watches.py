"""The contract of watches: what is told, from which version on, and how a stream ends."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
from kubernetes import client

from tests.support.kube_api import Networks, Object, cluster_networks, network, refused


@pytest.fixture
def networks(tmp_path: Path) -> Iterator[Networks]:
    """A namespace in a cluster."""
    with cluster_networks(tmp_path) as found:
        yield found


def told(event: Object) -> tuple[str, str]:
    """The type of an event and the name of its object."""
    return event["type"], event["object"]["metadata"]["name"]


def test_changes_are_told_in_order(networks: Networks) -> None:
    """A watch from a list's version tells each later change once, with the object as it then was."""
    version = networks.version()
    networks.create("a")
    networks.annotate("a", step="1")
    networks.delete("a")
    networks.create("b")
    events = list(islice(networks.events(version), 4))
    assert [told(each) for each in events] == [
        ("ADDED", "a"),
        ("MODIFIED", "a"),
        ("DELETED", "a"),
        ("ADDED", "b"),
    ]
    versions = [int(each["object"]["metadata"]["resourceVersion"]) for each in events]
    assert versions == sorted(set(versions))
    assert versions[0] > int(version)


def test_a_watch_tells_what_happens_while_it_is_open(networks: Networks) -> None:
    """A change made after the stream began arrives on it."""
    networks.create("a")
    stream = networks.events()
    assert told(next(stream)) == ("ADDED", "a")
    networks.annotate("a", step="1")
    assert told(next(stream)) == ("MODIFIED", "a")
    stream.close()


@pytest.mark.parametrize("version", [None, "0"])
def test_a_watch_without_a_version_begins_with_what_is_there(networks: Networks, version: str | None) -> None:
    """Without a version, or from 0, the present objects come first as ADDED."""
    for name in ("a", "b"):
        networks.create(name)
    assert sorted(told(each) for each in islice(networks.events(version), 2)) == [
        ("ADDED", "a"),
        ("ADDED", "b"),
    ]


def test_a_selection_is_entered_and_left(networks: Networks) -> None:
    """For a watch with a selector an object that begins to match is ADDED, one that ceases to is DELETED."""
    version = networks.version()
    networks.create("a")
    networks.patch("a", {"metadata": {"labels": {"in": "yes"}}})
    networks.annotate("a", step="1")
    networks.patch("a", {"metadata": {"labels": {"in": None}}})
    networks.create(network("b", labels={"in": "yes"}))
    events = list(islice(networks.events(version, label_selector="in=yes"), 4))
    assert [told(each) for each in events] == [
        ("ADDED", "a"),
        ("MODIFIED", "a"),
        ("DELETED", "a"),
        ("ADDED", "b"),
    ]


def test_a_watch_of_one_object(networks: Networks) -> None:
    """A field selector on the name tells of that object alone."""
    version = networks.version()
    networks.create("a")
    networks.create("b")
    events = networks.events(version, field_selector="metadata.name=b")
    assert told(next(events)) == ("ADDED", "b")


def test_a_watch_of_a_namespace_tells_of_no_other(networks: Networks) -> None:
    """A change elsewhere, or of another kind of object, is not told."""
    core = client.CoreV1Api(networks.api)
    name = f"{networks.namespace}-other"
    core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=name)))
    version = networks.version()
    Networks(networks.api, name, networks.kubeconfig).create("elsewhere")
    core.delete_namespace(name)
    lease = client.V1Lease(metadata=client.V1ObjectMeta(name="of-another-kind"))
    client.CoordinationV1Api(networks.api).create_namespaced_lease(networks.namespace, lease)
    networks.create("here")
    assert told(next(networks.events(version))) == ("ADDED", "here")


def test_a_held_object_is_modified_and_then_deleted(networks: Networks) -> None:
    """With a finalizer the deletion is a MODIFIED with deletionTimestamp; DELETED comes with its end."""
    networks.create(network("held", finalizers=["example.com/hold"]))
    version = networks.version()
    networks.delete("held")
    networks.patch("held", {"metadata": {"finalizers": None}})
    events = list(islice(networks.events(version), 2))
    assert [told(each) for each in events] == [("MODIFIED", "held"), ("DELETED", "held")]
    assert "deletionTimestamp" in events[0]["object"]["metadata"]


def test_a_watch_ends_when_its_time_is_over(networks: Networks) -> None:
    """timeoutSeconds ends the stream properly, without an event."""
    assert list(networks.events(networks.version(), timeout_seconds=1)) == []


def test_bookmarks_carry_the_version_on(networks: Networks) -> None:
    """A silent watch that allows bookmarks gets one with a newer version before its time is over."""
    version = networks.version()
    core = client.CoreV1Api(networks.api)
    core.patch_namespace(networks.namespace, {"metadata": {"labels": {"some": "change"}}})
    stream = networks.events(version, allow_watch_bookmarks=True, timeout_seconds=2)
    events = list(stream)
    assert [each["type"] for each in events] == ["BOOKMARK"]
    assert int(events[0]["object"]["metadata"]["resourceVersion"]) >= int(version)


def test_nobody_gets_bookmarks_unasked(networks: Networks) -> None:
    """Without allowWatchBookmarks there are none."""
    stream = networks.events(networks.version(), timeout_seconds=1)
    assert "BOOKMARK" not in [each["type"] for each in stream]


def test_a_refused_watch_is_an_error_of_its_own(networks: Networks) -> None:
    """A watch with a selector that cannot be parsed is 400 before any stream begins."""
    custom = client.CustomObjectsApi(networks.api)
    error = refused(
        lambda: custom.list_namespaced_custom_object(
            "k8s.cni.cncf.io",
            "v1",
            networks.namespace,
            "network-attachment-definitions",
            watch=True,
            label_selector="a in b",
        )
    )
    assert error.status == 400
