"""The benchmark's whole system on one trunk."""

from pathlib import Path

import pytest

from bench import incumbent
from bench.compiling import Programs
from bench.table import Row

pytestmark = [pytest.mark.root, pytest.mark.compiler]


def test_each_of_the_incumbent_s_cases_is_told_and_none_wrong(tmp_path: Path) -> None:
    """Automatic and reachable networks become "true" and dead ones "false", each case within its time."""
    rows = list(incumbent.measure(Programs(tmp_path), networks=12, watched_s=0.0))
    assert len(rows) == 2 * len(incumbent.CASES)
    assert all(isinstance(row, Row) and row.holds for row in rows), rows
