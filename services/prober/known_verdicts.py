"""What the updater knows of a host's verdicts, as far as the prober can tell."""

from dataclasses import dataclass
from typing import NamedTuple

FULL_EVERY_S = 3_600.0
"""A verdict is sent in full after this time although nothing has changed: its round-trip times are shown."""

Key = tuple[str, int]
"""Cluster network and VLAN."""


class _Full(NamedTuple):
    fingerprint: str | None
    at: float
    """When it was sent in full (monotonic seconds)."""


@dataclass(slots=True)
class _Segment:
    newest: _Full
    conclusive: _Full | None = None
    """The newest with a conclusive DHCP result."""


class KnownVerdicts:
    """The fingerprints of a host's verdicts as the updater stores them if nothing is lost.

    Per segment that is the newest verdict and the newest with a conclusive DHCP result: see
    contract.names.verdicts_key().
    """

    def __init__(self) -> None:
        self._segments: dict[Key, _Segment] = {}

    def repeats(self, key: Key, fingerprint: str | None, *, is_conclusive: bool, now: float) -> bool:
        """Take the next verdict on a segment; return whether its fingerprint is enough to report it.

        is_conclusive: whether it tells what DHCP offers, or that it offers nothing.
        """
        known = self._segments.get(key)
        before = None if known is None else known.conclusive if is_conclusive else known.newest
        is_repeat = (
            before is not None
            and fingerprint is not None
            and before.fingerprint == fingerprint
            and now - before.at < FULL_EVERY_S
        )
        full = before if is_repeat and before is not None else _Full(fingerprint, now)
        if known is None:
            known = self._segments[key] = _Segment(full)
        known.newest = full
        if is_conclusive:
            known.conclusive = full
        return is_repeat

    def forget(self, key: Key) -> None:
        """Record that the updater may know no verdict on the segment."""
        self._segments.pop(key, None)
