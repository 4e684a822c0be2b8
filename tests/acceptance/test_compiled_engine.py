"""The engine as in the image: the same modules compiled, and the same tests."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.compiler
ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.timeout(300)
def test_compiled_engine_passes_the_same_tests(compiled_engine: Path) -> None:
    """Every unit test and fuzz target of the prober passes on extension modules alone."""
    path = os.pathsep.join([str(compiled_engine), str(ROOT)])
    environment = {**os.environ, "PYTHONPATH": path}
    # Appended, so that the compiled package precedes the folder of the tests.
    command = [sys.executable, "-P", "-m", "pytest", "--import-mode=append", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "-p", "tests.support.compiled_alone", "tests/unit/prober", "tests/fuzz"],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
