"""Verdicts, hosts and dead letters in a real Redis: order, age, and entries that others wrote."""

import contextlib
import json
import random
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv4Network
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.contract.limits import REPORT_WITHIN_S
from services.contract.messages import HostAnnouncement, Segment, Verdict
from services.contract.names import DEAD_LETTERS_KEPT, DEAD_LETTERS_KEY, HOST_TTL_S, host_key, verdicts_key
from services.contract.outcomes import DHCPOutcome, Fault
from services.contract.reports import Report
from services.contract.wire import Message
from services.runtime.connection.redis_client import connect, time_ms
from services.runtime.stored import dead_letters
from services.runtime.stored.verdict_store import BATCH, KEPT_S, VerdictStore
from services.updater import hosts as updater_hosts
from services.updater.hosts import AnnouncedHosts
from tests.support.log_lines import log_lines
from tests.support.manual_clock import ManualClock
from tests.support.redis_server import RedisServer
from tests.unit.network.builders import SEGMENT, dhcp, offer, verdict

DIGEST = "0" * 16
RESTART_S = REPORT_WITHIN_S


@pytest.fixture
def store(redis_server: RedisServer) -> Iterator[VerdictStore]:
    with contextlib.closing(connect(redis_server.url)) as client:
        yield VerdictStore(client)


def made(counter: int, *, incarnation: int = 1, host: str = "node1", asked: bool = False) -> Verdict:
    """Return a verdict with this place in its host's order."""
    plain = verdict(DIGEST, host=host, counter=counter, dhcp=dhcp(offer()) if asked else None)
    return plain.model_copy(update={"incarnation": incarnation})


def test_a_verdict_is_read_as_it_was_put(store: VerdictStore) -> None:
    """Its age is by Redis' time; one that asked DHCP is in both tuples."""
    said = made(1, asked=True)
    assert store.put([said]) == {SEGMENT}
    found = store.read([SEGMENT])[SEGMENT]
    assert [seen.verdict for seen in found.latest] == [said]
    assert [seen.verdict for seen in found.asked_dhcp] == [said]
    assert 0 <= found.latest[0].age_s < 5


def test_the_newest_that_asked_dhcp_is_kept_beside_the_newest(store: VerdictStore) -> None:
    """A gateway check does not hide the DHCP result before it."""
    store.put([made(1, asked=True)])
    store.put([made(2)])
    found = store.read([SEGMENT])[SEGMENT]
    assert [seen.verdict.counter for seen in found.latest] == [2]
    assert [seen.verdict.counter for seen in found.asked_dhcp] == [1]


def test_an_inconclusive_dhcp_result_hides_no_conclusive_one(store: VerdictStore) -> None:
    """Otherwise an older offer to another host would count again."""
    lossy = verdict(DIGEST, counter=2, dhcp=dhcp(outcome=DHCPOutcome.INCONCLUSIVE))
    store.put([made(1, asked=True)])
    store.put([lossy])
    found = store.read([SEGMENT])[SEGMENT]
    assert [seen.verdict.counter for seen in found.latest] == [2]
    assert [seen.verdict.counter for seen in found.asked_dhcp] == [1]


def test_a_verdict_is_parsed_once(store: VerdictStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its report; another process parses what it reads once."""
    report = Report(host="node1", verdicts=(made(1, asked=True),))
    parsed: list[type[Message]] = []
    parse = Message.from_wire.__func__  # type: ignore[attr-defined]

    def count(kind: type[Message], body: object) -> Message:
        parsed.append(kind)
        return parse(kind, body)  # type: ignore[no-any-return]

    monkeypatch.setattr(Message, "from_wire", classmethod(count))
    store.put(Report.from_wire(report.to_json()).verdicts)
    found = store.read([SEGMENT])[SEGMENT]
    assert parsed == [Report]
    other = VerdictStore(store._client)
    assert other.read([SEGMENT])[SEGMENT].latest[0].verdict == found.latest[0].verdict
    other.read([SEGMENT])
    assert parsed == [Report, Verdict]


ORDINALS = st.tuples(st.integers(0, 3), st.integers(0, 5), st.booleans())


@given(orders=st.lists(ORDINALS, min_size=1, max_size=12))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_the_newest_verdict_wins_in_any_order(
    redis_server: RedisServer, orders: list[tuple[int, int, bool]]
) -> None:
    """Incarnation precedes counter; late, twice or in one batch makes no difference."""
    redis_server.client.flushall()
    store = VerdictStore(redis_server.client)
    batch = [made(counter, incarnation=incarnation, asked=asked) for incarnation, counter, asked in orders]
    for verdicts in (batch[::2], batch[1::2], batch):
        store.put(verdicts)
    found = store.read([SEGMENT])[SEGMENT]
    kept = [(seen.verdict.incarnation, seen.verdict.counter) for seen in found.latest]
    assert kept == [max((i, c) for i, c, _ in orders)]
    asked = [(i, c) for i, c, dhcp_asked in orders if dhcp_asked]
    asked_dhcp = [(seen.verdict.incarnation, seen.verdict.counter) for seen in found.asked_dhcp]
    assert asked_dhcp == ([max(asked)] if asked else [])


def test_a_duplicate_is_no_news_and_keeps_its_age(redis_server: RedisServer, store: VerdictStore) -> None:
    """Delivered twice, it is as old as the first time."""
    store.put([made(1)])
    before = redis_server.client.hgetall(verdicts_key(SEGMENT))
    assert store.put([made(1)]) == frozenset()
    assert redis_server.client.hgetall(verdicts_key(SEGMENT)) == before


def test_order_is_exact_to_the_microsecond(redis_server: RedisServer, store: VerdictStore) -> None:
    """Lua's doubles hold Redis' time in microseconds."""
    now = time_ms(redis_server.client)
    top = now * 1000 + 1
    store.put([made(top - 1, incarnation=now)])
    assert store.put([made(top, incarnation=now)]) == {SEGMENT}
    assert store.put([made(top - 1, incarnation=now)]) == frozenset()


def test_an_entry_from_redis_future_orders_nothing(redis_server: RedisServer, store: VerdictStore) -> None:
    """R17: it is not read, and any verdict replaces it, or the host would be ignored until then."""
    store.put([made(9, incarnation=9)])
    (text,) = (str(t) for t in redis_server.client.hvals(verdicts_key(SEGMENT)))
    at_ms = json.loads(text)["at_ms"]
    redis_server.client.hset(verdicts_key(SEGMENT), "node1", text.replace(str(at_ms), str(at_ms + 3_600_000)))
    assert store.read([SEGMENT])[SEGMENT].latest == ()
    assert store.put([made(1)]) == {SEGMENT}


def test_a_stopped_probe_never_replaces_a_verdict(store: VerdictStore) -> None:
    """It says nothing about the network."""
    store.put([made(1)])
    stopped = made(2).model_copy(update={"fault": Fault.STOPPED})
    assert store.put([stopped]) == frozenset()
    assert [seen.verdict.counter for seen in store.read([SEGMENT])[SEGMENT].latest] == [1]


def test_a_large_report_is_stored_completely(redis_server: RedisServer, store: VerdictStore) -> None:
    """It is stored in batches, each verdict under its own segment."""
    segments = [Segment(cluster_network="extra", vlan=vlan) for vlan in range(1, 2 * BATCH + 2)]
    verdicts = [verdict(DIGEST, segment=segment) for segment in segments]
    random.Random(1).shuffle(verdicts)
    assert store.put(verdicts) == set(segments)
    found = store.read(segments)
    assert all(len(found[segment].latest) == 1 for segment in segments)
    assert 0 < int(redis_server.client.ttl(verdicts_key(segments[0]))) <= KEPT_S


@pytest.mark.parametrize(
    "junk",
    ["", "not json", "{}", '{"incarnation":1,"counter":1,"at_ms":1,"verdict":{}}', "5" * 100_000, b"\xff\0"],
)
def test_junk_is_ignored_and_replaced(
    redis_server: RedisServer, store: VerdictStore, junk: str | bytes
) -> None:
    """Anybody with access may have written it."""
    redis_server.client.hset(
        verdicts_key(SEGMENT), mapping={"node1": junk, "node2": junk, "node2|dhcp": junk}
    )
    assert store.read([SEGMENT])[SEGMENT].latest == ()
    store.put([made(7, incarnation=7)])
    assert [seen.verdict.counter for seen in store.read([SEGMENT])[SEGMENT].latest] == [7]


def test_an_unknown_segment_has_no_verdicts(store: VerdictStore) -> None:
    """It is in the result nevertheless."""
    found = store.read([SEGMENT])[SEGMENT]
    assert (found.latest, found.asked_dhcp) == ((), ())


def announce(server: RedisServer, host: str, *cluster_networks: str, key_of: str = "") -> None:
    """Announce a host, under its own key or another host's."""
    said = HostAnnouncement(
        host=host, uplinks=dict.fromkeys(cluster_networks, "bo"), version="1", incarnation=1
    )
    server.client.set(host_key(key_of or host), json.dumps(said.to_wire()), ex=HOST_TTL_S)


class Hosts(AnnouncedHosts):
    """The announced hosts, read at the time of a clock that the test moves."""

    def __init__(self, server: RedisServer, ignored: Callable[[str], None] = lambda _: None) -> None:
        self.clock = ManualClock()
        super().__init__(
            server.client,
            self.clock,
            observed_ms=lambda: round(self.clock.seconds * 1000),
            ignored=ignored,
        )

    def after(self, seconds: float, cluster_network: str = "extra") -> frozenset[str]:
        """Return the hosts that carry the cluster network, this much later."""
        self.clock.seconds += seconds
        self.refresh()
        return self.carrying(cluster_network).hosts


def test_hosts_are_found_by_cluster_network(redis_server: RedisServer) -> None:
    """Only announced hosts count."""
    announce(redis_server, "node1", "mgmt", "extra")
    announce(redis_server, "node2", "mgmt")
    hosts = Hosts(redis_server)
    assert hosts.after(0, "extra") == {"node1"}
    assert hosts.after(0, "mgmt") == {"node1", "node2"}
    assert hosts.after(0, "other") == frozenset()


def test_an_announcement_under_another_hosts_key_changes_nothing(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is logged once, announces no host, and does not affect the host that it names."""
    lines = log_lines(monkeypatch, updater_hosts)
    hosts = Hosts(redis_server)
    announce(redis_server, "node1", "extra")
    assert hosts.after(0) == {"node1"}
    announce(redis_server, "node1", "other", key_of="node2")
    announce(redis_server, "node3", "extra", key_of="node4")
    assert hosts.after(1) == {"node1"}
    assert hosts.after(1, "other") == frozenset()
    assert [line["event"] for line in lines].count("announcement ignored") == 2
    errors = {line["key"]: line["error"] for line in lines if line["event"] == "announcement ignored"}
    assert set(errors) == {host_key("node2"), host_key("node4")}
    assert "host: under the key of another host, expected 'node2', got 'node1'" in errors[host_key("node2")]


def test_the_hosts_own_addresses_are_known(redis_server: RedisServer) -> None:
    """R20: after two minutes, also while the host restarts; what was not believed is forgotten. So are its
    networks, without those that no host can have."""
    ignored: list[str] = []
    hosts = Hosts(redis_server, ignored.append)
    own, network = IPv4Address("10.255.0.11"), IPv4Network("10.255.0.0/24")
    said = HostAnnouncement(
        host="node1",
        uplinks={"extra": "bo"},
        version="1",
        incarnation=1,
        addresses=(own,),
        own_networks=(network, IPv4Network("0.0.0.0/0"), IPv4Network("128.0.0.0/7")),
    )
    redis_server.client.set(host_key("node1"), json.dumps(said.to_wire()), ex=HOST_TTL_S)
    assert (hosts.addresses(), hosts.own_networks()) == (frozenset(), frozenset())
    forged = said.model_copy(update={"host": "node2", "addresses": (own + 1,)})
    redis_server.client.set(host_key("node2"), json.dumps(forged.to_wire()), ex=HOST_TTL_S)
    hosts.after(0)
    assert not hosts.addresses()
    assert hosts.claimed() == {own, own + 1}
    assert not hosts.own_networks()
    assert hosts.claimed_networks() == {network}
    assert ignored == ["own_network"] * 4, "no interface has a network wider than /8"
    redis_server.client.delete(host_key("node2"))
    for _ in range(12):
        hosts.after(10)
        assert hosts.claimed() <= {own}
    assert hosts.addresses() == {own}
    redis_server.client.delete(host_key("node1"))
    hosts.after(1)
    assert hosts.addresses() == {own}
    assert not hosts.claimed()
    assert hosts.own_networks() == {network}
    assert not hosts.claimed_networks()
    assert ignored == ["own_network"] * 4


def test_a_missing_host_restarts_for_25_seconds(redis_server: RedisServer) -> None:
    """W12: it counts meanwhile, whether it was alone or all vanished at once; then it is gone."""
    hosts = Hosts(redis_server)
    for name in ("node1", "node2", "node3"):
        announce(redis_server, name, "extra")
    everyone = hosts.after(0)
    redis_server.client.delete(host_key("node2"))
    assert hosts.after(1) == everyone
    redis_server.client.flushall()
    announce(redis_server, "node3", "extra")
    assert hosts.after(RESTART_S - 1) == everyone
    assert hosts.after(1) == {"node1", "node3"}
    assert hosts.after(RESTART_S - 1) == {"node3"}


def test_a_restarted_host_counts_by_its_new_announcement(redis_server: RedisServer) -> None:
    """An uplink that it does not announce any more is gone at once."""
    hosts = Hosts(redis_server)
    announce(redis_server, "node1", "extra", "mgmt")
    hosts.after(0)
    redis_server.client.delete(host_key("node1"))
    assert hosts.after(1) == {"node1"}
    announce(redis_server, "node1", "mgmt")
    assert hosts.after(1) == frozenset()
    assert hosts.after(0, "mgmt") == {"node1"}


def test_a_host_is_not_gone_while_nobody_probes(redis_server: RedisServer) -> None:
    """W14: the time in which it may restart is observed time."""
    clock, observed = ManualClock(), [7_000]
    hosts = AnnouncedHosts(redis_server.client, clock, observed_ms=lambda: observed[0])
    announce(redis_server, "node1", "extra")
    hosts.refresh()
    redis_server.client.delete(host_key("node1"))
    for _ in range(2):
        clock.seconds += 3_600
        hosts.refresh()
        assert hosts.carrying("extra").hosts == {"node1"}
    observed[0] += round(RESTART_S * 1000)
    clock.seconds += 1
    hosts.refresh()
    assert hosts.carrying("extra").hosts == frozenset()


def test_hosts_are_settled_once_each_had_the_time_to_announce_itself(redis_server: RedisServer) -> None:
    """After the updater's start one that is missing may be about to come."""
    hosts = Hosts(redis_server)
    announce(redis_server, "node1", "extra")
    hosts.after(0)
    assert not hosts.carrying("extra").is_settled
    hosts.after(HOST_TTL_S - 1)
    assert not hosts.carrying("extra").is_settled
    hosts.after(1)
    assert hosts.carrying("extra").is_settled


def test_the_slowest_announced_pace_is_the_bound(redis_server: RedisServer) -> None:
    """It counts for the cluster networks that the host carries."""
    hosts = Hosts(redis_server)
    announce(redis_server, "node1", "extra", "mgmt")
    slow = HostAnnouncement(
        host="node2", uplinks={"extra": "bo"}, version="1", incarnation=1, report_within_s=101.5
    )
    redis_server.client.set(host_key("node2"), json.dumps(slow.to_wire()), ex=HOST_TTL_S)
    hosts.after(0)
    assert hosts.carrying("extra").bound_ms == 101_500
    assert hosts.carrying("mgmt").bound_ms == 25_000


def test_a_forged_time_to_report_delays_nothing(redis_server: RedisServer) -> None:
    """R20: it counts once a report has come of the prober that announces it; a slow host that reports is
    waited for, and one that stops to be announced is not. The log and the metric tell."""
    ignored: list[str] = []
    hosts = Hosts(redis_server, ignored.append)

    def bound_s(*announced: tuple[str, int, float]) -> float:
        """Announce these hosts, by name, incarnation and time; return the bound a second later."""
        redis_server.client.flushall()
        for name, incarnation, time_s in announced:
            said = HostAnnouncement(
                host=name,
                uplinks={"extra": "bo"},
                version="1",
                incarnation=incarnation,
                report_within_s=time_s,
            )
            redis_server.client.set(host_key(name), said.to_json(), ex=HOST_TTL_S)
        hosts.after(1)
        return hosts.carrying("extra").bound_ms / 1000

    def report(incarnation: int) -> None:
        hosts.reported(Report(host="node1", verdicts=(made(1, incarnation=incarnation),)))

    slow = ("node1", 1, 70.0)
    assert bound_s(slow) == 70.0, "after the start nothing was heard of any host"
    for _ in range(60):
        bound_s(slow)
    assert (bound_s(slow), ignored) == (REPORT_WITHIN_S, ["report_time"])
    report(2)
    assert bound_s(slow) == REPORT_WITHIN_S
    report(1)
    assert bound_s(slow) == 70.0
    assert bound_s(slow, ("ghost", 1, 600.0)) == 70.0
    assert bound_s(("node1", 1, 600.0)) == 70.0
    assert bound_s(("node1", 2, 600.0)) == 70.0
    report(2)
    assert bound_s(("node1", 2, 80.0)) == 80.0
    assert bound_s(("node1", 3, 30.0)) == 30.0
    assert ignored.count("report_time") == 3


def test_dead_letters_are_bounded_and_newest_first(redis_server: RedisServer) -> None:
    """Both their number and their size are bounded."""
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    bodies: list[object] = ["x" * 1_000_000, {"a": 1}, object(), "\ud800", deep]
    for body in bodies:
        dead_letters.record(redis_server.client, where="test", reason="r" * 100_000, body=body)
    for number in range(DEAD_LETTERS_KEPT):
        dead_letters.record(redis_server.client, where="test", reason=str(number), body=None)
    assert redis_server.client.llen(DEAD_LETTERS_KEY) == DEAD_LETTERS_KEPT
    newest = [json.loads(letter) for letter in redis_server.client.lrange(DEAD_LETTERS_KEY, 0, 2)]
    assert [letter["reason"] for letter in newest] == ["999", "998", "997"]
    ages = [int(str(letter["at_ms"])) for letter in newest]
    assert all(younger >= older for younger, older in pairwise(ages))
    while deep:
        deep = deep.pop()  # type: ignore[assignment] # or taking it apart would recurse


def test_a_dead_letter_is_cut(redis_server: RedisServer) -> None:
    """Of a body of megabytes only the beginning is kept."""
    dead_letters.record(redis_server.client, where="test", reason="r" * 100_000, body="x" * 1_000_000)
    (letter,) = redis_server.client.lrange(DEAD_LETTERS_KEY, 0, -1)
    assert len(letter) < 6_000
