"""The built images: what can be imported in each, what is not there, their licenses and sizes."""

import contextlib
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.licenses import ALLOWED, identifiers
from tests.containers.images import PYTHON, TARGETS, Images, image_of
from tests.unit.deploy.locks import installed_in, pins

every_image = pytest.mark.parametrize("target", TARGETS)
LARGEST_MB = {"watcher": 120, "updater": 120, "prober": 80, "flower": 120, "cli": 120}
"""Of our layers, in megabytes of 1,000,000 bytes."""
OWN = {
    "watcher": {"kubernetes", "yaml"},
    "updater": {"kubernetes", "yaml"},
    "prober": set(),
    "flower": {"flower", "tornado"},
    "cli": {"kubernetes", "rich", "yaml", "cryptography"},
}
"""Packages that an image has beside what every service needs."""
TRIED = set().union(*OWN.values()) | {
    "scapy",
    "aiohttp",
    "pip",
    "ensurepip",
    "mypy",
    "setuptools",
    "hatchling",
    "lab",
    "tests",
}
IMPORTS = """
import importlib.util, json, sys
print(json.dumps([name for name in sys.argv[1:] if importlib.util.find_spec(name)]))
"""


@contextlib.contextmanager
def files_of(images: Images, image: str) -> Iterator[Path]:
    name, folder = images.mounted(image)
    try:
        yield folder
    finally:
        images.buildah("rm", name)


def run_in(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in an image's files, as its user would: without a network."""
    inside = ["unshare", "--net", "chroot", "--userspec=65532:65532", str(folder), *command]
    environment = {
        "PATH": "/opt/nadroute/bin:/usr/local/bin:/usr/bin:/usr/sbin:/bin:/sbin",
        "HOME": "/tmp",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return subprocess.run(inside, env=environment, capture_output=True, text=True, check=False, timeout=120)


@every_image
def test_an_image_has_its_own_packages_alone(images: Images, target: str) -> None:
    """Imported is what its service needs; scapy, the lab, tests, compilers and installers are not there."""
    with files_of(images, image_of(target)) as folder:
        ran = run_in(folder, "python3", "-c", IMPORTS, *sorted(TRIED))
        assert set(json.loads(ran.stdout)) == OWN[target], ran.stderr
        for program in ("gcc", "cc", "ld", "pip", "pip3"):
            assert not any(
                (folder / where / program).exists()
                for where in ("usr/bin", "usr/local/bin", "opt/nadroute/bin")
            )


@every_image
def test_a_service_starts_with_what_its_image_has(images: Images, target: str) -> None:
    """Its help and its version need nothing else; a service without Redis says what it lacks."""
    with files_of(images, image_of(target)) as folder:
        assert run_in(folder, "nadroute", "--version").stdout.startswith("nadroute ")
        command = "status" if target == "cli" else target
        ran = run_in(folder, "nadroute", command, "--help")
        assert ran.returncode == 0, ran.stderr
        assert "--redis-url" in ran.stdout


@every_image
def test_the_list_of_licenses_is_what_is_installed(images: Images, target: str) -> None:
    """Each package of the lock is listed, with its version and a license that an image may have."""
    with files_of(images, image_of(target)) as folder:
        lines = (folder / "opt/nadroute/LICENSES").read_text().splitlines()
        listed = {
            name: (version, text)
            for name, version, text in (line.split(" ", 2) for line in lines if line[0] != "#")
        }
        there = {
            re.sub(r"[-_.]+", "-", path.name.rsplit("-", 2)[0]).lower()
            for path in (folder / "opt/nadroute/lib").glob("python3*/site-packages/*.dist-info")
        }
    assert set(listed) == installed_in(target)
    for name, (version, text) in listed.items():
        assert pins(target)[name].requirement.specifier.contains(version)
        assert identifiers(text) <= ALLOWED
    names = {line.split("-")[0] for line in there}
    assert {name.split("-")[0] for name in listed} | {"nadroute"} == names


@every_image
def test_our_layers_are_small(images: Images, target: str) -> None:
    """What is added to the base is below the limit."""
    with files_of(images, PYTHON) as base, files_of(images, image_of(target)) as folder:
        added = _bytes_of(folder) - _bytes_of(base)
    assert added < LARGEST_MB[target] * 1e6, added


def _bytes_of(folder: Path) -> int:
    done = subprocess.run(["du", "-sxb", str(folder)], capture_output=True, text=True, check=True)
    return int(done.stdout.split()[0])


@every_image
def test_user_entry_point_and_labels(images: Images, target: str) -> None:
    """Only the prober is root; the labels name version and base."""
    configured = images.inspect(image_of(target))["config"]
    assert configured["User"] == ("0:0" if target == "prober" else "65532:65532")
    assert configured["Entrypoint"] == ["nadroute"]
    labels = configured["Labels"]
    assert labels["org.opencontainers.image.title"] == f"nadroute-{target}"
    assert labels["org.opencontainers.image.base.name"] == PYTHON
    assert image_of(target).endswith(f":{labels['org.opencontainers.image.version']}")
