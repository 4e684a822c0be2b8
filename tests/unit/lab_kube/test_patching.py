"""JSON Patch (RFC 6902) and JSON Merge Patch (RFC 7386)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.kube.errors import ApiError
from lab.kube.jsontypes import JsonObject, JsonValue, clone_object
from lab.kube.patching import apply_json_patch, merge

scalars = st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab/~-0", max_size=3)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("ab/~-0", max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)
objects = st.dictionaries(st.text("ab/~-0", max_size=2), values, max_size=4)

pointers = st.lists(st.sampled_from(["a", "b", "ab", "~0", "~1", "0", "1", "-", ""]), max_size=3).map(
    lambda parts: "".join("/" + part for part in parts)
)
MEMBERS = {
    "op": st.sampled_from(["add", "remove", "replace", "test", "move", "copy"]),
    "path": pointers,
    "from": pointers,
    "value": values,
}


def without_nulls(value: JsonValue) -> JsonValue:
    """Return the value without null members, which a merge patch cannot set."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return value


def difference(old: JsonObject, new: JsonObject) -> JsonObject:
    """Return the merge patch from `old` to `new` (neither with nulls in objects)."""
    patch: JsonObject = {key: None for key in old if key not in new}
    for key, value in new.items():
        before = old.get(key)
        if isinstance(before, dict) and isinstance(value, dict):
            patch[key] = difference(before, value)
        elif before != value or type(before) is not type(value):
            patch[key] = value
    return patch


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_as_in_the_appendix(target: JsonValue, patch: JsonValue, result: JsonValue) -> None:
    """The examples of RFC 7386 appendix A give their results."""
    assert merge(target, patch) == result


@given(objects, objects)
def test_a_difference_merges_to_the_other(old: JsonObject, new: JsonObject) -> None:
    """A patch made from two objects turns one into the other and leaves the original unchanged."""
    before, after = without_nulls(old), without_nulls(new)
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    kept = clone_object(before)
    assert merge(before, difference(before, after)) == after
    assert before == kept


@pytest.mark.parametrize(
    ("operations", "result"),
    [
        ([{"op": "add", "path": "/new", "value": 1}], {"a": {"b": [1, 2]}, "x/y": 1, "m~n": 2, "new": 1}),
        ([{"op": "replace", "path": "/x~1y", "value": 5}], {"a": {"b": [1, 2]}, "x/y": 5, "m~n": 2}),
        ([{"op": "remove", "path": "/m~0n"}], {"a": {"b": [1, 2]}, "x/y": 1}),
        ([{"op": "add", "path": "/a/b/0", "value": 0}], {"a": {"b": [0, 1, 2]}, "x/y": 1, "m~n": 2}),
        ([{"op": "add", "path": "/a/b/-", "value": 3}], {"a": {"b": [1, 2, 3]}, "x/y": 1, "m~n": 2}),
        ([{"op": "add", "path": "/a/b/2", "value": 3}], {"a": {"b": [1, 2, 3]}, "x/y": 1, "m~n": 2}),
        ([{"op": "replace", "path": "/a/b/1", "value": 9}], {"a": {"b": [1, 9]}, "x/y": 1, "m~n": 2}),
        ([{"op": "remove", "path": "/a/b/0"}], {"a": {"b": [2]}, "x/y": 1, "m~n": 2}),
        ([{"op": "move", "from": "/x~1y", "path": "/a/c"}], {"a": {"b": [1, 2], "c": 1}, "m~n": 2}),
        (
            [{"op": "copy", "from": "/a/b", "path": "/c"}],
            {"a": {"b": [1, 2]}, "c": [1, 2], "x/y": 1, "m~n": 2},
        ),
        ([{"op": "replace", "path": "", "value": {"whole": 1}}], {"whole": 1}),
        ([{"op": "test", "path": "/a/b", "value": [1, 2]}], {"a": {"b": [1, 2]}, "x/y": 1, "m~n": 2}),
        ([{"op": "test", "path": "/absent", "value": None}], {"a": {"b": [1, 2]}, "x/y": 1, "m~n": 2}),
    ],
)
def test_operations_that_apply(operations: JsonValue, result: JsonObject) -> None:
    """Each operation of RFC 6902 applies, with escaped pointers and array indices."""
    document: JsonObject = {"a": {"b": [1, 2]}, "x/y": 1, "m~n": 2}
    kept = clone_object(document)
    assert apply_json_patch(document, operations) == result
    assert document == kept


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/a", "value": 2},
        {"op": "test", "path": "/a", "value": True},
        {"op": "test", "path": "/list", "value": [True]},
        {"op": "test", "path": "/absent", "value": 1},
        {"op": "replace", "path": "/absent", "value": 1},
        {"op": "remove", "path": "/absent"},
        {"op": "remove", "path": ""},
        {"op": "add", "path": "/absent/deep", "value": 1},
        {"op": "add", "path": "/a/deep", "value": 1},
        {"op": "add", "path": "/list/2", "value": 1},
        {"op": "add", "path": "/list/01", "value": 1},
        {"op": "replace", "path": "/list/1", "value": 1},
        {"op": "replace", "path": "/list/-", "value": 1},
        {"op": "remove", "path": "/list/x"},
        {"op": "move", "from": "/list", "path": "/list/0"},
        {"op": "copy", "from": "/absent", "path": "/b"},
        {"op": "replace", "path": "", "value": 1},
    ],
)
def test_operations_that_do_not_fit(operation: JsonObject) -> None:
    """An operation that does not fit the document gets a 422."""
    with pytest.raises(ApiError) as caught:
        apply_json_patch({"a": 1, "list": [1]}, [operation])
    assert (caught.value.code, caught.value.reason) == (422, "Invalid")


@pytest.mark.parametrize(
    "operations",
    [
        {},
        "add",
        None,
        [1],
        [{}],
        [{"op": "grow", "path": "/a"}],
        [{"op": "add", "path": "/a"}],
        [{"op": "add", "value": 1}],
        [{"op": "add", "path": "a", "value": 1}],
        [{"op": "add", "path": 5, "value": 1}],
        [{"op": "move", "path": "/a"}],
    ],
)
def test_what_is_no_patch(operations: JsonValue) -> None:
    """A malformed patch gets a 400."""
    with pytest.raises(ApiError) as caught:
        apply_json_patch({"a": 1}, operations)
    assert caught.value.code == 400


def test_a_patch_has_a_limit() -> None:
    """More than 10,000 operations get a 413, as on a real server."""
    with pytest.raises(ApiError) as caught:
        apply_json_patch({}, [{"op": "test", "path": "/a", "value": None}] * 10_001)
    assert caught.value.code == 413


@given(objects, st.lists(st.fixed_dictionaries(MEMBERS), max_size=4))
def test_any_patch_is_applied_or_refused(document: JsonObject, operations: list[JsonObject]) -> None:
    """Any patch gives a document or a 4xx, and leaves the original unchanged."""
    kept = clone_object(document)
    code = None
    try:
        apply_json_patch(document, list(operations))
    except ApiError as error:
        code = error.code
    assert code in (None, 400, 422)
    assert document == kept
