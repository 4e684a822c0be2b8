"""`nadroute demo`: lines to the control socket of a demo."""

import json
import os
import shlex
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from services.cli.local import demo_site
from tests.unit.cli.running import run


@contextmanager
def site(path: Path, answer: bytes) -> Iterator[list[bytes]]:
    """Takes one line, and gives this answer."""
    taken: list[bytes] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        listener.settimeout(10)

        def serve() -> None:
            link, _ = listener.accept()
            with link, link.makefile("rb") as lines:
                taken.append(lines.readline())
                link.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield taken
        thread.join(60)


@pytest.mark.parametrize(
    "arguments", [("break", "7"), ("heal", "extra/7"), ("host-down", "node1"), ("host-up", "node1")]
)
def test_each_command_is_one_line(
    arguments: tuple[str, str], short_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the socket that the environment names; what is done is said."""
    monkeypatch.setenv("LAB_CONTROL_SOCKET", str(short_folder / "s"))
    with site(short_folder / "s", b"ok\n") as taken:
        ran = run(monkeypatch, "demo", *arguments)
    assert (ran.code, taken) == (0, [f"{' '.join(arguments)}\n".encode()])
    assert ran.out.startswith(f"{' '.join(arguments)}: done")


def test_the_help_lists_every_command_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """On 80 columns, no description is cut."""
    monkeypatch.setenv("COLUMNS", "80")
    ran = run(monkeypatch, "demo", "--help")
    assert ran.code == 0
    assert "tour" in ran.out
    assert "..." not in ran.out.partition("Commands:")[2]


def test_what_the_site_refuses_is_told(short_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 2 with its words, and also where it says nothing at all."""
    monkeypatch.setenv("LAB_CONTROL_SOCKET", str(short_folder / "a"))
    with site(short_folder / "a", b"error: 9: no such VLAN\x1b\n"):
        ran = run(monkeypatch, "demo", "break", "9")
    assert (ran.code, "9: no such VLAN" in ran.err, "\x1b" in ran.err) == (2, True, False)
    monkeypatch.setenv("LAB_CONTROL_SOCKET", str(short_folder / "b"))
    with site(short_folder / "b", b""):
        assert run(monkeypatch, "demo", "break", "9").code == 2


def test_a_demo_that_does_not_run_is_told_with_what_to_do(
    short_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 3: a socket of one that has ended, or none at all."""
    ran = run(monkeypatch, "demo", "break", "7", "--socket", str(short_folder / "gone"))
    assert ran.code == 3
    assert "make demo" in ran.err
    monkeypatch.delenv("LAB_CONTROL_SOCKET", raising=False)
    monkeypatch.setattr(demo_site, "SOCKET_PATTERN", f"{short_folder.name}/*/control.sock")
    ran = run(monkeypatch, "demo", "break", "7")
    assert ran.code == 3
    assert "no demo of yours runs on this machine" in ran.err


def test_one_name_cannot_carry_a_second_command(short_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line break in it is refused before anything is sent."""
    ran = run(monkeypatch, "demo", "break", "7\nbreak 8", "--socket", str(short_folder / "s"))
    assert ran.code == 2


@contextmanager
def demo_folder(folder: Path, site_json: object) -> Iterator[Path]:
    """The files of a running demo; yields its control socket."""
    (folder / "site").mkdir()
    variables = {"NADROUTE_REDIS_URL": "unix:///a b/redis.sock", "KUBECONFIG": "/k$HOME"}
    (folder / "environment.json").write_text(json.dumps(variables))
    (folder / "site" / "site.json").write_text(json.dumps(site_json))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "site" / "control.sock"))
        listener.listen()
        yield folder / "site" / "control.sock"


def test_env_prints_exports_that_a_shell_reads_back(
    short_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Values are quoted, and the folder of this nadroute comes first in PATH."""
    with demo_folder(short_folder, {}) as path:
        ran = run(monkeypatch, "demo", "env", "--socket", str(path))
    assert ran.code == 0
    script = f'{ran.out}\nprintf "%s|%s|%s" "$NADROUTE_REDIS_URL" "$KUBECONFIG" "$PATH"'
    done = subprocess.run(
        ["sh", "-c", script], env={"PATH": "/bin"}, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"unix:///a b/redis.sock|/k$HOME|{Path(sys.executable).parent}:/bin"


def test_a_demo_of_another_user_is_not_taken(short_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its files name the processes whose namespaces `shell` enters: only its own user is believed."""
    monkeypatch.delenv("LAB_CONTROL_SOCKET", raising=False)
    monkeypatch.setattr(demo_site, "SOCKET_PATTERN", f"{short_folder.name}/site/control.sock")
    with demo_folder(short_folder, {}):
        assert run(monkeypatch, "demo", "env").code == 0
        monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
        assert run(monkeypatch, "demo", "env").code == 3


def test_a_demo_that_was_killed_hides_no_other(short_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its socket is the newest, but nothing answers there."""
    monkeypatch.delenv("LAB_CONTROL_SOCKET", raising=False)
    monkeypatch.setattr(demo_site, "SOCKET_PATTERN", f"{short_folder.name}/*/site/control.sock")
    for name in ("a", "b"):
        (short_folder / name).mkdir()
    with demo_folder(short_folder / "a", {}) as living:
        with demo_folder(short_folder / "b", {}) as killed:
            pass
        os.utime(living, (0, 0))
        assert killed.is_socket()
        assert demo_site.find_socket(None) == living


def test_of_several_demos_the_newest_is_named(short_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever meant another one is not left to break a stranger's gateways."""
    monkeypatch.delenv("LAB_CONTROL_SOCKET", raising=False)
    monkeypatch.setattr(demo_site, "SOCKET_PATTERN", f"{short_folder.name}/*/site/control.sock")
    for name in ("a", "b"):
        (short_folder / name).mkdir()
    with demo_folder(short_folder / "a", {}) as older:
        os.utime(older, (0, 0))
        assert "demos of yours" not in run(monkeypatch, "demo", "env").err
        with demo_folder(short_folder / "b", {}):
            ran = run(monkeypatch, "demo", "env")
            assert f"2 demos of yours run, this is the newest: {short_folder / 'b'};" in ran.err


SITE = {"user_namespace": False, "hosts": {"node1": {"pid": 4711, "uplinks": {"extra": "extra-bo"}}}}


@pytest.mark.parametrize(
    ("user_namespace", "arguments", "expected"),
    [
        (False, ["ip", "-br", "address"], "--target 4711 --net -- ip -br address"),
        (False, ["nadroute", "--help"], "--target 4711 --net -- nadroute --help"),
        (True, ["true"], "--target 4711 --user --preserve-credentials --net -- true"),
        (False, [], "--target 4711 --net -- /bin/sh"),
    ],
)
def test_shell_enters_the_hosts_namespaces(
    user_namespace: bool,
    arguments: list[str],
    expected: str,
    short_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """nsenter with the host's process; a shell where no command is given."""
    executed: list[list[str]] = []
    monkeypatch.setattr(os, "execve", lambda _path, command, _environment: executed.append(command))
    monkeypatch.setenv("SHELL", "/bin/sh")
    with demo_folder(short_folder, {**SITE, "user_namespace": user_namespace}) as path:
        ran = run(monkeypatch, "demo", "shell", "--socket", str(path), "node1", *arguments)
    assert ran.code == 0, ran.err
    assert [shlex.join(command) for command in executed] == [f"nsenter {expected}"]
    assert ("Uplinks: extra-bo (extra)" in ran.out) is (not arguments)


@pytest.mark.parametrize(
    ("site_json", "host", "message"),
    [
        (SITE, "node9", "'node9': no such host; expected one of node1"),
        ({"hosts": {}}, "node1", "not written by a demo"),
        ({**SITE, "hosts": {"node1": {"pid": -1, "uplinks": {}}}}, "node1", "not written by a demo"),
    ],
)
def test_shell_refuses_a_host_that_is_not_there(
    site_json: object, host: str, message: str, short_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 2, and nothing is executed."""
    with demo_folder(short_folder, site_json) as path:
        ran = run(monkeypatch, "demo", "shell", "--socket", str(path), host)
    assert (ran.code, message in ran.err) == (2, True), ran.err
