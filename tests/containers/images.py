"""The images, built as `make images` does, on stand-ins for the base where no registry can be reached."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from services.version import __version__
from tests.unit.deploy.reading import ROOT

FOLDER = ROOT / "build" / "containers"
"""What stays between runs: layers, downloaded tools, Docker's data."""
PYTHON = "localhost/nadroute-test-python:trixie"
VALKEY = "localhost/nadroute-test-valkey:trixie"
TARGETS = ("watcher", "updater", "prober", "flower", "cli")
BUILD_S = 3600.0
_STORAGE = """
[storage]
driver = "overlay"
graphroot = "{folder}/storage"
runroot = "{folder}/run"
"""


def image_of(target: str) -> str:
    return f"localhost/nadroute-{target}:{__version__}"


class Images:
    """The built images, in a storage of their own."""

    def __init__(self) -> None:
        FOLDER.mkdir(parents=True, exist_ok=True)
        storage = FOLDER / "storage.conf"
        storage.write_text(_STORAGE.format(folder=FOLDER))
        self.environment: Mapping[str, str] = {**os.environ, "CONTAINERS_STORAGE_CONF": str(storage)}

    def build(self) -> None:
        """Build the stand-ins that are missing, and all images: what has not changed is there already."""
        self._run(str(ROOT / "scripts" / "stand-in-images"), PYTHON, VALKEY)
        options = ["--layers", "--isolation", "chroot", "--network", "host", "--pull-never", "--quiet"]
        options += ["--build-arg", f"PYTHON_IMAGE={PYTHON}"]
        self._run("make", "--silent", "images", "ENGINE=buildah", f"BUILD={' '.join(options)}")

    def bundle(self) -> Path:
        """Make the bundle; return the file."""
        said = self._run("make", "--silent", "bundle", "ENGINE=buildah", f"REDIS_IMAGE={VALKEY}")
        return ROOT / said.splitlines()[-1]

    def buildah(self, *arguments: str) -> str:
        """Return the output of buildah."""
        return self._run("buildah", *arguments)

    def inspect(self, image: str) -> dict[str, Any]:
        """Return an image's OCI configuration."""
        found = json.loads(self.buildah("inspect", "--type", "image", image))
        return cast("dict[str, Any]", found["OCIv1"])

    def mounted(self, image: str) -> tuple[str, Path]:
        """Return a container's name and the image's files; `buildah rm` takes both away."""
        name = self.buildah("from", "--pull-never", image).strip()
        return name, Path(self.buildah("mount", name).strip())

    def _run(self, *command: str) -> str:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=BUILD_S,
        )
        assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
        return done.stdout
