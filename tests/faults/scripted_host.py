"""A host of the whole system that answers by script, through whatever happens to Redis."""

import json
from collections import Counter

import redis
from celery import Celery
from kombu.exceptions import OperationalError
from redis import Redis

from lab.harvester import Fabric
from services.contract.messages import HostAnnouncement, Segment, SegmentProbe, Verdict
from services.contract.names import HOST_TTL_S, host_key, probe_queue
from tests.support.scripted_prober import LOOK_S, ScriptedProber


class Host(ScriptedProber):
    """A host that announces itself again where Redis has lost that, and outlives a Redis that is away."""

    def __init__(self, client: Redis, app: Celery, fabric: Fabric, host: str) -> None:
        super().__init__(client, app, fabric, host)
        self.name = host
        self.checks: Counter[int] = Counter()
        """How often it was asked to check each VLAN."""
        self.is_silent = False
        """Whether it leaves its requests in the queue."""

    def _find(self, segment: Segment, probe: SegmentProbe, request_id: str) -> Verdict:
        self.checks[segment.vlan] += 1
        return super()._find(segment, probe, request_id)

    def _run(self) -> None:
        said = HostAnnouncement(host=self._host, uplinks={"extra": "extra-bo"}, version="1", incarnation=1)
        while not self._over.is_set():
            try:
                self._client.set(host_key(self._host), json.dumps(said.to_wire()), ex=HOST_TTL_S)
                if self.is_silent:
                    self._over.wait(LOOK_S)
                    continue
                popped = self._client.brpop([probe_queue(self._host)], timeout=LOOK_S)
                if isinstance(popped, (list, tuple)):
                    self._answer(str(popped[1]))
            except (redis.RedisError, OperationalError):
                self._over.wait(LOOK_S)
