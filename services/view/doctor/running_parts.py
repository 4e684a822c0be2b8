"""Which parts of nadroute run besides probers, and their versions, as they say themselves in Redis.

Anyone with access to Redis can write these keys: what cannot be a version or a name is left out.
"""

import re
from itertools import islice
from typing import cast

import redis

from services.contract.names import RUNNING_KEY_PREFIX
from services.view.doctor.facts import Running

PARTS = ("watcher", "updater", "flower")
MAX_RUNNING = 100
_MACHINE = re.compile(r"[-.0-9A-Za-z]{1,253}", re.ASCII)
_VERSION = re.compile(r"[-+.0-9A-Za-z]{1,64}", re.ASCII)
_SCANNED = 10_000
# One character more than a version may have: what is longer is none.
_READ = """
local version = redis.pcall('GETRANGE', KEYS[1], 0, 64)
return type(version) == 'string' and version or ''
"""


def read_running(client: redis.Redis) -> tuple[Running, ...]:
    """Return them by part and machine, MAX_RUNNING at most. Raise redis.RedisError."""
    found: list[Running] = []
    keys = client.scan_iter(match=f"{RUNNING_KEY_PREFIX}*", count=_SCANNED)
    for key in sorted(islice(cast("list[str]", keys), 10 * MAX_RUNNING)):
        part, _, machine = key.removeprefix(RUNNING_KEY_PREFIX).partition(":")
        if part not in PARTS or not _MACHINE.fullmatch(machine) or len(found) == MAX_RUNNING:
            continue
        version = client.eval_ro(_READ, 1, key)
        if isinstance(version, str) and _VERSION.fullmatch(version):
            found.append(Running(part, machine, version))
    return tuple(found)
