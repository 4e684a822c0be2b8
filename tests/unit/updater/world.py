"""The surroundings of an updater over simulated hours: hosts, a gateway, a DHCP server and other writers."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from services.contract.outcomes import Fault, ReachOutcome
from services.contract.reports import Report
from services.network.parse import nad
from services.network.parse.intent import Intent, read_intent
from services.network.parse.nad import Network
from services.network.write.disputes import Written
from services.updater.metrics import UpdaterMetrics
from services.updater.service import Updater
from services.updater.settings import UpdaterSettings
from tests.support.manual_clock import ManualClock
from tests.unit.network.builders import CIDR, GATEWAY, config, dhcp, network, offer, verdict
from tests.unit.updater.fakes import FakeCluster, FakeDoubtLog, FakeHosts, FakeMemories, FakeStore

FRESH_S = 600.0
HOSTS = ("node1", "node2", "node3")
OURS = {"auto": {"connectivity", "outdated", "cidr", "gateway"}, "manual": {"connectivity", "outdated"}}
R, S, L, N = ReachOutcome.REACHABLE, ReachOutcome.SILENT, ReachOutcome.INCONCLUSIVE, ReachOutcome.NOT_TRIED


class TimedMemories(FakeMemories):
    """Corrections that count for an hour."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self.clock = clock
        self.times: list[float] = []

    def written(self, uids: Collection[str]) -> Mapping[str, Written]:
        recent = sum(self.clock.seconds - at < 3_600 for at in self.times)
        return {uid: replace(found, corrections=recent) for uid, found in super().written(uids).items()}

    def remember_correction(self, uid: str, content: str) -> None:
        super().remember_correction(uid, content)
        self.times.append(self.clock.seconds)


class JudgedCluster(FakeCluster):
    """Checks every write: only the updater's annotations, and in the route only its own fields."""

    def annotate(self, network: Network, annotations: Mapping[str, str | None]) -> Network:
        assert set(annotations) <= {nad.ROUTE, nad.STATUS}
        if nad.ROUTE not in annotations:
            route = json.loads(network.annotations.get(nad.ROUTE) or "{}")
            pinged = route.get("cidr") and route.get("gateway") and not route.get("connectivity")
            assert not pinged or route.get("outdated"), "this makes Harvester ping it once more"
        else:
            text = network.annotations.get(nad.ROUTE)
            old, new = json.loads(text or "{}"), json.loads(annotations[nad.ROUTE] or "{}")
            ours = OURS["manual" if old.get("mode") == "manual" else "auto"]
            if text is None:
                assert new.pop("mode") == "auto"
            assert {k: v for k, v in new.items() if k not in ours} == {
                k: v for k, v in old.items() if k not in ours
            }
            assert new["connectivity"] in ("true", "false", "DHCP failed")
        return super().annotate(network, annotations)


@dataclass
class World:
    """The true state of the world, and the updater that works on it."""

    mode: str
    active_when: str
    clock: ManualClock = field(default_factory=ManualClock)
    announced: set[str] = field(default_factory=lambda: set(HOSTS))
    on_vlan: set[str] = field(default_factory=lambda: set(HOSTS))
    """Hosts that reach the gateway on the VLAN."""
    routed: bool = True
    offers: bool = True
    vlan: int = 100
    gateway: int = 1
    prefix: int = 20

    def __post_init__(self) -> None:
        self.store = FakeStore(self.clock)
        self.memories = TimedMemories(self.clock)
        self.hosts = FakeHosts(*self.announced)
        route = None if self.mode == "auto" else json.dumps({**self._owners(), "x": [1]})
        target = network(route)
        self.ref = target.ref
        self.cluster = JudgedCluster(target)
        self.updater = Updater(
            self.cluster,
            self.store,
            self.hosts,
            self.memories,
            FakeDoubtLog(),
            self.clock,
            UpdaterSettings(
                redis_url=SecretStr("unix:///nowhere"),
                kubeconfig=Path("/nowhere"),
                active_when=self.active_when,
                sweep_interval_s=FRESH_S / 2,
            ),
            is_paused=lambda: False,
            random=lambda: 0.5,
            metrics=UpdaterMetrics(CollectorRegistry()),
        )
        self.updater.upserted(target)
        self.counter = 0

    def _owners(self) -> dict[str, object]:
        """Return what the owner of a manual network wrote."""
        return {
            "mode": "manual",
            "cidr": f"{CIDR.network_address}/{self.prefix}",
            "gateway": str(GATEWAY - 1 + self.gateway),
        }

    @property
    def present(self) -> Network:
        return self.cluster.objects[self.ref]

    @property
    def intent(self) -> Intent:
        intent = read_intent(self.present)
        assert isinstance(intent, Intent)
        return intent

    def route(self) -> dict[str, object]:
        fields = json.loads(self.present.annotations.get(nad.ROUTE) or "{}")
        assert isinstance(fields, dict)
        return fields

    def status(self) -> dict[str, object]:
        reported = json.loads(self.present.annotations.get(nad.STATUS, "{}"))
        assert isinstance(reported, dict)
        return reported

    # Events that change the world.

    def wait(self, seconds: int) -> None:
        self.clock.seconds += seconds

    def probe(self, host: str, ask: bool, quality: str) -> None:
        """Report what an announced host finds: the truth, or as much of it as the quality allows."""
        if host not in self.announced:
            return
        intent = self.intent
        ask = ask and intent.mode == "auto"
        result = dhcp(*([offer()] if self.offers else [])) if ask else None
        gateway = intent.gateway or (GATEWAY if ask and self.offers else intent.known_gateway)
        attempts = 3 if quality != "hasty" else 2
        silent = S if quality != "lossy" else L
        self.counter += 1
        said = verdict(
            intent.digest,
            host=host,
            vlan=N if gateway is None else R if host in self.on_vlan else silent,
            routed=N if gateway is None else R if self.routed else silent,
            gateway=gateway,
            dhcp=result,
            fault=Fault.UPLINK_DOWN if quality == "broken" else None,
            attempts=attempts,
            counter=self.counter,
            segment=intent.segment,
        )
        self.updater.take_report(Report(host=host, verdicts=(said,)))

    def probe_everywhere(self) -> None:
        """Report the truth from every announced host; those of an auto network ask DHCP."""
        for host in sorted(self.announced):
            self.probe(host, True, "good")

    def flip(self, what: str) -> None:
        if what == "routed":
            self.routed = not self.routed
        elif what == "offers":
            self.offers = not self.offers
        else:
            self.on_vlan ^= {what}

    def come_or_go(self, host: str) -> None:
        self.announced ^= {host}
        self.hosts.hosts = frozenset(self.announced)

    def others_write(self, how: str) -> None:
        """Write as Harvester's UI, Terraform, Harvester's controller or the owner does."""
        route = self.route()
        edits: dict[str, str] = {}
        if how in ("true", "false", "ping failed") and route.get("cidr"):
            edits[nad.ROUTE] = json.dumps({**route, "connectivity": how})
        elif how in ("ui", "ui gateway") and route:
            if how == "ui gateway" and self.mode == "manual":
                self.gateway = 3 - self.gateway
                route |= self._owners()
            kept = {key: route.get(key, "") for key in ("mode", "serverIPAddr", "cidr", "gateway")}
            edits[nad.ROUTE] = json.dumps(kept)
        elif how == "terraform" and route:
            edits[nad.ROUTE] = json.dumps({"mode": "auto"} if self.mode == "auto" else self._owners())
        elif how == "gateway" and self.mode == "manual":
            self.gateway = 3 - self.gateway
            edits[nad.ROUTE] = json.dumps({**route, **self._owners()})
        elif how == "cidr" and self.mode == "manual":
            self.prefix = 41 - self.prefix
            edits[nad.ROUTE] = json.dumps({**route, **self._owners()})
        elif how == "vlan":
            self.vlan = 301 - self.vlan
            self._change_vlan(route)
        if edits:
            self.updater.upserted(self.cluster.edit(self.ref, **edits))

    def _change_vlan(self, route: dict[str, object]) -> None:
        """Change the VLAN as the webhook does, which marks an auto network's route as outdated."""
        if route and self.mode == "auto":
            self.cluster.edit(self.ref, **{nad.ROUTE: json.dumps({**route, "outdated": True})})
        present = self.present
        self.cluster.objects[self.ref] = Network(
            present.ref, present.uid, str(int(present.resource_version) + 1), config(vlan=self.vlan),
            present.annotations,
        )  # fmt: skip
        self.updater.upserted(self.present)

    def review(self) -> None:
        """Review and write until nothing is due."""
        self.updater.review_due()
        while self.updater.write_due():
            pass
