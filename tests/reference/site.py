"""A site that the histories happen to: hosts, VLANs, networks and their writers, and the real updater on it.

Each step is a method; a step that cannot happen now changes nothing, so that any part of a history can be
left out. Time passes only in `wait`.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import redis
from pydantic import SecretStr

from services.cluster.errors import Unavailable
from services.contract.limits import REPORT_WITHIN_S
from services.contract.messages import HostAnnouncement
from services.contract.names import (
    HOST_RENEWAL_S,
    HOST_TTL_S,
    PAUSED_KEY,
    SENDING_KEY,
    SENDING_TTL_S,
    host_key,
)
from services.network.parse import nad
from services.network.parse.intent import Intent, read_intent
from services.network.parse.nad import Network, NetworkRef
from services.network.write.supposing import as_if_written
from services.updater.settings import UpdaterSettings
from tests.reference.ground import HOSTS, Host, Vlan, find, rewritten
from tests.reference.memory_redis import MakeRedis, MemoryMemories, in_memory
from tests.support.manual_clock import ManualClock
from tests.support.reporting import Reporting, Sent
from tests.support.simulated_updater import start_updater
from tests.unit.network.builders import config, network
from tests.unit.updater.fakes import FakeCluster, FakeDoubtLog
from tests.unit.updater.world import JudgedCluster

FRESH_S = 120.0
VLANS = (100, 200)
TICK_S = 5.0


class Cluster(JudgedCluster):
    """An API server that may be away."""

    is_away = False

    def annotate(self, network: Network, annotations: Mapping[str, str | None]) -> Network:
        if self.is_away:
            raise Unavailable("away")
        if intent_of(network) is None:
            # That it is not probed is told whatever Harvester does meanwhile.
            return FakeCluster.annotate(self, network, annotations)
        return super().annotate(network, annotations)

    def get_network(self, ref: NetworkRef) -> Network:
        if self.is_away:
            raise Unavailable("away")
        return super().get_network(ref)


def intent_of(present: Network) -> Intent | None:
    """Return the network's intent; None where it is not probed."""
    found = read_intent(present)
    return found if isinstance(found, Intent) else None


class Site:
    """Everything, from the first network on."""

    def __init__(
        self,
        hosts: int,
        routes: tuple[tuple[int, str], ...],
        make_redis: MakeRedis = in_memory,
        *,
        active_when: str = "routed",
        slowest_s: float = REPORT_WITHIN_S,
    ) -> None:
        """routes: VLAN and kind of each network: new, auto or manual. slowest_s: pace of the first host."""
        self._active_when = active_when
        self.clock = ManualClock(1_000_000.0, on_wait="return")
        self.redis, self.verdicts = make_redis(self.clock)
        self.memories = MemoryMemories(self.redis)
        self.vlans = {number: Vlan(number) for number in VLANS}
        self.hosts = {name: Host(name) for name in HOSTS[:hosts]}
        self.hosts[HOSTS[0]].report_within_s = slowest_s
        self.has_watcher = True
        self.is_paused = False
        self.reporting = Reporting()
        self.late: list[Sent] = []
        self.reporters: list[tuple[str, int]] = []
        """Host and incarnation of each report that the updater was given."""
        self.is_watch_late = False
        self._events: list[Callable[[], None]] = []
        """What the watch has not reported yet."""
        self._renewed_at = float("-inf")
        self._uids = 0
        made = [self._make(f"net{index}", vlan, kind) for index, (vlan, kind) in enumerate(routes)]
        self.refs = tuple(each.ref for each in made)
        self.cluster = Cluster(*made)
        self.start()
        self._beat()

    def start(self) -> None:
        """Start an updater in place of the present one; it lists once the API server is there."""
        self.has_listed = not self.cluster.is_away
        self._events.clear()
        self.updater = start_updater(
            self.cluster,
            self.redis,
            self.verdicts,
            self.memories,
            FakeDoubtLog(),
            self.clock,
            UpdaterSettings(
                redis_url=SecretStr("unix:///nowhere"),
                kubeconfig=Path("/nowhere"),
                active_when=self._active_when,
                sweep_interval_s=FRESH_S / 2,
            ),
            listed=self.cluster.objects.values() if self.has_listed else (),
            random=lambda: 0.5,
        )

    def look(self) -> bool:
        """Let the updater review and write; return whether it could see anything."""
        try:
            self.updater.review_due()
        except redis.RedisError:
            return False
        for _ in range(20):
            if not self.updater.write_due():
                return not self.is_paused
        raise AssertionError("it writes without end")

    def network_at(self, index: int) -> Network:
        """Return this network as it stands."""
        return self.cluster.objects[self.refs[index % len(self.refs)]]

    def known(self) -> Mapping[str, Network]:
        """Return what the updater knows of the networks, by uid; it may be behind."""
        return {present.uid: present for present in self.updater.networks()}

    def announced(self) -> Mapping[str, HostAnnouncement]:
        """Return what hosts announce now, by their names."""
        found = {name: self.redis.get(host_key(name)) for name in self.hosts}
        return {name: HostAnnouncement.from_wire(said) for name, said in found.items() if said is not None}

    # Steps.

    def wait(self, seconds: int) -> None:
        """Let time pass, with what happens by itself meanwhile."""
        left = float(seconds)
        while left > 0:
            self.clock.seconds += min(TICK_S, left)
            left -= TICK_S
            self._beat()

    def probe(self, host: str, vlan: int, ask: bool, quality: str, delivery: str) -> None:
        """Report what a host finds: the truth, or as much of it as the quality allows."""
        prober = self.hosts.get(host)
        if prober is None or not prober.is_up:
            return
        intents = [intent for network in self._planned() if (intent := intent_of(network))]
        made = find(prober, self.vlans[vlan], intents, ask=ask, quality=quality)
        if made is None:
            return
        sent = self.reporting.send(made, self.clock.seconds)
        if delivery == "late":
            self.late.append(sent)
        elif delivery != "lost":
            for _ in range(2 if delivery == "twice" else 1):
                self._deliver(sent)

    def deliver(self, index: int) -> None:
        """Deliver a report that was late."""
        if self.late:
            self._deliver(self.late.pop(index % len(self.late)))

    def prober(self, host: str, what: str) -> None:
        """Stop a prober in an orderly way, kill it, or start it anew."""
        prober = self.hosts.get(host)
        if prober is None:
            return
        if what == "stop" and not self.redis.is_away:
            self.redis.delete(host_key(host))
        if what == "start":
            prober.incarnation, prober.counter = prober.incarnation + 1, 0
            prober.proven.clear()
        prober.is_up = what == "start"
        if prober.is_up:
            self._announce(prober)

    def truth(self, vlan: int, what: str) -> None:
        """Change what is true: DHCP, the gateway's address, one host's path or that of all."""
        lan = self.vlans[vlan]
        kind, _, host = what.partition(" ")
        if kind == "dhcp":
            lan.has_dhcp = not lan.has_dhcp
        elif kind == "guard":
            lan.is_guarded = not lan.is_guarded
        elif kind == "depth":
            lan.leases = not lan.leases
        elif kind == "gateway":
            lan.gateway = 3 - lan.gateway
        else:
            path = lan.on_vlan if kind == "vlan" else lan.routed
            path ^= {host} if host else (path or set(HOSTS))

    def fault(self, what: str) -> None:
        """Take a part away, or bring it back."""
        match what:
            case "redis":
                self.redis.is_away = not self.redis.is_away
            case "flush" if not self.redis.is_away:
                # The pause is lost too. Hosts announce themselves within HOST_RENEWAL_S.
                self.redis.flushall()
                self.is_paused = False
            case "api":
                self.cluster.is_away = not self.cluster.is_away
                if not self.has_listed:
                    self._list()
            case "watch":
                self.is_watch_late = not self.is_watch_late
                self._happened()
            case "watcher":
                self.has_watcher = not self.has_watcher
            case "pause" if not self.redis.is_away:
                self.is_paused = not self.is_paused
                if self.is_paused:
                    self.redis.set(PAUSED_KEY, "{}")
                else:
                    self.redis.delete(PAUSED_KEY)
            case "updater":
                self.start()

    def edit(self, index: int, how: str) -> None:
        """Write as an owner or another program does."""
        if self.cluster.is_away:
            return
        present = self.network_at(index)
        route = json.loads(present.annotations.get(nad.ROUTE) or "{}")
        lan = self.vlans[json.loads(str(present.config))["vlan"]]
        match how:
            case "disabled" | "isolated" if index:
                key, value = (nad.PROBE, "disabled") if how == "disabled" else (nad.ISOLATED, "true")
                self._apply(present, {key: "" if present.annotations.get(key) else value})
            case "vlan":
                self._move(present, route)
            case "recreate":
                self._recreate(present)
            case _ if (new := rewritten(how, route, lan)) is not None:
                self._apply(present, {nad.ROUTE: json.dumps(new)})

    # What the steps need.

    def _planned(self) -> Iterator[Network]:
        """Yield each network as the watcher plans for it: with what is not written to it."""
        networks = [self.cluster.objects[ref] for ref in self.refs]
        records = {} if self.redis.is_away else self.memories.conclusions([each.uid for each in networks])
        for each in networks:
            yield as_if_written(each, records[each.uid]) if each.uid in records else each

    def _make(self, name: str, vlan: int, kind: str) -> Network:
        lan = self.vlans[vlan]
        manual = {"mode": "manual", "cidr": str(lan.cidr), "gateway": str(lan.address(1))}
        route = {"new": None, "auto": '{"mode":"auto"}', "manual": json.dumps(manual)}[kind]
        self._uids += 1
        ref = NetworkRef("default", name)
        return network(route, config=config(vlan=vlan), ref=ref, uid=f"uid-{self._uids}")

    def _happened(self, *events: Callable[[], None]) -> None:
        """Let the updater see these events and those before, unless the watch is late."""
        self._events += events
        while self._events and not self.is_watch_late:
            self._events.pop(0)()

    def _list(self) -> None:
        """Let an updater that was started without an API server see all networks."""
        self.has_listed = True
        for present in self.cluster.objects.values():
            self.updater.upserted(present)

    def _apply(self, present: Network, annotations: Mapping[str, str]) -> None:
        self._happened(partial(self.updater.upserted, self.cluster.edit(present.ref, **annotations)))

    def _move(self, present: Network, route: dict[str, object]) -> None:
        """Change the VLAN as the webhook does, which marks an auto network's route as outdated."""
        annotations = dict(present.annotations)
        if route and route.get("mode") != "manual":
            annotations[nad.ROUTE] = json.dumps({**route, "outdated": True})
        elsewhere = sum(VLANS) - json.loads(str(present.config))["vlan"]
        version = str(int(present.resource_version) + 1)
        moved = replace(
            present, config=config(vlan=elsewhere), annotations=annotations, resource_version=version
        )
        self.cluster.objects[present.ref] = moved
        self._happened(partial(self.updater.upserted, moved))

    def _recreate(self, present: Network) -> None:
        self._uids += 1
        vlan = json.loads(str(present.config))["vlan"]
        version = str(int(present.resource_version) + 1)
        again = network(
            None, config=config(vlan=vlan), ref=present.ref, uid=f"uid-{self._uids}", version=version
        )
        self.cluster.objects[present.ref] = again
        self._happened(partial(self.updater.deleted, present.uid), partial(self.updater.upserted, again))

    def _beat(self) -> None:
        """Renew what is renewed, and count the time, as the services do by themselves."""
        if self.redis.is_away:
            return
        now = self.clock.seconds
        if now - self._renewed_at >= HOST_RENEWAL_S:
            self._renewed_at = now
            for prober in self.hosts.values():
                if prober.is_up:
                    self._announce(prober)
        if self.has_watcher and not self.is_paused and not self.cluster.is_away:
            self.redis.set(SENDING_KEY, "1", ex=SENDING_TTL_S)
        self.updater.tick()

    def _announce(self, prober: Host) -> None:
        if not self.redis.is_away:
            self.redis.set(host_key(prober.name), prober.announcement(), ex=HOST_TTL_S)

    def _deliver(self, sent: Sent) -> None:
        self.reporters.append((sent.verdict.host, sent.verdict.incarnation))
        try:
            self.reporting.deliver(sent, self.updater.take_report, self.clock.seconds)
        except redis.RedisError:
            # The report is lost, as in services.updater.app.
            return
