"""A site in simulated time: the watcher's schedule, the updater, and all other writers of networks. Schedule,
reduction, decisions and writes are real; a store with Harvester's webhook replaces the API server, a script
the probers. A day takes seconds."""

import heapq
import itertools
import json
import random
from collections.abc import Callable, Iterable
from functools import partial

from prometheus_client import CollectorRegistry

from lab.harvester import Fabric, HarvesterUi, Manager, Pace, StoreNetworks, Terraform
from lab.harvester.access import Seen
from lab.kube.columns import ROUTE_ANNOTATION
from lab.kube.harvester import HarvesterAdmission
from lab.kube.jsontypes import JsonObject, metadata
from lab.kube.objects import Actor
from lab.kube.resources import NADS
from lab.kube.store import Store
from services.contract.doubts import Doubt
from services.contract.messages import HostAnnouncement
from services.contract.reports import Report
from services.network.parse.nad import Network
from services.updater.metrics import UpdaterMetrics
from services.updater.service import Updater
from services.updater.settings import UpdaterSettings
from services.watcher.limits.pace import Pace as ProbePace
from services.watcher.plan.host_probe import HostProbe
from services.watcher.plan.schedule import Schedule
from tests.support.manual_clock import ManualClock
from tests.support.scripted_prober import find
from tests.support.simulated_parts import EveryHost, MemoryMemories, MemoryStore, StoreWriter

NAMESPACE = "default"
USER = Actor(user="user", agent="kubectl")
LONGEST_STEP_S = 60.0
RETRY_S = 60.0


class SimulatedSite:
    """The site and its clock; see the module's docstring."""

    def __init__(
        self,
        *,
        hosts: tuple[str, ...] = ("node1", "node2"),
        pace: Pace = Pace(),  # noqa: B008 - frozen
        seed: int = 0,
        with_harvester: bool = True,
        **settings: object,
    ) -> None:
        """settings: of the updater. with_harvester: whether Harvester's controller runs."""
        chance = random.Random(seed)
        self.clock = ManualClock(0.0, on_wait="return")
        self.admission = HarvesterAdmission(cluster_networks=frozenset({"extra"}))
        self.store = Store(
            admission=self.admission, now=self.clock.now, monotonic=self.clock.monotonic, window=100_000
        )
        self.fabric = Fabric()
        self.writer = StoreWriter(self.store)
        self.verdicts = MemoryStore(self.clock)
        self.with_harvester = with_harvester
        networks = StoreNetworks(self.store)
        self.manager = Manager(networks, self.fabric, pace=pace, seed=seed)
        people = StoreNetworks(self.store, actor=USER)
        self.ui, self.terraform = HarvesterUi(people), Terraform(people)
        self._feed = networks
        given = UpdaterSettings.load(**settings)
        self._schedule = Schedule(
            pace=ProbePace(sweep_s=given.sweep_interval_s, retry_s=RETRY_S),
            random=chance.random,
            policy=given.policy,
        )
        announced = [
            HostAnnouncement(host=host, uplinks={"extra": "extra-bo"}, version="1", incarnation=1)
            for host in hosts
        ]
        self._schedule.set_hosts(announced, 0.0)
        self._updater = Updater(
            self.writer,
            self.verdicts,
            EveryHost(frozenset(hosts)),
            MemoryMemories(self.clock),
            self,
            self.clock,
            given,
            is_paused=lambda: False,
            random=chance.random,
            metrics=UpdaterMetrics(CollectorRegistry()),
        )
        self._chance = chance
        self._counter = itertools.count(1)
        self._later: list[tuple[float, int, Callable[[], None]]] = []

    def create(self, name: str, *, vlan: int, route: str | None = None, **annotations: str) -> None:
        """Create a VM network as its owner does."""
        given: JsonObject = {**annotations, **({} if route is None else {ROUTE_ANNOTATION: route})}
        config = json.dumps({"cniVersion": "0.3.1", "type": "bridge", "bridge": "extra-br", "vlan": vlan})
        body: JsonObject = {"metadata": {"name": name, "annotations": given}, "spec": {"config": config}}
        self.store.create(NADS, NAMESPACE, body, actor=USER)

    def get(self, name: str) -> Network:
        """Return a network as it is now."""
        return Network.from_object(self.store.get(NADS, NAMESPACE, name).body)

    def annotate(self, name: str, key: str, value: str | None) -> None:
        """Set or remove an annotation, like `kubectl annotate`."""

        def edit(body: JsonObject) -> JsonObject:
            annotations = metadata(body).setdefault("annotations", {})
            assert isinstance(annotations, dict)
            annotations.pop(key, None)
            if value is not None:
                annotations[key] = value
            return body

        self.store.change(NADS, NAMESPACE, name, edit, actor=USER)

    def at(self, seconds: float, what: Callable[[], None]) -> None:
        """Schedule an action for this time of the clock."""
        heapq.heappush(self._later, (seconds, next(self._counter), what))

    def run(self, seconds: float) -> None:
        """Advance the time by this many seconds."""
        end = self.clock.seconds + seconds
        while True:
            now = self.clock.seconds
            while self._later and self._later[0][0] <= now:
                heapq.heappop(self._later)[2]()
            due = self._settle(now)
            if due > end:
                break
            # At least a little further, so that time always passes.
            self.clock.seconds = max(due, now + 0.001)
        self.clock.seconds = end

    def publish(self, doubts: Iterable[Doubt]) -> None:
        """Implement the updater's DoubtLog: the watcher reads it at once."""
        self._schedule.doubt(doubts, self.clock.seconds)

    def _settle(self, now: float) -> float:
        """Do everything that is due now; return when the next action is due."""
        busy = True
        due = now
        while busy:
            due = self.manager.advance(now) if self.with_harvester else now + LONGEST_STEP_S
            news = self._feed.drain()
            for change in news:
                self._notify(change, now)
            self._updater.tick()
            self._updater.review_due()
            wrote = False
            while self._updater.write_due():
                wrote = True
            self._probe(now)
            busy = bool(news) or wrote
        upcoming = [due, now + LONGEST_STEP_S, self._schedule.next_due()]
        if (write_in_s := self._updater._queue._next_due_s()) is not None:
            upcoming.append(now + write_in_s)
        if self._later:
            upcoming.append(self._later[0][0])
        return min(upcoming)

    def _notify(self, change: Seen, now: float) -> None:
        if self.with_harvester:
            self.manager.observe(change)
        network = Network.from_object(change.body)
        if change.gone:
            self._schedule.delete(network.uid, now)
            self._updater.deleted(network.uid)
        else:
            self._schedule.upsert(network, now)
            self._updater.upserted(network)

    def _probe(self, now: float) -> None:
        for due in self._schedule.due(now):
            # Three probes of a silent gateway or an offer take a second or two.
            self.at(now + 0.5 + 2.0 * self._chance.random(), partial(self._answer, due))

    def _answer(self, due: HostProbe) -> None:
        verdict = find(self.fabric, due.host, due.segment, due.probe, counter=next(self._counter))
        self._updater.take_report(Report(host=due.host, verdicts=(verdict,)))
