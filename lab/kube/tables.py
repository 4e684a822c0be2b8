"""Tables: objects as rows of cells, the form that kubectl requests (meta.k8s.io/v1 Table)."""

from __future__ import annotations

from datetime import datetime

from lab.kube.jsontypes import JsonObject, JsonValue
from lab.kube.objects import Stored
from lab.kube.resource_type import ResourceType


def table(
    kind: ResourceType,
    items: list[Stored],
    *,
    meta: JsonObject,
    now: datetime,
    include: str = "Metadata",
    header: bool = True,
) -> JsonObject:
    """Build a Table of objects. `include` is None, Metadata or Object: the part of each object to include.

    `header` False omits the column definitions, as in all but the first event of a watch.
    """
    columns: list[JsonValue] = [column.definition() for column in kind.columns] if header else []
    rows: list[JsonValue] = [_row(kind, stored, now=now, include=include) for stored in items]
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": meta,
        "columnDefinitions": columns,
        "rows": rows,
    }


def _row(kind: ResourceType, stored: Stored, *, now: datetime, include: str) -> JsonObject:
    cells: list[JsonValue] = [column.cell(stored.body, now) for column in kind.columns]
    row: JsonObject = {"cells": cells}
    if include == "Object":
        row["object"] = stored.body
    elif include != "None":
        row["object"] = {
            "kind": "PartialObjectMetadata",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": stored.body["metadata"],
        }
    return row
