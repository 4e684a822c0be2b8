"""The facts of a site in which all is well, to be changed in one place by each test."""

from dataclasses import replace

from services.cluster.surroundings import Node
from services.contract.messages import HostAnnouncement
from services.contract.outcomes import Reason, State
from services.network.policy import DEFAULT_POLICY
from services.version import __version__
from services.view.doctor.diagnosis import diagnose
from services.view.doctor.facts import ClusterFacts, Facts, RedisClocks, RedisFacts, Running
from services.view.doctor.findings import Finding, Level
from services.view.hosts import HostRow
from tests.support.seen_networks import found, network_with_status, view
from tests.unit.network.builders import SEGMENT

NOW_MS = 1_795_000_000_000
PARTS = ("watcher", "updater", "cli")


def host(name: str, *, version: str = __version__, uplinks: tuple[str, ...] | None = None) -> HostRow:
    """Build an announced host that carries the network's cluster network, or these."""
    carried = (SEGMENT.cluster_network,) if uplinks is None else uplinks
    announced = HostAnnouncement(
        host=name,
        uplinks={each: f"{each}-bo" for each in carried},
        version=version,
        incarnation=NOW_MS - 60_000,
    )
    return HostRow(name, announced, 0, expires_in_ms=14_000)


def parts(**versions: str) -> tuple[Running, ...]:
    """Return the parts that run besides probers; those named here with this version."""
    names = ("watcher", "updater", "flower")
    return tuple(Running(part, f"{part}-0", versions.get(part, __version__)) for part in names)


REDIS = RedisFacts(
    "rediss://:***@redis:6379/0",
    user="cli",
    is_encrypted=True,
    server="8.1.0",
    expires_in_days=90.0,
    clocks=RedisClocks(NOW_MS, NOW_MS + 300, NOW_MS - 60_000),
    paused=None,
    windows=(),
    sends=True,
    counted_ago_s=1.0,
    hosts=(host("node1"), host("node2")),
    running=parts(),
    queues=(),
    letters=(),
)
CLUSTER = ClusterFacts(
    version="v1.32.4",
    missing=dict.fromkeys(PARTS, ()),
    users={"watcher": "system:serviceaccount:nadroute:watcher", "updater": "", "cli": ""},
    nodes=(Node("node1"), Node("node2")),
    networks=(network_with_status(State.ACTIVE, Reason.GATEWAY_ANSWERS),),
    scrapes=("PodMonitor nadroute/nadroute",),
    rules=("nadroute/nadroute",),
)
HEALTHY = Facts(__version__, REDIS, CLUSTER, view(found("node1"), found("node2")))


def findings(
    *, redis: dict[str, object] | None = None, cluster: dict[str, object] | None = None
) -> list[Finding]:
    """Return the findings of the healthy site with these facts changed."""
    changed = replace(
        HEALTHY,
        redis=replace(REDIS, **(redis or {})),  # type: ignore[arg-type]  # a test names the fields
        cluster=replace(CLUSTER, **(cluster or {})),  # type: ignore[arg-type]
    )
    return diagnose(changed, DEFAULT_POLICY)


def troubles(found_: list[Finding]) -> dict[str, Level]:
    """Return the checks that are not ok, with their levels."""
    return {finding.check: finding.level for finding in found_ if finding.level is not Level.OK}
