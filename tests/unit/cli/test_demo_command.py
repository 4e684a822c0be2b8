"""`nadroute demo`: lines to the control socket of a demo."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from services.cli.local import demo_command
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
    monkeypatch.setattr(demo_command, "SOCKET_PATTERN", f"{short_folder.name}/*/control.sock")
    ran = run(monkeypatch, "demo", "break", "7")
    assert ran.code == 3
    assert "no demo runs on this machine" in ran.err


def test_one_name_cannot_carry_a_second_command(short_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line break in it is refused before anything is sent."""
    ran = run(monkeypatch, "demo", "break", "7\nbreak 8", "--socket", str(short_folder / "s"))
    assert ran.code == 2
