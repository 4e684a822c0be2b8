"""Durations as people write them: 12s, 500ms, 2m, 1h, or plain seconds."""

import re

import click

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "": 1.0}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h|)")


def read_duration(text: str) -> float:
    """Seconds; raises ValueError that says what was expected."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r}: expected a duration such as 12s, 500ms, 2m or 1h")
    return float(match[1]) * _UNITS_S[match[2]]


class Duration(click.ParamType[float]):
    """A click type: seconds, more than none."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, int | float):
            return float(value)
        try:
            seconds = read_duration(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if seconds <= 0:
            self.fail(f"{value!r}: expected more than 0", param, ctx)
        return seconds


def describe_age(seconds: float) -> str:
    """An age for eyes, in its two largest units: 3d 4h, 5m 10s, 7s."""
    left = max(0, int(seconds))
    parts: list[str] = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        amount, left = divmod(left, size)
        if amount or (unit == "s" and not parts):
            parts.append(f"{amount}{unit}")
    return " ".join(parts[:2])
