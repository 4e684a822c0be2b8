"""The lab's API server, and a namespace on it; a module that needs another kind has its own of the name."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.kube import ApiServer
from tests.support.kube_api import Networks, lab_networks


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ApiServer]:
    """A server with a state folder."""
    with ApiServer(state=tmp_path / "state") as running:
        yield running


@pytest.fixture
def networks(server: ApiServer, tmp_path: Path) -> Iterator[Networks]:
    """A namespace in the module's server, which ends without faults."""
    with lab_networks(server, tmp_path) as found:
        yield found
        server.faults.clear()
