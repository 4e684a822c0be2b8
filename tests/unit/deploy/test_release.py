"""The release workflow: what it runs is in this tree, it may do what it needs alone, and it has one owner."""

import re
from typing import Any

import yaml

from tests.unit.deploy.reading import ROOT

TEXT = (ROOT / ".github" / "workflows" / "release.yaml").read_text()
WORKFLOW: dict[Any, Any] = yaml.safe_load(TEXT)


def test_registry_and_owner_are_one_value() -> None:
    """No step names a registry's owner, and everything is pushed below REGISTRY."""
    assert WORKFLOW["env"]["REGISTRY"] == "ghcr.io/${{ github.repository_owner }}"
    assert set(re.findall(r"ghcr\.io\S*", TEXT)) == {"ghcr.io/${{", "ghcr.io"}
    for script in ("build-images", "bundle", "release"):
        text = (ROOT / "scripts" / script).read_text()
        assert "registry=${REGISTRY" in text
        assert not re.search(r"^[^#\n]*ghcr\.io", text, flags=re.MULTILINE)


def test_actions_are_named_by_commit() -> None:
    """A tag of an action may be moved; a commit may not."""
    used = [step["uses"] for job in WORKFLOW["jobs"].values() for step in job["steps"] if "uses" in step]
    assert used
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action) for action in used)


def test_a_job_has_the_rights_that_it_uses() -> None:
    """Nothing is allowed by default, only what signs gets an identity, and no step keeps the token."""
    assert WORKFLOW["permissions"] == {}
    rights = {name: set(job["permissions"]) for name, job in WORKFLOW["jobs"].items()}
    assert rights == {"images": {"contents", "packages"}, "release": {"contents", "packages", "id-token"}}
    assert TEXT.count("persist-credentials: false") == TEXT.count("actions/checkout@")


def test_what_the_steps_run_is_here() -> None:
    """Each script and each target of make exists; both platforms are built, and joined under the version."""
    for script in re.findall(r"\./(scripts/[\w-]+)", TEXT):
        assert (ROOT / script).exists()
    makefile = (ROOT / "Makefile").read_text()
    targets = {
        word for line in re.findall(r"make ([a-z .]+)", TEXT) for word in line.split() if word.isalpha()
    }
    assert targets >= {"venv", "images", "bundle"}
    assert all(re.search(rf"^{target}:", makefile, flags=re.MULTILINE) for target in targets)
    built = {job["arch"] for job in WORKFLOW["jobs"]["images"]["strategy"]["matrix"]["include"]}
    assert built == {"amd64", "arm64"}
    assert all(f"-{arch}" in TEXT[TEXT.index("TAGS=") :] for arch in built)
