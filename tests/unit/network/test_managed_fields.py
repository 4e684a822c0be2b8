"""Who else wrote an annotation, by managedFields, which anybody may write."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.network.parse import nad
from services.network.parse.managed_fields import FIELD_MANAGER, MAX_ENTRIES, find_writer
from services.network.parse.nad import Network


def entry(manager: str, time: str, *annotations: str, operation: str = "Update") -> dict[str, object]:
    owned: dict[str, object] = {f"f:{annotation}": {} for annotation in annotations}
    return {
        "manager": manager,
        "operation": operation,
        "time": f"2026-11-27T09:00:{time}Z",
        "fieldsV1": {"f:metadata": {"f:annotations": {".": {}, **owned}}},
    }


@pytest.mark.parametrize(
    ("entries", "writer"),
    [
        ([], ""),
        ([entry("ui", "01", nad.ROUTE)], "ui"),
        ([entry("ui", "01", nad.ROUTE), entry(FIELD_MANAGER, "02", nad.STATUS)], "ui"),
        ([entry(FIELD_MANAGER, "02", nad.ROUTE)], ""),
        ([entry("ui", "01", nad.STATUS)], ""),
        (
            [
                entry("argocd-controller", "03", nad.ROUTE, operation="Apply"),
                entry("ui", "02", nad.ROUTE),
                entry(FIELD_MANAGER, "04", nad.ROUTE),
            ],
            "argocd-controller",
        ),
        ([entry("ui", "01", nad.ROUTE)] * (MAX_ENTRIES + 1), "ui"),
        ([*[entry("x", "01")] * MAX_ENTRIES, entry("ui", "02", nad.ROUTE)], ""),
    ],
)
def test_the_newest_other_owner_is_the_writer(entries: list[object], writer: str) -> None:
    """An Apply owns what it names and an Update what it set last; nadroute's own entries do not count, nor
    does anything beyond the limit."""
    assert find_writer(entries, nad.ROUTE) == writer


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just("f:metadata"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["fieldsV1", "manager", "time", "f:metadata", "f:annotations", f"f:{nad.ROUTE}"]),
            inner,
        )
    ),
    max_leaves=12,
)


@given(JUNK)
def test_any_junk_is_read_without_harm(junk: object) -> None:
    """The result is a short text."""
    assert len(find_writer(junk, nad.ROUTE)) <= 128


def test_a_network_knows_the_writer_of_its_route() -> None:
    """It is read with the object."""
    body = {
        "metadata": {
            "namespace": "default", "name": "net", "uid": "u", "resourceVersion": "9",
            "managedFields": [entry("argocd-controller", "01", nad.ROUTE)],
        }
    }  # fmt: skip
    assert Network.from_object(json.loads(json.dumps(body))).route_writer == "argocd-controller"
