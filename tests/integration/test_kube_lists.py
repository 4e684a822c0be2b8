"""The contract of lists: selection, pages and versions."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from kubernetes import client

from tests.support.kube_api import (
    GROUP,
    PLURAL,
    VERSION,
    Networks,
    Object,
    cluster_networks,
    network,
    reason,
    refused,
)


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Networks]:
    """A namespace with five networks: n0 to n4, each with a label `number` and, if even, a label `even`."""
    with cluster_networks(Path(tmp_path_factory.mktemp("kube"))) as found:
        for number in range(5):
            even = {"even": "yes"} if number % 2 == 0 else {}
            found.create(network(f"n{number}", labels={"number": str(number), **even}))
        yield found


def names(listed: Object) -> list[str]:
    """The names in a list, in its order."""
    return [item["metadata"]["name"] for item in listed["items"]]


def test_a_list_is_sorted_and_has_a_version(networks: Networks) -> None:
    """A list is in the order of names and carries the version that a watch goes on from."""
    listed = networks.list()
    assert names(listed) == ["n0", "n1", "n2", "n3", "n4"]
    assert listed["kind"] == "NetworkAttachmentDefinitionList"
    newest = max(int(item["metadata"]["resourceVersion"]) for item in listed["items"])
    assert int(listed["metadata"]["resourceVersion"]) >= newest


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("even=yes", ["n0", "n2", "n4"]),
        ("even==yes,number!=2", ["n0", "n4"]),
        ("number in (1,3)", ["n1", "n3"]),
        ("number notin (0,1,2)", ["n3", "n4"]),
        ("even", ["n0", "n2", "n4"]),
        ("!even", ["n1", "n3"]),
        ("even=no", []),
    ],
)
def test_labels_select(networks: Networks, selector: str, expected: list[str]) -> None:
    """A label selector gives exactly the objects that match all its requirements."""
    assert names(networks.list(label_selector=selector)) == expected


@pytest.mark.parametrize(
    ("selector", "expected"),
    [("metadata.name=n2", ["n2"]), ("metadata.name!=n2", ["n0", "n1", "n3", "n4"])],
)
def test_fields_select(networks: Networks, selector: str, expected: list[str]) -> None:
    """A field selector gives exactly the objects whose field is, or is not, that value."""
    assert names(networks.list(field_selector=selector)) == expected


def test_not_every_field_selects(networks: Networks) -> None:
    """A field that the resource cannot be selected by is 400."""
    error = refused(lambda: networks.list(field_selector="spec.config=x"))
    assert (error.status, reason(error)) == (400, "BadRequest")


def test_pages_make_up_the_list(networks: Networks) -> None:
    """limit and continue give every object once, and the first page's version on each page."""
    first = networks.list(limit=2)
    networks.create("n5")
    second = networks.list(limit=2, _continue=first["metadata"]["continue"])
    networks.delete("n5")
    third = networks.list(limit=2, _continue=second["metadata"]["continue"])
    assert names(first) + names(second) == ["n0", "n1", "n2", "n3"]
    assert names(third) == ["n4"]
    assert "continue" not in third["metadata"]
    versions = {each["metadata"]["resourceVersion"] for each in (first, second, third)}
    assert len(versions) == 1


def test_a_broken_page_is_refused(networks: Networks) -> None:
    """A continue token that is none is 400."""
    assert refused(lambda: networks.list(limit=2, _continue="rubbish")).status == 400


def test_a_list_over_all_namespaces(networks: Networks) -> None:
    """The cluster-wide list has the objects of every namespace."""
    custom = client.CustomObjectsApi(networks.api)
    listed = custom.list_cluster_custom_object(GROUP, VERSION, PLURAL)
    found = {(item["metadata"]["namespace"], item["metadata"]["name"]) for item in listed["items"]}
    assert {(networks.namespace, f"n{number}") for number in range(5)} <= found


def test_the_future_cannot_be_listed(networks: Networks) -> None:
    """A resourceVersion that is still to come is 504, with a time to wait."""
    future = str(int(networks.version()) + 1_000_000)
    error = refused(lambda: networks.list(resource_version=future))
    assert error.status == 504
    assert error.headers["Retry-After"]
