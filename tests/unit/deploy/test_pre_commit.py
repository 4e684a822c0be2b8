"""The pre-commit hooks run the steps of `make check`."""

import re

import yaml

from tests.unit.deploy.reading import ROOT


def test_the_hooks_are_the_steps_of_make_check() -> None:
    """The same commands in the same order, from .venv."""
    recipe = re.search(r"^check:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe
    steps = [line.strip().replace("$(BIN)", ".venv/bin") for line in recipe[1].splitlines()]
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    (repository,) = config["repos"]
    assert [hook["entry"] for hook in repository["hooks"]] == steps


def test_the_hooks_use_the_tools_that_are_installed() -> None:
    """No hook fetches a version of its own, and each checks the whole tree, as the gate does."""
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert repository["repo"] == "local"
    assert {hook["language"] for hook in repository["hooks"]} == {"system"}
    assert {hook["pass_filenames"] for hook in repository["hooks"]} == {False}
