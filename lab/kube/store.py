"""The objects: one consistent state, one counter of versions, and a record of writes. Thread-safe."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from lab.kube import lifecycle, managed_fields
from lab.kube.admission import Admission
from lab.kube.errors import ApiError
from lab.kube.history import History
from lab.kube.journal import Journal
from lab.kube.jsontypes import JsonObject, lookup, metadata, text
from lab.kube.objects import Actor, Change, EventType, Key, Stored, WriteVerb
from lab.kube.resource_type import ResourceType
from lab.kube.resources import NAMESPACES
from lab.kube.signals import Signal
from lab.kube.writes import WriteLog

Edit = Callable[[JsonObject], JsonObject]
INITIAL_NAMESPACES = ("default", "kube-system", "harvester-system")
LAB = Actor()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All objects of a type at one version, by namespace and name."""

    version: int
    items: list[Stored]


@dataclass(slots=True)
class _Outcome:
    """What a write concerns, filled in step by step, for its record."""

    key: Key
    before: Stored | None = None
    after: Stored | None = None
    status: int = 200
    dry_run: bool = field(default=False)


class Store:
    """Every object of every type. All writes go through create, change and delete; each is atomic."""

    def __init__(
        self,
        *,
        admission: Admission | None = None,
        journal: Journal | None = None,
        window: int = 20_000,
        now: Callable[[], datetime] = lambda: datetime.now(tz=UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start empty, or from `journal`, which keeps objects over a restart; a watch may lag by `window`."""
        self.changed = Signal()
        self.writes = WriteLog()
        self.admission = admission
        self.now = now
        self._monotonic = monotonic
        self._lock = threading.RLock()
        self._journal = journal
        loaded = journal.open() if journal else None
        self._objects: dict[Key, Stored] = loaded.objects if loaded else {}
        self._version = loaded.version if loaded else 0
        self._history = History(limit=window, start=self._version)
        for name in INITIAL_NAMESPACES:
            if Key(NAMESPACES, "", name) not in self._objects:
                self.create(NAMESPACES, "", {"metadata": {"name": name}})
        self.writes.clear()

    @property
    def version(self) -> int:
        """Return the resourceVersion of the newest change."""
        with self._lock:
            return self._version

    def find(self, kind: ResourceType, namespace: str, name: str) -> Stored | None:
        """Return the present state of an object, or None."""
        with self._lock:
            return self._objects.get(Key(kind, namespace, name))

    def get(self, kind: ResourceType, namespace: str, name: str) -> Stored:
        """Return the present state of an object. Raises 404."""
        stored = self.find(kind, namespace, name)
        if stored is None:
            raise kind.not_found(name)
        return stored

    def snapshot(self, kind: ResourceType) -> Snapshot:
        """Return all objects of a type, sorted by namespace and name, with their version."""
        with self._lock:
            items = [stored for key, stored in self._objects.items() if key.kind is kind]
            version = self._version
        items.sort(key=lambda stored: (stored.key.namespace, stored.key.name))
        return Snapshot(version=version, items=items)

    def since(self, version: int) -> list[Change]:
        """Return all changes after a version. Raises 410 if it is outside the window."""
        with self._lock:
            return self._history.since(version)

    @property
    def oldest(self) -> int:
        """Return the lowest version from which a watch may resume."""
        with self._lock:
            return self._history.oldest

    def compact(self) -> None:
        """Drop the history: whoever resumes from before now gets a 410."""
        with self._lock:
            self._history.compact(version=self._version)
        self.changed.notify()

    def create(
        self,
        kind: ResourceType,
        namespace: str,
        body: JsonObject,
        *,
        actor: Actor = LAB,
        dry_run: bool = False,
    ) -> Stored:
        """Create an object; its name is metadata.name or begins with metadata.generateName.

        Raises 404 without its namespace, 403 if that is terminating, 409 if the name is taken, 422 or 400 if
        it is invalid, or the admission's error.
        """
        own = metadata(body)
        name = text(own, "name")
        if not name and (prefix := text(own, "generateName")):
            name = prefix[:248] + uuid.uuid4().hex[:5]
        outcome = _Outcome(Key(kind, namespace if kind.namespaced else "", name), status=201, dry_run=dry_run)
        with self._write("create", outcome, actor):
            fresh = lifecycle.checked(kind, body, namespace=namespace, name="")
            self._check_namespace(kind, namespace)
            if outcome.key in self._objects:
                raise kind.already_exists(name)
            fresh = lifecycle.born(kind, fresh, name=name, uid=str(uuid.uuid4()), now=self.now())
            managed_fields.track({}, fresh, manager=actor.field_manager, now=self.now())
            if self.admission is not None:
                fresh = self.admission.review(kind, before=None, after=fresh)
            return self._commit("ADDED", kind, fresh, outcome)

    def change(
        self,
        kind: ResourceType,
        namespace: str,
        name: str,
        edit: Edit,
        *,
        verb: WriteVerb = "patch",
        actor: Actor = LAB,
        dry_run: bool = False,
    ) -> Stored:
        """Replace an object by `edit` of a copy of its present state.

        If the result has a uid or resourceVersion, it must be the present one; otherwise 409. So a client's
        whole object is a guarded update, and a patch without them an unguarded one. A change that makes no
        difference is not committed. A terminating object whose last finalizer is removed is gone.
        """
        outcome = _Outcome(Key(kind, namespace, name), dry_run=dry_run)
        with self._write(verb, outcome, actor):
            current = self.get(kind, namespace, name)
            outcome.before = current
            edited = lifecycle.checked(kind, edit(current.copy()), namespace=namespace, name=name)
            own = metadata(edited)
            version = lookup(own, "resourceVersion")
            lifecycle.check_preconditions(kind, current.body, uid=text(own, "uid"), version=version)
            edited = lifecycle.changed(kind, current.body, edited)
            managed_fields.track(current.body, edited, manager=actor.field_manager, now=self.now())
            if self.admission is not None:
                edited = self.admission.review(kind, before=current.copy(), after=edited)
            if edited == current.body:
                outcome.after = current
                return current
            if current.terminating and not metadata(edited).get("finalizers"):
                return self._commit("DELETED", kind, edited, outcome)
            return self._commit("MODIFIED", kind, edited, outcome)

    def delete(
        self,
        kind: ResourceType,
        namespace: str,
        name: str,
        *,
        uid: str = "",
        version: str = "",
        actor: Actor = LAB,
        dry_run: bool = False,
    ) -> Stored:
        """Delete an object, with preconditions; one with finalizers is only marked as terminating."""
        outcome = _Outcome(Key(kind, namespace, name), dry_run=dry_run)
        with self._write("delete", outcome, actor):
            current = self.get(kind, namespace, name)
            outcome.before = current
            lifecycle.check_preconditions(kind, current.body, uid=uid, version=version, exact=True)
            body = current.copy()
            own = metadata(body)
            contents = kind is NAMESPACES and not dry_run and self._empty(name, actor)
            if not own.get("finalizers") and not contents:
                return self._commit("DELETED", kind, body, outcome)
            if current.terminating:
                outcome.after = current
                return current
            own["deletionTimestamp"] = lifecycle.timestamp(self.now())
            own["deletionGracePeriodSeconds"] = 0
            if kind is NAMESPACES:
                body["status"] = {"phase": "Terminating"}
            return self._commit("MODIFIED", kind, body, outcome)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the lock for several calls: nobody else reads or writes during the block."""
        with self._lock:
            yield

    def close(self) -> None:
        """Close the journal."""
        with self._lock:
            if self._journal is not None:
                self._journal.close()

    def _empty(self, namespace: str, actor: Actor) -> bool:
        """Delete the contents of a namespace; return True if finalizers hold some of it."""
        inside = [key for key in self._objects if key.kind.namespaced and key.namespace == namespace]
        for key in inside:
            self.delete(key.kind, namespace, key.name, actor=actor)
        return any(key in self._objects for key in inside)

    def _check_namespace(self, kind: ResourceType, namespace: str) -> None:
        if not kind.namespaced:
            return
        home = self.get(NAMESPACES, "", namespace)
        if home.terminating:
            message = f"unable to create new content in namespace {namespace} because it is being terminated"
            raise ApiError(403, message, group=kind.group, kind=kind.plural)

    def _commit(self, event: EventType, kind: ResourceType, body: JsonObject, outcome: _Outcome) -> Stored:
        if outcome.dry_run:
            version = outcome.before.version if outcome.before else 0
            return Stored.of(kind, body, version=version)
        self._version += 1
        after = Stored.of(kind, body, version=self._version)
        change = Change(type=event, version=self._version, after=after, before=outcome.before)
        if event == "DELETED":
            self._objects.pop(after.key, None)
        else:
            self._objects[after.key] = after
            outcome.after = after
        self._history.append(change)
        if self._journal is not None:
            self._journal.append(change)
        self.changed.notify()
        if event == "DELETED" and kind.namespaced:
            self._reap(after.key.namespace)
        return after

    def _reap(self, namespace: str) -> None:
        """Remove a terminating namespace with its last object."""
        home = self._objects.get(Key(NAMESPACES, "", namespace))
        if home is None or not home.terminating:
            return
        if not any(key.kind.namespaced and key.namespace == namespace for key in self._objects):
            outcome = _Outcome(home.key, before=home)
            self._commit("DELETED", NAMESPACES, home.copy(), outcome)

    @contextmanager
    def _write(self, verb: WriteVerb, outcome: _Outcome, actor: Actor) -> Iterator[None]:
        """Hold the lock for a write, and record it whatever its result."""
        with self._lock:
            message = ""
            try:
                yield
            except ApiError as error:
                outcome.status, outcome.after, message = error.code, None, error.message
                raise
            except Exception as error:
                outcome.status, outcome.after, message = 500, None, repr(error)
                raise
            finally:
                if not outcome.dry_run:
                    self.writes.add(
                        verb,
                        outcome.key,
                        actor,
                        at=self._monotonic(),
                        time=self.now().isoformat(),
                        status=outcome.status,
                        message=message,
                        before=outcome.before,
                        after=outcome.after,
                    )
