"""The entry point: instant help, and one-line errors."""

import subprocess
import sys
from pathlib import Path

import pytest

from services.cli.main import COMMANDS, cli
from tests.unit.cli.running import run

HEAVY = ["celery", "kombu", "redis", "kubernetes", "scapy", "flower", "rich", "pydantic", "structlog", "yaml"]


def test_help_imports_nothing_heavy() -> None:
    """`nadroute --help` imports no library but click, so it is instant."""
    code = (
        "import sys; from services.cli.main import cli; cli.main(['--help'], standalone_mode=False); "
        f"print(sorted(set({HEAVY}) & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "[]"
    assert all(name in ran.stdout for name in COMMANDS)


SCAN = """
import os, sys
from services.cli import main
from services.prober.scan import scanning

class Silence:
    def __init__(self, *_, **__): self.fileno = lambda end=os.eventfd(0): end
    def send(self, frames):
        if not sent: sent.update(sys.modules)
        return len(frames)
    def receive(self, limit): return []
    def dropped(self): return 0
    def carrier_changes(self, now): return 0
    def listen_for(self, addresses): pass
    def close(self): pass

sent = {}
scanning.PacketLink = Silence
main.cli.main(["scan", "-i", "bond0", "--vlans=7", "--deadline=1ms", *sys.argv[2:]], standalone_mode=False)
heavy = set(sys.argv[1].split(","))
print(sorted(heavy & sent.keys()), sorted(heavy & sys.modules.keys()))
"""
"""Scan a VLAN on a link that receives nothing; print what was imported at the first frame, and at the end."""


@pytest.mark.parametrize(
    ("arguments", "imported"),
    [(["-o", "json"], "[]"), (["--summary=-"], "[]"), ([], "['rich']"), (["-o", "yaml"], "['yaml']")],
)
def test_a_scan_imports_nothing_heavy(arguments: list[str], imported: str) -> None:
    """Imports took most of the CPU of a scan. What renders the output is imported after the first frame."""
    heavy = ",".join([*HEAVY, "asyncio", "services.contract.messages", "services.network"])
    ran = subprocess.run(
        [sys.executable, "-c", SCAN, heavy, *arguments], capture_output=True, text=True, check=True
    )
    assert ran.stdout.splitlines()[-1] == f"[] {imported}"


def test_a_scan_that_cannot_begin_says_so_once() -> None:
    """What the engine's loop logs of it is not printed as well."""
    command = "from services.cli.main import main; main()"
    ran = subprocess.run(
        [sys.executable, "-c", command, "scan", "-i", "no-such-trunk"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 2
    assert ran.stderr.startswith("nadroute: --interface='no-such-trunk': ")
    assert len(ran.stderr.splitlines()) == 1


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each listed command loads under its own name and prints help."""
    ran = run(monkeypatch, name, "--help")
    assert ran.code == 0
    assert ran.out.startswith(f"Usage: nadroute {name}")
    with cli.make_context("nadroute", [name], resilient_parsing=True) as context:
        command = cli.get_command(context, name)
    assert command is not None
    assert command.name == name


def test_a_misspelt_command_is_an_error_with_a_suggestion(monkeypatch: pytest.MonkeyPatch) -> None:
    """The exit code is 2 and the error names the nearest command."""
    ran = run(monkeypatch, "stauts")
    assert ran.code == 2
    assert "stauts" in ran.err
    assert "status" in ran.err


def test_version_prints_name_and_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """--version prints one line."""
    from services.version import __version__

    assert run(monkeypatch, "--version").out == f"nadroute {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["probe"], "expected either NAMESPACE/NAME, once or more, or --all"),
        (["probe", "--all", "default/x"], "or --all"),
        (["probe", "vlan7"], "'vlan7': expected NAMESPACE/NAME"),
        (["probe", "--all", "--timeout", "soon"], "'soon': expected a duration such as 12s"),
        (["probe", "--all", "--timeout", "0s"], "expected more than 0"),
        (["scan"], "--interface"),
        (["scan", "-i", "eth0", "--vlans", "5000"], "'5000': expected 1 to 4094"),
        (["redis"], "expected one of --socket PATH and --port NUMBER"),
        (["redis", "--port", "1", "--socket", "/tmp/x"], "expected one of --socket PATH and --port"),
        (["status", "--output", "xml"], "'xml'"),
        (["status", "--kubeconfig", "/nonexistent/config"], "'/nonexistent/config': no such file"),
        (["status"], "kubeconfig: not given"),
    ],
)
def test_wrong_usage_is_one_line(
    arguments: list[str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exit code is 2, and the line has what was given and what was expected."""
    ran = run(monkeypatch, *arguments)
    assert ran.code == 2
    assert expected in ran.err
    assert len(ran.err.splitlines()) == 1
    assert ran.out == ""


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("{ clusters: [", "not YAML: line 1, column 14: expected the node content"),
        ("hello", "not a kubeconfig: expected clusters, users and a current-context"),
        ("clusters: []", "cannot be used: Invalid kube-config file"),
    ],
)
def test_a_broken_kubeconfig_is_one_line(
    content: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exit code is 2, and the line names the file and what is wrong with it."""
    path = tmp_path / "kubeconfig"
    path.write_text(content)
    ran = run(monkeypatch, "status", "--kubeconfig", str(path))
    assert ran.code == 2
    assert len(ran.err.splitlines()) == 1
    assert repr(str(path)) in ran.err
    assert expected in ran.err


def test_an_unreachable_redis_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """The exit code is 3, and the line has the URL, the error and the remedy."""
    ran = run(monkeypatch, "hosts", REDIS_URL="redis://:s3cret@127.0.0.1:1/0")
    assert ran.code == 3
    assert "redis://:***@127.0.0.1:1/0" in ran.err
    assert "--redis-url" in ran.err
    assert "s3cret" not in ran.err
    assert len(ran.err.splitlines()) == 1


def test_a_missing_package_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """An image may contain one service only; any other names the package to install."""
    monkeypatch.setitem(sys.modules, "flower.app", None)
    monkeypatch.delitem(sys.modules, "services.cli.local.flower_server", raising=False)
    ran = run(monkeypatch, "flower", "--port", "0")
    assert ran.code == 2
    assert "the package flower" in ran.err
    assert "pip install" in ran.err
