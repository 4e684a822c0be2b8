"""Printer columns: what kubectl shows of an object in a table."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from lab.kube.jsontypes import JsonObject, JsonValue, lookup, metadata, section, strings, text

ROUTE_ANNOTATION = "network.harvesterhci.io/route"
ROLE_PREFIX = "node-role.kubernetes.io/"


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name, the cell of an object at a point in time, and its priority (0 = always shown)."""

    name: str
    cell: Callable[[JsonObject, datetime], str]
    priority: int = 0
    description: str = ""

    def definition(self) -> JsonObject:
        """Return the entry of a Table's `columnDefinitions`."""
        return {
            "name": self.name,
            "type": "string",
            "format": "name" if self.name == "Name" else "",
            "description": self.description or self.name,
            "priority": self.priority,
        }


def parse_time(value: str) -> datetime | None:
    """Parse an RFC 3339 time as Kubernetes writes it; None if it is invalid."""
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def age(since: str, now: datetime) -> str:
    """Format an age as kubectl does: 5s, 3m, 4h, 2d."""
    moment = parse_time(since)
    if moment is None:
        return "<unknown>"
    seconds = max(0, int((now - moment).total_seconds()))
    if seconds < 120:
        return f"{seconds}s"
    if seconds < 7_200:
        return f"{seconds // 60}m"
    if seconds < 172_800:
        return f"{seconds // 3_600}h"
    return f"{seconds // 86_400}d"


def _embedded(value: str, key: str) -> str:
    """Return one field of JSON in a string, as text; empty if the JSON is invalid or of another type."""
    try:
        parsed: JsonValue = json.loads(value) if value else None
    except (ValueError, RecursionError):
        return ""
    return lookup(parsed, key) if isinstance(parsed, dict) else ""


def _connectivity(body: JsonObject, _now: datetime) -> str:
    return _embedded(strings(metadata(body), "annotations").get(ROUTE_ANNOTATION, ""), "connectivity")


def _node_status(body: JsonObject, _now: datetime) -> str:
    conditions = section(body, "status").get("conditions")
    for condition in conditions if isinstance(conditions, list) else []:
        if isinstance(condition, dict) and condition.get("type") == "Ready":
            return "Ready" if condition.get("status") == "True" else "NotReady"
    return "Unknown"


def _node_roles(body: JsonObject, _now: datetime) -> str:
    labels = section(metadata(body), "labels")
    roles = sorted(label.removeprefix(ROLE_PREFIX) for label in labels if label.startswith(ROLE_PREFIX))
    return ",".join(roles) or "<none>"


def _last_seen(body: JsonObject, now: datetime) -> str:
    for key in ("lastTimestamp", "eventTime", "firstTimestamp"):
        if seen := text(body, key):
            return age(seen, now)
    return age(text(metadata(body), "creationTimestamp"), now)


def _involved(body: JsonObject, _now: datetime) -> str:
    involved = section(body, "involvedObject")
    return f"{text(involved, 'kind').lower()}/{text(involved, 'name')}"


def _at(*path: str) -> Callable[[JsonObject, datetime], str]:
    return lambda body, _now: lookup(body, *path)


NAME = Column("Name", _at("metadata", "name"))
AGE = Column("Age", lambda body, now: age(text(metadata(body), "creationTimestamp"), now))
VLAN = Column("Vlan", lambda body, _now: _embedded(lookup(body, "spec", "config"), "vlan"), 1)
CONNECTIVITY = Column("Connectivity", _connectivity, 1)
HOLDER = Column("Holder", _at("spec", "holderIdentity"))
NAMESPACE_STATUS = Column("Status", _at("status", "phase"))
NODE_STATUS = Column("Status", _node_status)
NODE_ROLES = Column("Roles", _node_roles)
NODE_VERSION = Column("Version", _at("status", "nodeInfo", "kubeletVersion"))
EVENT_COLUMNS = (
    Column("Last Seen", _last_seen),
    Column("Type", _at("type")),
    Column("Reason", _at("reason")),
    Column("Object", _involved),
    Column("Source", _at("source", "component"), 1),
    Column("Message", _at("message")),
    Column("Count", _at("count"), 1),
    Column("Name", _at("metadata", "name"), 1),
)
