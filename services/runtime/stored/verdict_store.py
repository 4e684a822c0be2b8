"""The newest verdict of each host on each segment, in Redis: written by the updater, read by it and by views.

A verdict that says what the last one said is not sent again: a repeat names its fingerprint, and what is
stored is as if it had come once more. Verdicts and repeats of one host are ordered by (incarnation, counter)
alone, so a duplicate, a late one or one stored by another updater changes nothing. One that no prober can
have sent is refused, and one that is stored gives way: incarnations and counters are Redis' times, and none
is newer than the prober at work. Ages are in
*observed time*: Redis' TIME, counted while an updater runs and a watcher sends. While Redis or the API server
is away or probing is paused, no verdict ages.
"""

import math
import re
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import cast

import redis
import structlog

from services.contract.errors import MessageRefused
from services.contract.messages import Segment, Verdict
from services.contract.names import OBSERVED_TIME_KEY, SENDING_KEY, host_lock_key, verdicts_key, verdicts_keys
from services.contract.outcomes import Fault
from services.contract.reports import Repeats
from services.contract.verdicts import AgedVerdict, Confirmed, ObservedTime, SegmentVerdicts
from services.runtime.process.outside_log import tell
from services.runtime.stored import dead_letters
from services.runtime.stored.guarded_redis import record_wrong, set_aside, set_field_aside, took
from services.runtime.stored.parsed_verdicts import ParsedVerdicts
from services.runtime.stored.verdict_scripts import (
    CONFIRM,
    ENTRY,
    IMPOSSIBLE,
    OBSERVE,
    OLD,
    PUT,
    READ,
    STOOD_STILL,
    TICK,
    TICKED,
    UNKNOWN,
    WRONG_TYPE,
)

KEPT_S = 86_400
"""Seconds after its last verdict that a segment's key expires: long after any verdict was fresh."""
AHEAD_MS = 60_000
"""Observed time may go on between two commands, but not by this much."""
DHCP_FIELD_SUFFIX = "|dhcp"
BATCH = 256
"""Commands per round trip: bounded, so that no reply blocks the server for long."""

_TIME_KEYS = (OBSERVED_TIME_KEY, SENDING_KEY)

_ENVELOPE = re.compile(
    r'\{"incarnation":\d{1,16},"counter":\d{1,16},"at_ms":\d{1,16},"observed_ms":(?P<observed_ms>\d{1,16}),'
    r'"full_ms":(?P<full_ms>\d{1,16}),"fingerprint":"[0-9a-f]*","verdict":',
    re.ASCII,
)

log = structlog.get_logger(__name__)


class VerdictStore:
    """Verdicts in Redis. Thread-safe. Every method may raise redis.RedisError."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._put_script = client.register_script(OBSERVE + ENTRY + PUT)
        self._confirm_script = client.register_script(OBSERVE + ENTRY + CONFIRM)
        self._read_script = client.register_script(OBSERVE + READ)
        self._tick_script = client.register_script(OBSERVE + TICK + TICKED)
        self._parsed = ParsedVerdicts()
        self._known_ms = 0
        """The latest observed time that this process has seen."""
        self._ticked_ms = 0
        """The observed time that its last tick left in Redis."""

    def tick(self) -> ObservedTime:
        """Count the time since the last tick as observed; return the observed time.

        Once a tick comes later than LONGEST_TICK_S, or no watcher sends, time stands still until a tick comes
        in time.
        """
        answer = cast("list[int | str]", self._tick_script(keys=_TIME_KEYS, args=[self._known_ms]))
        kept_ms, wrong = int(answer[3]), str(answer[4])
        if wrong:
            # The tick has replaced it.
            record_wrong(self._client, OBSERVED_TIME_KEY, "expected milliseconds of Redis' time", wrong)
        # Without its data, or with an older copy of it, Redis has an earlier time than the last tick left.
        is_lost = kept_ms < self._ticked_ms and not (wrong or took(self._client, OBSERVED_TIME_KEY))
        self._ticked_ms, time = int(answer[0]), self._see(answer[:3])
        return time._replace(is_lost=is_lost)

    def time(self) -> ObservedTime:
        """Return the observed time."""
        return self._see(self._read_script(keys=_TIME_KEYS, args=[self._known_ms]))

    def observed_ms(self) -> int:
        """Return the observed time in milliseconds."""
        return self.time().now_ms

    def _see(self, answer: object) -> ObservedTime:
        now_ms, resumed_ms, runs = cast("tuple[int, int, int]", answer)
        self._known_ms = max(self._known_ms, now_ms)
        return ObservedTime(self._known_ms, resumed_ms, bool(runs))

    def put(self, verdicts: Iterable[Verdict]) -> frozenset[Segment]:
        """Store the verdicts that are newer than their host's; return the segments that changed.

        The verdict of a stopped probe says nothing and never replaces another.
        """
        changed: set[Segment] = set()
        remaining = (verdict for verdict in verdicts if verdict.fault is not Fault.STOPPED)
        while batch := list(islice(remaining, BATCH)):
            with self._client.pipeline(transaction=False) as pipe:
                for verdict in batch:
                    text = verdict.to_json()
                    self._parsed.keep(text, verdict)
                    self._put_script(
                        keys=[*_TIME_KEYS, host_lock_key(verdict.host), verdicts_key(verdict.segment)],
                        args=[
                            verdict.host,
                            verdict.incarnation,
                            verdict.counter,
                            int(verdict.is_dhcp_conclusive),
                            text,
                            KEPT_S,
                            verdict.fingerprint or "",
                            self._known_ms,
                        ],
                        client=pipe,
                    )
                stored = pipe.execute()
            changed |= {verdict.segment for verdict, new in zip(batch, stored, strict=True) if new == 1}
            for verdict, new in zip(batch, stored, strict=True):
                if new == IMPOSSIBLE:
                    self._refuse(verdict.segment, verdict.host, verdict.incarnation, verdict.to_json())
        return frozenset(changed)

    def confirm(self, host: str, repeats: Repeats) -> Confirmed:
        """Take these repeats as if the verdicts that they repeat had come again.

        One whose fingerprint is not that of the host's stored verdict changes nothing.
        """
        gaps_s: dict[Segment, float] = {}
        unknown: list[Segment] = []
        partly: list[Segment] = []
        now_ms, keys = 0, verdicts_keys(repeats.cluster_network)
        remaining, named = iter(repeats.verdicts), iter(repeats.segments)
        while batch := list(islice(remaining, BATCH)):
            segments = list(islice(named, BATCH))
            # One argument for all: the client takes longer to pack each than to join them.
            given = " ".join(
                f"{vlan},{counter},{print_},{int(asked)}" for vlan, counter, print_, asked in batch
            )
            answer = self._confirm_script(
                keys=[*_TIME_KEYS, host_lock_key(host)],
                args=[host, repeats.incarnation, KEPT_S, keys, given, self._known_ms],
            )
            numbers = list(map(int, cast("str", answer).split()))
            now_ms = numbers[len(segments)]
            partly += [segments[at] for at in numbers[len(segments) + 1 :]]
            for segment, result in zip(segments, numbers, strict=False):
                if result == UNKNOWN:
                    unknown.append(segment)
                elif result == WRONG_TYPE:
                    set_aside(self._client, verdicts_key(segment), "expected a hash")
                    unknown.append(segment)
                elif result == IMPOSSIBLE:
                    self._refuse(segment, host, repeats.incarnation, "a repeated verdict")
                elif result != OLD:
                    gaps_s[segment] = math.inf if result == STOOD_STILL else result / 1000
        return Confirmed(gaps_s, tuple(unknown), now_ms, frozenset(partly))

    def _refuse(self, segment: Segment, host: str, incarnation: int, body: str) -> None:
        """Tell of a verdict that the host's prober cannot have sent."""
        reason = (
            f"verdict of {host}: incarnation {incarnation} or its counter is later than the prober at work "
            "has, or than Redis' time"
        )
        dead_letters.record(self._client, where=verdicts_key(segment), reason=reason, body=body)

    def read(self, segments: Iterable[Segment]) -> dict[Segment, SegmentVerdicts]:
        """Return the verdicts of each of these segments, with ages in observed time."""
        found: dict[Segment, SegmentVerdicts] = {}
        remaining = iter(segments)
        while batch := list(islice(remaining, BATCH)):
            with self._client.pipeline(transaction=False) as pipe:
                self._read_script(keys=_TIME_KEYS, args=[self._known_ms], client=pipe)
                for segment in batch:
                    pipe.hgetall(verdicts_key(segment))
                answer, *hashes = pipe.execute(raise_on_error=False)
            if isinstance(answer, redis.RedisError):
                raise answer
            time = self._see(answer)
            for segment, fields in zip(batch, hashes, strict=True):
                found[segment] = self._read_segment(segment, self._fields(segment, fields), time)
        return found

    def _read_segment(
        self, segment: Segment, fields: Mapping[str, str], time: ObservedTime
    ) -> SegmentVerdicts:
        latest: list[AgedVerdict] = []
        asked: list[AgedVerdict] = []
        for name, text in sorted(fields.items()):
            try:
                observed_ms, full_ms, verdict = self._parse(text)
                if max(observed_ms, full_ms) > time.now_ms + AHEAD_MS:
                    raise MessageRefused(f"stored verdict: from the future, observed_ms={observed_ms}")
            except MessageRefused as error:
                tell(log, "stored verdict ignored", segment=str(segment), field=name, error=str(error))
                set_field_aside(self._client, verdicts_key(segment), name, str(error), text)
                continue
            age_ms, full_age_ms = max(0, time.now_ms - observed_ms), max(0, time.now_ms - full_ms)
            seen = AgedVerdict(verdict, age_ms / 1000, full_age_ms / 1000)
            (asked if name.endswith(DHCP_FIELD_SUFFIX) else latest).append(seen)
        return SegmentVerdicts(
            tuple(latest),
            tuple(asked),
            now_ms=time.now_ms,
            resumed_ms=time.resumed_ms,
            time_runs=time.runs,
        )

    def _fields(self, segment: Segment, answer: object) -> Mapping[str, str]:
        """Return a segment's hash; nothing for a key of another type. May raise redis.RedisError."""
        if isinstance(answer, redis.RedisError):
            if "WRONGTYPE" not in str(answer):
                raise answer
            set_aside(self._client, verdicts_key(segment), str(answer))
            return {}
        return cast("Mapping[str, str]", answer)

    def _parse(self, text: str) -> tuple[int, int, Verdict]:
        """Return when a stored verdict came last and when in full (observed ms), and the verdict.

        Raises MessageRefused.
        """
        envelope = _ENVELOPE.match(text)
        if envelope is None or not text.endswith("}"):
            raise MessageRefused(f"stored verdict: expected an envelope, got {text[:60]!r}")
        verdict = self._parsed.parse(text[envelope.end() : -1])
        return int(envelope["observed_ms"]), int(envelope["full_ms"]), verdict
