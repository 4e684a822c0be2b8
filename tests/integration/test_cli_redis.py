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
from services.runtime.clock import SystemClock
from tests.support import programs
from tests.unit.cli.running import run

NADROUTE = [sys.executable, "-m", "services.cli.main"]
TIMEOUT_S = 60.0


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Until it holds; fails with what was waited for."""
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline, f"not within {TIMEOUT_S} s: {what}"
        threading.Event().wait(0.02)


def runs(pid: int) -> bool:
    """Whether the process exists, and is no zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def children(pid: int) -> set[int]:
    """Its child processes."""
    found: set[int] = set()
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found |= {int(word) for word in task.read_text().split()}
    return found


@contextlib.contextmanager
def program(*arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """nadroute as a process of its own, with the package's Redis, killed at the end if it still runs."""
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
def test_redis_answers_at_the_url_it_prints_and_leaves_nothing(
    short_folder: Path, number: signal.Signals
) -> None:
    """Its first line is a URL that works; after Ctrl-C or SIGTERM no process and no socket is left."""
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


def test_redis_ends_with_a_parent_that_is_killed(short_folder: Path) -> None:
    """SIGKILL leaves no time to clean up: the kernel ends the server."""
    with program("redis", "--socket", str(short_folder / "r.sock")) as process:
        assert process.stdout is not None
        process.stdout.readline()
        (server,) = children(process.pid)
        process.kill()
        wait_until(lambda: not runs(server), "the server to end")


def test_redis_keeps_what_it_is_told_to_keep(short_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a data folder a value is there after a restart, without one it is not."""
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


def test_redis_refuses_a_place_that_is_taken(short_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket that somebody answers on is not taken over; one that is left over is."""
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


def test_redis_says_what_is_wrong_with_a_socket_path(short_folder: Path) -> None:
    """Too long for the kernel, or in a folder that is not there."""
    for socket, text in [
        (short_folder / ("x" * 120), "bytes, expected at most 107"),
        (short_folder / "none" / "r.sock", "to exist"),
    ]:
        with pytest.raises(CommandFailed, match=text):
            check_listening(Listening(socket=socket))


def test_a_server_on_path_comes_before_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """redis-server is preferred to valkey-server, and both to what pip installed."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_server() == Path(programs.redis_server())
    for name in ("valkey-server", "redis-server"):
        server = tmp_path / name
        server.touch(mode=0o755)
        assert find_server() == server


def test_redis_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing on PATH, no package: exit 2 with both remedies."""
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    ran = run(monkeypatch, "redis", "--port", "0")
    assert ran.code == 2
    assert "apt-get install" in ran.err
    assert "nadroute[local]" in ran.err


def _program(name: str, code: str) -> Program:
    return Program(name, [sys.executable, "-c", code], dict(os.environ))


def test_a_child_that_dies_is_started_again_and_all_end_together() -> None:
    """What they print comes under their names; what ignores SIGTERM's group-mates ends too."""
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


def test_a_child_whose_configuration_is_wrong_ends_all() -> None:
    """It would fail for ever: exit 2, and the others do not stay behind."""
    said: list[str] = []
    programs = [_program("wrong", "raise SystemExit(2)"), _program("steady", "import time; time.sleep(600)")]
    code = supervise(
        programs, ended=threading.Event(), report=lambda _, line: said.append(line), clock=SystemClock()
    )
    assert code == 2
    assert any("wrong configuration" in line for line in said)


def test_a_child_that_will_not_end_is_killed() -> None:
    """SIGTERM is asked first, and what ignores it does not hold up the end."""
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


def test_the_pause_before_a_start_grows_to_a_limit() -> None:
    """1, 2, 4 … 30 seconds."""
    assert [pause_s(deaths) for deaths in (1, 2, 3, 6, 1_000)] == [1, 2, 4, 30, 30]
