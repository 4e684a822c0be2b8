"""The watcher when much happens at once: a pause, a Redis that lost its data, a new leader."""

import json
from collections import Counter
from pathlib import Path

import pytest

from services.contract.messages import ProbeRequest
from services.contract.names import PAUSED_KEY, WATCHED_KEY, host_key
from services.network.parse import nad
from services.watcher.hosts import HostReader
from tests.support.kube_api import Networks, network
from tests.support.redis_server import RedisServer, running_redis
from tests.support.watcher_site import Site, names_vlan, until, watching

VLANS = frozenset(range(100, 140))
ROUTE = '{"mode":"manual","cidr":"10.0.7.0/24","gateway":"10.0.7.1","connectivity":"true"}'
ACTIVE = '{"state":"Active","reason":"GatewayAnswers"}'
PAUSED = json.dumps({"since_ms": 1, "by": "somebody"})
HOSTS = ("node1", "node2")


@pytest.fixture
def site(redis_server: RedisServer) -> Site:
    made = Site(redis_server)
    for host in HOSTS:
        made.announce(host)
    return made


def create_all(networks: Networks) -> None:
    """Create networks that are Active, so that none of them is news."""
    for vlan in sorted(VLANS):
        annotations = {nad.ROUTE: ROUTE, nad.STATUS: ACTIVE}
        networks.create(network(f"net-{vlan}", vlan=vlan, annotations=annotations))


def collect(site: Site) -> Counter[tuple[str, int]]:
    """Take and finish requests until every segment came to every host; return how often each came."""
    counts: Counter[tuple[str, int]] = Counter()

    def take() -> bool:
        for host in HOSTS:
            for request in site.take(host):
                site.finish(request)
                counts.update((host, probe.vlan) for probe in request.segments)
        return len(counts) == len(HOSTS) * len(VLANS)

    until(take)
    return counts


def dhcp(request: ProbeRequest) -> bool:
    return any(probe.ask_dhcp for probe in request.segments)


def test_everything_is_sent_once_on_resume(site: Site, networks: Networks) -> None:
    """That includes what is created during the pause."""
    site.redis.client.set(PAUSED_KEY, PAUSED)
    with watching(site, networks):
        create_all(networks)
        # The watcher has seen the pause in Redis and keeps polling.
        for _ in range(2):
            site.redis.client.delete(WATCHED_KEY)
            until(lambda: site.redis.client.exists(WATCHED_KEY) == 1)
        assert [site.take(host) for host in HOSTS] == [[], []]
        site.redis.client.delete(PAUSED_KEY)
        assert set(collect(site).values()) == {1}


def test_a_pause_stops_the_sweeps(site: Site, networks: Networks) -> None:
    """With sweeps of a second, no request comes after the pause is set; they continue on resume."""
    with watching(site, networks, sweep_interval_s=1.0):
        create_all(networks)
        collect(site)
        site.redis.client.set(PAUSED_KEY, PAUSED)
        # A request that was being sent may still arrive.
        for host in HOSTS:
            site.redis.client.delete(f"probe.{host}")
        networks.create(network("new", vlan=7))
        for _ in range(2):
            site.redis.client.delete(WATCHED_KEY)
            until(lambda: site.redis.client.exists(WATCHED_KEY) == 1)
        late = [site.take(host) for host in HOSTS]
        assert not any(names_vlan(7)(request) for requests in late for request in requests)
        site.redis.client.delete(PAUSED_KEY)
        until(lambda: any(names_vlan(7)(r) for host in HOSTS for r in site.take(host)))


@pytest.mark.parametrize("hosts_stay", [True, False])
def test_everything_is_sent_again_after_a_flush(site: Site, networks: Networks, hosts_stay: bool) -> None:
    """FLUSHALL deletes the queues too: each segment is sent to each host once more, whether or not the
    watcher saw the hosts gone."""
    with watching(site, networks, host_poll_interval_s=0.2):
        create_all(networks)
        collect(site)
        networks.create(network("new", vlan=7))
        until(lambda: any(site.redis.client.llen(f"probe.{host}") for host in HOSTS))
        if hosts_stay:
            announced = {host_key(host): site.redis.client.get(host_key(host)) for host in HOSTS}
            with site.redis.client.pipeline(transaction=True) as pipe:
                pipe.flushall()
                pipe.mset(announced)  # type: ignore[arg-type]
                pipe.execute()
        else:
            site.redis.client.flushall()
            until(lambda: site.redis.client.exists(WATCHED_KEY) == 1)
            for host in HOSTS:
                site.announce(host)
        taken = len(site.taken)
        counts = collect(site)
        assert max(counts.values()) <= 2
        until(lambda: is_asked(site, 7, after=taken))


def is_asked(site: Site, vlan: int, *, after: int = 0) -> bool:
    """Return whether a host got a DHCP ask for this VLAN after the first `after` requests."""
    for host in HOSTS:
        site.take(host)
    return any(p.vlan == vlan and p.ask_dhcp for request in site.taken[after:] for p in request.segments)


def test_a_poll_shows_hosts_a_pause_and_a_loss(site: Site) -> None:
    """A loss of data is shown once, and never by the first poll."""
    client = site.redis.client
    reader, other = HostReader(client), HostReader(client)
    assert (reader.poll().lost, other.poll().lost) == (False, False)
    client.set(PAUSED_KEY, PAUSED)
    seen = reader.poll()
    assert ([announced.host for announced in seen.hosts], seen.paused, seen.lost) == ([*HOSTS], True, False)
    client.flushall()
    assert [(poll.hosts, poll.paused, poll.lost) for poll in (reader.poll(), reader.poll())] == [
        ((), False, True),
        ((), False, False),
    ]
    assert [other.poll().lost for _ in range(2)] == [True, False]


def test_after_an_outage_only_due_probes_are_sent(networks: Networks, short_folder: Path) -> None:
    """Redis refused writes for a while and lost nothing, so what did not become due is not sent again."""
    with running_redis(short_folder) as redis_server:
        site = Site(redis_server)
        for host in HOSTS:
            site.announce(host)
        with watching(site, networks):
            create_all(networks)
            collect(site)
            redis_server.client.config_set("maxmemory", "1")
            networks.annotate("net-100", **{nad.PROBE_NOW: "1"})
            networks.create(network("new", vlan=7))
            until(lambda: "errorstat_OOM" in redis_server.client.info("errorstats"))
            redis_server.client.config_set("maxmemory", "0")
            site.taken.clear()
            until(lambda: is_asked(site, 7))
            assert {probe.vlan for request in site.taken for probe in request.segments} <= {7, 100}


def test_a_restarted_watcher_sends_everything_once(site: Site, networks: Networks) -> None:
    """Each segment is sent to each host once."""
    create_all(networks)
    for _ in range(2):
        with watching(site, networks):
            assert set(collect(site).values()) == {1}


def test_a_dhcp_failure_is_confirmed_at_once(site: Site, networks: Networks) -> None:
    """The status names a host without an offer: another host asks, long before its retry."""
    with watching(site, networks, ask_window_s=300.0, retry_interval_s=300.0):
        networks.create(network("new", vlan=8))
        until(lambda: any(dhcp(r) for host in HOSTS for r in site.take(host)))
        (first,) = site.taken
        status = {
            "state": "Pending",
            "reason": "ConfirmingNoOffer",
            "hosts": {first.host: "NoDHCPOffer"},
        }
        networks.annotate("new", **{nad.STATUS: json.dumps(status)})
        (other,) = {*HOSTS} - {first.host}
        assert dhcp(site.wait(other, names_vlan(8)))
