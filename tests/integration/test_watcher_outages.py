"""The watcher when much happens at once: a pause, a Redis that lost its data, a new leader."""

import json
from collections import Counter
from pathlib import Path

import pytest

from services.contract.doubts import Doubt, DoubtKind
from services.contract.messages import ProbeRequest, Segment
from services.contract.names import (
    DEAD_LETTERS_KEY,
    DOUBTS_KEPT,
    DOUBTS_KEY,
    HOST_TTL_S,
    PAUSED_KEY,
    SENDING_KEY,
    WATCHED_KEY,
    host_key,
)
from services.network.parse import nad
from services.runtime.stored.doubts import FIELD, DoubtLog
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


def wait_for_polls(site: Site) -> None:
    """Wait until the watcher has polled Redis once more from begin to end."""
    for _ in range(2):
        site.redis.client.delete(WATCHED_KEY)
        until(lambda: site.redis.client.exists(WATCHED_KEY) == 1)


def dhcp(request: ProbeRequest) -> bool:
    return any(probe.ask_dhcp for probe in request.segments)


def test_everything_is_sent_once_on_resume(site: Site, networks: Networks) -> None:
    """That includes what is created during the pause."""
    site.redis.client.set(PAUSED_KEY, PAUSED)
    with watching(site, networks):
        create_all(networks)
        wait_for_polls(site)
        assert [site.take(host) for host in HOSTS] == [[], []]
        site.redis.client.delete(PAUSED_KEY)
        assert set(collect(site).values()) == {1}


def test_a_pause_stops_the_sweeps(site: Site, networks: Networks) -> None:
    """With short sweeps, no request comes after the pause is set; they continue on resume."""
    intervals = ("sweep_interval_s", "retry_interval_s", "ask_window_s", "request_max_age_s")
    with watching(site, networks, **dict.fromkeys(intervals, 5.0)):
        create_all(networks)
        collect(site)
        site.redis.client.set(PAUSED_KEY, PAUSED)
        # A request that was being sent may still arrive.
        for host in HOSTS:
            site.redis.client.delete(f"probe.{host}")
        networks.create(network("new", vlan=7))
        wait_for_polls(site)
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
                for key, text in announced.items():
                    pipe.set(key, text or "", ex=HOST_TTL_S)
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


def test_hosts_check_at_once_what_is_in_doubt(site: Site, networks: Networks) -> None:
    """A doubt in Redis makes every host that was not heard check, by a full request, long before a sweep."""
    with watching(site, networks):
        create_all(networks)
        collect(site)
        doubts = DoubtLog(site.redis.client)
        segment = Segment(cluster_network="mgmt", vlan=100)
        doubts.publish([Doubt(segment=segment, kind=DoubtKind.SILENT, heard=(HOSTS[0],), ask=100)])
        request = site.wait(HOSTS[1], names_vlan(100))
        assert len(request.segments) == 1
        assert [r for r in site.take(HOSTS[0]) if names_vlan(100)(r)] == []


def test_hosts_confirm_a_missing_offer_together(site: Site, networks: Networks) -> None:
    """Both further hosts ask DHCP at once, and no status is needed for it."""
    site.announce("node3")
    with watching(site, networks, ask_window_s=300.0, retry_interval_s=300.0):
        networks.create(network("new", vlan=9))
        first = site.wait("node1", names_vlan(9))
        assert dhcp(first)
        (segment,) = first.probed()
        doubt = Doubt(segment=segment, kind=DoubtKind.NO_OFFER, heard=(first.host,), ask=2)
        DoubtLog(site.redis.client).publish([doubt])
        for other in ("node2", "node3"):
            assert dhcp(site.wait(other, names_vlan(9)))


def test_a_flood_of_doubts_is_survived(site: Site, networks: Networks) -> None:
    """10,000 about one segment, as many about invented ones, and some that cannot be read: a new network is
    probed meanwhile, and each host gets one request for the one in doubt."""
    text = json.dumps({"segment": {"cluster_network": "mgmt", "vlan": 100}, "kind": "silent", "ask": 9})
    with watching(site, networks):
        create_all(networks)
        collect(site)
        site.taken.clear()
        with site.redis.client.pipeline(transaction=False) as pipe:
            for number in range(10_000):
                invented = json.dumps(
                    json.loads(text) | {"segment": {"cluster_network": f"x{number}", "vlan": 1}}
                )
                pipe.xadd(DOUBTS_KEY, {FIELD: text}, maxlen=DOUBTS_KEPT)
                pipe.xadd(DOUBTS_KEY, {FIELD: invented}, maxlen=DOUBTS_KEPT)
                if number % 100 == 0:
                    pipe.xadd(DOUBTS_KEY, {FIELD: "{"}, maxlen=DOUBTS_KEPT)
            pipe.execute()
        networks.create(network("new", vlan=7))
        until(lambda: is_asked(site, 7))
        until(lambda: site.redis.client.llen(DEAD_LETTERS_KEY) > 0)
        # Not finished by anybody, so it stays outstanding: one request a host is enough for all doubts.
        assert len([r for r in site.taken if names_vlan(100)(r)]) <= len(HOSTS)


def test_it_marks_that_it_sends_while_it_leads_and_is_not_paused(site: Site, networks: Networks) -> None:
    """The mark is renewed while it sends; neither a watcher on standby nor a paused one sets it."""
    client = site.redis.client

    def is_renewed() -> bool:
        client.delete(SENDING_KEY)
        wait_for_polls(site)
        return client.exists(SENDING_KEY) == 1

    with watching(site, networks, lease_identity="first") as first:
        until(is_renewed)
        client.set(PAUSED_KEY, PAUSED)
        until(lambda: not is_renewed())
        assert not is_renewed()
        client.delete(PAUSED_KEY)
        until(is_renewed)
        with watching(site, networks, lease_identity="second"):
            until(is_renewed)
            first.stop()
            client.delete(SENDING_KEY)
            until(lambda: client.exists(SENDING_KEY) == 1)
