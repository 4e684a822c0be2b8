"""Harvester's network controller, as far as it writes networks, without threads and without a clock.

Time is an argument, in seconds of any monotonic clock; what takes time is finished by `advance`. It does what
the real one was observed to do, even where that is wrong.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from lab.harvester.access import Key, Networks, Seen, key_of
from lab.harvester.fabric import Fabric, SegmentKey
from lab.harvester.layer3 import Layer3, route_of, with_route
from lab.harvester.pace import Pace
from lab.kube.errors import ApiError
from lab.kube.harvester import Config, config_text, parse_config
from lab.kube.jsontypes import JsonObject, clone_object, metadata

FINALIZER = "wrangler.cattle.io/harvester-network-manager-nad-controller"
CONNECTIVITY = {True: "true", False: "false"}


@dataclass(frozen=True, slots=True)
class Job:
    """A DHCP client for one network; it stays when it is done, and prevents another one while it exists."""

    number: int
    segment: SegmentKey
    server: str


@dataclass(slots=True)
class Counters:
    """What the controller did; its writes are in the API server's own record."""

    jobs: int = 0
    pings: int = 0
    """Pings that occupied a worker; the tick's do not."""
    ticks: int = 0
    lost_replies: int = 0
    """Answering gateways that a tick called silent."""
    failed_writes: int = 0


class Manager:
    """The controller's main loop in steps: `observe` a watch event, `advance` the time, `tick`."""

    def __init__(
        self, networks: Networks, fabric: Fabric, *, pace: Pace, seed: int = 0, now: float = 0.0
    ) -> None:
        self.counters = Counters()
        self._networks = networks
        self._fabric = fabric
        self._pace = pace
        self._random = random.Random(seed)
        self._cache: dict[Key, JsonObject] = {}
        self._queue: deque[Key] = deque()
        self._in_hand: set[Key] = set()
        self._again: set[Key] = set()
        self._jobs: dict[Key, Job] = {}
        self._gateways: dict[Key, str] = {}
        self._due: list[tuple[float, int, Callable[[float], None]]] = []
        self._number = itertools.count(1)
        self._tick_at = now + pace.tick_s

    @property
    def busy_workers(self) -> int:
        """Return the number of workers that a ping occupies."""
        return len(self._in_hand)

    @property
    def known(self) -> int:
        """Return the number of networks whose gateways the tick pings."""
        return len(self._gateways)

    def observe(self, seen: Seen) -> None:
        """Take a watch event of a network; a free worker will process it."""
        key = key_of(seen.body)
        if seen.gone:
            self._cache.pop(key, None)
            self._forget(key)
            return
        self._cache[key] = seen.body
        self._enqueue(key)

    def advance(self, now: float) -> float:
        """Finish what is due, and start work for free workers; return when the next thing is due."""
        while True:
            while self._due and self._due[0][0] <= now:
                due, _, finish = heapq.heappop(self._due)
                finish(due)
            if self._tick_at <= now:
                self.tick(now)
                self._tick_at = now + self._pace.tick_s
            if not self._queue or len(self._in_hand) >= self._pace.workers:
                break
            self._look(self._queue.popleft(), now)
        soonest = self._due[0][0] if self._due else self._tick_at
        return min(soonest, self._tick_at)

    def tick(self, now: float) -> None:
        """Ping all known gateways at once, then write every result that differs from the annotation."""
        self.counters.ticks += 1
        crowded = len(self._gateways) >= self._pace.crowd
        for key, gateway in sorted(self._gateways.items()):
            answers = self._fabric.is_routed(gateway)
            if answers is None:
                continue
            if answers and crowded and self._random.random() < self._pace.crowd_loss:
                self.counters.lost_replies += 1
                answers = False
            self._after(now + self._ping_s(answers), self._tick_result(key, answers))

    def _look(self, key: Key, now: float) -> None:
        """Process one network in a worker."""
        body = self._cache.get(key)
        if body is None:
            return
        if "deletionTimestamp" in metadata(body):
            self._forget(key)
            self._write(_without_finalizer(body))
            return
        if FINALIZER not in _finalizers(body):
            self._write(_with_finalizer(body))
            return
        try:
            config, route = parse_config(config_text(body)), route_of(body)
        except ValueError:
            return
        if config.type == "kube-ovn":
            return
        if not config.vlan:
            self._forget(key)
        elif route is not None:
            self._ensure(key, body, config, route, now)

    def _ensure(self, key: Key, body: JsonObject, config: Config, route: Layer3, now: float) -> None:
        segment = (config.cluster_network, config.vlan)
        job = self._jobs.get(key)
        if route.mode != "auto" or (job is not None and (job.segment, job.server) != (segment, route.server)):
            self._forget(key)
        if route.cidr and route.gateway and not route.outdated:
            if not route.connectivity:
                self._ping(key, body, route, now)
            self._gateways[key] = route.gateway
        elif route.mode == "auto" and key not in self._jobs:
            self._start_job(key, segment, route.server, now)

    def _ping(self, key: Key, body: JsonObject, route: Layer3, now: float) -> None:
        answers = self._fabric.is_routed(route.gateway)
        if answers is None:
            return
        self.counters.pings += 1
        self._in_hand.add(key)

        def finish(_at: float) -> None:
            self._in_hand.discard(key)
            # With the version that was read before the ping: a write in between wins.
            self._write(with_route(body, replace(route, connectivity=CONNECTIVITY[answers]).dump()))
            if key in self._again:
                self._again.discard(key)
                self._enqueue(key)

        self._after(now + self._ping_s(answers), finish)

    def _tick_result(self, key: Key, answers: bool) -> Callable[[float], None]:
        def finish(_at: float) -> None:
            body = self._cache.get(key)
            if body is None:
                return
            try:
                route = route_of(body) or Layer3()
            except ValueError:
                return
            if route.connectivity != CONNECTIVITY[answers]:
                self._write(with_route(body, replace(route, connectivity=CONNECTIVITY[answers]).dump()))

        return finish

    def _start_job(self, key: Key, segment: SegmentKey, server: str, now: float) -> None:
        self.counters.jobs += 1
        job = self._jobs[key] = Job(next(self._number), segment, server)
        lease = self._fabric.lease(segment)

        def finish(_at: float) -> None:
            if self._jobs.get(key) is not job:
                return
            found = Layer3(mode="auto", server=server, connectivity="DHCP failed")
            if lease is not None:
                cidr, gateway = lease.recorded
                found = replace(found, cidr=cidr, gateway=gateway, connectivity="")
            try:
                # With the newest version and the whole route: a user's change in between is overwritten.
                self._write(with_route(self._networks.get(key), found.dump()))
            except ApiError:
                self.counters.failed_writes += 1

        self._after(now + (self._pace.no_offer_s if lease is None else self._pace.offer_s), finish)

    def _write(self, body: JsonObject) -> None:
        """Write a network; refusals and conflicts are logged and forgotten: the next event retries."""
        try:
            self._networks.update(body)
        except (ApiError, OSError):
            self.counters.failed_writes += 1

    def _enqueue(self, key: Key) -> None:
        if key in self._in_hand:
            self._again.add(key)
        elif key not in self._queue:
            self._queue.append(key)

    def _forget(self, key: Key) -> None:
        self._jobs.pop(key, None)
        self._gateways.pop(key, None)

    def _after(self, at: float, finish: Callable[[float], None]) -> None:
        heapq.heappush(self._due, (at, next(self._number), finish))

    def _ping_s(self, answers: bool) -> float:
        return self._pace.ping_s if answers else self._pace.silent_ping_s


def _finalizers(body: JsonObject) -> list[str]:
    given = metadata(body).get("finalizers")
    return [item for item in given if isinstance(item, str)] if isinstance(given, list) else []


def _with_finalizer(body: JsonObject) -> JsonObject:
    copy = clone_object(body)
    metadata(copy)["finalizers"] = [*_finalizers(body), FINALIZER]
    return copy


def _without_finalizer(body: JsonObject) -> JsonObject:
    copy = clone_object(body)
    metadata(copy)["finalizers"] = [item for item in _finalizers(body) if item != FINALIZER]
    return copy
