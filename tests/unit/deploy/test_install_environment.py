"""scripts/install_environment.py: the packages of the demo and of the tests, with progress."""

import io
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest

from scripts import install_environment
from tests.unit.deploy.locks import pins
from tests.unit.deploy.reading import ROOT

PIP = [
    "Obtaining file:///src",
    "Collecting celery[redis]<5.8,>=5.7",
    "  Downloading celery-5.7.0-py3-none-any.whl (450 kB)",
    "Collecting redis<9,>=8.1",
    "Installing collected packages: redis, celery, nadroute",
    "Successfully installed celery-5.7.0 nadroute-0.1.0 redis-8.1.0",
]


class Terminal(io.StringIO):
    """Output that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def shown(lines: Iterable[str | None], out: io.StringIO) -> str:
    seen = install_environment.show(lines, install_environment.Progress("Setting up .venv"), out)
    assert seen == [line for line in lines if line is not None]
    return out.getvalue()


def test_a_terminal_sees_each_step_in_one_line() -> None:
    """The line is rewritten, counts packages, and goes on while pip prints nothing."""
    states = shown([PIP[0], PIP[1], None, *PIP[2:]], Terminal()).rstrip("\n").split("\r")[1:]
    assert [re.sub(r", \d+ s\x1b\[K$", "", state).removeprefix("Setting up .venv: ") for state in states] == [
        "checking packages",
        *["1 packages collected"] * 3,
        "2 packages collected",
        *["installing 3 packages"] * 2,
    ]


def test_a_log_gets_two_lines() -> None:
    """Where nobody watches, the start and the end are enough."""
    lines = shown(PIP, io.StringIO()).splitlines()
    assert [line.partition(": ")[2].rpartition(",")[0] for line in lines] == [
        "checking packages",
        "installing 3 packages",
    ]


def test_a_failure_of_pip_is_shown_with_its_last_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The exit code is pip's."""
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text("#!/bin/sh\nseq 100\necho 'ERROR: no such version'\nexit 3\n")
    python.chmod(0o755)
    monkeypatch.chdir(ROOT)
    assert install_environment.install("demo", tmp_path) == 3
    error = capfd.readouterr().err.splitlines()
    assert error[-2:] == ["ERROR: no such version", "pip failed: see the lines above"]
    assert len(error) == install_environment.LINES_SHOWN + 1


def test_only_files_with_a_known_hash_are_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """pip gets a lock and checks its hashes, and then the project with nothing that is not there already."""
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text('#!/bin/sh\necho "$@" >> $0.asked\n')
    python.chmod(0o755)
    monkeypatch.chdir(ROOT)
    for kind, lock in {"demo": "requirements/demo.lock", "dev": "requirements.lock"}.items():
        assert install_environment.install(kind, tmp_path) == 0
        packages, project = (tmp_path / "bin" / "python.asked").read_text().splitlines()[-2:]
        assert packages.endswith(f"--require-hashes --requirement {lock}")
        assert project.endswith("--no-deps --no-build-isolation --editable .")


def test_an_old_python_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """With its version, and the way to name another one."""
    assert install_environment.missing() is None
    monkeypatch.setattr(sys, "version_info", (3, 9, 2, "final", 0))
    assert "is 3.9.2: make PYTHON=" in str(install_environment.missing())


@pytest.mark.parametrize(
    ("target", "kind"), [("demo", "demo"), ("test", "dev"), ("check", "dev"), ("venv", "dev")]
)
def test_each_target_installs_what_it_needs(target: str, kind: str, tmp_path: Path) -> None:
    """The demo needs no tools of the tests; with all packages there, it installs nothing."""
    variables = {"PATH": os.environ["PATH"]}
    dry_run = ["make", "--dry-run", target, f"VENV={tmp_path}"]

    def installed() -> list[str]:
        done = subprocess.run(dry_run, cwd=ROOT, env=variables, capture_output=True, text=True, check=True)
        return re.findall(r"install_environment\.py (\w+)", done.stdout)

    assert installed() == [kind]
    for stamp in re.findall(r"touch (.*)", (ROOT / "Makefile").read_text())[0].split():
        name = {"$@": ".installed", "$(DEMO_STAMP)": ".demo-installed"}[stamp]
        (tmp_path / name).touch()
    assert installed() == []


def test_the_demo_needs_no_tools_of_the_tests() -> None:
    """Its extra is a part of `dev`, without pytest, mypy and ruff."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert extras["demo"] == ["nadroute[all,local,lab,build]"]
    assert "nadroute[demo,compile]" in extras["dev"]
    tools = {"pytest", "mypy", "ruff", "hypothesis"}
    assert tools <= set(pins("dev"))
    assert not tools & set(pins("demo"))
