"""What the containers' tests share: the images, built once."""

import os
import shutil

import pytest

from tests.conftest import unavailable
from tests.containers.images import Images


@pytest.fixture(scope="session")
def images() -> Images:
    """Build every image."""
    missing = [name for name in ("buildah", "mmdebstrap", "dockerd", "runc") if shutil.which(name) is None]
    if os.geteuid() != 0:
        missing.append("root")
    if missing:
        unavailable(f"containers need {', '.join(missing)}: make test-containers")
    built = Images()
    built.build()
    return built
