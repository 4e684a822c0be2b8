"""Reading from Redis which hosts are announced, and which probers hold or wait for a host's name.

Anyone with access to Redis can write these keys. So each entry is validated by itself: an invalid one is
returned with the reason, and does not hide the others. Of more entries than are read, hosts that are known
come first. What does not expire soon is none: it would outlive its author.
"""

import contextlib
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import islice
from typing import NamedTuple, cast

import redis
import structlog

from services.contract.errors import MessageRefused
from services.contract.host_claims import HostClaim
from services.contract.messages import HostAnnouncement
from services.contract.names import HOST_KEY_PREFIX, HOST_TTL_S, host_key, host_lock_key, host_waiting_key
from services.contract.wire import MAX_QUOTED_CHARACTERS
from services.runtime.process.bounded_cache import ParseCache
from services.runtime.process.outside_log import tell

log = structlog.get_logger(__name__)

MAX_HOSTS = 1_000
MAX_REFUSED = 1_000
"""Both limits keep the first entries: of known hosts, then by key. Further ones are left out."""
MAX_PLACES = 2 * MAX_HOSTS
"""Hosts that are remembered."""
MAX_FOUND = 10_000
"""Keys after which no more are looked for: known hosts are read by name."""
MAX_BODY_BYTES = 65_536
"""Of one announcement: much more than the largest."""
MAX_KEY_BYTES = 300
"""Of a key with a host's name; of others no more is kept."""
PARSED_BYTES = 8_000_000
"""Of the announcements whose parsed form is kept."""
BATCH = 500
"""Keys per command."""
SCANNED = 10_000
"""Keys that Redis looks at in one command, which takes it a millisecond. Thousands of networks are three
times as many keys, and the hosts among them are looked for every second."""

_READ = """
local found = {}
for at, key in ipairs(KEYS) do
  local body = redis.pcall('GET', key)
  found[2 * at - 1] = type(body) == 'string' and string.sub(body, 1, ARGV[1])
  found[2 * at] = redis.call('PTTL', key)
end
return found
"""


@dataclass(frozen=True)
class RefusedEntry:
    """An entry that is not the announcement of the host that its key names."""

    key: str
    reason: str
    """The invalid field, its value, and what was expected."""
    body: str
    """The entry, up to its limit. Here and in the key, bytes that are not UTF-8 are escaped as \\xNN."""


@dataclass(frozen=True)
class Announcements:
    """The entries under the hosts' keys."""

    hosts: tuple[HostAnnouncement, ...] = ()
    """The valid ones, sorted by name, without duplicates; at most MAX_HOSTS."""
    refused: tuple[RefusedEntry, ...] = ()
    """The invalid ones; at most MAX_REFUSED."""
    left_out: int = 0
    """Entries that were not read, or are of more hosts than MAX_HOSTS."""


class _Entry(NamedTuple):
    key: bytes
    body: bytes
    left_ms: int
    """Until it expires; -1 for never."""


def read(client: redis.Redis, *, first: Iterable[str] = ()) -> Announcements:
    """Return the current announcements. Raises redis.RedisError; invalid entries raise nothing.

    first: hosts whose announcements are read before all others, in this order. Keys of a type other than
    string are skipped.
    """
    hosts: list[HostAnnouncement] = []
    refused: list[RefusedEntry] = []
    keys = _keys(client, first)
    read = 0
    for entry in _entries(client, keys[: MAX_HOSTS + MAX_REFUSED]):
        if len(hosts) == MAX_HOSTS:
            break
        read += 1
        if entry is None:
            continue
        try:
            announced = _announcement(entry.key, entry.body)
            if not 0 <= entry.left_ms <= HOST_TTL_S * 1000:
                raise MessageRefused(f"HostAnnouncement: expected to expire within {HOST_TTL_S} s")
            hosts.append(announced)
        except MessageRefused as error:
            if len(refused) < MAX_REFUSED:
                refused.append(
                    RefusedEntry(
                        _printable(entry.key[: MAX_KEY_BYTES + 1]), str(error), _printable(entry.body)
                    )
                )
    hosts.sort(key=lambda announced: announced.host)
    return Announcements(tuple(hosts), tuple(refused), left_out=len(keys) - read)


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
    """Reads the announcements repeatedly; returns an invalid entry once, and again when its body changes.

    A host keeps its place whoever is announced later: invented ones crowd out no real one.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._refused: OrderedDict[str, bytes] = OrderedDict()
        self._reported: dict[str, None] = {}
        """Hosts that have reported, in the order of their first report."""
        self._known: dict[str, None] = {}
        """Hosts that were announced, in the order in which they were seen first."""
        self._announced: frozenset[str] = frozenset()
        self._left_out = 0

    def reported(self, host: str) -> None:
        """Record that this host has reported: it comes before those that have not."""
        if host not in self._reported:
            self._reported = self._with(self._reported, [host])

    def read(self) -> Announcements:
        """Return the valid announcements and the invalid entries that are new; see read().

        Where entries begin to be left out, or cease to, that is logged.
        """
        found = read(self._client, first=[*self._reported, *self._known])
        if bool(found.left_out) != bool(self._left_out):
            tell(log, "more hosts are announced than are read", left_out=found.left_out)
        self._left_out = found.left_out
        self._announced = frozenset(announced.host for announced in found.hosts)
        self._known = self._with(self._known, self._announced)
        digests = {entry: _digest(entry.body) for entry in found.refused}
        fresh = tuple(entry for entry in found.refused if self._refused.get(entry.key) != digests[entry])
        self._refused |= {entry.key: digests[entry] for entry in fresh}
        # With a lower limit, more invalid entries than that would be new at every call.
        while len(self._refused) > MAX_REFUSED:
            self._refused.popitem(last=False)
        return replace(found, refused=fresh)

    def _with(self, places: dict[str, None], hosts: Iterable[str]) -> dict[str, None]:
        """Return the places, followed by those of more hosts; of too many, the newest that are gone go."""
        places = {**places, **dict.fromkeys(sorted(hosts))}
        for host in [host for host in reversed(places) if host not in self._announced]:
            if len(places) <= MAX_PLACES:
                break
            del places[host]
        return dict(islice(places.items(), MAX_PLACES))


def _digest(body: str) -> bytes:
    return blake2b(body.encode(errors="replace"), digest_size=16).digest()


def _keys(client: redis.Redis, first: Iterable[str]) -> list[bytes]:
    """Return the keys to read, in their order."""
    known = list(dict.fromkeys(host_key(host).encode() for host in first))
    # As bytes: decoding in the client would fail as a whole for one key or body that is not UTF-8. SCAN may
    # return a key twice while the table is resized.
    scanned = client.scan_iter(match=f"{HOST_KEY_PREFIX}*", count=SCANNED, NEVER_DECODE=True)
    found = set(islice(cast("Iterator[bytes]", scanned), MAX_FOUND))
    return [*(key for key in known if key in found or len(found) == MAX_FOUND), *sorted(found - set(known))]


def _entries(client: redis.Redis, keys: Iterable[bytes]) -> Iterator[_Entry | None]:
    """Return what is under each of these keys; None for one that has expired, or has another type."""
    remaining = iter(keys)
    while batch := tuple(islice(remaining, BATCH)):
        answer = client.execute_command(  # type: ignore[no-untyped-call]
            "EVAL_RO", _READ, len(batch), *batch, MAX_BODY_BYTES + 1, NEVER_DECODE=True
        )
        read = iter(cast("Sequence[bytes | int | None]", answer))
        for key, body, left_ms in zip(batch, read, read, strict=True):
            yield None if body is None else _Entry(key, cast("bytes", body), cast("int", left_ms))


_parsed = ParseCache[HostAnnouncement](max_bytes=PARSED_BYTES)


def _announcement(key: bytes, body: bytes) -> HostAnnouncement:
    """Parse one entry, mostly one that was read a second ago. Raises MessageRefused."""
    if len(body) > MAX_BODY_BYTES:
        raise MessageRefused(f"{HostAnnouncement.__name__}: expected at most {MAX_BODY_BYTES} bytes")
    return _parsed.get(body, lambda: _parse(key, body), of=key[:MAX_KEY_BYTES])


def _parse(key: bytes, body: bytes) -> HostAnnouncement:
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
