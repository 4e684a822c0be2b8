"""`nadroute flower` and `nadroute up` as processes."""

import base64
import json
import os
import re
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from lab.kube import ApiServer
from services.contract.names import PROBE_TASK, probe_queue
from services.runtime.queues.celery_app import describe_probe, make_app
from tests.integration.test_cli_networks import work
from tests.integration.test_cli_redis import TIMEOUT_S, children, program, runs, wait_until
from tests.support.redis_server import RedisServer, running_redis
from tests.unit.cli.running import run


def _get(url: str, *, password: str | None = None, method: str = "GET") -> tuple[int, str]:
    request = urllib.request.Request(url, method=method)
    if password is not None:
        credentials = base64.b64encode(f"nadroute:{password}".encode()).decode()
        request.add_header("Authorization", f"Basic {credentials}")
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, ""


def test_flower_shows_workers_and_tasks_behind_its_password(redis_server: RedisServer) -> None:
    """Each task has a descriptive name; requests without the password, and changes with it, are refused."""
    with program("flower", "--port", "0", "--redis-url", redis_server.url) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        match = re.search(r"user nadroute, password (\S+)", process.stdout.readline())
        assert match is not None
        password = match[1]
        with work(redis_server, "node1"), make_app(redis_server.url) as app:
            wait_until(lambda: _get(f"{url}api/workers", password=password)[1] != "{}", "a worker to be seen")
            name = describe_probe("extra", 12, "node1")
            app.send_task(PROBE_TASK, queue=probe_queue("node1"), kwargs={"request": {}}, shadow=name)

            def names() -> set[str]:
                tasks = json.loads(_get(f"{url}api/tasks", password=password)[1])
                return {task["name"] for task in tasks.values()}

            wait_until(lambda: names() == {name}, "the task to be seen by its name")
            (worker,) = json.loads(_get(f"{url}api/workers", password=password)[1])
            assert "flower_" in _get(f"{url}metrics", password=password)[1]
            for page in ("workers", "tasks", "api/tasks", "metrics", "metrics?x", "broker", ""):
                assert _get(url + page)[0] == 401
                assert _get(url + page, password="wrong")[0] == 401
            shutdown = f"{url}api/worker/shutdown/{worker}"
            assert _get(shutdown, password=password, method="POST")[0] == 403
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT_S) == 0


def test_flower_takes_another_password_from_its_file(tmp_path: Path) -> None:
    """The password is rotated without a restart, and stands in no argument and no output."""
    file = tmp_path / "password"
    file.write_text("first-secret\n")
    options = ["--port", "0", "--redis-url", "redis://127.0.0.1:1/0", "--password-file", str(file)]
    with program("flower", *options) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        assert process.stdout.readline() == "Sign in as user nadroute\n"
        assert _get(f"{url}workers", password="first-secret")[0] == 200
        file.write_text("second-secret\n")
        wait_until(lambda: _get(f"{url}workers", password="second-secret")[0] == 200, "the new password")
        assert _get(f"{url}workers", password="first-secret")[0] == 401
        file.unlink()
        shown = [Path(f"/proc/{process.pid}/{name}").read_bytes() for name in ("cmdline", "environ")]
        process.send_signal(signal.SIGTERM)
        out, errors = process.communicate(timeout=TIMEOUT_S)
        assert process.returncode == 0
    assert not [text for text in (*map(str, shown), out, errors) if "-secret" in text]


def test_flower_runs_without_redis_and_is_not_ready(short_folder: Path) -> None:
    """Its page is served, SIGINT ends it, and it is ready when a Redis answers that takes no write of it."""
    socket = short_folder / "redis.sock"
    with program("flower", "--port", "0", "--redis-url", f"unix://{socket}", "--password", "p") as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        assert _get(f"{url}workers", password="p")[0] == 200
        assert _get(f"{url}healthcheck")[0] == 200
        assert _get(f"{url}readyz")[0] == 503
        with running_redis(short_folder) as server:
            server.client.acl_setuser("default", enabled=True, commands=["-set"])
            wait_until(lambda: _get(f"{url}readyz")[0] == 200, "a ready Flower")
        process.send_signal(signal.SIGINT)
        assert process.wait(TIMEOUT_S) == 0


def test_flower_names_a_port_in_use() -> None:
    """The exit code is 2, with address, port and remedy."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with program("flower", "--port", str(port)) as process:
            _, errors = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 2
    assert f"--port={port}" in errors
    assert "0 takes a free one" in errors
    assert "Traceback" not in errors


class Output:
    """Standard error of a process, line by line."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stderr is not None
        self._stream = process.stderr
        self.lines: list[str] = []

    def until(self, *texts: str) -> None:
        """Read on until each text has come since the last call, in any order."""
        missing = set(texts)
        while missing:
            line = self._stream.readline()
            assert line, f"{missing} never came: {''.join(self.lines)}"
            self.lines.append(line)
            missing -= {text for text in missing if text in line}

    def word(self, start: str) -> str:
        """Return the rest of the first word with this start."""
        line = next(line for line in self.lines if start in line)
        return line.partition(start)[2].split()[0]


def test_up_runs_all_services_and_leaves_nothing(tmp_path: Path) -> None:
    """With a Redis; a killed service is restarted; Ctrl-C ends every process in time."""
    with ApiServer() as server:
        kubeconfig = server.kubeconfig(tmp_path / "kubeconfig")
        with program("up", "--kubeconfig", str(kubeconfig), "--flower-port", "0") as process:
            output = Output(process)
            output.until(
                "prober | not started", "unix://", "Flower: http", "watcher started", "updater started"
            )
            folder = Path(output.word("unix://")).parent
            processes = children(process.pid)
            assert len(processes) == 4
            watcher = next(p for p in processes if b"watcher" in Path(f"/proc/{p}/cmdline").read_bytes())
            os.kill(watcher, signal.SIGKILL)
            output.until("watcher | ended, by SIGKILL; restart in 1 s")
            output.until("watcher started")
            processes |= children(process.pid)
            process.send_signal(signal.SIGINT)
            # Read on, or a full pipe would hold the services up.
            assert process.stderr is not None
            rest = process.stderr.read()
            assert process.wait(TIMEOUT_S) == 0
            assert "killed" not in rest, rest
        assert not any(runs(pid) for pid in processes)
        assert not folder.exists()


def test_a_killed_up_leaves_no_service(tmp_path: Path) -> None:
    """After SIGKILL, the kernel ends every child."""
    with ApiServer() as server:
        kubeconfig = server.kubeconfig(tmp_path / "kubeconfig")
        with program("up", "--kubeconfig", str(kubeconfig), "--no-flower") as process:
            assert process.stderr is not None
            while "watcher started" not in process.stderr.readline():
                pass
            processes = children(process.pid)
            process.kill()
            process.communicate(timeout=TIMEOUT_S)
            assert len(processes) == 3
            wait_until(lambda: not any(runs(pid) for pid in processes), "the services to end")


def test_up_starts_nothing_with_a_wrong_configuration(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The exit code is 2 for a missing kubeconfig and for a wrong setting of any service."""
    ran = run(monkeypatch, "up", "--kubeconfig", str(tmp_path / "none"))
    assert ran.code == 2
    assert "no such file" in ran.err
    ran = run(monkeypatch, "up", "--flower-port", "many")
    assert ran.code == 2
    assert "FLOWER_PORT='many'" in ran.err
