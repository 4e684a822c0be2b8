"""Who wrote an annotation, by metadata.managedFields (Kubernetes API: Server-Side Apply, "Field management").

An `Update` entry owns the fields whose values it set last; an `Apply` entry owns the fields that it names, so
a field may have several owners. Nobody owns a field that was removed.
"""

from collections.abc import Mapping

FIELD_MANAGER = "nadroute"
"""The name under which every nadroute process writes."""
MAX_ENTRIES = 64
"""Far more than any object has: the API server merges `Update` entries beyond ten."""
MAX_MANAGER_CHARACTERS = 128
"""Kubernetes' limit."""


def find_writer(entries: object, annotation: str) -> str:
    """Return who else wrote an annotation: the manager of the newest operation that owns it, nadroute's own
    aside. Empty if there is none."""
    newest = ("", "")
    for entry in entries[:MAX_ENTRIES] if isinstance(entries, list) else []:
        if not isinstance(entry, Mapping) or not _owns(entry.get("fieldsV1"), annotation):
            continue
        time, manager = entry.get("time"), entry.get("manager")
        if isinstance(manager, str) and manager != FIELD_MANAGER:
            # RFC 3339 in UTC and whole seconds, so the order of the texts is that of the times.
            newest = max(newest, (time if isinstance(time, str) else "", manager[:MAX_MANAGER_CHARACTERS]))
    return newest[1]


def _owns(fields: object, annotation: str) -> bool:
    for key in ("f:metadata", "f:annotations"):
        fields = fields.get(key) if isinstance(fields, Mapping) else None
    return isinstance(fields, Mapping) and f"f:{annotation}" in fields
