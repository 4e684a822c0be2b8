"""What each of nadroute's keys in Redis may be: its type, and the most that nadroute puts there.

Whoever reaches Redis can put anything there. A kind bounds what a reader takes into memory.
"""

from dataclasses import dataclass

from services.contract.causes import MAX_CAUSES_BYTES
from services.contract.conclusions import MAX_RECORD_BYTES
from services.contract.names import (
    BY_HAND_KEPT,
    BY_HAND_KEY,
    CAUSES_KEY,
    DEAD_LETTERS_KEPT,
    DEAD_LETTERS_KEY,
    DOUBTS_KEPT,
    DOUBTS_KEY,
    LEASE_CONFLICT_KEY_PREFIX,
    OBSERVED_TIME_KEY,
    SENDING_KEY,
    UNWRITTEN_KEY,
    WATCHED_KEY,
)

SMALL_BYTES = 16_384
ANNOUNCEMENT_BYTES = 262_144
"""Ten times the largest: 256 addresses and 64 networks."""
MIB = 1_048_576
_PREFIX = "nadroute:"


@dataclass(frozen=True)
class Kind:
    """The type of a key, as Redis names it, and its limits."""

    type: str
    items: int
    """Fields, elements, members or entries; no limit of a string."""
    size: int
    """Bytes: of a string its length, of all else the memory that it takes."""
    is_cut: bool = False
    """Whether scripts look only at some of its fields: then they need no limit."""


KINDS = {
    DEAD_LETTERS_KEY: Kind("list", 10 * DEAD_LETTERS_KEPT, 64 * MIB),
    BY_HAND_KEY: Kind("stream", 2 * BY_HAND_KEPT, 16 * MIB),
    DOUBTS_KEY: Kind("stream", 2 * DOUBTS_KEPT, 16 * MIB),
    OBSERVED_TIME_KEY: Kind("hash", 16, SMALL_BYTES),
    SENDING_KEY: Kind("string", 1, SMALL_BYTES),
    UNWRITTEN_KEY: Kind("set", 20_000, 4 * MIB),
    CAUSES_KEY: Kind("string", 1, MAX_CAUSES_BYTES),
    WATCHED_KEY: Kind("string", 1, SMALL_BYTES),
    "nadroute:conclusion:": Kind("string", 1, MAX_RECORD_BYTES),
    "nadroute:corrections:": Kind("list", 64, SMALL_BYTES),
    "nadroute:host:": Kind("string", 1, ANNOUNCEMENT_BYTES),
    "nadroute:host-lock:": Kind("string", 1, SMALL_BYTES),
    "nadroute:host-waiting:": Kind("string", 1, SMALL_BYTES),
    LEASE_CONFLICT_KEY_PREFIX: Kind("string", 1, SMALL_BYTES),
    "nadroute:outstanding:": Kind("string", 1, SMALL_BYTES),
    "nadroute:running:": Kind("string", 1, SMALL_BYTES),
    "nadroute:verdicts:": Kind("hash", 4_000, 32 * MIB, is_cut=True),
    "nadroute:written:": Kind("hash", 16, SMALL_BYTES),
}
"""By the key, or by what it begins with. The pause is not among them: only that its key exists counts."""


def kind_of(key: str) -> Kind | None:
    """Return the kind of this key; None if it is none of nadroute's."""
    kind = KINDS.get(key)
    if kind is None and key.startswith(_PREFIX):
        # Not cached by key: thousands of names would be kept, for as long as it takes to cut one.
        end = key.find(":", len(_PREFIX)) + 1
        kind = KINDS.get(key[:end]) if end < len(key) else None
    return kind
