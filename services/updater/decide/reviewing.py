"""Reviewing networks: what is concluded is recorded, and what to write is decided, once.

A write uses the decision of the review if the object is still that version; otherwise it is made again.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from services.contract.conclusions import ConclusionRecord
from services.network.parse.nad import Network
from services.network.parse.status import Status
from services.network.write.writing import Change
from services.runtime.process.clock import Clock
from services.updater.decide.assessing import Assessor
from services.updater.decide.assessment import Assessment
from services.updater.decide.denied_backoff import DeniedBackoff
from services.updater.decide.recording import refused
from services.updater.memory.kept_memories import KeptMemories

LEFT_PAUSE_S = 1.0
"""Shortest pause before another look at what is left to another writer."""


class Review(NamedTuple):
    """What a review found. Networks by uid."""

    due_in_s: Mapping[str, float]
    """The networks to write, and in how many seconds."""
    changed: frozenset[str]
    """Those to write now, and those of which something new is recorded."""
    outdated: frozenset[str] = frozenset()
    """Those that were written meanwhile: they were compared with what stood before, so look again."""


class Reviewer:
    """Records what is concluded, and decides what to write. Thread-safe.

    Every method that assesses or records may raise redis.RedisError.
    """

    def __init__(
        self,
        assessor: Assessor,
        memories: KeptMemories,
        clock: Clock,
        *,
        look_again: Callable[[str], None],
    ) -> None:
        """look_again: has a network reviewed."""
        self._assessor = assessor
        self._memories = memories
        self._denied = DeniedBackoff(clock, look_again=look_again)
        self._recording = threading.Lock()
        self._recorded: set[str] = set()
        """Networks of which a write has stored the record since the present review began."""
        self._in_process: set[str] = set()
        """Networks that are being written."""
        self._processed: set[str] = set()
        """Those that were at any time since the present review began."""
        self._reviewed: set[str] = set()
        """Those that a review has looked at meanwhile, by what stood before."""
        self._decided: dict[str, Assessment] = {}
        """By uid: what the last review decided to write."""

    def review(self, networks: Sequence[Network]) -> Review:
        """Record what is concluded of these networks, and decide what to write."""
        with self._recording:
            self._recorded.clear()
            self._processed = set(self._in_process)
        assessed = self._assess(networks)
        with self._recording:
            raced = self._processed.intersection(a.network.uid for a in assessed)
            # The end of a write that is still in progress tells of its own.
            self._reviewed |= raced & self._in_process
            outdated = raced - self._in_process
            # What a write has recorded meanwhile is newer than this assessment.
            assessed = [a for a in assessed if a.network.uid not in self._recorded]
            self._memories.conclude([r for a in assessed if (r := _recorded_at_once(a)) is not None])
            processed = set(self._processed)
        due_in_s: dict[str, float] = {}
        changed = {a.network.uid for a in assessed if a.new_record is not None}
        for assessment in assessed:
            uid, wait_s = assessment.network.uid, self.wait_s(assessment)
            self._decided.pop(uid, None)
            if wait_s == 0.0:
                changed.add(uid)
                if uid not in processed:
                    # What was remembered of its writes may be different by now.
                    self._decided[uid] = _with_stored_record(assessment)
            if wait_s is not None:
                due_in_s[uid] = wait_s
        return Review(due_in_s, frozenset(changed), frozenset(outdated))

    def decide(self, network: Network) -> Assessment:
        """Return what to write to this version of the network; its record is stored.

        So it is before the patch that it leads to, which a restart could not explain otherwise, and before
        the Event: a missing one is better than one every few seconds.
        """
        with self._recording:
            self._in_process.add(network.uid)
            self._processed.add(network.uid)
            self._reviewed.discard(network.uid)
        decided = self._decided.pop(network.uid, None)
        if decided is None or decided.network.resource_version != network.resource_version:
            (decided,) = self._assess([network])
        is_wanted = self.wait_s(decided) == 0.0
        record = decided.new_record if is_wanted else _recorded_at_once(decided)
        if record is not None:
            self.record(record)
        return decided

    def wait_s(self, assessment: Assessment) -> float | None:
        """Return the seconds until the change may be written, or the network is to be looked at; or None."""
        if assessment.change is None:
            self._denied.unwanted(assessment.network.uid)
            return None if assessment.again_in_s is None else max(LEFT_PAUSE_S, assessment.again_in_s)
        return self._denied.blocked_s(assessment.network, assessment.change)

    def processed(self, uid: str) -> bool:
        """Record that the network is not being written any more; return whether it was reviewed meanwhile."""
        with self._recording:
            self._in_process.discard(uid)
            is_reviewed = uid in self._reviewed
            self._reviewed.discard(uid)
            return is_reviewed

    def drop(self, uid: str) -> None:
        """Drop what was decided about this network."""
        self._decided.pop(uid, None)

    def forget(self, uid: str) -> None:
        """Forget a network that is gone."""
        self.drop(uid)
        self._denied.forget(uid)
        self._assessor.forget(uid)

    def record(self, record: ConclusionRecord) -> None:
        """Store the record of a write; a review that assessed the network before leaves it as it is."""
        with self._recording:
            self._memories.conclude([record])
            self._recorded.add(record.uid)

    def reported(self, uid: str, status: Status) -> None:
        """Record that this status of the network is reported; a later difference is a new one."""
        self._assessor.reported(uid, status)

    def accepted(self, uid: str) -> None:
        """Record that a change of this network was accepted."""
        self._denied.accepted(uid)

    def denied(self, assessment: Assessment, change: Change, error: str) -> bool:
        """Record that admission denied this change; return whether it did so for the first time."""
        return self._denied.record(assessment.network, change, error)

    def record_refusal(self, assessment: Assessment, change: Change, error: str) -> None:
        """Record that the API server refused this change."""
        assert assessment.record is not None
        record = refused(assessment.record, change, error)
        if record != assessment.record:
            self.record(record)

    def _assess(self, networks: Sequence[Network]) -> list[Assessment]:
        return [self._with_refusal(assessment) for assessment in self._assessor.assess(networks)]

    def _with_refusal(self, assessment: Assessment) -> Assessment:
        """Return the assessment with a record that names the refusal, if this change was denied."""
        network, change = assessment.network, assessment.change
        if change is None or (error := self._denied.refusal(network.uid, change)) is None:
            return assessment
        assert assessment.record is not None
        return replace(assessment, record=refused(assessment.record, change, error))


def _recorded_at_once(assessment: Assessment) -> ConclusionRecord | None:
    """Return the record to store whether or not something is written.

    One that waits for its Event is stored with it: afterwards the transition is no news any more.
    """
    is_observed = assessment.change is not None and assessment.change.hindrance is not None
    return None if is_observed else assessment.new_record


def _with_stored_record(assessment: Assessment) -> Assessment:
    """Return the assessment, whose record is stored if it is to be at once."""
    stored = _recorded_at_once(assessment)
    return assessment if stored is None else replace(assessment, known=stored)
