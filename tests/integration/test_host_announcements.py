"""Reading hosts' announcements from a real Redis with hostile entries."""

import contextlib
import json
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address

import pytest
from prometheus_client import CollectorRegistry

from services.contract import limits, member_nics
from services.contract.member_nics import LLDPState, MemberNIC, SwitchPort
from services.contract.messages import MAX_ADDRESSES, MAX_HOST_NETWORKS, HostAnnouncement
from services.contract.names import HOST_KEY_PREFIX, HOST_TTL_S, WATCHED_KEY, host_key
from services.runtime.stored import announcements
from services.runtime.stored.announcements import BATCH, MAX_HOSTS, MAX_REFUSED, AnnouncementReader
from services.runtime.stored.guarded_redis import connect_guarded
from services.watcher.hosts import HostReader
from tests.support import announcing
from tests.support.redis_server import RedisServer
from tests.support.updater_site import wait_until


def announcement(host: str) -> HostAnnouncement:
    return HostAnnouncement(host=host, uplinks={"extra": "extra-bo"}, version="1", incarnation=7)


def announced(host: str, **fields: object) -> str:
    """Return an announcement as in Redis, with some fields changed."""
    return json.dumps(announcement(host).to_wire() | fields)


def put(
    server: RedisServer, bodies: Mapping[str, str | bytes], *, lifetime_s: int | None = HOST_TTL_S
) -> None:
    """Put announcements under the keys of these hosts."""
    with server.client.pipeline(transaction=False) as pipe:
        for host, body in bodies.items():
            pipe.set(host_key(host), body, ex=lifetime_s)
        pipe.execute()


def test_the_tests_announce_a_host_again_that_redis_lost(redis_server: RedisServer) -> None:
    """It is there as soon as the block begins, and comes back; else a module waits for it in vain."""
    client, said = redis_server.client, announcement("node1")
    with announcing.announced(client, said):
        assert client.get(host_key("node1")) == said.model_dump_json()
        client.flushall()
        wait_until(lambda: client.get(host_key("node1")) == said.model_dump_json())


def test_hosts_are_returned_sorted_by_name(redis_server: RedisServer) -> None:
    """Across several commands; without announcements there are none."""
    assert announcements.read(redis_server.client) == announcements.Announcements()
    names = [f"node{number:03}" for number in range(BATCH + 1)]
    put(redis_server, {name: announced(name) for name in reversed(names)})
    assert announcements.read(redis_server.client) == announcements.Announcements(
        hosts=tuple(map(announcement, names))
    )


NOT_ANNOUNCEMENTS: dict[str, tuple[str | bytes, str]] = {
    "no JSON": ("{", "HostAnnouncement: (whole): Invalid JSON"),
    "no object": ("[]", "HostAnnouncement: (whole): Input should be an object, got 'a list of 0'"),
    "empty": ("", "HostAnnouncement: (whole): Invalid JSON"),
    "a tower": ("[" * 60_000, "HostAnnouncement: (whole): Invalid JSON"),
    "another host's": (
        announced("node9"),
        "HostAnnouncement: host: under the key of another host, expected 'node2', got 'node9'",
    ),
    "another type": (
        announced("node2", incarnation="now"),
        "HostAnnouncement: incarnation: Input should be a valid integer, got 'now'",
    ),
    "an unknown field": (
        announced("node2", colour="red"),
        "HostAnnouncement: colour: Extra inputs are not permitted, got 'red'",
    ),
    "no UTF-8": (b'{"host":"\xff"}', "HostAnnouncement: not UTF-8: invalid start byte at byte 9"),
    "no UTF-8 once escaped": (
        announced("node2", version="?").encode().replace(b"?", b"\\\xff"),
        "HostAnnouncement: not UTF-8: invalid start byte",
    ),
}


@pytest.mark.parametrize("kind", NOT_ANNOUNCEMENTS)
def test_an_invalid_entry_is_returned_with_its_reason_and_hides_no_valid_one(
    redis_server: RedisServer, kind: str
) -> None:
    """With its key, the invalid field and its body; the hosts around it are returned."""
    body, reason = NOT_ANNOUNCEMENTS[kind]
    for host in ("node1", "node3"):
        put(redis_server, {host: announced(host)})
    put(redis_server, {"node2": body})
    seen = announcements.read(redis_server.client)
    assert seen.hosts == (announcement("node1"), announcement("node3"))
    (refused,) = seen.refused
    assert refused.key == host_key("node2")
    assert refused.reason.startswith(reason)
    printed = body.decode(errors="backslashreplace") if isinstance(body, bytes) else body
    assert refused.body == printed


@pytest.mark.parametrize("lifetime_s", [None, HOST_TTL_S + 5, 86_400])
def test_what_does_not_expire_soon_is_no_announcement(
    redis_server: RedisServer, lifetime_s: int | None
) -> None:
    """R20: an invented host is gone soon after its author."""
    put(redis_server, {"node1": announced("node1")}, lifetime_s=lifetime_s)
    seen = announcements.read(redis_server.client)
    assert seen.hosts == ()
    assert [entry.reason for entry in seen.refused] == ["HostAnnouncement: expected to expire within 15 s"]


def test_a_giant_announcement_is_read_no_further_than_its_limit(redis_server: RedisServer) -> None:
    """R20: nor is it kept to know it again."""
    put(redis_server, {"node1": "x" * 10_000_000})
    reader = AnnouncementReader(redis_server.client)
    (refused,) = reader.read().refused
    assert len(refused.body) == announcements.MAX_BODY_BYTES + 1
    assert reader.read().refused == ()


def test_the_largest_announcement_of_a_prober_is_read(redis_server: RedisServer) -> None:
    """Whatever switches say: an announcement that is refused would take the host away."""
    told = "\U0001f600" * limits.MAX_TOLD_CHARACTERS
    port = SwitchPort(
        switch=told,
        port=told,
        description=told,
        address=IPv6Address(2**128 - 1),
        native_vlan=4094,
        vlans=((4093, 4094),) * limits.MAX_VLAN_RANGES,
        others=1_000,
    )
    names = tuple(f"{number}{'n' * 62}" for number in range(member_nics.MAX_CARRIED))
    member = MemberNIC(interface="é" * 15, cluster_networks=names, lldp=LLDPState.HEARD, port=port)
    largest = HostAnnouncement(
        host="n" * 253,
        uplinks=dict.fromkeys(names, "é" * 15),
        version="v" * 64,
        incarnation=2**53 - 1,
        addresses=(IPv4Address("255.255.255.255"),) * MAX_ADDRESSES,
        own_networks=(IPv4Network("255.255.255.254/31"),) * MAX_HOST_NETWORKS,
        members=(member,) * member_nics.MAX_MEMBERS,
    )
    put(redis_server, {largest.host: largest.model_dump_json()})
    assert announcements.read(redis_server.client) == announcements.Announcements((largest,))


def test_invented_hosts_crowd_out_none_that_was_there_or_has_reported(redis_server: RedisServer) -> None:
    """R20: a thousand of them, and a hundred thousand keys that match."""
    reader = AnnouncementReader(redis_server.client)
    put(redis_server, {"real": announced("real")})
    assert reader.read().left_out == 0
    reader.reported("reports")
    ghosts = [f"ghost{number:05}" for number in range(MAX_HOSTS)]
    put(redis_server, {name: announced(name) for name in [*ghosts, "late", "reports"]})
    seen = reader.read()
    assert (len(seen.hosts), seen.left_out) == (MAX_HOSTS, 3)
    assert {"real", "reports"} <= {found.host for found in seen.hosts}
    # A restart is no reason to lose a place either.
    redis_server.client.delete(host_key("real"))
    reader.read()
    put(redis_server, {"real": announced("real")})
    flood = "for n = 1, 100000 do redis.call('SET', KEYS[1] .. n, 'x', 'EX', 60) end"
    redis_server.client.eval(flood, 1, HOST_KEY_PREFIX)
    seen = reader.read()
    assert {"real", "reports"} <= {found.host for found in seen.hosts}
    assert seen.left_out > 0


@pytest.mark.parametrize("name", [b"", b"\xff", b"NODE2", b"node1\n", b"node*", b"x" * 100_000])
def test_a_key_without_a_host_name_is_refused_with_a_short_reason(
    redis_server: RedisServer, name: bytes
) -> None:
    """Whatever its bytes and length: the reason is readable, and the valid host is returned."""
    put(redis_server, {"node1": announced("node1")})
    redis_server.client.set(HOST_KEY_PREFIX.encode() + name, announced("node1"), ex=HOST_TTL_S)
    seen = announcements.read(redis_server.client)
    assert seen.hosts == (announcement("node1"),)
    (refused,) = seen.refused
    key = HOST_KEY_PREFIX + name.decode(errors="backslashreplace")
    assert refused.key == key[: announcements.MAX_KEY_BYTES + 1]
    assert "got 'node1'" in refused.reason
    assert len(refused.reason) < 200


def test_a_key_of_another_type_is_skipped(redis_server: RedisServer) -> None:
    """A list under a host's key is neither a host nor refused."""
    put(redis_server, {"node1": announced("node1")})
    redis_server.client.lpush(host_key("list"), announced("list"))
    assert announcements.read(redis_server.client) == announcements.Announcements((announcement("node1"),))


def test_many_invalid_entries_hide_no_valid_one(redis_server: RedisServer) -> None:
    """Refused entries are limited; the host that follows all of them is returned."""
    put(redis_server, {f"a{number:05}": "junk" for number in range(MAX_REFUSED + BATCH)})
    put(redis_server, {"node1": announced("node1")})
    seen = announcements.read(redis_server.client)
    assert seen.hosts == (announcement("node1"),)
    assert [entry.key for entry in seen.refused] == [host_key(f"a{n:05}") for n in range(MAX_REFUSED)]


def test_a_reader_returns_an_invalid_entry_once(redis_server: RedisServer) -> None:
    """It is returned again when its body changes; the other invalid entries and the hosts are unaffected."""
    reader = AnnouncementReader(redis_server.client)
    put(redis_server, {"node1": announced("node1")})
    put(redis_server, {f"a{number:05}": "junk" for number in range(MAX_REFUSED)})
    assert len(reader.read().refused) == MAX_REFUSED
    assert reader.read() == announcements.Announcements((announcement("node1"),))
    put(redis_server, {"a00003": "other junk"})
    assert [entry.body for entry in reader.read().refused] == ["other junk"]
    assert reader.read() == announcements.Announcements((announcement("node1"),))


def test_the_number_of_hosts_is_limited(redis_server: RedisServer) -> None:
    """The first by name are returned."""
    names = [f"node{number:05}" for number in range(MAX_HOSTS + 1)]
    put(redis_server, {name: announced(name) for name in names})
    assert [found.host for found in announcements.read(redis_server.client).hosts] == names[:MAX_HOSTS]


def test_a_mark_that_is_not_utf_8_does_not_fail_the_poll(redis_server: RedisServer) -> None:
    """R17: the mark by which the watcher detects data loss is put back: nothing was lost."""
    with contextlib.closing(connect_guarded(redis_server.url, registry=CollectorRegistry())) as client:
        reader = HostReader(client)
        assert not reader.poll().lost
        mark = redis_server.client.get(WATCHED_KEY)
        redis_server.client.set(WATCHED_KEY, b"\xff\xfe")
        assert [reader.poll().lost for _ in range(2)] == [False, False]
        assert redis_server.client.get(WATCHED_KEY) == mark
        redis_server.client.delete(WATCHED_KEY)
        redis_server.client.rpush(WATCHED_KEY, "x")
        assert [reader.poll().lost for _ in range(2)] == [False, False]
        assert redis_server.client.get(WATCHED_KEY) == mark
