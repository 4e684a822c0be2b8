"""A short time of mixed faults on real processes; `make test-soak` runs an hour of them."""

import tempfile
from pathlib import Path

import pytest

from tests.faults.soak.layout import SITE
from tests.faults.soak.soaking import soak
from tests.network.lab_site import require_lab

SECONDS = 18.0
SEED = 7


@pytest.mark.timeout(600)
def test_every_write_during_mixed_faults_is_true(tmp_path: Path) -> None:
    """I1, I2: each state, host and gateway that is told was so within its bound, no owner's edit is
    overwritten, no process ends by itself, and after the faults all that stands is true."""
    require_lab(SITE)
    lines: list[str] = []
    with tempfile.TemporaryDirectory(prefix="nr-", dir="/tmp") as folder:
        outcome = soak(
            Path(folder),
            tmp_path / "lab",
            seconds=SECONDS,
            seed=SEED,
            say=lines.append,
            # The first minute of a site is judged as well.
            quiet_first=False,
        )
    assert outcome.found == [], "\n".join(lines)
    assert outcome.ended == [], "\n".join(lines)
    assert outcome.judged >= 30, "\n".join(lines)
    assert outcome.quiet_times == 1, "\n".join(lines)
