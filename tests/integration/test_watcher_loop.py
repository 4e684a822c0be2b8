"""The whole watcher between an API server and a real Redis: what arrives in the hosts' queues."""

import json
from pathlib import Path

import pytest
import redis

from lab.kube import ApiServer
from services.contract.conclusions import ConclusionRecord, Hindrance, Unwritten
from services.contract.names import (
    DEAD_LETTERS_KEY,
    HOST_KEY_PREFIX,
    host_key,
    outstanding_key,
)
from services.network.parse import nad
from services.runtime.connection.redis_client import time_ms
from services.runtime.stored.conclusion_store import ConclusionStore
from tests.support.kube_api import Networks, network
from tests.support.redis_server import RedisServer, running_redis
from tests.support.watcher_site import Site, names_vlan, until, watching

INTERVALS = ("sweep_interval_s", "retry_interval_s", "ask_window_s", "request_max_age_s")
ROUTE = '{"mode":"auto","cidr":"10.0.7.0/24","gateway":"10.0.7.1","connectivity":"true"}'


@pytest.fixture
def site(redis_server: RedisServer) -> Site:
    return Site(redis_server)


def test_a_network_from_yaml_is_probed_at_once(site: Site, networks: Networks) -> None:
    """For a NAD without annotations and labels, one host is asked to use DHCP, in a valid request."""
    site.announce("node1")
    with watching(site, networks):
        networks.create(network("a", vlan=7))
        request = site.wait("node1", names_vlan(7))
    (probe,) = request.segments
    assert (request.host, request.cluster_network, probe.ask_dhcp) == ("node1", "mgmt", True)
    assert abs(time_ms(site.redis.client) - request.sent_at_ms) < 20_000
    assert site.shadows == ["probe mgmt: 1 segment on node1"]
    (segment,) = request.probed()
    assert site.redis.client.get(outstanding_key("node1", segment)) == request.id
    assert 0 < int(site.redis.client.pttl(outstanding_key("node1", segment))) <= request.max_age_ms


def test_one_host_asks_dhcp_and_the_others_check_what_it_found(site: Site, networks: Networks) -> None:
    """A new gateway in the annotation is checked at once by the hosts that did not ask."""
    for host in ("node1", "node2"):
        site.announce(host)
    with watching(site, networks):
        networks.create(network("a", vlan=8))
        # With two hosts, the rotation of VLAN 8 begins with the first.
        site.wait("node1", lambda r: names_vlan(8)(r) and r.segments[0].ask_dhcp)
        assert site.take("node2") == []
        networks.annotate("a", **{nad.ROUTE: ROUTE})
        request = site.wait("node2", names_vlan(8))
    (probe,) = request.segments
    assert (probe.ask_dhcp, str(probe.targets[0].gateway)) == (False, "10.0.7.1")


def test_a_gateway_that_may_not_be_written_is_checked_all_the_same(site: Site, networks: Networks) -> None:
    """The updater's record names it, so a trial with observe_only finds what the hosts' own checks find."""
    for host in ("node1", "node2"):
        site.announce(host)
    with watching(site, networks):
        networks.create(network("a", vlan=8))
        site.wait("node1", lambda r: names_vlan(8)(r) and r.segments[0].ask_dhcp)
        uid = networks.get("a")["metadata"]["uid"]
        route = {"mode": "auto", "cidr": "10.0.7.0/24", "gateway": "10.0.7.1", "connectivity": "true"}
        record = ConclusionRecord(
            namespace="default",
            name="a",
            uid=uid,
            status={"state": "Active", "reason": "GatewayAnswers"},
            unwritten=Unwritten(why=Hindrance.OBSERVE_ONLY, route=dict(route)),
        )
        ConclusionStore(site.redis.client).put([record])
        request = site.wait("node2", names_vlan(8))
    (probe,) = request.segments
    assert (probe.ask_dhcp, str(probe.targets[0].gateway)) == (False, "10.0.7.1")


def test_an_outstanding_probe_is_not_sent_again_unless_it_changed(site: Site, networks: Networks) -> None:
    """probe-now for the same intent sends nothing; another intent is sent."""
    site.announce("node1")
    with watching(site, networks):
        networks.create(network("a", vlan=7))
        first = site.wait("node1", names_vlan(7))
        networks.annotate("a", **{nad.PROBE_NOW: "1"})
        networks.create(network("b", vlan=9))
        site.wait("node1", names_vlan(9))
        assert [r for r in site.taken if names_vlan(7)(r)] == [first]
        manual = '{"mode":"manual","cidr":"10.0.7.0/24","gateway":"10.0.7.9"}'
        networks.annotate("a", **{nad.ROUTE: manual})
        request = site.wait("node1", names_vlan(7))
    assert (request.segments[0].ask_dhcp, str(request.segments[0].targets[0].gateway)) == (False, "10.0.7.9")


def test_probe_now_sends_a_finished_network_again(site: Site, networks: Networks) -> None:
    """A new value of nadroute.io/probe-now asks DHCP again."""
    site.announce("node1")
    with watching(site, networks):
        networks.create(network("a", vlan=7))
        site.finish(site.wait("node1", names_vlan(7)))
        networks.annotate("a", **{nad.PROBE_NOW: "please"})
        assert site.wait("node1", names_vlan(7)).segments[0].ask_dhcp


def test_a_route_reduced_to_its_mode_is_probed_again(site: Site, networks: Networks) -> None:
    """From a full annotation to {"mode":"auto"}: DHCP is asked at once."""
    site.announce("node1")
    with watching(site, networks):
        networks.create(network("a", vlan=7, annotations={nad.ROUTE: ROUTE}))
        site.finish(site.wait("node1", names_vlan(7)))
        networks.annotate("a", **{nad.ROUTE: '{"mode":"auto"}'})
        probe = site.wait("node1", names_vlan(7)).segments[0]
    assert (probe.ask_dhcp, probe.targets[0].gateway) == (True, None)


def test_nothing_is_sent_to_hosts_that_are_not_announced(site: Site, networks: Networks) -> None:
    """Without a host that carries the cluster network nothing is queued; the first such host gets it at
    once."""
    site.announce("elsewhere", uplinks={"other": "other-bo"})
    with watching(site, networks):
        networks.create(network("a", vlan=7))
        networks.create({**network("b"), "spec": {"config": network_config("other", 9)}})
        site.wait("elsewhere", names_vlan(9))
        assert site.redis.client.keys("probe.*") == []
        site.announce("node1")
        site.wait("node1", names_vlan(7))
    assert {r.cluster_network for r in site.taken if r.host == "elsewhere"} == {"other"}


def network_config(cluster_network: str, vlan: int) -> str:
    return json.dumps({"type": "bridge", "bridge": f"{cluster_network}-br", "vlan": vlan})


def test_a_restarted_host_gets_its_probes_again(site: Site, networks: Networks) -> None:
    """A new incarnation has lost the requests of the old one, outstanding or not."""
    site.announce("node1", incarnation=1)
    with watching(site, networks):
        networks.create(network("a", vlan=7))
        site.wait("node1", names_vlan(7))
        site.announce("node1", incarnation=2)
        site.wait("node1", names_vlan(7))


def test_system_networks_are_not_probed(site: Site, networks: Networks, server: ApiServer) -> None:
    """A storage network is never probed, whatever its annotations."""
    site.announce("node1")
    with watching(site, networks):
        networks.create(network("storagenetwork-x", vlan=5))
        networks.create(network("off", vlan=6, annotations={nad.PROBE: "disabled"}))
        networks.create(network("a", vlan=7))
        site.wait("node1", names_vlan(7))
    assert {probe.vlan for r in site.taken for probe in r.segments} == {7}


def test_a_malformed_announcement_is_recorded_once(site: Site, networks: Networks) -> None:
    """Invalid JSON or another host's name is one dead letter each, however often it is read; the valid host
    is served."""
    client = site.redis.client
    client.set(f"{HOST_KEY_PREFIX}junk", "{")
    site.announce("node1")
    client.set(f"{HOST_KEY_PREFIX}liar", str(client.get(host_key("node1"))))
    with watching(site, networks):
        networks.create(network("a", vlan=7))
        site.wait("node1", names_vlan(7))
        networks.annotate("a", **{nad.ROUTE: '{"mode":"auto","serverIPAddr":"10.0.7.5"}'})
        site.wait("node1", lambda r: r.segments[0].targets[0].server is not None)
    letters = [json.loads(letter)["where"] for letter in client.lrange(DEAD_LETTERS_KEY, 0, -1)]
    assert sorted(letters) == [f"{HOST_KEY_PREFIX}junk", f"{HOST_KEY_PREFIX}liar"]


def test_failing_networks_are_probed_at_the_retry_interval(site: Site, networks: Networks) -> None:
    """It applies to every state but Active."""
    site.announce("node1")
    with watching(site, networks, retry_interval_s=1.0, ask_window_s=1.0):
        networks.create(network("a", vlan=7))
        for _ in range(3):
            site.finish(site.wait("node1", names_vlan(7)))


def test_a_sweep_probes_active_networks_again(site: Site, networks: Networks) -> None:
    """The watcher is level-triggered: no event is needed."""
    site.announce("node1")
    status = '{"state":"Active","reason":"GatewayAnswers"}'
    intervals = dict.fromkeys(INTERVALS, 5.0)
    with watching(site, networks, **intervals):
        networks.create(network("a", vlan=7, annotations={nad.ROUTE: ROUTE, nad.STATUS: status}))
        for _ in range(2):
            site.finish(site.wait("node1", names_vlan(7)))


def test_nothing_is_lost_while_redis_refuses_writes(site: Site, networks: Networks) -> None:
    """With its memory full Redis can only be read: what became due meanwhile is sent afterwards."""
    site.announce("node1")
    client = site.redis.client
    with watching(site, networks):
        networks.create(network("a", vlan=7))
        site.wait("node1", names_vlan(7))
        client.config_set("maxmemory", "1")
        try:
            networks.create(network("b", vlan=9))
            until(lambda: refused_for_memory(client) >= 2)
            assert site.take("node1") == []
        finally:
            client.config_set("maxmemory", "0")
        site.wait("node1", names_vlan(9))


def refused_for_memory(client: redis.Redis) -> int:
    stats = client.info("errorstats")
    assert isinstance(stats, dict)
    return int(stats.get("errorstat_OOM", {}).get("count", 0))


def test_the_watcher_survives_a_redis_that_restarts_empty(networks: Networks, short_folder: Path) -> None:
    """Hosts that announce themselves again get everything again."""
    with running_redis(short_folder) as first:
        site = Site(first)
        site.announce("node1")
        with watching(site, networks):
            networks.create(network("a", vlan=7))
            site.wait("node1", names_vlan(7))
            first.process.kill()
            first.process.wait()
            networks.create(network("b", vlan=9))
            with running_redis(short_folder) as second:
                site.redis = second
                until(lambda: second.client.client_list(_type="normal")[1:] != [])
                site.announce("node1", incarnation=2)
                asked: set[int] = set()
                while asked != {7, 9}:
                    request = site.wait("node1", lambda _: True)
                    asked |= {probe.vlan for probe in request.segments}


def test_of_two_watchers_one_sends(site: Site, networks: Networks) -> None:
    """The second stands by, and takes over with everything due as soon as the first has stopped."""
    site.announce("node1")
    with watching(site, networks, lease_identity="first") as first:
        networks.create(network("a", vlan=7))
        site.finish(site.wait("node1", names_vlan(7)))
        with watching(site, networks, lease_identity="second"):
            networks.create(network("b", vlan=9))
            site.finish(site.wait("node1", names_vlan(9)))
            first.stop()
            asked: set[int] = set()
            while asked != {7, 9}:
                request = site.wait("node1", lambda _: True)
                asked |= {probe.vlan for probe in request.segments}
    assert len([r for r in site.taken if names_vlan(9)(r)]) == 2


def test_without_an_election_it_leads(site: Site, networks: Networks, server: ApiServer) -> None:
    """With leader_election off no Lease is touched."""
    site.announce("node1")
    with watching(site, networks, leader_election=False):
        networks.create(network("a", vlan=7))
        site.wait("node1", names_vlan(7))
    assert not any(r.resource == "leases" for r in server.requests)
