"""Setting aside keys of Redis that are of another type than ours, too large, or have what cannot be.

Such a key is renamed, or if it is huge, deleted. No other key is affected, and its owner makes it anew.
What is set aside is counted, logged once for each content, and among the dead letters.
"""

import contextlib
import threading
from collections.abc import Mapping
from itertools import groupby
from typing import Any, cast
from weakref import WeakKeyDictionary

import redis
from prometheus_client import CollectorRegistry, Counter

from services.contract.names import DEAD_LETTERS_KEY, QUARANTINE_KEPT, QUARANTINE_KEY_PREFIX, QUARANTINE_TTL_S
from services.runtime.stored import dead_letters
from services.runtime.stored.key_kinds import KINDS, Kind

HUGE_BYTES = 1_048_576
"""A key that takes more memory is deleted: sixteen of them could fill Redis for a day."""
SAMPLE_BYTES = 4_096

# Returns what a key began with. Where Redis takes no writes, the key stays, and its reader ignores it.
_SET_ASIDE = f"""
local prefix = '{QUARANTINE_KEY_PREFIX}'
local function beginning(key, kind)
  if kind == 'string' then return redis.call('GETRANGE', key, 0, {SAMPLE_BYTES - 1}) end
  return 'a ' .. kind
end
local function set_aside(key)
  local kind = redis.call('TYPE', key)['ok']
  if kind == 'none' then return false end
  local was = beginning(key, kind)
  local bytes = redis.pcall('MEMORY', 'USAGE', key)
  if type(bytes) == 'number' and bytes > {HUGE_BYTES} then
    redis.call('UNLINK', key)
    return was
  end
  local number = redis.pcall('INCR', prefix)
  if type(number) ~= 'number' then
    redis.pcall('DEL', prefix)
    number = 0
  end
  local name = prefix .. ':' .. string.format('%d', number % {QUARANTINE_KEPT})
  redis.call('RENAME', key, name)
  redis.call('EXPIRE', name, {QUARANTINE_TTL_S})
  return was
end
"""
_ONE = _SET_ASIDE + "return set_aside(KEYS[1])"

# ARGV: how many keys in a row have which type, at most how many items and how many bytes; 0 for no limit.
# Returns for each wrong key its number, what is wrong, and what it began with.
CHECK = (
    _SET_ASIDE
    + """
local COUNT = { list = 'LLEN', hash = 'HLEN', set = 'SCARD', stream = 'XLEN' }
local function wrong(key, expected, items, bytes)
  local kind = redis.call('TYPE', key)['ok']
  if kind == 'none' then return nil end
  if kind ~= expected then return 'expected a ' .. expected .. ', got a ' .. kind end
  if bytes == 0 then return nil end
  local size
  if kind == 'string' then
    size = redis.call('STRLEN', key)
  else
    local count = redis.call(COUNT[kind], key)
    if count > items then return 'expected at most ' .. items .. ' items, got ' .. count end
    size = redis.pcall('MEMORY', 'USAGE', key, 'SAMPLES', 0)
  end
  if type(size) == 'number' and size > bytes then
    return 'expected at most ' .. bytes .. ' bytes, got ' .. size
  end
end
local found, last = {}, 0
for count, expected, items, bytes in string.gmatch(ARGV[1], '(%d+),(%a+),(%d+),(%d+)') do
  items, bytes = tonumber(items), tonumber(bytes)
  local first = last + 1
  last = last + tonumber(count)
  for at = first, last do
    local why = wrong(KEYS[at], expected, items, bytes)
    if why then
      found[#found + 1] = at
      found[#found + 1] = why
      found[#found + 1] = set_aside(KEYS[at]) or ''
    end
  end
end
return found
"""
)

_counters: WeakKeyDictionary[CollectorRegistry, Counter] = WeakKeyDictionary()
_lock = threading.Lock()


class Quarantine:
    """The last QUARANTINE_KEPT keys that were set aside; they expire after a day. Thread-safe."""

    def __init__(self, client: redis.Redis, *, registry: CollectorRegistry) -> None:
        """registry: others may count in the same one."""
        self._client = client
        with _lock:
            if registry not in _counters:
                _counters[registry] = Counter(
                    "nadroute_keys_set_aside",
                    "Keys of Redis that were set aside: of another type, too large, or with what cannot be.",
                    registry=registry,
                )
            self._counter = _counters[registry]

    def set_aside(self, key: str, reason: str) -> bool:
        """Rename the key, count it, and record it as a dead letter; return whether there was one.

        Raises redis.RedisError.
        """
        was = cast("str | bytes | None", self._client.eval(_ONE, 1, key))
        if was is not None:
            self.record(key, reason, was)
        return was is not None

    def record(self, key: str, reason: str, was: "str | bytes") -> None:
        """Count and record that a key was set aside. was: its beginning. Never raises for Redis."""
        self._counter.inc()
        if key != DEAD_LETTERS_KEY:
            self._make_room()
        body = was.decode(errors="backslashreplace") if isinstance(was, bytes) else was
        dead_letters.record(self._client, where=key, reason=f"set aside: {reason}", body=body)

    def _make_room(self) -> None:
        """Set aside what is in the place of the dead letters, so that this one can be told."""
        arguments = check_arguments({DEAD_LETTERS_KEY: KINDS[DEAD_LETTERS_KEY]}, whole=True)
        with contextlib.suppress(redis.RedisError):
            found = cast("list[Any]", self._client.eval(*arguments))  # type: ignore[arg-type]
            if found:
                self.record(DEAD_LETTERS_KEY, str(found[1]), found[2])


def check_arguments(kinds: Mapping["str | bytes", Kind], *, whole: bool) -> "list[str | bytes | int]":
    """Return the arguments of EVAL that check these keys. whole: also those of which only some is read."""
    # One argument for all: the client takes longer to pack each than Redis to look at the key.
    limits = " ".join(
        f"{len(list(same))},{kind.type},{kind.items},{0 if kind.is_cut and not whole else kind.size}"
        for kind, same in groupby(kinds.values())
    )
    return [CHECK, len(kinds), *kinds, limits]
