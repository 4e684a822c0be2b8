"""Builders of networks, hosts and schedules: a test names only what it is about."""

import json
from collections.abc import Iterable

from services.contract.doubts import Doubt, DoubtKind
from services.contract.messages import HostAnnouncement, Segment
from services.network.parse import nad
from services.network.parse.nad import Network, NetworkRef
from services.watcher.limits.pace import Pace
from services.watcher.plan.host_probe import HostProbe
from services.watcher.plan.schedule import Schedule

SWEEP_S, RETRY_S, WINDOW_S = 300.0, 30.0, 15.0
GATEWAY = {"cidr": "10.0.7.0/24", "gateway": "10.0.7.1"}
KNOWN = json.dumps({"mode": "auto", **GATEWAY, "connectivity": "true"})
SAVED = json.dumps({"mode": "auto", **GATEWAY})
MANUAL = json.dumps({"mode": "manual", **GATEWAY, "connectivity": "true"})
ACTIVE = '{"state":"Active","reason":"GatewayAnswers"}'


def network(
    name: str = "a",
    *,
    vlan: int = 7,
    route: str | None = None,
    status: str | None = None,
    probe_now: str | None = None,
    uid: str | None = None,
    cluster_network: str = "extra",
    deleting: bool = False,
) -> Network:
    given = {nad.ROUTE: route, nad.STATUS: status, nad.PROBE_NOW: probe_now}
    return Network(
        NetworkRef("default", name),
        uid or f"uid-{name}",
        "1",
        json.dumps({"type": "bridge", "bridge": f"{cluster_network}-br", "vlan": vlan}),
        {key: value for key, value in given.items() if value is not None},
        {},
        deleting,
    )


def host(name: str, *carries: str, incarnation: int = 1) -> HostAnnouncement:
    uplinks = {each: f"{each[:12]}-bo" for each in carries or ("extra",)}
    return HostAnnouncement(host=name, uplinks=uplinks, version="0", incarnation=incarnation)


def schedule(*hosts: str, jitter: float = 0.5, patrol_per_s: float = 0.0) -> Schedule:
    """Return a schedule with these hosts, which all carry `extra`, without a limit of frames. A jitter of 0.5
    means none."""
    pace = Pace(SWEEP_S, RETRY_S, WINDOW_S, patrol_per_s, frames_per_s=0.0)
    made = Schedule(pace=pace, random=lambda: jitter)
    made.set_hosts([host(name) for name in hosts], 0.0)
    return made


def described(probes: Iterable[HostProbe]) -> list[str]:
    """Describe probes for people: `n1 7 dhcp`."""
    return [f"{p.host} {p.probe.vlan}{' dhcp' if p.probe.ask_dhcp else ''}" for p in probes]


def over_time(due: Schedule, *, start: float, end: float) -> list[tuple[float, str]]:
    """Return everything sent from start until before end."""
    sent = list[tuple[float, str]]()
    now = start
    while now < end:
        sent += [(now, each) for each in described(due.due(now))]
        now = max(now, due.next_due())
    return sent


def status_of(state: str, reason: str = "GatewaySilent", **more: object) -> str:
    """Return a status as the updater writes it, valid for any intent."""
    return json.dumps({"state": state, "reason": reason, **more})


def unoffered(*hosts: str) -> str:
    """Return the status while no other host has confirmed that these hosts get no DHCP offer."""
    return status_of("Pending", "ConfirmingNoOffer", hosts=dict.fromkeys(hosts, "NoDHCPOffer"))


def doubt(
    kind: DoubtKind, *heard: str, vlan: int = 7, ask: int = 1_000, cluster_network: str = "extra"
) -> Doubt:
    segment = Segment(cluster_network=cluster_network, vlan=vlan)
    return Doubt(segment=segment, kind=kind, heard=heard, ask=ask)
