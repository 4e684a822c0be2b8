"""Analysis of the record of writes: who changed what, how often, and with which right."""

import json
from collections.abc import Iterable, Mapping, Sequence

from lab.kube.jsontypes import JsonObject, metadata, section, strings
from lab.kube.resources import NADS
from lab.kube.writes import WriteRecord
from services.network.parse import nad

OURS_IN_AUTO = frozenset({"cidr", "gateway", "connectivity", "outdated"})
OURS_IN_MANUAL = frozenset({"connectivity", "outdated"})
HARVESTERS_LABELS = "network.harvesterhci.io/"


def of_network(records: Iterable[WriteRecord], name: str) -> list[WriteRecord]:
    """Return the writes to one network."""
    return [record for record in records if record.resource == NADS.plural and record.name == name]


def by_us(records: Iterable[WriteRecord]) -> list[WriteRecord]:
    """Return the updater's writes to networks, committed or refused."""
    return [
        record
        for record in records
        if record.resource == NADS.plural and record.user_agent.startswith("nadroute")
    ]


def by_others(records: Iterable[WriteRecord]) -> list[WriteRecord]:
    """Return committed writes of others that changed a network's route or config."""
    return [
        record
        for record in records
        if record.resource == NADS.plural
        and not record.user_agent.startswith("nadroute")
        and record.changed
        and record.before is not None
        and record.after is not None
        and _asked(record.before) != _asked(record.after)
    ]


def on_route(records: Iterable[WriteRecord]) -> list[WriteRecord]:
    """Return those that changed the route annotation, not only our own annotation."""
    return [
        record
        for record in records
        if record.before is not None
        and record.after is not None
        and _asked(record.before) != _asked(record.after)
    ]


def _asked(body: JsonObject) -> tuple[object, object]:
    return strings(metadata(body), "annotations").get(nad.ROUTE), section(body, "spec").get("config")


def committed(records: Sequence[WriteRecord]) -> list[WriteRecord]:
    """Return those that made a difference."""
    return [record for record in records if record.changed]


def fields(text: str | None) -> Mapping[str, object]:
    """Return a route annotation's JSON object; empty if it cannot be read."""
    try:
        value = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def trespasses(record: WriteRecord) -> list[str]:
    """Return what a write of ours changed although it is not ours (invariant I2), as text.

    `before` is the state when the write was committed, so this includes a field that a user had just set and
    that a stale decision reverts.
    """
    if record.before is None or record.after is None:
        return []
    before, after = metadata(record.before), metadata(record.after)
    found = []
    if record.before.get("spec") != record.after.get("spec"):
        found.append("spec")
    found += [f"label {key}" for key in _differing(strings(before, "labels"), strings(after, "labels"))
              if not key.startswith(HARVESTERS_LABELS)]  # fmt: skip
    found += [
        f"annotation {key}"
        for key in _differing(strings(before, "annotations"), strings(after, "annotations"))
        if key not in (nad.ROUTE, nad.STATUS)
    ]
    if before.get("finalizers") != after.get("finalizers"):
        found.append("finalizers")
    return found + _route_trespasses(
        strings(before, "annotations").get(nad.ROUTE), strings(after, "annotations").get(nad.ROUTE)
    )


def _route_trespasses(before: str | None, after: str | None) -> list[str]:
    if before == after:
        return []
    if before is None:
        # A new annotation is ours as a whole: never a bare mode, never without connectivity.
        made = fields(after)
        whole = {"mode", "cidr", "gateway", "connectivity"}
        return [] if set(made) == whole and made["mode"] == "auto" else [f"a new route {after}"]
    if after is None:
        return ["the route was removed"]
    old, new = fields(before), fields(after)
    ours = OURS_IN_AUTO if old.get("mode", "auto") in ("auto", "") else OURS_IN_MANUAL
    return [f"route.{key}" for key in _differing(old, new) if key not in ours]


def _differing(before: Mapping[str, object], after: Mapping[str, object]) -> list[str]:
    return sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
