"""Verdicts as parsed from JSON: each once as long as anybody keeps it, with equal parts shared.

Many hosts say nearly the same of a segment. A verdict by itself takes some 4 KiB, with shared parts 1.4.
"""

import threading
from collections import OrderedDict
from collections.abc import Hashable
from hashlib import blake2b
from ipaddress import IPv4Address, IPv4Network
from typing import Any
from weakref import WeakValueDictionary

from pydantic import BaseModel

from services.contract.messages import Segment, Verdict
from services.runtime.process.clock import Clock, SystemClock

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
        self._clock = clock or SystemClock()
        self._known = WeakValueDictionary[bytes, Verdict]()
        self._recent = OrderedDict[bytes, tuple[int, Verdict, float]]()
        """By their JSON: its size, the verdict, and when it was kept last; the latest last."""
        self._recent_bytes = 0
        self._lock = threading.Lock()
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
        self._share(verdict)
        key, now = _key(body), self._clock.monotonic()
        self._known[key] = verdict
        with self._lock:
            self._recent_bytes += len(body) - self._recent.pop(key, (0, verdict, now))[0]
            self._recent[key] = len(body), verdict, now
            while self._exceeds(now):
                self._recent_bytes -= self._recent.popitem(last=False)[1][0]
        if len(self._parts) > MAX_PARTS:
            self._parts = {}

    def _exceeds(self, now: float) -> bool:
        """Whether the oldest of the recent ones is one too many."""
        if len(self._recent) > RECENT or self._recent_bytes > RECENT_BYTES:
            return True
        return bool(self._recent) and next(iter(self._recent.values()))[2] < now - RECENT_S

    def _share(self, message: BaseModel) -> None:
        fields = message.__dict__
        for name, value in fields.items():
            if isinstance(value, tuple):
                for each in value:
                    if isinstance(each, BaseModel):
                        self._share(each)
            elif name == _UNIQUE:
                continue
            elif isinstance(value, Segment) or type(value) in (str, IPv4Address, IPv4Network):
                # Not isinstance: a word equals the member of an enumeration.
                fields[name] = self._parts.setdefault(value, value)
            elif isinstance(value, BaseModel):
                self._share(value)
        # Which fields were given is the same for most, and takes as much as all of them.
        given = message.model_fields_set
        shared = self._parts.setdefault((type(message), frozenset(given)), given)
        object.__setattr__(message, "__pydantic_fields_set__", shared)


def _key(body: str) -> bytes:
    return blake2b(body.encode(), digest_size=_DIGEST_BYTES).digest()
