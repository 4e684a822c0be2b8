"""A service as deployed: a process of its own with its telemetry port."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

TIMEOUT_S = 60.0
REQUEST_TIMEOUT_S = 60.0


@dataclass
class ServiceProcess:
    """A running service."""

    process: "subprocess.Popen[bytes]"
    port: int
    log: Path

    def get(self, path: str) -> tuple[int, str]:
        """Return status and body. Raises ConnectionError if nobody listens."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=REQUEST_TIMEOUT_S)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def missing(self) -> Mapping[str, str]:
        """Return the failed checks of /readyz; empty only with status 200."""
        status, body = self.get("/readyz")
        answer = json.loads(body)
        assert (status == 200) is answer["ready"] is (not answer["missing"])
        found: Mapping[str, str] = answer["missing"]
        return found

    def wait(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition holds; the process must stay alive."""
        deadline, never = time.monotonic() + TIMEOUT_S, threading.Event()
        while True:
            assert self.process.poll() is None, self.log.read_text()[-3000:]
            try:
                if condition():
                    return
            except (OSError, HTTPException):
                pass
            assert time.monotonic() < deadline, self.log.read_text()[-3000:]
            never.wait(0.1)

    def wait_ready(self) -> None:
        """Wait until the service is ready."""
        self.wait(lambda: not self.missing())


def free_port() -> int:
    """Return a TCP port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert isinstance(port, int)
    return port


@contextlib.contextmanager
def running_service(
    service: str, folder: Path, environment: Mapping[str, str], *, port: int | None = None
) -> Iterator[ServiceProcess]:
    """Run `nadroute SERVICE` with these NADROUTE_ variables for the duration of the block."""
    port = free_port() if port is None else port
    log = folder / f"{service}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", sys.executable, "-m", "services.cli.main", service],
            env={
                **{name: value for name, value in os.environ.items() if not name.startswith("NADROUTE_")},
                "NADROUTE_METRICS_PORT": str(port),
                "NADROUTE_LOG_FORMAT": "json",
                **environment,
            },
            cwd=Path(__file__).parents[2],
            stdout=output,
            stderr=output,
        )
        try:
            yield ServiceProcess(process, port, log)
        finally:
            process.terminate()
            try:
                process.wait(TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
