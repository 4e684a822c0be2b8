"""Durations as text: 12s, 500ms, 2m, 1h, or plain seconds."""

import re
from datetime import UTC, datetime

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "": 1.0}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h|)")


def read_duration(text: str) -> float:
    """Parse a duration to seconds; raises ValueError that says what was expected."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r}: expected a duration such as 12s, 500ms, 2m or 1h")
    return float(match[1]) * _UNITS_S[match[2]]


def describe_age(seconds: float) -> str:
    """Format an age in its two largest units: 3d 4h, 5m 10s, 7s."""
    left = max(0, int(seconds))
    parts: list[str] = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        amount, left = divmod(left, size)
        if amount or (unit == "s" and not parts):
            parts.append(f"{amount}{unit}")
    return " ".join(parts[:2])


def seconds_since(timestamp: str, now: datetime) -> float | None:
    """Return the seconds from an RFC 3339 timestamp until now; None if it is invalid."""
    try:
        then = datetime.fromisoformat(timestamp)
    except ValueError:
        return None
    return (now - then.replace(tzinfo=then.tzinfo or UTC)).total_seconds()
