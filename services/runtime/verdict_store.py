"""The newest verdict of each host on each segment, in Redis: written by the updater, read by it and by views.

Verdicts of one host are ordered by (incarnation, counter) alone, so a duplicate, a late verdict or one stored
by another updater changes nothing. Ages are in *observed time*: Redis' TIME, counted while an updater runs
and a watcher sends. While Redis or the API server is away or probing is paused, no verdict ages.
"""

import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import cast

import redis
import structlog

from services.contract.errors import MessageRefused
from services.contract.messages import Segment, Verdict
from services.contract.names import OBSERVED_TIME_KEY, SENDING_KEY, verdicts_key
from services.contract.outcomes import Fault
from services.contract.verdicts import AgedVerdict, SegmentVerdicts

KEPT_S = 86_400
"""Seconds after its last verdict that a segment's key expires: long after any verdict was fresh."""
DHCP_FIELD_SUFFIX = "|dhcp"
BATCH = 256
"""Commands per round trip: bounded, so that no reply blocks the server for long."""
PARSED_KEPT = 16_384
"""Verdicts kept in memory: most of what is read was put or read a moment ago."""

_TIME_KEYS = (OBSERVED_TIME_KEY, SENDING_KEY)
LONGEST_TICK_S = 5
"""Of a longer gap between two ticks, the rest was not observed by anybody and does not count."""
LONGEST_TICK_MS = LONGEST_TICK_S * 1000

_OBSERVE = f"""
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local last = redis.call('HMGET', KEYS[1], 'observed_ms', 'at_ms', 'resumed_ms', 'stood_still')
local observed, at = tonumber(last[1] or ''), tonumber(last[2] or '')
local resumed, stood_still = tonumber(last[3] or '') or 0, last[4] == '1'
local known = tonumber(ARGV[#ARGV])
local passed = observed and at and now - at
local counts = passed and passed >= 0 and passed <= {LONGEST_TICK_MS}
  and redis.call('EXISTS', KEYS[2]) == 1
if not passed then
  observed = known > 0 and known or now
elseif counts and not stood_still then
  observed = observed + passed
end
-- A Redis that lost its data, or an older copy of it, does not move this process' time.
observed = math.max(observed, known)
"""
_TICK = f"""
if counts and stood_still then
  -- Later than whatever has arrived.
  observed = observed + 1
  resumed = observed
elseif not counts and not stood_still and passed and passed > 0 then
  -- Until now its arrival was taken for so much later.
  observed = observed + math.min(passed, {LONGEST_TICK_MS})
end
stood_still = not counts
redis.call('HSET', KEYS[1],
  'observed_ms', string.format('%.0f', observed), 'at_ms', string.format('%.0f', now),
  'resumed_ms', string.format('%.0f', resumed), 'stood_still', stood_still and '1' or '0')
"""
_READ = "return { observed, resumed, counts and not stood_still and 1 or 0 }"
_PUT = """
local order = { tonumber(ARGV[2]), tonumber(ARGV[3]) }
local value = '{"incarnation":' .. ARGV[2] .. ',"counter":' .. ARGV[3] .. ',"at_ms":'
  .. string.format('%.0f', now) .. ',"observed_ms":' .. string.format('%.0f', observed)
  .. ',"verdict":' .. ARGV[5] .. '}'
local function store(field)
  local old = redis.call('HGET', KEYS[3], field)
  if old then
    local incarnation, counter, at = string.match(
      old, '^{"incarnation":(%d+),"counter":(%d+),"at_ms":(%d+),')
    -- An entry from the future was stored before the clock was set back: it orders nothing.
    if incarnation and tonumber(at) <= now + 1000 then
      incarnation, counter = tonumber(incarnation), tonumber(counter)
      if incarnation > order[1] or (incarnation == order[1] and counter >= order[2]) then
        return 0
      end
    end
  end
  redis.call('HSET', KEYS[3], field, value)
  return 1
end
local stored = store(ARGV[1])
if ARGV[4] == '1' then
  stored = math.max(stored, store(ARGV[1] .. '|dhcp'))
end
if stored == 1 then
  redis.call('EXPIRE', KEYS[3], ARGV[6])
end
return stored
"""

_ENVELOPE = re.compile(
    r'\{"incarnation":\d{1,16},"counter":\d{1,16},"at_ms":\d{1,16},'
    r'"observed_ms":(?P<observed_ms>\d{1,16}),"verdict":',
    re.ASCII,
)

log = structlog.get_logger(__name__)


class VerdictStore:
    """Verdicts in Redis. Thread-safe. Every method may raise redis.RedisError."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._put_script = client.register_script(_OBSERVE + _PUT)
        self._read_script = client.register_script(_OBSERVE + _READ)
        self._tick_script = client.register_script(_OBSERVE + _TICK + _READ)
        self._parsed: OrderedDict[str, Verdict] = OrderedDict()
        """By their JSON."""
        self._known_ms = 0
        """The latest observed time that this process has seen."""

    def tick(self) -> int:
        """Count the time since the last tick as observed; return the observed time in milliseconds.

        Once a tick comes later than LONGEST_TICK_S, or no watcher sends, time stands still until a tick comes
        in time.
        """
        return self._see(self._tick_script(keys=_TIME_KEYS, args=[self._known_ms]))[0]

    def observed_ms(self) -> int:
        """Return the observed time in milliseconds."""
        return self._see(self._read_script(keys=_TIME_KEYS, args=[self._known_ms]))[0]

    def _see(self, answer: object) -> tuple[int, int, bool]:
        """Return the observed time, when it resumed last, and whether it is running."""
        now_ms, resumed_ms, runs = cast("tuple[int, int, int]", answer)
        self._known_ms = max(self._known_ms, now_ms)
        return self._known_ms, resumed_ms, bool(runs)

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
                    self._keep(text, verdict)
                    self._put_script(
                        keys=[*_TIME_KEYS, verdicts_key(verdict.segment)],
                        args=[
                            verdict.host,
                            verdict.incarnation,
                            verdict.counter,
                            int(verdict.dhcp is not None),
                            text,
                            KEPT_S,
                            self._known_ms,
                        ],
                        client=pipe,
                    )
                stored = pipe.execute()
            changed |= {verdict.segment for verdict, new in zip(batch, stored, strict=True) if new}
        return frozenset(changed)

    def read(self, segments: Iterable[Segment]) -> dict[Segment, SegmentVerdicts]:
        """Return the verdicts of each of these segments, with ages in observed time."""
        found: dict[Segment, SegmentVerdicts] = {}
        remaining = iter(segments)
        while batch := list(islice(remaining, BATCH)):
            with self._client.pipeline(transaction=False) as pipe:
                self._read_script(keys=_TIME_KEYS, args=[self._known_ms], client=pipe)
                for segment in batch:
                    pipe.hgetall(verdicts_key(segment))
                answer, *hashes = pipe.execute()
            time = self._see(answer)
            for segment, fields in zip(batch, cast("Sequence[Mapping[str, str]]", hashes), strict=True):
                found[segment] = self._read_segment(segment, fields, *time)
        return found

    def _read_segment(
        self, segment: Segment, fields: Mapping[str, str], now_ms: int, resumed_ms: int, runs: bool
    ) -> SegmentVerdicts:
        latest: list[AgedVerdict] = []
        asked: list[AgedVerdict] = []
        for name, text in sorted(fields.items()):
            try:
                observed_ms, verdict = self._parse(text)
            except MessageRefused as error:
                log.warning("stored verdict ignored", segment=str(segment), field=name, error=str(error))
                continue
            seen = AgedVerdict(verdict, max(0, now_ms - observed_ms) / 1000)
            (asked if name.endswith(DHCP_FIELD_SUFFIX) else latest).append(seen)
        return SegmentVerdicts(
            tuple(latest), tuple(asked), now_ms=now_ms, resumed_ms=resumed_ms, time_runs=runs
        )

    def _parse(self, text: str) -> tuple[int, Verdict]:
        """Return when a stored verdict came (observed time, ms) and the verdict; raise MessageRefused."""
        envelope = _ENVELOPE.match(text)
        if envelope is None or not text.endswith("}"):
            raise MessageRefused(f"stored verdict: expected an envelope, got {text[:60]!r}")
        body = text[envelope.end() : -1]
        verdict = self._parsed.get(body)
        if verdict is None:
            verdict = Verdict.from_wire(body)
            self._keep(body, verdict)
        return int(envelope["observed_ms"]), verdict

    def _keep(self, body: str, verdict: Verdict) -> None:
        self._parsed[body] = verdict
        while len(self._parsed) > PARSED_KEPT:
            self._parsed.popitem(last=False)
