"""Verdicts as parsed from JSON: each once as long as anybody keeps it, with equal parts shared.

Many hosts say nearly the same of a segment. A verdict by itself takes some 4 KiB, with shared parts 1.4.
"""

from collections.abc import Hashable
from hashlib import blake2b
from ipaddress import IPv4Address, IPv4Network
from typing import Any
from weakref import WeakValueDictionary

from pydantic import BaseModel

from services.contract.messages import Segment, Verdict, segment_of
from services.runtime.process.bounded_cache import BoundedCache
from services.runtime.process.clock import Clock
from services.runtime.stored.given_fields import compact

RECENT = 4_096
RECENT_BYTES = 8_000_000
"""Verdicts kept though nobody else does, and their JSON: most of what is read was put a moment ago."""
RECENT_S = 30.0
"""For so long."""
MAX_PARTS = 65_536
"""Parts that are remembered; then all are forgotten, and shared anew."""
_UNIQUE = "fingerprint"
"""The field that hardly two verdicts share."""
_DIGEST_BYTES = 16


class ParsedVerdicts:
    """Verdicts by their JSON. Thread-safe."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._known = WeakValueDictionary[bytes, Verdict]()
        self._recent = BoundedCache[Verdict](
            max_bytes=RECENT_BYTES, max_values=RECENT, kept_s=RECENT_S, clock=clock
        )
        """By the digest of their JSON, whose size counts."""
        self._parts: dict[Hashable, Any] = {}

    def parse(self, body: str) -> Verdict:
        """Return the verdict, the same object for the same JSON. Raises MessageRefused."""
        verdict = self._known.get(_key(body))
        if verdict is None:
            verdict = Verdict.from_wire(body)
            self.keep(body, verdict)
        return verdict

    def keep(self, body: str, verdict: Verdict) -> None:
        """Record that this JSON is this verdict, which nobody else has yet: its parts are exchanged."""
        key = _key(body)
        if self._known.get(key) is verdict:
            # It is kept already, and others may read it.
            return
        self._share(verdict)
        self._known[key] = verdict
        self._recent.keep(key, verdict, size=len(body))
        if len(self._parts) > MAX_PARTS:
            self._parts = {}

    def _share(self, message: BaseModel) -> None:
        fields = message.__dict__
        for name, value in fields.items():
            if isinstance(value, tuple):
                for each in value:
                    if isinstance(each, BaseModel):
                        self._share(each)
            elif name == _UNIQUE:
                continue
            elif isinstance(value, Segment):
                # The one that intents and repeats have: then looking up by it compares nothing.
                fields[name] = segment_of(value.cluster_network, value.vlan)
            elif type(value) in (str, IPv4Address, IPv4Network):
                # Not isinstance: a word equals the member of an enumeration.
                fields[name] = self._parts.setdefault(value, value)
            elif isinstance(value, BaseModel) and value is not type(message).model_fields[name].default:
                self._share(value)
        compact(message)


def _key(body: str) -> bytes:
    return blake2b(body.encode(), digest_size=_DIGEST_BYTES).digest()
