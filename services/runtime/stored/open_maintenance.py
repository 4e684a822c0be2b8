"""The keys of the open maintenance windows: whoever reaches Redis can make any number, of any name."""

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, cast

from services.contract.names import MAINTENANCE_KEY_PREFIX

if TYPE_CHECKING:
    import redis

MAX_WINDOWS = 1_000
MAX_KEY_BYTES = 300
"""A longer key names no host and no cluster network."""
SCANNED = 10_000
"""Keys that Redis looks at in one command, which takes it a millisecond."""


def find_windows(client: "redis.Redis") -> list[str]:
    """Return the keys as maintenance_key() names them, sorted. May raise redis.RedisError."""
    # As bytes: one key that is not UTF-8 must not hide the others.
    scanned = client.scan_iter(match=f"{MAINTENANCE_KEY_PREFIX}*", count=SCANNED, NEVER_DECODE=True)
    found = islice(cast("Iterator[bytes]", scanned), MAX_WINDOWS)
    return sorted(key.decode(errors="backslashreplace") for key in found if len(key) <= MAX_KEY_BYTES)
