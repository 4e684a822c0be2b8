"""A site shared by all tests on real frames of a module; a test that breaks it also heals it."""

from collections.abc import Iterator

import pytest

from lab.running import RunningSite, start_site
from tests.faults.trunk import SITE
from tests.network.lab_site import require_lab


@pytest.fixture(scope="session")
def trunk_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSite]:
    """Start one host with its trunk and a few working VLANs."""
    require_lab(SITE)
    with start_site(SITE, tmp_path_factory.mktemp("lab") / "state") as running:
        yield running
