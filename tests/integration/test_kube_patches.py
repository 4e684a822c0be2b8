"""The contract of patches: which states they apply to, and how they are refused."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.kube_api import ROUTE, Networks, cluster_networks, network, reason, refused


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Networks]:
    """A namespace in a cluster."""
    with cluster_networks(Path(tmp_path_factory.mktemp("kube"))) as found:
        yield found


def test_a_merge_patch_sets_and_removes(networks: Networks) -> None:
    """A value is set, null removes, what is not named stays."""
    networks.create(network("merge", annotations={"keep": "1", "drop": "2"}))
    patched = networks.annotate("merge", drop=None, add="3")
    assert patched["metadata"]["annotations"] == {"keep": "1", "add": "3"}


def test_a_merge_patch_may_be_guarded(networks: Networks) -> None:
    """A merge patch with a stale resourceVersion or another uid is 409; with the present ones it applies."""
    made = networks.create("guarded")["metadata"]
    now = networks.annotate("guarded", by="other")["metadata"]
    stale = {"metadata": {"resourceVersion": made["resourceVersion"], "annotations": {"by": "me"}}}
    error = refused(lambda: networks.patch("guarded", stale))
    assert (error.status, reason(error)) == (409, "Conflict")
    another = {"metadata": {"uid": "another", "annotations": {"by": "me"}}}
    assert refused(lambda: networks.patch("guarded", another)).status == 409
    good = {
        "metadata": {
            "uid": now["uid"],
            "resourceVersion": now["resourceVersion"],
            "annotations": {"by": "me"},
        }
    }
    assert networks.patch("guarded", good)["metadata"]["annotations"] == {"by": "me"}


def test_a_failed_test_is_unprocessable(networks: Networks) -> None:
    """A JSON patch whose test fails is 422 and applies none of its operations."""
    made = networks.create("tested")["metadata"]
    networks.annotate("tested", by="other")
    error = refused(
        lambda: networks.json_patch(
            "tested",
            {"op": "add", "path": "/metadata/annotations/by", "value": "me"},
            {"op": "test", "path": "/metadata/resourceVersion", "value": made["resourceVersion"]},
        )
    )
    assert error.status == 422
    assert networks.get("tested")["metadata"]["annotations"] == {"by": "other"}


def test_a_replaced_version_is_a_precondition(networks: Networks) -> None:
    """A JSON patch that replaces resourceVersion by a stale one is 409, not 422."""
    made = networks.create("replaced")["metadata"]
    networks.annotate("replaced", by="other")
    error = refused(
        lambda: networks.json_patch(
            "replaced",
            {"op": "replace", "path": "/metadata/resourceVersion", "value": made["resourceVersion"]},
            {"op": "add", "path": "/metadata/annotations/by", "value": "me"},
        )
    )
    assert (error.status, reason(error)) == (409, "Conflict")
    assert networks.get("replaced")["metadata"]["annotations"] == {"by": "other"}


def test_a_json_patch_escapes_slashes(networks: Networks) -> None:
    """The route annotation's key has a slash, written ~1 in a pointer; uid and value can be tested."""
    made = networks.create(network("escaped", annotations={ROUTE: '{"mode":"auto"}'}))["metadata"]
    pointer = "/metadata/annotations/" + ROUTE.replace("/", "~1")
    wanted = '{"mode":"auto","cidr":"10.0.0.0/24","gateway":"10.0.0.1","connectivity":"true"}'
    patched = networks.json_patch(
        "escaped",
        {"op": "test", "path": "/metadata/uid", "value": made["uid"]},
        {"op": "test", "path": pointer, "value": '{"mode":"auto"}'},
        {"op": "replace", "path": pointer, "value": wanted},
    )
    assert patched["metadata"]["annotations"][ROUTE] == wanted


def test_a_json_patch_needs_its_parents(networks: Networks) -> None:
    """`add` below annotations that do not exist is 422: the parent has to be added first."""
    networks.create("orphan")
    add = {"op": "add", "path": "/metadata/annotations/a", "value": "b"}
    assert refused(lambda: networks.json_patch("orphan", add)).status == 422
    parent = {"op": "add", "path": "/metadata/annotations", "value": {}}
    assert networks.json_patch("orphan", parent, add)["metadata"]["annotations"] == {"a": "b"}


def test_a_removal_of_nothing_is_refused(networks: Networks) -> None:
    """`remove` of a path that is not there is 422."""
    networks.create("nothing")
    remove = {"op": "remove", "path": "/metadata/annotations"}
    assert refused(lambda: networks.json_patch("nothing", remove)).status == 422


def test_what_the_server_owns_is_not_patched(networks: Networks) -> None:
    """creationTimestamp and generation stay as they are, whatever a patch says."""
    before = networks.create("owned")["metadata"]
    change = {"creationTimestamp": "2001-01-01T00:00:00Z", "generation": 99, "annotations": {"a": "b"}}
    after = networks.patch("owned", {"metadata": change})["metadata"]
    assert after["creationTimestamp"] == before["creationTimestamp"]
    assert after["generation"] == before["generation"]


def test_a_custom_resource_has_no_strategic_patch(networks: Networks) -> None:
    """A strategic merge patch of a network is 415."""
    networks.create("strategic")
    change = {"metadata": {"annotations": {"a": "b"}}}
    error = refused(lambda: networks.patch("strategic", change, "strategic-merge-patch+json"))
    assert (error.status, reason(error)) == (415, "UnsupportedMediaType")
