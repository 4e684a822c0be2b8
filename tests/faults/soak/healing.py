"""How long the system took to heal after each pair of faults, held against docs/faults.md."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.prober.engine.settings import EngineSettings
from tests.faults.soak.layout import HOSTS
from tests.faults.soak.world import ASK_WINDOW_S

CATALOGUE = Path(__file__).parents[3] / "docs" / "faults.md"
_ENGINE = EngineSettings()
PROBE_DEADLINE_S = (
    _ENGINE.dhcp_deadline_s + _ENGINE.reach_attempts * _ENGINE.reach_interval_s + _ENGINE.reach_wait_s
)
"""The longest probe by services.prober.engine.settings: neither DHCP nor the gateway answers."""
RECOVERY_S = 30.0
"""N of rows of API server, Redis and processes for which the catalogue gives none: most give this."""
TURN_S = ASK_WINDOW_S * len(HOSTS)
"""N of the rows of the network: within this time each host has asked DHCP in its turn, and looked."""
_ROW = re.compile(r"^\| ([KRWN]\d{1,2}) \| ([^|]+) \|(.*)\|$", re.MULTILINE)
_SECONDS = re.compile(r"(\d+) s")


@dataclass(frozen=True)
class Row:
    """A row of the catalogue."""

    title: str
    recovery_s: float

    @property
    def limit_s(self) -> float:
        """Seconds after the fault within which all that stands is true: its N and one probe's deadline."""
        return self.recovery_s + PROBE_DEADLINE_S


@dataclass(frozen=True)
class Healing:
    """What followed a pair of faults."""

    rows: tuple[str, ...]
    labels: tuple[str, ...]
    seconds: float | None
    """From the end of the last one until all that stands was true; None if that did not come."""
    last: str = ""
    """What was the last to become true."""


@dataclass(frozen=True)
class Spread:
    """Times to heal, in seconds."""

    median: float
    p99: float
    longest: float


def read_catalogue(text: str) -> dict[str, Row]:
    """Return the rows of docs/faults.md by their identifiers."""
    found = {}
    for identifier, title, rest in _ROW.findall(text):
        cells = [cell.strip() for cell in rest.split("|")]
        # The recovery stands before the tests; the table of the network has none.
        seconds = _SECONDS.fullmatch(cells[-2])
        given = TURN_S if identifier[0] == "N" else RECOVERY_S
        found[identifier] = Row(title.strip(), float(seconds[1]) if seconds else given)
    return found


def limit_s(rows: Iterable[str], catalogue: Mapping[str, Row]) -> float:
    """Return the time that a pair has: that of the slower of its rows."""
    return max(catalogue[row].limit_s for row in rows)


def spread(seconds: Sequence[float]) -> Spread:
    """Return median, 99th percentile and maximum, each of them a time that was measured (nearest rank)."""
    ordered = sorted(seconds)

    def rank(share: float) -> float:
        return ordered[max(0, math.ceil(share * len(ordered)) - 1)]

    return Spread(rank(0.5), rank(0.99), ordered[-1])
