"""The images: what each consists of, its labels, and the user that it runs as."""

import re
import subprocess
import sys
from importlib.metadata import distribution

import pytest

from scripts.licenses import conjunction, license_of
from tests.unit.deploy.locks import PROJECT, TARGETS, installed_in
from tests.unit.deploy.reading import ROOT, dockerfile, stages

every_image = pytest.mark.parametrize("target", TARGETS)
BUILD = ("tools", "installer", "program", *(f"{target}-packages" for target in TARGETS))
"""Stages of which an image gets /opt/nadroute alone."""


def runs(stage: str) -> list[str]:
    """Return the commands of a stage."""
    return [rest for word, rest in stages()[stage].instructions if word == "RUN"]


def test_there_is_one_image_for_each_service_and_one_for_the_commands() -> None:
    """One Dockerfile, with a target for each; what they share is the stage `service`."""
    assert set(stages()) == {*BUILD, "service", *TARGETS}
    assert {stages()[target].base for target in TARGETS} == {"service"}
    assert stages()["service"].base == stages()["tools"].base == "${PYTHON_IMAGE}"


@every_image
def test_an_image_installs_its_own_lock_before_the_sources(target: str) -> None:
    """Its packages come from its lock alone, and a change of the code leaves their layer as it is."""
    assert stages()[f"{target}-packages"].instructions == [
        ("COPY", f"requirements/{target}.lock /"),
        ("RUN", f"/install-image-packages /{target}.lock"),
    ]
    assert stages()[f"{target}-packages"].base == "installer"
    copied = [rest for word, rest in stages()[target].instructions if word == "COPY"]
    assert copied == [
        f"--from={source} /opt/nadroute /opt/nadroute" for source in (f"{target}-packages", "program")
    ]


@every_image
def test_an_image_builds_and_installs_nothing(target: str) -> None:
    """What runs comes from the build stages; the image itself runs no command but to take pip away."""
    assert runs(target) == []
    (command,) = runs("service")
    assert "ensurepip" in command
    assert not re.search("apt-get|gcc|pip install", command)


def test_packages_are_wheels_with_known_hashes() -> None:
    """No dependency is compiled or resolved in a build, also none of what compiles; nothing is cached."""
    (tools,) = [run for run in runs("program") if "/build.lock" in run]
    for installed in ((ROOT / "scripts" / "install-image-packages").read_text(), tools):
        for option in ("--require-hashes", "--no-deps", "--only-binary=:all:", "--no-cache-dir"):
            assert option in installed
    assert all("--no-index" in line for line in runs("program")[-1].split("&&") if "/tools/bin/pip" in line)


def test_the_base_is_named_by_version_and_digest() -> None:
    """The base is the same tomorrow, whatever its tag then says."""
    (base,) = [rest for word, rest in dockerfile() if word == "ARG" and rest.startswith("PYTHON_IMAGE=")]
    assert re.fullmatch(r"PYTHON_IMAGE=[a-z0-9./-]+:3\.\d+\.\d+-slim-[a-z]+@sha256:[0-9a-f]{64}", base)


def test_what_is_copied_passes_the_ignore_file() -> None:
    """The ignore file admits exactly what the images are built from."""
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert lines[0] == "*"
    admitted = {line.removeprefix("!") for line in lines if line.startswith("!")}
    copied = {
        re.sub(r"^\./|(?<=^requirements)/.*", "", source)
        for word, rest in dockerfile()
        if word == "COPY" and "--from" not in rest
        for source in rest.split()[:-1]
    }
    assert admitted == copied
    assert all((ROOT / name).exists() for name in copied)


@every_image
def test_an_image_names_itself_and_its_licenses(target: str) -> None:
    """The label has every license of nadroute and its packages, as their metadata or their texts say."""
    (labels,) = [rest for word, rest in stages()[target].instructions if word == "LABEL"]
    assert f'org.opencontainers.image.title="nadroute-{target}"' in labels
    licenses = conjunction(
        [PROJECT["license"], *(license_of(distribution(name)) for name in installed_in(target))]
    )
    assert f'org.opencontainers.image.licenses="{licenses}"' in labels
    (shared,) = [rest for word, rest in stages()["service"].instructions if word == "LABEL"]
    assert "org.opencontainers.image.base.name=" in shared
    built = (ROOT / "scripts" / "build-images").read_text()
    assert all(f"--label $label.{name}=" in built for name in ("version", "revision", "source"))


def test_a_license_that_no_image_may_have_is_refused() -> None:
    """What lists an image's licenses fails in an environment with scapy, and names it."""
    listed = subprocess.run(
        [sys.executable, "-m", "scripts.licenses"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert listed.returncode == 1
    assert "scapy: license ['GPL-2.0-only']" in listed.stdout


def test_the_license_is_named_everywhere_alike() -> None:
    """The package's metadata and README name the license whose text is in LICENSE."""
    assert PROJECT["license"] == "Apache-2.0"
    assert PROJECT["license-files"] == ["LICENSE"]
    assert "Version 2.0, January 2004" in (ROOT / "LICENSE").read_text()
    assert "[Apache License 2.0](LICENSE)" in (ROOT / "README.md").read_text()


def test_the_engine_is_compiled_where_the_images_take_it_from() -> None:
    """The compiled modules are in the folder that the images copy, and so is the byte code of the rest."""
    program = runs("program")[-1]
    assert re.search(r"/tools/bin/python scripts/compile.py\W+\$\(/opt/nadroute/bin/python ", program)
    assert "compileall" in program
    assert "compileall" in (ROOT / "scripts" / "install-image-packages").read_text()


@every_image
def test_only_the_prober_is_root(target: str) -> None:
    """The user is a number other than root, as runAsNonRoot requires; the entry point is `nadroute`."""
    shared, own = dict(stages()["service"].instructions), dict(stages()[target].instructions)
    assert shared["USER"] == "65532:65532"
    assert own.get("USER") == ("0:0" if target == "prober" else None)
    assert shared["ENTRYPOINT"] == '["nadroute"]'
    assert own["CMD"] == ('["--help"]' if target == "cli" else f'["{target}"]')
