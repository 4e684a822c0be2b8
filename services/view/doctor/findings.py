"""A finding: one check of the doctor, how it came out, and what to do."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How a check came out."""

    OK = "ok"
    WARNING = "warning"
    """It works, and something is not as it should be."""
    FAILED = "failed"
    CANNOT_TELL = "cannot tell"
    """What the check needs could not be read."""


@dataclass(frozen=True)
class Finding:
    """How one check came out, for people and programs."""

    check: str
    level: Level
    text: str
    todo: str = ""
    """What to do; empty where nothing is to be done."""


@dataclass(frozen=True)
class Unknown:
    """In place of a fact that could not be read: why."""

    why: str


def has_failed(findings: Iterable[Finding]) -> bool:
    """Return whether a check has failed; a warning, and what cannot be told, is no failure."""
    return any(finding.level is Level.FAILED for finding in findings)


def ok(check: str, text: str) -> Finding:
    """Build the finding that all is well."""
    return Finding(check, Level.OK, text)


def warning(check: str, text: str, todo: str) -> Finding:
    """Build a warning."""
    return Finding(check, Level.WARNING, text, todo)


def failed(check: str, text: str, todo: str) -> Finding:
    """Build a failure."""
    return Finding(check, Level.FAILED, text, todo)


def cannot_tell(check: str, why: str, todo: str = "") -> Finding:
    """Build the finding that a check could not be made."""
    return Finding(check, Level.CANNOT_TELL, why, todo)
