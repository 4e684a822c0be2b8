"""Reading from Redis which hosts are announced, and which probers hold or wait for a host's name.

Anyone with access to Redis can write these keys. So each entry is validated by itself: an invalid one is
returned with the reason, and does not hide the others.
"""

import contextlib
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from typing import cast

import redis

from services.contract.errors import MessageRefused
from services.contract.host_claims import HostClaim
from services.contract.messages import MAX_QUOTED_CHARACTERS, HostAnnouncement
from services.contract.names import HOST_KEY_PREFIX, host_key, host_lock_key, host_waiting_key

MAX_HOSTS = 1_000
MAX_REFUSED = 1_000
"""Both limits keep the first entries by key; further ones are left out."""
BATCH = 500
"""Keys per command."""
SCANNED = 10_000
"""Keys that Redis looks at in one command, which takes it a millisecond. Thousands of networks are three
times as many keys, and the hosts among them are looked for every second."""


@dataclass(frozen=True)
class RefusedEntry:
    """An entry that is not the announcement of the host that its key names."""

    key: str
    reason: str
    """The invalid field, its value, and what was expected."""
    body: str
    """The whole entry. Here and in the key, bytes that are not UTF-8 are escaped as \\xNN."""


@dataclass(frozen=True)
class Announcements:
    """The entries under the hosts' keys."""

    hosts: tuple[HostAnnouncement, ...] = ()
    """The valid ones, sorted by name, without duplicates; at most MAX_HOSTS."""
    refused: tuple[RefusedEntry, ...] = ()
    """The invalid ones, sorted by key; at most MAX_REFUSED."""


def read(client: redis.Redis) -> Announcements:
    """Return the current announcements. Raises redis.RedisError; invalid entries raise nothing.

    Keys of a type other than string are skipped.
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


def read_holders(client: redis.Redis, hosts: Collection[str]) -> dict[str, HostClaim]:
    """Return the claims of the probers that hold the names of these hosts, by host; see read_waiting."""
    return _claims(client, hosts, host_lock_key)


def read_waiting(client: redis.Redis, hosts: Collection[str]) -> dict[str, HostClaim]:
    """Return the claims of probers that wait for the name of one of these hosts, by host.

    Invalid entries are left out: a prober that waits writes its own again. Raises redis.RedisError.
    """
    return _claims(client, hosts, host_waiting_key)


def _claims(
    client: redis.Redis, hosts: Collection[str], key_of: Callable[[str], str]
) -> dict[str, HostClaim]:
    claims: dict[str, HostClaim] = {}
    if hosts:
        # MGET returns None for a key of another type, where GET would fail.
        bodies = cast("Sequence[str | None]", client.mget(map(key_of, hosts)))
        for host, body in zip(hosts, bodies, strict=True):
            with contextlib.suppress(MessageRefused):
                if body is not None and (claim := HostClaim.from_wire(body)).host == host:
                    claims[host] = claim
    return claims


class AnnouncementReader:
    """Reads the announcements repeatedly; returns an invalid entry once, and again when its body changes."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._refused: OrderedDict[str, str] = OrderedDict()

    def read(self) -> Announcements:
        """Return the valid announcements and the invalid entries that are new; see read()."""
        found = read(self._client)
        fresh = tuple(entry for entry in found.refused if self._refused.get(entry.key) != entry.body)
        self._refused |= {entry.key: entry.body for entry in fresh}
        # With a lower limit, more invalid entries than that would be new at every call.
        while len(self._refused) > MAX_REFUSED:
            self._refused.popitem(last=False)
        return replace(found, refused=fresh)


def _entries(client: redis.Redis) -> Iterator[tuple[bytes, bytes]]:
    # As bytes: decoding in the client would fail as a whole for one key or body that is not UTF-8.
    found = client.scan_iter(match=f"{HOST_KEY_PREFIX}*", count=SCANNED, NEVER_DECODE=True)
    # SCAN may return a key twice while the table is resized.
    keys = iter(sorted(set(cast("Iterator[bytes]", found))))
    while batch := tuple(islice(keys, BATCH)):
        # MGET returns None for a key of another type, where GET would fail.
        answer = client.execute_command("MGET", *batch, NEVER_DECODE=True)  # type: ignore[no-untyped-call]
        for key, body in zip(batch, cast("Sequence[bytes | None]", answer), strict=True):
            # Also None: expired between the two commands.
            if body is not None:
                yield key, body


@lru_cache(maxsize=2 * MAX_HOSTS)
def _announcement(key: bytes, body: bytes) -> HostAnnouncement:
    """Parse one entry, mostly one that was read a second ago. Raises MessageRefused."""
    kind = HostAnnouncement.__name__
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise MessageRefused(f"{kind}: not UTF-8: {error.reason} at byte {error.start}") from None
    announcement = HostAnnouncement.from_wire(text)
    if host_key(announcement.host).encode() != key:
        expected = _printable(key).removeprefix(HOST_KEY_PREFIX)[:MAX_QUOTED_CHARACTERS]
        raise MessageRefused(
            f"{kind}: host: under the key of another host, expected {expected!r}, "
            f"got {announcement.host[:MAX_QUOTED_CHARACTERS]!r}"
        )
    return announcement


def _printable(text: bytes) -> str:
    return text.decode(errors="backslashreplace")
