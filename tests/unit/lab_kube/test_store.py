"""The store: its history, its journal, its tables, and concurrent writers."""

import json
import sys
import threading
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from lab.kube.columns import age
from lab.kube.errors import ApiError
from lab.kube.journal import Journal
from lab.kube.jsontypes import JsonObject, metadata, section
from lab.kube.resources import NADS, NODES
from lab.kube.store import Store
from lab.kube.tables import table

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def nad(name: str) -> JsonObject:
    """Build a network."""
    return {"metadata": {"name": name}, "spec": {"config": '{"vlan":7}'}}


def touched(body: JsonObject, value: str) -> JsonObject:
    """Return the body with an annotation."""
    metadata(body)["annotations"] = {"a": value}
    return body


def test_versions_are_without_gaps() -> None:
    """Each committed write is one version and one change; refused and void writes are none."""
    store = Store(now=lambda: NOW)
    start = store.version
    store.create(NADS, "default", nad("a"))
    store.change(NADS, "default", "a", lambda body: touched(body, "1"))
    store.change(NADS, "default", "a", lambda body: touched(body, "1"))
    with pytest.raises(ApiError):
        store.create(NADS, "default", nad("a"))
    store.delete(NADS, "default", "a")
    assert [change.version for change in store.since(start)] == [start + 1, start + 2, start + 3]
    assert [change.type for change in store.since(start)] == ["ADDED", "MODIFIED", "DELETED"]


def test_the_history_is_bounded() -> None:
    """Beyond the window the oldest changes are dropped, and resuming before them gets a 410."""
    store = Store(window=3)
    store.create(NADS, "default", nad("a"))
    for step in range(5):
        store.change(NADS, "default", "a", partial(touched, value=str(step)))
    assert len(store.since(store.version - 3)) == 3
    with pytest.raises(ApiError) as caught:
        store.since(store.version - 4)
    assert caught.value.code == 410


def test_what_was_handed_out_does_not_change() -> None:
    """A returned state and its JSON do not change when the object does."""
    store = Store()
    first = store.create(NADS, "default", nad("a"))
    seen = json.loads(first.encoded)
    second = store.change(NADS, "default", "a", lambda body: touched(body, "1"))
    assert json.loads(first.encoded) == first.body == seen
    assert first.version < second.version


def test_writers_take_turns() -> None:
    """Increments from many threads are all counted, because read and write are one step."""
    store = Store()
    store.create(NADS, "default", touched(nad("a"), "0"))

    def increment(body: JsonObject) -> JsonObject:
        return touched(body, str(int(str(section(metadata(body), "annotations")["a"])) + 1))

    def run() -> None:
        for _ in range(100):
            store.change(NADS, "default", "a", increment)

    threads = [threading.Thread(target=run) for _ in range(8)]
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(usual)
    assert section(metadata(store.get(NADS, "default", "a").body), "annotations") == {"a": "800"}


def test_a_journal_brings_everything_back(tmp_path: Path) -> None:
    """A store on the same journal has the same objects, deletions included, and continues the versions."""
    store = Store(journal=Journal(tmp_path / "objects"))
    store.create(NADS, "default", nad("a"))
    store.create(NADS, "default", nad("b"))
    store.delete(NADS, "default", "b")
    last = store.change(NADS, "default", "a", lambda body: touched(body, "1"))
    store.close()
    again = Store(journal=Journal(tmp_path / "objects"))
    assert again.get(NADS, "default", "a") == last
    assert again.find(NADS, "default", "b") is None
    assert again.version == store.version
    assert again.oldest == store.version
    again.close()


@pytest.mark.parametrize("torn", [b'{"op":"put","ver', b"\xff\xfe\n", b"[]\n", b"5\n"])
def test_a_torn_journal_is_read_up_to_the_tear(tmp_path: Path, torn: bytes) -> None:
    """A torn last line is dropped; earlier changes and new writes are kept."""
    path = tmp_path / "objects"
    store = Store(journal=Journal(path))
    kept = store.create(NADS, "default", nad("a"))
    store.close()
    with path.open("ab") as file:
        file.write(torn)
    again = Store(journal=Journal(path))
    assert again.get(NADS, "default", "a") == kept
    again.create(NADS, "default", nad("b"))
    again.close()
    third = Store(journal=Journal(path))
    assert third.find(NADS, "default", "b") is not None
    third.close()


@pytest.mark.parametrize(
    ("since", "shown"),
    [
        ("2026-01-02T03:04:00Z", "5s"),
        ("2026-01-02T03:01:00Z", "3m"),
        ("2026-01-02T00:00:00Z", "3h"),
        ("2025-12-20T00:00:00Z", "13d"),
        ("2027-01-01T00:00:00Z", "0s"),
        ("", "<unknown>"),
        ("yesterday", "<unknown>"),
        ("2026-01-02T03:04:00", "<unknown>"),
    ],
)
def test_ages(since: str, shown: str) -> None:
    """Ages are formatted as by kubectl; an invalid time is unknown."""
    assert age(since, NOW) == shown


@pytest.mark.parametrize(
    ("config", "route", "cells"),
    [
        ('{"vlan":7}', '{"connectivity":"true"}', ["7", "true"]),
        ('{"vlan":7}', "", ["7", ""]),
        ("{", "{", ["", ""]),
        ("[" * 100_000, "[]", ["", ""]),
        ('{"vlan":{}}', '{"connectivity":true}', ["", "true"]),
    ],
)
def test_cells_of_broken_networks(config: str, route: str, cells: list[str]) -> None:
    """A table has a row for every network, however broken."""
    store = Store(now=lambda: NOW)
    body = nad("a")
    body["spec"] = {"config": config}
    metadata(body)["annotations"] = {"network.harvesterhci.io/route": route}
    stored = store.create(NADS, "default", body)
    shown = table(NADS, [stored], meta={}, now=NOW)
    assert shown["rows"][0]["cells"] == ["a", "0s", *cells]  # type: ignore[index,call-overload]


def test_a_node_shows_its_state() -> None:
    """A node's row has its Ready condition and its roles."""
    store = Store(now=lambda: NOW)
    body: JsonObject = {
        "metadata": {"name": "node1", "labels": {"node-role.kubernetes.io/etcd": "true"}},
        "status": {"conditions": [5, {"type": "Ready", "status": "True"}]},
    }
    stored = store.create(NODES, "", body)
    shown = table(NODES, [stored], meta={}, now=NOW)
    assert shown["rows"][0]["cells"] == ["node1", "Ready", "etcd", "0s", ""]  # type: ignore[index,call-overload]
