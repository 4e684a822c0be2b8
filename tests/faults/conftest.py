"""What the tests of a module share; a test that breaks it also heals it."""

from collections.abc import Iterator

import pytest

from lab.running import RunningSite, start_site
from tests.faults.trunk import SITE
from tests.network.lab_site import require_lab
from tests.support.updater_site import UpdaterSite, own_updater_site


@pytest.fixture(scope="session")
def trunk_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSite]:
    """Start one host with its trunk and a few working VLANs."""
    require_lab(SITE)
    with start_site(SITE, tmp_path_factory.mktemp("lab") / "state") as running:
        yield running


@pytest.fixture(scope="module")
def updating() -> Iterator[UpdaterSite]:
    """Run an updater as a process; each test has its own networks and VLANs."""
    with own_updater_site("node1", "node2") as running:
        yield running
