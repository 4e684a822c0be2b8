"""What the containers' tests share: the images, built once."""

import os
import shutil
import subprocess
from pathlib import Path

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


@pytest.fixture(scope="session")
def bundle(images: Images, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle, unpacked as docs/images.md says: all that a site without an internet has."""
    folder = tmp_path_factory.mktemp("site")
    archive = images.bundle()
    subprocess.run(["tar", "xf", str(archive)], cwd=folder, check=True, timeout=600)
    (unpacked,) = folder.iterdir()
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=unpacked, check=True, timeout=600)
    return unpacked
