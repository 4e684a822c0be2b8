"""A store with Harvester's webhook, its controller in simulated time, and a scripted site."""

from __future__ import annotations

import json

from lab.harvester import Fabric, Lease, Manager, Pace, StoreNetworks
from lab.harvester.access import Key
from lab.kube.columns import ROUTE_ANNOTATION
from lab.kube.harvester import HarvesterAdmission, route_text
from lab.kube.jsontypes import JsonObject, metadata
from lab.kube.objects import Actor
from lab.kube.resources import NADS
from lab.kube.store import Store
from lab.kube.writes import WriteRecord

HARVESTER = Actor(user="harvester", agent="harvester")
OURS = Actor(user="nadroute", agent="nadroute")
GATEWAY = "10.80.0.1"
SUBNET = "10.80.0.0/24"
LEASE = Lease.of("10.80.0.50/24", GATEWAY)
SEGMENT = ("extra", 80)
KEY = ("default", "net")


class World:
    """One cluster without HTTP, and its controller."""

    def __init__(self, *, pace: Pace | None = None, seed: int = 0) -> None:
        self.now = 0.0
        self.admission = HarvesterAdmission()
        self.store = Store(admission=self.admission)
        self.fabric = Fabric()
        self.networks = StoreNetworks(self.store, actor=HARVESTER)
        self.manager = Manager(self.networks, self.fabric, pace=pace or Pace(), seed=seed)

    def create(self, route: str | None = None, *, name: str = "net", vlan: int = 80) -> None:
        """Create a network as a user would."""
        annotations: JsonObject = {} if route is None else {ROUTE_ANNOTATION: route}
        config = json.dumps({"type": "bridge", "bridge": "extra-br", "vlan": vlan})
        body: JsonObject = {
            "metadata": {"name": name, "annotations": annotations},
            "spec": {"config": config},
        }
        self.store.create(NADS, "default", body)

    def write(self, route: str, *, name: str = "net", **others: str) -> None:
        """Set the route and other annotations as another writer."""

        def edit(body: JsonObject) -> JsonObject:
            annotations = metadata(body).setdefault("annotations", {})
            assert isinstance(annotations, dict)
            annotations.update({ROUTE_ANNOTATION: route, **others})
            return body

        self.store.change(NADS, "default", name, edit, actor=OURS)

    def run(self, seconds: float) -> None:
        """Let time pass; every write is seen at once."""
        end = self.now + seconds
        while True:
            due = self.manager.advance(self.now)
            if news := self.networks.drain():
                for seen in news:
                    self.manager.observe(seen)
                continue
            if due > end:
                break
            self.now = due
        self.now = end

    def route(self, name: str = "net") -> str:
        """Return the present route annotation."""
        return route_text(self.store.get(NADS, "default", name).body)

    def body(self, key: Key = KEY) -> JsonObject:
        """Return the present network."""
        return self.store.get(NADS, *key).copy()

    def writes(self, name: str = "net") -> list[WriteRecord]:
        """Return Harvester's writes to a network's route, refused or not, without finalizer and labels."""
        return [
            record
            for record in self.store.writes.all()
            if record.user == HARVESTER.user
            and record.name == name
            and (record.after is None or record.before is None or _route_differs(record))
        ]


def _route_differs(record: WriteRecord) -> bool:
    assert record.before is not None
    assert record.after is not None
    return route_text(record.before) != route_text(record.after)
