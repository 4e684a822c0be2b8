"""The one reader of hosts' announcements, on a real Redis in which anybody may have written anything."""

import contextlib
import json

import pytest

from services.contract.messages import HostAnnouncement
from services.contract.names import HOST_KEY_PREFIX, WATCHED_KEY, host_key
from services.runtime import announcements
from services.runtime.announcements import BATCH, MAX_HOSTS, MAX_REFUSED
from services.runtime.redis_client import connect
from services.watcher.hosts import HostReader
from tests.support.redis_server import RedisServer


def announcement(host: str) -> HostAnnouncement:
    return HostAnnouncement(host=host, uplinks={"extra": "extra-bo"}, version="1", incarnation=7)


def announced(host: str, **fields: object) -> str:
    """As it stands in Redis, with some fields otherwise."""
    return json.dumps(announcement(host).to_wire() | fields)


def test_hosts_are_read_by_name(redis_server: RedisServer) -> None:
    """Each as it announced itself, through more than one command; none where none is announced."""
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
def test_a_bad_entry_is_told_with_its_reason_and_hides_no_good_one(
    redis_server: RedisServer, kind: str
) -> None:
    """Its key, what was found and expected of which field, and its body; the hosts around it are there."""
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
def test_a_key_that_is_no_hosts_is_refused_in_a_line(redis_server: RedisServer, name: bytes) -> None:
    """Whatever bytes it is of, and however many: the reason can be read, and the host is there."""
    redis_server.client.set(host_key("node1"), announced("node1"))
    redis_server.client.set(HOST_KEY_PREFIX.encode() + name, announced("node1"))
    seen = announcements.read(redis_server.client)
    assert seen.hosts == (announcement("node1"),)
    (refused,) = seen.refused
    assert refused.key == HOST_KEY_PREFIX + name.decode(errors="backslashreplace")
    assert "got 'node1'" in refused.reason
    assert len(refused.reason) < 200


def test_what_holds_no_text_is_no_entry(redis_server: RedisServer) -> None:
    """A list under a host's key is neither a host nor refused."""
    redis_server.client.set(host_key("node1"), announced("node1"))
    redis_server.client.lpush(host_key("list"), announced("list"))
    assert announcements.read(redis_server.client) == announcements.Announcements((announcement("node1"),))


def test_any_number_of_bad_entries_hides_no_good_one(redis_server: RedisServer) -> None:
    """Those that are told of have a limit; the host that comes after all of them is told."""
    redis_server.client.mset({host_key(f"a{number:05}"): "junk" for number in range(MAX_REFUSED + BATCH)})
    redis_server.client.set(host_key("node1"), announced("node1"))
    seen = announcements.read(redis_server.client)
    assert seen.hosts == (announcement("node1"),)
    assert [entry.key for entry in seen.refused] == [host_key(f"a{n:05}") for n in range(MAX_REFUSED)]


def test_hosts_have_a_limit(redis_server: RedisServer) -> None:
    """The first by their names count, and always the same ones."""
    names = [f"node{number:05}" for number in range(MAX_HOSTS + 1)]
    redis_server.client.mset({host_key(name): announced(name) for name in names})
    assert [told.host for told in announcements.read(redis_server.client).hosts] == names[:MAX_HOSTS]


def test_a_mark_that_is_no_text_is_one_all_the_same(redis_server: RedisServer) -> None:
    """The watcher's mark says that Redis has lost nothing; that it was overwritten counts as a loss, once."""
    with contextlib.closing(connect(redis_server.url)) as client:
        reader = HostReader(client)
        assert not reader.poll().lost
        redis_server.client.set(WATCHED_KEY, b"\xff\xfe")
        assert [reader.poll().lost for _ in range(2)] == [True, False]
