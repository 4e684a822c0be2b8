"""The lock on this host's name in Redis: of several probers with one name, one works and the others wait.

Two probers with one name would consume one queue, and of their verdicts only those of the newer incarnation
would count. So a prober takes the name before it consumes, announces or reports anything.
"""

import json
import os
import platform
import threading
import uuid
from collections.abc import Callable
from enum import StrEnum
from ipaddress import IPv4Address
from typing import cast

import redis
import structlog

from services.contract.errors import MessageRefused
from services.contract.host_claims import HostClaim
from services.contract.names import HOST_TTL_S, host_lock_key, host_waiting_key
from services.prober.metrics import ProberMetrics
from services.runtime.connection.redis_client import delete_if_equal, format_time, time_ms
from services.runtime.process.clock import Clock
from services.runtime.process.outside_log import tell
from services.runtime.process.repeating import RepeatingThread
from services.runtime.stored.verdict_scripts import AHEAD_MS

log = structlog.get_logger(__name__)

RENEWAL_S = 2.0
POLL_S = 1.0
"""Interval at which a prober that waits asks again."""
GIVE_WAY_S = float(HOST_TTL_S)
"""How long the holder has to take the name again when Redis has lost its data; as long as after a crash."""
_MACHINE_CHARACTERS = 253

# KEYS: lock, waiting. ARGV: the claim, the value held ("" for none), TTL in ms, whether KEYS[2] must exist.
# Returns the outcome, the lock's value, the value of KEYS[2] ("" for none or for one of another type), and
# Redis' time in ms.
_HOLD = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function read(key)
  local value = redis.pcall('GET', key)
  return type(value) == 'string' and value or ''
end
-- Redis may have taken the name for this very process, in an answer that got lost.
local function is_own(holder)
  local ok, claim = pcall(cjson.decode, holder)
  return ok and type(claim) == 'table' and claim.process == cjson.decode(ARGV[1]).process
end
local left_ms = redis.call('PTTL', KEYS[1])
-- What lives longer than a lock, or for ever, is none.
if left_ms >= 0 and left_ms <= tonumber(ARGV[3]) then
  local holder = read(KEYS[1])
  if (ARGV[2] == '' or holder ~= ARGV[2]) and not is_own(holder) then
    return {'taken', holder, '', now}
  end
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  return {'held', holder, read(KEYS[2]), now}
end
if ARGV[4] == '1' and redis.call('EXISTS', KEYS[2]) == 0 then return {'emptied', '', '', now} end
local claim = cjson.decode(ARGV[1])
claim.since_ms = now
local value = cjson.encode(claim)
redis.call('SET', KEYS[1], value, 'PX', ARGV[3])
redis.call('DEL', KEYS[2])
return {'held', value, '', now}
"""

# KEYS: lock, key to write. ARGV: the value held, the value to write, its TTL in seconds.
_SET_IF_HELD = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[2], ARGV[2], 'EX', ARGV[3])
return 1
"""


class _Outcome(StrEnum):
    HELD = "held"
    TAKEN = "taken"
    EMPTIED = "emptied"
    """Nobody holds the name, and the record that this prober waits is gone: Redis has lost its data."""


class HostLock(RepeatingThread):
    """Holds this host's name and renews it. Thread-safe.

    The lock expires HOST_TTL_S after its last renewal, so the name of a killed prober becomes free by itself.
    A prober whose lock has expired takes it again, as a new incarnation, unless another prober was faster:
    then the name is lost for good, and the process has to end.
    """

    def __init__(
        self,
        *,
        client: redis.Redis,
        host: str,
        address: IPv4Address | None,
        clock: Clock,
        metrics: ProberMetrics,
        lost: Callable[[], None],
    ) -> None:
        """address: one of this machine. lost: called once, in any thread, when another has the name."""
        super().__init__("host-lock", self._renew, clock=clock, interval_s=RENEWAL_S, finish=self._release)
        self._client = client
        self._claim = HostClaim(
            host=host,
            process=uuid.uuid4().hex,
            machine=platform.node()[:_MACHINE_CHARACTERS],
            pid=os.getpid(),
            address=address,
        )
        self._key, self._waiting_key = host_lock_key(host), host_waiting_key(host)
        self._metrics = metrics
        self._on_lost = lost
        self._mutex = threading.Lock()
        self._value = ""
        self._incarnation = 0
        self._held_until = float("-inf")
        self._redis_ahead_s = 0.0
        """How far Redis' time is ahead of the monotonic clock."""
        self._counter = 0
        self._counting = threading.Lock()
        self._given_up = False
        self._problem: str | None = "this prober does not hold its host's name yet"
        self._logged = ""

    @property
    def incarnation(self) -> int:
        """Redis' time in milliseconds when the name was taken: later than that of every former holder."""
        return self._incarnation

    def next_counter(self) -> int:
        """Return a number that is larger than every one before: Redis' time in microseconds, as it was known
        at the last renewal.

        A prober's counters are not ahead of that time, so one that is has been forged. Where Redis' clock was
        set back, they begin anew: what is stored then is from the future, and gives way. Thread-safe.
        """
        with self._counting:
            now_us = round((self._clock.monotonic() + self._redis_ahead_s) * 1_000_000)
            self._counter = max(self._counter + 1, now_us)
            return self._counter

    def problem(self) -> str | None:
        """Return why this prober may not work; None while it holds the name."""
        if self._problem is None and self._clock.monotonic() >= self._held_until:
            return "the host's name is not renewed: Redis does not answer"
        return self._problem

    def acquire(self, ended: threading.Event) -> bool:
        """Wait until the name is held, and renew it from then on; return False if `ended` is set before.

        Meanwhile a record in Redis says that this prober waits.
        """
        waiting, pause_s = "", 0.0
        while not self._clock.wait(ended, pause_s):
            pause_s = POLL_S
            try:
                outcome, holder = self._attempt(waited=bool(waiting))
                if outcome is _Outcome.HELD:
                    self.start()
                    return True
                if outcome is _Outcome.TAKEN:
                    self._report_holder(holder)
                    waiting = waiting or self._waiting_claim()
                    self._client.set(self._waiting_key, waiting, ex=HOST_TTL_S)
                if outcome is _Outcome.EMPTIED:
                    waiting, pause_s = "", GIVE_WAY_S
            except redis.RedisError as error:
                self._problem = f"the host's name cannot be taken: Redis: {error}"
                self._log_once("waiting for Redis", error=str(error))
        self._withdraw(waiting)
        return False

    def holds(self) -> bool:
        """Return whether this prober certainly holds the name now; renews it first if that is in doubt."""
        if self._clock.monotonic() >= self._held_until:
            self._renew()
        return self._clock.monotonic() < self._held_until

    def set_if_held(self, key: str, value: str) -> bool:
        """Set a key, with a TTL of HOST_TTL_S, if this prober holds the name; return whether it does.

        Raises redis.RedisError.
        """
        return bool(self._client.eval(_SET_IF_HELD, 2, self._key, key, self._value, value, HOST_TTL_S))

    def _renew(self) -> None:
        with self._mutex:
            if self._given_up:
                return
            try:
                outcome, other = self._attempt(waited=False)
            except redis.RedisError as error:
                self._log_once("the host's name is not renewed", error=str(error))
                return
            if outcome is _Outcome.HELD:
                self._report_waiting(other)
                return
            self._given_up, self._held_until = True, float("-inf")
            self._problem = f"another prober took the name {self._claim.host}: {_describe(other)}"
            self._metrics.host_name_conflict(True)
        log.error("the host's name is lost to another prober", holder=_describe(other))
        self._on_lost()

    def _attempt(self, *, waited: bool) -> tuple[_Outcome, str]:
        """Take or renew the name; return the outcome, and the other prober's claim: the holder's, or the one
        that waits. Raises redis.RedisError.
        """
        asked_at = self._clock.monotonic()
        body = json.dumps(self._claim.to_wire())
        answer = self._client.eval(
            _HOLD, 2, self._key, self._waiting_key, body, self._value, HOST_TTL_S * 1_000, int(waited)
        )
        outcome, value, waiting, now_ms = cast("tuple[str, str, str, int]", answer)
        with self._counting:
            # From after the answer: Redis' time is later than that, never earlier.
            ahead_s = now_ms / 1000 - self._clock.monotonic()
            # The store refuses what is further ahead than that.
            if ahead_s < self._redis_ahead_s - AHEAD_MS / 1000:
                self._counter = 0
            self._redis_ahead_s = ahead_s
        if outcome != _Outcome.HELD:
            return _Outcome(outcome), value
        if value != self._value:
            self._value, self._incarnation = value, HostClaim.from_wire(value).since_ms
            log.info(
                "this prober holds its host's name", host=self._claim.host, incarnation=self._incarnation
            )
        # From before the question: Redis counts from later on.
        self._held_until = asked_at + HOST_TTL_S
        self._problem = None
        return _Outcome.HELD, waiting

    def _report_holder(self, body: str) -> None:
        holder = _describe(body)
        self._problem = (
            f"{self._claim.host} is the name of another prober, {holder}; this one waits until that one "
            "ends. Give each prober a host name of its own"
        )
        self._metrics.host_name_conflict(True)
        self._log_once("another prober holds this host's name; waiting until it ends", holder=holder)

    def _report_waiting(self, body: str) -> None:
        self._metrics.host_name_conflict(bool(body))
        if body:
            self._log_once("another prober waits for this host's name", waiting=_describe(body))
        else:
            self._logged = ""

    def _log_once(self, event: str, **fields: str) -> None:
        """Log a warning unless the last one was the same."""
        if self._logged != f"{event} {fields}":
            self._logged = f"{event} {fields}"
            tell(log, event, level="warning", content="", **fields)

    def _waiting_claim(self) -> str:
        return json.dumps(self._claim.model_copy(update={"since_ms": time_ms(self._client)}).to_wire())

    def _withdraw(self, waiting: str) -> None:
        if not waiting:
            return
        try:
            delete_if_equal(self._client, self._waiting_key, waiting)
        except redis.RedisError as error:
            log.warning("the record of waiting is not deleted; it expires", error=str(error))

    def _release(self) -> None:
        with self._mutex:
            self._given_up, self._held_until = True, float("-inf")
            try:
                delete_if_equal(self._client, self._key, self._value)
            except redis.RedisError as error:
                log.warning("the host's name is not given back; it expires", error=str(error))


def _describe(body: str) -> str:
    """Return which prober a claim is of, and since when; what is no claim is described as such."""
    try:
        claim = HostClaim.from_wire(body)
    except MessageRefused as error:
        return f"unknown ({error})"
    return f"{claim}, since {format_time(claim.since_ms)}"
