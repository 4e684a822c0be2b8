"""Reading hosts' announcements from a real Redis with hostile entries."""

import contextlib
import json

import pytest

from services.contract.messages import HostAnnouncement
from services.contract.names import HOST_KEY_PREFIX, WATCHED_KEY, host_key
from services.runtime import announcements
from services.runtime.announcements import BATCH, MAX_HOSTS, MAX_REFUSED, AnnouncementReader
from services.runtime.redis_client import connect
from services.watcher.hosts import HostReader
from tests.support.redis_server import RedisServer


def announcement(host: str) -> HostAnnouncement:
    return HostAnnouncement(host=host, uplinks={"extra": "extra-bo"}, version="1", incarnation=7)


def announced(host: str, **fields: object) -> str:
    """Return an announcement as in Redis, with some fields changed."""
    return json.dumps(announcement(host).to_wire() | fields)


def test_hosts_are_returned_sorted_by_name(redis_server: RedisServer) -> None:
    """Across several commands; without announcements there are none."""
    assert announcements.read(redis_server.client) == announcements.Announcements()
    names = [f"node{number:03}" for number in range(BATCH + 1)]
    redis_server.client.mset({host_key(name): announced(name) for name in reversed(names)})
    assert announcements.read(redis_server.client) == announcements.Announcements(
        hosts=tuple(map(announcement, names))
    )


NOT_ANNOUNCEMENTS: dict[str, tuple[str | bytes, str]] = {
    "no JSON": ("{", "HostAnnouncement: (whole): Invalid JSON"),
    "no object": ("[]", "HostAnnouncement: (whole): Input should be an object, got 'a list of 0'"),
    "empty": ("", "HostAnnouncement: (whole): Invalid JSON"),
    "a tower": ("[" * 100_000, "HostAnnouncement: (whole): Invalid JSON"),
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
        redis_server.client.set(host_key(host), announced(host))
    redis_server.client.set(host_key("node2"), body)
    seen = announcements.read(redis_server.client)
    assert seen.hosts == (announcement("node1"), announcement("node3"))
    (refused,) = seen.refused
    assert refused.key == host_key("node2")
    assert refused.reason.startswith(reason)
    printed = body.decode(errors="backslashreplace") if isinstance(body, bytes) else body
    assert refused.body == printed


@pytest.mark.parametrize("name", [b"", b"\xff", b"NODE2", b"node1\n", b"node*", b"x" * 100_000])
def test_a_key_without_a_host_name_is_refused_with_a_short_reason(
    redis_server: RedisServer, name: bytes
) -> None:
    """Whatever its bytes and length: the reason is readable, and the valid host is returned."""
    redis_server.client.set(host_key("node1"), announced("node1"))
    redis_server.client.set(HOST_KEY_PREFIX.encode() + name, announced("node1"))
    seen = announcements.read(redis_server.client)
    assert seen.hosts == (announcement("node1"),)
    (refused,) = seen.refused
    assert refused.key == HOST_KEY_PREFIX + name.decode(errors="backslashreplace")
    assert "got 'node1'" in refused.reason
    assert len(refused.reason) < 200


def test_a_key_of_another_type_is_skipped(redis_server: RedisServer) -> None:
    """A list under a host's key is neither a host nor refused."""
    redis_server.client.set(host_key("node1"), announced("node1"))
    redis_server.client.lpush(host_key("list"), announced("list"))
    assert announcements.read(redis_server.client) == announcements.Announcements((announcement("node1"),))


def test_many_invalid_entries_hide_no_valid_one(redis_server: RedisServer) -> None:
    """Refused entries are limited; the host that follows all of them is returned."""
    redis_server.client.mset({host_key(f"a{number:05}"): "junk" for number in range(MAX_REFUSED + BATCH)})
    redis_server.client.set(host_key("node1"), announced("node1"))
    seen = announcements.read(redis_server.client)
    assert seen.hosts == (announcement("node1"),)
    assert [entry.key for entry in seen.refused] == [host_key(f"a{n:05}") for n in range(MAX_REFUSED)]


def test_a_reader_returns_an_invalid_entry_once(redis_server: RedisServer) -> None:
    """It is returned again when its body changes; the other invalid entries and the hosts are unaffected."""
    reader = AnnouncementReader(redis_server.client)
    redis_server.client.set(host_key("node1"), announced("node1"))
    redis_server.client.mset({host_key(f"a{number:05}"): "junk" for number in range(MAX_REFUSED)})
    assert len(reader.read().refused) == MAX_REFUSED
    assert reader.read() == announcements.Announcements((announcement("node1"),))
    redis_server.client.set(host_key("a00003"), "other junk")
    assert [entry.body for entry in reader.read().refused] == ["other junk"]
    assert reader.read() == announcements.Announcements((announcement("node1"),))


def test_the_number_of_hosts_is_limited(redis_server: RedisServer) -> None:
    """The first by name are returned."""
    names = [f"node{number:05}" for number in range(MAX_HOSTS + 1)]
    redis_server.client.mset({host_key(name): announced(name) for name in names})
    assert [found.host for found in announcements.read(redis_server.client).hosts] == names[:MAX_HOSTS]


def test_a_mark_that_is_not_utf_8_does_not_fail_the_poll(redis_server: RedisServer) -> None:
    """Overwriting the mark by which the watcher detects data loss counts as one loss."""
    with contextlib.closing(connect(redis_server.url)) as client:
        reader = HostReader(client)
        assert not reader.poll().lost
        redis_server.client.set(WATCHED_KEY, b"\xff\xfe")
        assert [reader.poll().lost for _ in range(2)] == [True, False]
