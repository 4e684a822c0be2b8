"""Strategic merge patches, as kubectl and Helm send them."""

import pytest

from lab.kube.jsontypes import JsonObject
from lab.kube.strategic import merge

ENV: JsonObject = {"env": [{"name": "a", "value": "1"}, {"name": "b", "value": "2"}]}


@pytest.mark.parametrize(
    ("target", "patch", "expected"),
    [
        ({"a": 1, "b": 2}, {"b": None, "c": {"d": 1}}, {"a": 1, "c": {"d": 1}}),
        (
            ENV,
            {"env": [{"name": "b", "value": "3"}]},
            {"env": [{"name": "a", "value": "1"}, {"name": "b", "value": "3"}]},
        ),
        (ENV, {"env": [{"$patch": "delete", "name": "a"}]}, {"env": [{"name": "b", "value": "2"}]}),
        (ENV, {"env": [{"$patch": "replace"}, {"name": "c"}]}, {"env": [{"name": "c"}]}),
        (
            ENV,
            {"$setElementOrder/env": [{"name": "c"}, {"name": "a"}, {"name": "b"}], "env": [{"name": "c"}]},
            {"env": [{"name": "c"}, {"name": "a", "value": "1"}, {"name": "b", "value": "2"}]},
        ),
        ({"args": ["a", "b"]}, {"args": ["c"]}, {"args": ["c"]}),
        ({"finalizers": ["a"]}, {"finalizers": ["b"]}, {"finalizers": ["a", "b"]}),
        ({"finalizers": ["a", "b"]}, {"$deleteFromPrimitiveList/finalizers": ["a"]}, {"finalizers": ["b"]}),
        ({"s": {"type": "x", "x": {}}}, {"s": {"$retainKeys": ["type"], "type": "y"}}, {"s": {"type": "y"}}),
        ({"s": {"a": 1}}, {"s": {"$patch": "replace", "b": 2}}, {"s": {"b": 2}}),
        (
            {"ports": [{"port": 1, "name": "a"}]},
            {"ports": [{"port": 1, "name": "b"}]},
            {"ports": [{"port": 1, "name": "b"}]},
        ),
    ],
)
def test_a_patch_merges_what_has_a_key(target: JsonObject, patch: JsonObject, expected: JsonObject) -> None:
    """Objects merge, lists with a key merge by it, others are replaced; directives are obeyed."""
    assert merge(target, patch) == expected
