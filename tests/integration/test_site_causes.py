"""The updater finds the site's causes, and keeps them in Redis for all who show them."""

from collections.abc import Iterator

import pytest

from lab.kube.resources import NADS
from services.contract.causes import CauseRecord
from services.contract.messages import Segment
from services.contract.names import CAUSES_KEY
from services.contract.outcomes import ReachOutcome
from services.network.parse.nad import Network
from services.runtime.stored.cause_store import read_causes
from tests.support.updater_site import NAMESPACE, UpdaterSite, digest_of, own_updater_site, state_of
from tests.unit.network.builders import CIDR, GATEWAY, verdict

MANUAL = f'{{"mode":"manual","cidr":"{CIDR}","gateway":"{GATEWAY}"}}'
VLANS = {"first": 301, "second": 302, "third": 303}


@pytest.fixture
def site() -> Iterator[UpdaterSite]:
    """Run an updater of its own: the causes are those of the whole site."""
    with own_updater_site("node1", "node2") as running:
        yield running


def report(site: UpdaterSite, networks: dict[str, Network], *, counter: int, node2: ReachOutcome) -> None:
    """Have both hosts report on all networks; node1 confirms what node2 says."""
    for host, vlan in {"node2": node2, "node1": ReachOutcome.REACHABLE}.items():
        for name, network in networks.items():
            segment = Segment(cluster_network="extra", vlan=VLANS[name])
            site.send(verdict(digest_of(network), host=host, segment=segment, counter=counter, vlan=vlan))
        if node2 is ReachOutcome.SILENT and host == "node2":
            segments = [Segment(cluster_network="extra", vlan=VLANS[name]) for name in networks]
            site.wait(lambda there=segments: all(map(site.doubts, there)))  # type: ignore[misc]


def break_uplink(site: UpdaterSite, networks: dict[str, Network]) -> None:
    """Have all networks Active, then silent on node2, until they have a cause."""
    report(site, networks, counter=1, node2=ReachOutcome.REACHABLE)
    for name in networks:
        site.wait_for(name, lambda n: state_of(n) == "Active")
    assert causes(site) == ()
    report(site, networks, counter=2, node2=ReachOutcome.SILENT)
    site.wait(lambda: [len(cause.networks) for cause in causes(site)] == [len(networks)])


def test_one_uplink_is_one_cause_until_it_is_mended(site: UpdaterSite) -> None:
    """It keeps its identity while a network is deleted, and over a restart of the updater; it ends with the
    trouble. What somebody else puts in its place is none.
    """
    networks = {name: site.create(name, vlan=vlan, route=MANUAL) for name, vlan in VLANS.items()}
    break_uplink(site, networks)
    (cause,) = causes(site)
    assert (cause.kind, cause.hosts) == ("HostUplink", ("node2",))
    assert cause.networks == ("default/first", "default/second", "default/third")

    site.server.store.delete(NADS, NAMESPACE, "third")
    site.wait(lambda: [len(cause.networks) for cause in causes(site)] == [2])
    site.restart()
    second = {"second": networks["second"]}
    report(site, second, counter=3, node2=ReachOutcome.REACHABLE)
    site.wait(lambda: [len(cause.networks) for cause in causes(site)] == [1])
    (later,) = causes(site)
    assert (later.id, later.since) == (cause.id, cause.since)

    report(site, {"first": networks["first"]}, counter=3, node2=ReachOutcome.REACHABLE)
    site.wait(lambda: causes(site) == () and site.redis.exists(CAUSES_KEY) == 1)
    site.redis.set(CAUSES_KEY, '{"causes": 7}')
    assert causes(site) == ()


def causes(site: UpdaterSite) -> tuple[CauseRecord, ...]:
    return read_causes(site.redis).causes
