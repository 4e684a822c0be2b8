"""Measurements, as a table for people and as JSON for programs."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median


class Unit(StrEnum):
    """Unit of a row's values."""

    SECONDS = "s"
    MILLISECONDS = "ms"
    MICROSECONDS = "µs"
    MEBIBYTES = "MiB"
    TIMES = "x"
    PERCENT = "%"
    VLANS = "VLANs"
    NETWORKS = "networks"
    EVENTS = "Events"
    REPORTS = "reports"
    VERDICTS = "verdicts"
    PER_SECOND = "/s"
    MEBIBYTES_PER_SECOND = "MiB/s"


class Judged(StrEnum):
    """Which of several runs is compared with the limit."""

    MEDIAN = "median"
    MIN = "min"
    """For wall time, which other users of the machine can only lengthen."""
    MAX = "max"
    """For what must never happen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measurement of a few runs."""

    section: str
    name: str
    unit: Unit
    values: tuple[float, ...]
    limit: float | None = None
    at_least: bool = False
    """Whether the value must be at least the limit; otherwise at most."""
    judged: Judged = Judged.MEDIAN
    alone: bool = False
    """Whether the limit is for a machine on which nothing else runs."""

    @property
    def holds(self) -> bool | None:
        """Return whether the limit holds; None without a limit."""
        if self.limit is None:
            return None
        return self.judged_value >= self.limit if self.at_least else self.judged_value <= self.limit

    @property
    def judged_value(self) -> float:
        """Return the value that is compared with the limit."""
        match self.judged:
            case Judged.MEDIAN:
                return median(self.values)
            case Judged.MIN:
                return min(self.values)
            case Judged.MAX:
                return max(self.values)

    @property
    def is_wrong(self) -> bool:
        """Return whether a limit that is not about speed is missed."""
        return self.unit in (Unit.VLANS, Unit.NETWORKS, Unit.EVENTS) and self.holds is False

    def to_json(self) -> dict[str, object]:
        """Return the stable JSON form."""
        return {
            "section": self.section,
            "name": self.name,
            "unit": self.unit.value,
            "values": list(self.values),
            "min": min(self.values),
            "median": median(self.values),
            "limit": self.limit,
            "at_least": self.at_least,
            "judged": self.judged.value,
            "alone": self.alone,
            "holds": self.holds,
        }


@dataclass(frozen=True, slots=True)
class Section:
    """Makes the rows of a section whose measurements have one run."""

    title: str

    def __call__(
        self,
        name: str,
        unit: Unit,
        value: float,
        *,
        limit: float | None = None,
        at_least: bool = False,
        judged: Judged = Judged.MEDIAN,
        alone: bool = False,
    ) -> Row:
        return Row(
            section=self.title,
            name=name,
            unit=unit,
            values=(value,),
            limit=limit,
            at_least=at_least,
            judged=judged,
            alone=alone,
        )


@dataclass(frozen=True, slots=True)
class Skipped:
    """A section that was not measured, and why."""

    section: str
    reason: str
    is_wrong: bool = False
    """Whether it failed although this machine can measure it."""

    def to_json(self) -> dict[str, object]:
        return {"section": self.section, "skipped": self.reason}


Entry = Row | Skipped
_HEAD = ("", "min", "median", "limit", "holds")
_ALONE = "†"
_LEGEND = f"{_ALONE} This limit is for a machine on which nothing else runs."


def render(entries: Sequence[Entry]) -> str:
    """Render a Markdown table that is also readable as plain text."""
    lines: list[tuple[str, ...]] = [_HEAD]
    section = None
    for entry in entries:
        if entry.section != section:
            section = entry.section
            lines.append((f"**{section}**", "", "", "", ""))
        if isinstance(entry, Skipped):
            lines.append((f"not measured: {entry.reason}", "", "", "", ""))
            continue
        sign = "≥" if entry.at_least else "≤"
        lines.append(
            (
                f"{entry.name} {_ALONE}" if entry.alone else entry.name,
                _text(min(entry.values), entry.unit),
                _text(median(entry.values), entry.unit),
                "" if entry.limit is None else f"{sign} {_text(entry.limit, entry.unit)}",
                {None: "", True: "yes", False: "NO"}[entry.holds],
            )
        )
    widths = [max(len(line[at]) for line in lines) for at in range(len(_HEAD))]
    rows = ["| " + " | ".join(_pad(line, widths)) + " |" for line in lines]
    rule = "|" + "|".join("-" * (width + 1) + (":" if at else "-") for at, width in enumerate(widths)) + "|"
    legend = ["", _LEGEND] if any(isinstance(entry, Row) and entry.alone for entry in entries) else []
    return "\n".join([rows[0], rule, *rows[1:], *legend])


def _pad(line: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [
        cell.rjust(width) if at else cell.ljust(width)
        for at, (cell, width) in enumerate(zip(line, widths, strict=True))
    ]


def _text(value: float, unit: Unit) -> str:
    if value and abs(value) < 100 and value != int(value):
        return f"{value:.3g} {unit}"
    return f"{value:,.0f} {unit}"
