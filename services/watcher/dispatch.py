"""Sending due probes, except those that are outstanding already, and asks of DHCP that were answered.

A key in Redis names the outstanding request for a segment on a host. The prober deletes it after its report;
it expires when the request is too old to be served. What the request contains is remembered only here, so
after a restart everything is sent once more, which is harmless. Another key says that the host has received
an offer since it was asked last. So DHCP is not asked again only because that is not told yet.
"""

import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import redis
import structlog
from celery import Celery

from services.contract.errors import NadrouteError
from services.contract.messages import ProbeRequest, Segment, SegmentProbe
from services.contract.names import (
    PAUSED_KEY,
    SENDING_KEY,
    SENDING_TTL_S,
    offered_key,
    outstanding_key,
    outstanding_keys,
)
from services.contract.sending import MAX_SLOWER, SendingMark
from services.runtime.connection.redis_client import milliseconds
from services.runtime.process.clock import Clock
from services.runtime.stored.guarded_redis import set_aside
from services.watcher.plan.host_probe import HostProbe
from services.watcher.requests import NotSent, build_requests, send_requests

MAX_AGE_S = 60.0
MAX_ID_CHARACTERS = 64
"""Of a request's id."""

# The keys differ by their VLAN alone, which is at their end: they are made in Redis, since the client takes
# longer to send each than for all else that a probe takes. So each script looks itself at what it finds.
_LOOK = f"""
local found, at = {{}}, 0
for vlan in string.gmatch(ARGV[2], '%d+') do
  at = at + 1
  local id = redis.pcall('GETRANGE', ARGV[1] .. vlan, 0, {MAX_ID_CHARACTERS})
  if id ~= '' then
    found[#found + 1] = at
    found[#found + 1] = type(id) == 'string' and #id <= {MAX_ID_CHARACTERS} and id or ''
  end
end
return found
"""
_MARK = """
for vlan in string.gmatch(ARGV[2], '%d+') do
  redis.call('SET', ARGV[1] .. vlan, ARGV[3], 'PX', ARGV[4])
end
"""

log = structlog.get_logger(__name__)


class Paused(NadrouteError):
    """An operator paused all probing; nothing was sent."""


@dataclass(frozen=True)
class _Outstanding:
    """What was sent to a host for a segment, until the prober has reported."""

    request_id: str
    probe: SegmentProbe
    until: float


@dataclass(frozen=True)
class Dispatched:
    """Due probes after dispatch: the requests sent, and the number covered by outstanding ones."""

    requests: tuple[ProbeRequest, ...]
    covered: int
    answered: tuple[Segment, ...] = ()
    """Where DHCP was not asked again, since a host has received an offer."""


class Dispatcher:
    """Sends probes to hosts. Not thread-safe."""

    def __init__(
        self,
        app: Celery,
        client: redis.Redis,
        *,
        clock: Clock,
        sweep_s: float,
        max_age_s: float = MAX_AGE_S,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        """sweep_s: see SendingMark. max_age_s: age at which a prober drops a request."""
        self._app = app
        self._client = client
        self._clock = clock
        self._max_age_ms = round(max_age_s * 1000)
        self._new_id = new_id
        self._sending = SendingMark(sweep_interval_s=sweep_s)
        # In the order of sending. To find the oldest of a dict takes longer the more were deleted.
        self._outstanding: OrderedDict[tuple[str, Segment], _Outstanding] = OrderedDict()

    def dispatch(self, probes: Sequence[HostProbe]) -> Dispatched:
        """Send the probes that are not outstanding. Raise Paused or NotSent: then all are still due."""
        try:
            probes, answered = self._without_answered(probes)
            holders, now_ms = self._look(probes)
            wanted = [p for p, holder in zip(probes, holders, strict=True) if not self._covers(p, holder)]
            requests = build_requests(
                wanted, sent_at_ms=now_ms, max_age_ms=self._max_age_ms, new_id=self._new_id
            )
            # Before the request, so that even a quick prober finds the key that it deletes.
            self._mark(requests)
        except redis.RedisError as error:
            raise NotSent(f"{type(error).__name__}: {error}") from error
        send_requests(self._app, requests)
        self._remember(requests)
        return Dispatched(tuple(requests), len(probes) - len(wanted), answered)

    def mark_sending(self, intervals_s: Mapping[str, float], pace: float) -> None:
        """Renew the mark that what is due is sent. Where Redis refuses writes nothing is, and it expires.

        intervals_s: how often each cluster network is swept. pace: see SendingMark.
        """
        slower_s = {name: s for name, s in intervals_s.items() if s > self._sending.sweep_interval_s}
        first = dict(sorted(slower_s.items())[:MAX_SLOWER])
        mark = self._sending.model_copy(update={"slower_s": first, "pace": pace})
        try:
            self._client.set(SENDING_KEY, mark.model_dump_json(), ex=SENDING_TTL_S)
        except redis.RedisError as error:
            # What cannot be sent either is logged by the sender.
            log.debug("sending not marked", error=str(error))

    def forget_all(self) -> None:
        """Forget all outstanding requests: Redis lost its data."""
        self._outstanding.clear()

    def forget_host(self, host: str) -> None:
        """Forget a host's outstanding requests: it restarted and may have lost them."""
        for key in [key for key in self._outstanding if key[0] == host]:
            del self._outstanding[key]

    def _without_answered(
        self, probes: Sequence[HostProbe]
    ) -> tuple[Sequence[HostProbe], tuple[Segment, ...]]:
        """Return the probes without asks that are answered already, and the segments of these."""
        repeats = [(probe.segment, host) for probe in probes for host in probe.repeats]
        if not repeats:
            return probes, ()
        offers = cast("list[object]", self._client.mget([offered_key(host, at) for at, host in repeats]))
        answered = {at for (at, _), offer in zip(repeats, offers, strict=True) if offer is not None}
        left = [p.without_dhcp() if p.repeats and p.segment in answered else p for p in probes]
        return [probe for probe in left if probe is not None], tuple(answered)

    def _look(self, probes: Sequence[HostProbe]) -> tuple[list[str | None], int]:
        """Return for each probe the id of the outstanding request on its host and segment, and Redis' time.

        Raise Paused.
        """
        if not probes:
            return [], 0
        groups: dict[str, list[int]] = {}
        for at, probe in enumerate(probes):
            groups.setdefault(outstanding_keys(probe.host, probe.segment.cluster_network), []).append(at)
        with self._client.pipeline(transaction=False) as pipe:
            pipe.exists(PAUSED_KEY)
            pipe.time()
            for keys, places in groups.items():
                pipe.eval(_LOOK, 0, keys, _listed(probes[at].segment.vlan for at in places))
            paused, now, *found = pipe.execute()
        if paused:
            raise Paused(f"{PAUSED_KEY} is set")
        holders: list[str | None] = [None] * len(probes)
        for places, answer in zip(groups.values(), cast("list[list[Any]]", found), strict=True):
            for number, holder in zip(answer[::2], answer[1::2], strict=True):
                at = places[number - 1]
                holders[at] = holder or None
                if not holder:
                    key = outstanding_key(probes[at].host, probes[at].segment)
                    set_aside(self._client, key, "expected the id of a request")
        return holders, milliseconds(now)

    def _covers(self, probe: HostProbe, holder: str | None) -> bool:
        """Return whether the outstanding request (its id: holder) includes this probe."""
        known = self._outstanding.get((probe.host, probe.segment))
        return (
            known is not None
            and known.request_id == holder
            and known.until > self._clock.monotonic()
            and known.probe.targets == probe.probe.targets
            and (known.probe.ask_dhcp or not probe.probe.ask_dhcp)
        )

    def _mark(self, requests: Sequence[ProbeRequest]) -> None:
        with self._client.pipeline(transaction=False) as pipe:
            for request in requests:
                keys = outstanding_keys(request.host, request.cluster_network)
                vlans = _listed(probe.vlan for probe in request.segments)
                pipe.eval(_MARK, 0, keys, vlans, request.id, self._max_age_ms)
                if asked := [
                    s for s, p in zip(request.probed(), request.segments, strict=True) if p.ask_dhcp
                ]:
                    # An offer from before says nothing of this ask.
                    pipe.delete(*(offered_key(request.host, segment) for segment in asked))
            pipe.execute()

    def _remember(self, requests: Sequence[ProbeRequest]) -> None:
        now = self._clock.monotonic()
        while self._outstanding and next(iter(self._outstanding.values())).until <= now:
            self._outstanding.popitem(last=False)
        until = now + self._max_age_ms / 1000
        for request in requests:
            for segment, probe in zip(request.probed(), request.segments, strict=True):
                self._outstanding.pop((request.host, segment), None)
                self._outstanding[request.host, segment] = _Outstanding(request.id, probe, until)


def _listed(vlans: Iterable[int]) -> str:
    return " ".join(map(str, vlans))
