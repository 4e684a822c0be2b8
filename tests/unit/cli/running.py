"""Run nadroute in a test as from a shell, in an environment of its own."""

import io
import os
import sys
from dataclasses import dataclass

import pytest

from services.cli.failures import run_to_exit_code
from services.cli.main import cli


@dataclass(frozen=True)
class Ran:
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str


def clear_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove settings, colour and cluster from the environment."""
    for name in [name for name in os.environ if name.startswith("NADROUTE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("HOME", "/nonexistent")
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)


class Utf8(io.StringIO):
    """A stream with an encoding, as a terminal has."""

    encoding = "utf-8"


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str, **environment: str) -> Ran:
    """Run `nadroute ARGUMENTS` with these NADROUTE_ variables."""
    with monkeypatch.context() as patch:
        clear_environment(patch)
        for name, value in environment.items():
            patch.setenv(f"NADROUTE_{name}", value)
        out, err = Utf8(), Utf8()
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        code = run_to_exit_code(
            lambda: cli.main(list(arguments), prog_name="nadroute", standalone_mode=False)
        )
        return Ran(code, out.getvalue(), err.getvalue())
