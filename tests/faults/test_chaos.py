"""A minute of chaos on real processes; `make chaos` runs as much of it as is wanted."""

import tempfile
from pathlib import Path

import pytest

from tests.faults.soak import table
from tests.faults.soak.chaos import chaos
from tests.faults.soak.healing import CATALOGUE, read_catalogue
from tests.faults.soak.layout import SITE
from tests.network.lab_site import require_lab

SECONDS, PAIRS = 120.0, 2
"""The last pair begins before so many seconds are over."""
TRUE_FOR_S = 5.0
SEED = 22
"""The updater is killed while workers are told to stop; writes are slow while a DHCP server is gone."""
ROWS = ("K3", "K6", "K9", "K10", "R1", "R9", "R18", "W2", "W4", "N2", "N4")
"""Those that heal within seconds; others need the time that a host takes to be given up, or to come back."""


@pytest.mark.timeout(600)
def test_a_minute_of_chaos_breaks_nothing(tmp_path: Path) -> None:
    """I1, I2, I6: each state, host and gateway that is told was so within its bound, no user's edit is
    overwritten, no process ends by itself, and after each pair of faults all that stands becomes true."""
    require_lab(SITE)
    lines: list[str] = []
    with tempfile.TemporaryDirectory(prefix="nr-", dir="/tmp") as folder:
        outcome = chaos(
            Path(folder),
            tmp_path / "lab",
            seconds=SECONDS,
            pairs=PAIRS,
            seed=SEED,
            say=lines.append,
            rows=ROWS,
            # The first minute of a site is judged as well.
            quiet_first=False,
            true_for_s=TRUE_FOR_S,
        )
    catalogue = read_catalogue(CATALOGUE.read_text())
    lines += table.lines(outcome, catalogue)
    assert table.is_well(outcome, catalogue), "\n".join(lines)
    assert outcome.judged >= 30, "\n".join(lines)
    assert outcome.edits >= 10, "\n".join(lines)
    assert len(outcome.healings) == PAIRS, "\n".join(lines)
