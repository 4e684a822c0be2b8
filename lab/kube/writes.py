"""The record of every write, against which tests check invariants."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from lab.kube.jsontypes import JsonObject
from lab.kube.objects import Actor, Key, Stored, WriteVerb


@dataclass(frozen=True, slots=True)
class WriteRecord:
    """One write, committed or refused.

    `status` is the HTTP status of the store's answer (200, 201 if committed); `changed` is False if the write
    was refused or made no difference. `at` is the server's monotonic clock in seconds, `time` the wall clock
    (RFC 3339 with microseconds). `before` is None for a creation, `after` for a deletion or refusal.
    """

    sequence: int
    at: float
    time: str
    verb: WriteVerb
    resource: str
    namespace: str
    name: str
    uid: str
    user: str
    user_agent: str
    status: int
    changed: bool
    message: str
    before: JsonObject | None
    after: JsonObject | None

    def to_json(self) -> JsonObject:
        """Return the entry of `GET /_lab/writes`."""
        return {
            "sequence": self.sequence,
            "at": self.at,
            "time": self.time,
            "verb": self.verb,
            "resource": self.resource,
            "namespace": self.namespace,
            "name": self.name,
            "uid": self.uid,
            "user": self.user,
            "userAgent": self.user_agent,
            "status": self.status,
            "changed": self.changed,
            "message": self.message,
            "before": self.before,
            "after": self.after,
        }


class WriteLog:
    """The last `limit` writes, in order. Thread-safe."""

    def __init__(self, *, limit: int = 100_000) -> None:
        self._records: deque[WriteRecord] = deque(maxlen=limit)
        self._sequence = 0
        self._changed = threading.Condition()

    def add(
        self,
        verb: WriteVerb,
        key: Key,
        actor: Actor,
        *,
        at: float,
        time: str,
        status: int,
        message: str,
        before: Stored | None,
        after: Stored | None,
    ) -> None:
        """Record a write and wake those who wait for one."""
        known = after or before
        with self._changed:
            self._sequence += 1
            record = WriteRecord(
                sequence=self._sequence,
                at=at,
                time=time,
                verb=verb,
                resource=key.kind.plural,
                namespace=key.namespace,
                name=key.name,
                uid=known.uid if known else "",
                user=actor.user,
                user_agent=actor.agent,
                status=status,
                changed=status < 400 and before is not after,
                message=message,
                before=before.body if before else None,
                after=after.body if after else None,
            )
            self._records.append(record)
            self._changed.notify_all()

    def all(self, *, after: int = 0) -> list[WriteRecord]:
        """Return the records with a sequence above `after`, oldest first."""
        with self._changed:
            return [record for record in self._records if record.sequence > after]

    def clear(self) -> None:
        """Drop the records; the sequence continues."""
        with self._changed:
            self._records.clear()

    def wait(self, wanted: Callable[[WriteRecord], bool], *, seconds: float, after: int = 0) -> WriteRecord:
        """Return the first wanted record, now or within `seconds`. Raises TimeoutError."""
        found: list[WriteRecord] = []

        def seen() -> bool:
            found.extend(record for record in self._records if record.sequence > after and wanted(record))
            return bool(found)

        with self._changed:
            if not self._changed.wait_for(seen, seconds):
                raise TimeoutError(f"no such write within {seconds} s")
        return found[0]
