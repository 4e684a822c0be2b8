"""Reading the hosts' announcements in Redis: one reader for all who need to know which hosts there are.

Whoever reaches Redis can write under these keys. So each entry is judged by itself: what is refused is told
with its reason, and hides no other.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import cast

import redis

from services.contract.errors import MessageRefused
from services.contract.messages import MAX_TOLD_CHARACTERS, HostAnnouncement
from services.contract.names import HOST_KEY_PREFIX, host_key

MAX_HOSTS = 1_000
MAX_REFUSED = 1_000
"""Both count those that come first by their keys; of more nothing is told."""
BATCH = 500
"""Keys in one command."""


@dataclass(frozen=True)
class RefusedEntry:
    """An entry that is not the announcement of the host whose key it stands under."""

    key: str
    reason: str
    """Which field is wrong, what it was, and what was expected."""
    body: str
    """All of it. In both this and the key, what is not UTF-8 is written as \\xNN."""


@dataclass(frozen=True)
class Announcements:
    """What stands under the hosts' keys."""

    hosts: tuple[HostAnnouncement, ...] = ()
    """The valid ones, by name: at most MAX_HOSTS, each under its own key, so none is there twice."""
    refused: tuple[RefusedEntry, ...] = ()
    """The others, by key: at most MAX_REFUSED."""


def read(client: redis.Redis) -> Announcements:
    """All that stand there now; raises redis.RedisError, and nothing for what an entry holds.

    A key of a type that holds no text is no entry.
    """
    hosts: list[HostAnnouncement] = []
    refused: list[RefusedEntry] = []
    for key, body in _entries(client):
        try:
            hosts.append(_announcement(key, body))
        except MessageRefused as error:
            if len(refused) < MAX_REFUSED:
                refused.append(RefusedEntry(_printable(key), str(error), _printable(body)))
        if len(hosts) == MAX_HOSTS:
            break
    return Announcements(tuple(hosts), tuple(refused))


def _entries(client: redis.Redis) -> Iterator[tuple[bytes, bytes]]:
    # As bytes: a client that decodes fails as a whole for one key, or one body, that is not UTF-8.
    found = client.scan_iter(match=f"{HOST_KEY_PREFIX}*", count=BATCH, NEVER_DECODE=True)
    # SCAN may give a key twice while the table is resized.
    keys = iter(sorted(set(cast("Iterator[bytes]", found))))
    while batch := tuple(islice(keys, BATCH)):
        # MGET takes a key of another type for none, where GET would fail.
        answer = client.execute_command("MGET", *batch, NEVER_DECODE=True)  # type: ignore[no-untyped-call]
        for key, body in zip(batch, cast("Sequence[bytes | None]", answer), strict=True):
            # None as well: run out between the two commands.
            if body is not None:
                yield key, body


def _announcement(key: bytes, body: bytes) -> HostAnnouncement:
    kind = HostAnnouncement.__name__
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise MessageRefused(f"{kind}: not UTF-8: {error.reason} at byte {error.start}") from None
    announcement = HostAnnouncement.from_wire(text)
    if host_key(announcement.host).encode() != key:
        expected = _printable(key).removeprefix(HOST_KEY_PREFIX)[:MAX_TOLD_CHARACTERS]
        raise MessageRefused(
            f"{kind}: host: under the key of another host, expected {expected!r}, "
            f"got {announcement.host[:MAX_TOLD_CHARACTERS]!r}"
        )
    return announcement


def _printable(text: bytes) -> str:
    return text.decode(errors="backslashreplace")
