"""What is true of each network, and the invariants of docs/faults.md, read from the record of writes."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from lab.kube.resources import NADS
from lab.kube.writes import WriteRecord
from services.network.parse.nad import Network
from tests.support.shared_networks import route_of, state_of
from tests.support.write_history import by_us, committed, trespasses


@dataclass
class Truth:
    """What each network's annotations should say, and how often that has changed."""

    states: dict[str, str] = field(default_factory=dict)
    owners: dict[str, Mapping[str, object]] = field(default_factory=dict)
    """The fields of the route annotation that its owner has set."""
    changes: Counter[str] = field(default_factory=Counter)

    def becomes(self, name: str, state: str, *, owner: Mapping[str, object] | None = None) -> None:
        """Note what is true from now on. owner: what its owner has written."""
        self.states[name] = state
        self.changes[name] += 1
        if owner is not None:
            self.owners[name] = owner

    def forget(self, name: str) -> None:
        """Note that the network is gone."""
        del self.states[name]
        self.owners.pop(name, None)

    def false(self, networks: Mapping[str, Network]) -> list[str]:
        """Return how the networks differ from the truth, as text (I1)."""
        found = [f"{name} is there" for name in sorted(networks.keys() - self.states.keys())]
        for name, state in self.states.items():
            network = networks.get(name)
            if network is None:
                found.append(f"{name} is missing")
                continue
            route, told = route_of(network), state_of(network)
            if told != state:
                found.append(f"{name} is {told!r}, expected {state!r}")
            elif state in _CONNECTIVITY and route.get("connectivity") != _CONNECTIVITY[state]:
                found.append(f"{name}: {route}")
            if not self.owners.get(name, {}).items() <= route.items():
                found.append(f"{name} lacks what its owner wrote: {route}")
        return found


_CONNECTIVITY = {"Active": "true", "Unreachable": "false"}


def broken(records: Sequence[WriteRecord], truth: Truth, before: Mapping[str, int]) -> list[str]:
    """Return what these writes break of I2, I3 and I4, as text.

    records: all writes since the fault began, by everybody. before: the truth's changes until then.
    """
    ours = committed(by_us(records))
    found = [f"I2: {record.name}: {what}" for record in ours for what in trespasses(record)]
    found += _reverted(records)
    found += _strays(records)
    written = Counter(record.name for record in ours)
    for name, count in written.items():
        allowed = truth.changes[name] - before.get(name, 0) + 1
        if count > allowed:
            found.append(f"I4: {name}: {count} writes, expected at most {allowed}: {_told(ours, name)}")
    return found


def _reverted(records: Iterable[WriteRecord]) -> list[str]:
    """Return the owners' fields that a later version of the object lacks."""
    found, theirs = [], defaultdict[str, dict[str, object]](dict)
    for record in records:
        if record.resource != NADS.plural or not record.changed or record.after is None:
            continue
        route = route_of(Network.from_object(record.after))
        if not record.user_agent.startswith("nadroute"):
            theirs[record.name] = {key: route[key] for key in ("mode", "serverIPAddr") if key in route}
            if route.get("mode") == "manual":
                theirs[record.name] |= {key: route[key] for key in ("cidr", "gateway") if key in route}
        elif not theirs[record.name].items() <= route.items():
            found.append(f"I2: {record.name}: {route} after {theirs[record.name]}")
    return found


def _strays(records: Iterable[WriteRecord]) -> list[str]:
    """Return our writes to what was deleted, or to another object of the same name (I3)."""
    uids: dict[str, str] = {}
    found = []
    for record in records:
        if record.resource != NADS.plural or not record.changed:
            continue
        if record.verb == "create":
            uids[record.name] = record.uid
        elif record.verb == "delete":
            uids[record.name] = ""
        elif record.user_agent.startswith("nadroute") and uids.get(record.name, record.uid) != record.uid:
            found.append(f"I3: {record.name}: written as {record.uid}")
    return found


def _told(records: Iterable[WriteRecord], name: str) -> list[str]:
    bodies = [record.after for record in records if record.name == name and record.after is not None]
    return [json.dumps(dict(Network.from_object(body).annotations)) for body in bodies]
