"""The API server as a child process that can be killed, stopped and started again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from ssl import create_default_context
from types import TracebackType

from lab.kube.errors import ApiError
from lab.kube.jsontypes import JsonObject, JsonValue, encode, text

ROOT = Path(__file__).resolve().parents[2]
ANSWER_SECONDS = 20.0
END_SECONDS = 20.0


class ServerProcess:
    """`python -m lab.kube` with its state in a folder; a `with` block starts and stops it.

    `options` are further arguments; TLS, control and --die-with-parent are always on (the child ends with the
    *thread* that started it). After `kill` or `stop`, `start` restarts it on the same port, with its objects,
    authority and token.
    """

    def __init__(self, folder: Path, *, options: Sequence[str] = ()) -> None:
        self.state = folder / "state"
        self.kubeconfig = folder / "kubeconfig"
        self.url = ""
        self._options = tuple(options)
        self._port = 0
        self._process: subprocess.Popen[str] | None = None

    @property
    def pid(self) -> int:
        """Return the process ID; 0 if it does not run."""
        return self._process.pid if self._process is not None else 0

    def start(self) -> ServerProcess:
        """Start it; return when it answers. Raises RuntimeError if it ends instead."""
        command = [sys.executable, "-m", "lab.kube", "--control", "--die-with-parent"]
        command += ["--state", str(self.state), "--kubeconfig", str(self.kubeconfig)]
        command += ["--port", str(self._port), *self._options]
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        self._process = process
        assert process.stdout is not None
        words = process.stdout.readline().split()
        if len(words) < 2:
            self._end()
            raise RuntimeError(f"the API server ended with {process.returncode} before it was ready")
        self.url = words[1]
        self._port = int(self.url.rpartition(":")[2])
        return self

    def kill(self) -> None:
        """Send SIGKILL and wait for the end."""
        self.signal(signal.SIGKILL)
        self._end()

    def stop(self) -> int:
        """Send SIGTERM and wait for the end; return the exit code, 0 if it does not run."""
        if self._process is None:
            return 0
        self.signal(signal.SIGTERM)
        return self._end()

    def wait(self) -> int:
        """Wait for the end, as after a signal; return the exit code, 0 if it does not run."""
        return self._end()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, such as SIGSTOP to freeze it with all its connections, and SIGCONT to resume it."""
        if self._process is not None:
            self._process.send_signal(number)

    def get(self, path: str) -> JsonObject:
        """Send GET /_lab/`path`."""
        return self._call("GET", path, None)

    def post(self, path: str, body: JsonObject | None = None) -> JsonObject:
        """Send POST /_lab/`path`. Raises ApiError if it is refused."""
        return self._call("POST", path, body or {})

    def fault(self, kind: str, **options: JsonValue) -> JsonObject:
        """Script a fault: POST /_lab/faults with its kind and options."""
        return self.post("faults", {"kind": kind, **options})

    def clear(self) -> None:
        """Remove all faults."""
        self._call("DELETE", "faults", None)

    def __enter__(self) -> ServerProcess:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.signal(signal.SIGCONT)
        self.stop()

    def _end(self) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        with process:
            try:
                return process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                return process.wait()

    def _call(self, method: str, path: str, body: JsonObject | None) -> JsonObject:
        request = urllib.request.Request(
            f"{self.url}/_lab/{path}",
            method=method,
            data=None if body is None else encode(body),
            headers={"Content-Type": "application/json"},
        )
        authority = self.state / "ca.crt"
        context = create_default_context(cafile=str(authority)) if authority.exists() else None
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_SECONDS, context=context) as answer:
                value: JsonValue = json.loads(answer.read())
        except urllib.error.HTTPError as refused:
            with refused:
                status: JsonValue = json.loads(refused.read())
            message = text(status, "message") if isinstance(status, dict) else ""
            raise ApiError(refused.code, message) from refused
        return value if isinstance(value, dict) else {}
