"""What Redis remembers of networks that are gone goes, too, whoever was away when they were deleted."""

from collections.abc import Collection
from dataclasses import dataclass, field

import pytest
from prometheus_client import CollectorRegistry

from lab.kube.resources import NADS
from services.contract.messages import Segment
from services.contract.names import (
    UNWRITTEN_KEY,
    conclusion_key,
    corrections_key,
    verdicts_key,
    written_key,
)
from services.network.parse.nad import Network
from services.runtime.stored.guarded_redis import connect_guarded
from services.runtime.stored.key_patrol import KeyPatrol
from services.updater.memory.orphans import UNNAMED_KEPT_S, Orphans
from tests.support.manual_clock import ManualClock
from tests.support.redis_server import RedisServer
from tests.support.updater_site import NAMESPACE, UpdaterSite, digest_of, own_updater_site, state_of
from tests.unit.network.builders import dhcp, offer, verdict

DAY_S = 86_400


def segment(vlan: int) -> Segment:
    return Segment(cluster_network="extra", vlan=vlan)


@dataclass
class Known:
    """The networks that an updater knows."""

    uids: set[str] = field(default_factory=set)
    segments: list[Segment] = field(default_factory=list)
    are_all: bool = True
    gone: set[str] = field(default_factory=set)

    def forget_others(self, uids: Collection[str]) -> None:
        self.gone |= set(uids) - self.uids

    def patrol(self, server: RedisServer) -> set[str]:
        """Pass by all keys once; return the uids of what is gone."""
        with connect_guarded(server.url, registry=CollectorRegistry()) as client:
            orphans = Orphans(
                client,
                has_network=self.segments.__contains__,
                forget_others=self.forget_others,
                knows_all=lambda: self.are_all,
            )
            KeyPatrol(client, clock=ManualClock(), passed=orphans.look).patrol()
        return self.gone


def test_a_network_that_is_gone_is_found_by_any_key_of_it(redis_server: RedisServer) -> None:
    """And by its place in the set of unwritten networks. A network that is there keeps its own."""
    client = redis_server.client
    client.set(conclusion_key("there"), "{}")
    client.set(conclusion_key("concluded"), "{}")
    client.hset(written_key("written"), "content", "x")
    client.rpush(corrections_key("corrected"), "1")
    client.sadd(UNWRITTEN_KEY, "unwritten", "there")
    assert Known({"there"}).patrol(redis_server) == {"concluded", "written", "corrected", "unwritten"}


def test_verdicts_stay_for_minutes_where_no_network_is(redis_server: RedisServer) -> None:
    """What expires sooner does so still; where a network is they stay as long as before."""
    client = redis_server.client
    for vlan, left_s in ((1, DAY_S), (2, DAY_S), (3, 60)):
        client.hset(verdicts_key(segment(vlan)), "node1", "{}")
        client.expire(verdicts_key(segment(vlan)), left_s)
    invented = [
        f"nadroute:verdicts:{rest}" for rest in ("junk", "extra:01", "extra:x", "extra:4095", ":1", "")
    ]
    for key in invented:
        client.hset(key, "node1", "{}")
    Known(segments=[segment(1)]).patrol(redis_server)
    left = [int(str(client.ttl(verdicts_key(segment(vlan))))) for vlan in (1, 2, 3)]
    assert left[0] > UNNAMED_KEPT_S >= left[1] > 60 >= left[2] > 0
    assert all(0 < int(str(client.ttl(key))) <= UNNAMED_KEPT_S for key in invented)


def test_nothing_is_gone_before_all_networks_are_known(redis_server: RedisServer) -> None:
    """An updater that has listed none yet, or does not lead, takes nothing for gone."""
    client = redis_server.client
    client.set(conclusion_key("uid"), "{}")
    client.hset(verdicts_key(segment(1)), "node1", "{}")
    assert Known(are_all=False).patrol(redis_server) == set()
    assert client.ttl(verdicts_key(segment(1))) == -1


def make_active(site: UpdaterSite, vlan: int, *, counter: int) -> Network:
    network = site.create(f"net-{vlan}", vlan=vlan)
    site.send(verdict(digest_of(network), segment=segment(vlan), dhcp=dhcp(offer()), counter=counter))
    site.wait_for(f"net-{vlan}", lambda n: n.uid == network.uid and state_of(n) == "Active")
    return network


@pytest.mark.long
def test_a_conclusion_goes_with_its_network() -> None:
    """Of networks that were deleted while the updater ran or was away nothing is remembered; of one that has
    the name of such a one, all."""
    with own_updater_site("node1") as site:
        networks = [make_active(site, vlan, counter=1) for vlan in (1, 2, 3)]
        site.wait(lambda: all(site.redis.exists(written_key(n.uid)) for n in networks))
        site.server.store.delete(NADS, NAMESPACE, "net-1")
        site.wait(lambda: not site.redis.exists(conclusion_key(networks[0].uid)))
        site.process.kill()
        for vlan in (2, 3):
            site.server.store.delete(NADS, NAMESPACE, f"net-{vlan}")
        site.restart()
        successor = make_active(site, 3, counter=2)
        gone = [key(n.uid) for n in networks for key in (conclusion_key, written_key, corrections_key)]
        site.wait(lambda: not site.redis.exists(*gone))
        assert site.redis.exists(conclusion_key(successor.uid), verdicts_key(segment(3))) == 2
        site.wait(lambda: 0 < int(str(site.redis.ttl(verdicts_key(segment(2))))) <= UNNAMED_KEPT_S)
        assert int(str(site.redis.ttl(verdicts_key(segment(3))))) > UNNAMED_KEPT_S
