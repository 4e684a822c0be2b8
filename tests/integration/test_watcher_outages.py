"""What the watcher does when much happens at once: a pause, a Redis that lost its data, a new leader."""

import json
from collections import Counter
from pathlib import Path

import pytest

from services.contract.messages import ProbeRequest
from services.contract.names import PAUSED_KEY, WATCHED_KEY, host_key
from services.network.parse import annotations as names
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
    """Networks that are Active: nothing of them is news."""
    for vlan in sorted(VLANS):
        annotations = {names.ROUTE: ROUTE, names.STATUS: ACTIVE}
        networks.create(network(f"net-{vlan}", vlan=vlan, annotations=annotations))


def collect(site: Site) -> Counter[tuple[str, int]]:
    """Take and finish requests until every segment came to every host; how often each did."""
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


def test_while_paused_nothing_is_sent_and_all_of_it_on_resume(site: Site, networks: Networks) -> None:
    """What is created meanwhile too; each segment once to each host."""
    site.redis.client.set(PAUSED_KEY, PAUSED)
    with watching(site, networks):
        create_all(networks)
        # The watcher has read Redis, paused, and then goes on reading it.
        for _ in range(2):
            site.redis.client.delete(WATCHED_KEY)
            until(lambda: site.redis.client.exists(WATCHED_KEY) == 1)
        assert [site.take(host) for host in HOSTS] == [[], []]
        site.redis.client.delete(PAUSED_KEY)
        assert set(collect(site).values()) == {1}


def test_a_pause_stops_what_was_going_on(site: Site, networks: Networks) -> None:
    """Sweeps of a second each: after the pause is set no request comes any more, and on resume they do."""
    with watching(site, networks, sweep_interval_s=1.0):
        create_all(networks)
        collect(site)
        site.redis.client.set(PAUSED_KEY, PAUSED)
        # One that was just being sent may still arrive.
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
def test_what_redis_lost_is_sent_again(site: Site, networks: Networks, hosts_stay: bool) -> None:
    """FLUSHALL, with all that was queued: each segment to each host once more, whether the watcher saw that
    hosts were gone or they announced themselves in the same moment."""
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
    """Whether a host was asked to ask DHCP there, in the requests after the first so many."""
    for host in HOSTS:
        site.take(host)
    return any(p.vlan == vlan and p.ask_dhcp for request in site.taken[after:] for p in request.segments)


def test_a_look_tells_of_hosts_of_a_pause_and_of_what_was_lost(site: Site) -> None:
    """Each as it is; that data was lost once, and never by the first look."""
    client = site.redis.client
    reader, other = HostReader(client), HostReader(client)
    assert (reader.poll().lost, other.poll().lost) == (False, False)
    client.set(PAUSED_KEY, PAUSED)
    seen = reader.poll()
    assert ([told.host for told in seen.hosts], seen.paused, seen.lost) == ([*HOSTS], True, False)
    client.flushall()
    assert [(look.hosts, look.paused, look.lost) for look in (reader.poll(), reader.poll())] == [
        ((), False, True),
        ((), False, False),
    ]
    assert [other.poll().lost for _ in range(2)] == [True, False]


def test_a_redis_that_was_away_gets_what_fell_due_once(networks: Networks, short_folder: Path) -> None:
    """It refused writes for a while and lost nothing: what did not fall due meanwhile is not asked again."""
    with running_redis(short_folder) as redis_server:
        site = Site(redis_server)
        for host in HOSTS:
            site.announce(host)
        with watching(site, networks):
            create_all(networks)
            collect(site)
            redis_server.client.config_set("maxmemory", "1")
            networks.annotate("net-100", **{names.PROBE_NOW: "1"})
            networks.create(network("new", vlan=7))
            until(lambda: "errorstat_OOM" in redis_server.client.info("errorstats"))
            redis_server.client.config_set("maxmemory", "0")
            site.taken.clear()
            until(lambda: is_asked(site, 7))
            assert {probe.vlan for request in site.taken for probe in request.segments} <= {7, 100}


def test_a_watcher_that_restarts_asks_everything_once(site: Site, networks: Networks) -> None:
    """Each segment from each host, and no more than that."""
    create_all(networks)
    for _ in range(2):
        with watching(site, networks):
            assert set(collect(site).values()) == {1}


def test_a_failure_of_dhcp_is_confirmed_at_once(site: Site, networks: Networks) -> None:
    """The updater's status names a host that was offered nothing: another one asks, long before its retry."""
    with watching(site, networks, ask_window_s=300.0, retry_interval_s=300.0):
        networks.create(network("new", vlan=8))
        until(lambda: any(dhcp(r) for host in HOSTS for r in site.take(host)))
        (first,) = site.taken
        status = {
            "state": "Pending",
            "reason": "ConfirmingNoOffer",
            "hosts": {first.host: "NoDHCPOffer"},
        }
        networks.annotate("new", **{names.STATUS: json.dumps(status)})
        (other,) = {*HOSTS} - {first.host}
        assert dhcp(site.wait(other, names_vlan(8)))
