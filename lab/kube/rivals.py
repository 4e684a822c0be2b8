"""A second writer that edits the same objects, once or continuously."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from lab.kube.errors import ApiError
from lab.kube.jsontypes import JsonObject, metadata, section
from lab.kube.objects import Actor, Stored
from lab.kube.resource_type import ResourceType
from lab.kube.resources import NADS
from lab.kube.store import Store

RIVAL = Actor(user="rival", agent="lab-rival")


@dataclass(slots=True)
class Rival:
    """Writes to one object as the user `rival`, unguarded, directly in the store (admission included)."""

    store: Store
    namespace: str
    name: str
    kind: ResourceType = NADS
    edits: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def annotate(self, key: str, value: str | None) -> Stored:
        """Set an annotation, or remove it (None). Raises ApiError from the store."""

        def edit(body: JsonObject) -> JsonObject:
            own = metadata(body)
            annotations: JsonObject = dict(section(own, "annotations"))
            annotations.pop(key, None)
            if value is not None:
                annotations[key] = value
            own["annotations"] = annotations
            return body

        return self.store.change(self.kind, self.namespace, self.name, edit, actor=RIVAL)

    def touch(self) -> None:
        """Make an irrelevant change; an object that is gone or refused is ignored."""
        with self._lock:
            self.edits += 1
            count = self.edits
        with contextlib.suppress(ApiError):
            self.annotate("lab.example/rival", str(count))

    @contextlib.contextmanager
    def storm(self, *, per_second: float) -> Iterator[Rival]:
        """Touch the object `per_second` times a second from a thread, for the duration of the block."""
        over = threading.Event()

        def run() -> None:
            while not over.wait(1.0 / per_second):
                self.touch()

        thread = threading.Thread(target=run, name="lab-rival", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            over.set()
            thread.join()
