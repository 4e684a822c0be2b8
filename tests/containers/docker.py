"""Docker's daemon in a network namespace, and a relay into it: nothing of either is seen outside."""

import contextlib
import json
import os
import select
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from lab.kernel import enter_network
from tests.containers.images import FOLDER
from tests.support.updater_site import wait_until

ANSWER_S = 600.0
CHUNK_BYTES = 65_536


class Docker:
    """A daemon that runs."""

    def __init__(self, socket_path: Path, log: Path) -> None:
        self.socket = f"unix://{socket_path}"
        self.log = log

    def run(self, *arguments: str, check: bool = True) -> str:
        """Return the output of `docker`, standard error with it."""
        return self._run(["docker", "--host", self.socket, *arguments], {}, check)

    def compose(
        self, files: Sequence[Path], variables: Mapping[str, str], *arguments: str, check: bool = True
    ) -> str:
        """Return the output of `docker compose` for these files."""
        named = [word for file in files for word in ("--file", str(file))]
        command = [str(FOLDER / "docker-compose"), "--host", self.socket, *named, *arguments]
        return self._run(command, variables, check)

    def inspect(self, name: str) -> dict[str, Any]:
        """Return what Docker says of a container."""
        (found,) = json.loads(self.run("inspect", name))
        return cast("dict[str, Any]", found)

    def _run(self, command: list[str], variables: Mapping[str, str], check: bool) -> str:
        done = subprocess.run(
            command,
            env={**os.environ, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=ANSWER_S,
        )
        assert not check or done.returncode == 0, f"{command}: {done.stdout[-4000:]}"
        return done.stdout


@contextlib.contextmanager
def docker_in(prefix: Sequence[str]) -> Iterator[Docker]:
    """Run a daemon; prefix is the command that enters the namespace, such as RunningSite.command."""
    folder = FOLDER / "docker"
    shutil.rmtree(folder / "exec", ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    configuration, log = folder / "daemon.json", folder / "daemon.log"
    path = folder / "docker.sock"
    configuration.write_text(
        json.dumps(
            {
                "data-root": str(folder / "data"),
                "exec-root": str(folder / "exec"),
                "pidfile": str(folder / "docker.pid"),
                "hosts": [f"unix://{path}"],
                "exec-opts": ["native.cgroupdriver=cgroupfs"],
                # What is inherited may not be lowered in a sandbox.
                "oom-score-adjust": 0,
            }
        )
    )
    (folder / "docker.pid").unlink(missing_ok=True)
    with log.open("wb") as output:
        daemon = subprocess.Popen(
            [*prefix, "dockerd", "--config-file", str(configuration)], stdout=output, stderr=output
        )
    docker = Docker(path, log)
    try:
        wait_until(
            lambda: daemon.poll() is not None or "Server Version" in docker.run("info", check=False),
            lambda: log.read_text()[-2000:],
        )
        assert daemon.poll() is None, log.read_text()[-2000:]
        yield docker
    finally:
        daemon.terminate()
        daemon.wait(ANSWER_S)


class Relay:
    """Listens on an address in another network namespace, and relays to a port of this one's loopback."""

    def __init__(self, namespace_pid: int, address: str, port: int) -> None:
        self._address = (address, port)
        self._namespace = f"/proc/{namespace_pid}/ns/net"
        self._listener: socket.socket | None = None
        self._ready = threading.Event()

    def __enter__(self) -> "Relay":
        # A thread of its own: entering a namespace moves the thread that does it.
        threading.Thread(target=self._listen, daemon=True).start()
        assert self._ready.wait(ANSWER_S)
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._listener is not None
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _listen(self) -> None:
        descriptor = os.open(self._namespace, os.O_RDONLY)
        enter_network(descriptor)
        os.close(descriptor)
        self._listener = socket.create_server(self._address)
        self._ready.set()

    def _accept(self) -> None:
        assert self._listener is not None
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=_relay, args=(client, self._address[1]), daemon=True).start()


def _relay(client: socket.socket, port: int) -> None:
    """Copy between a client and this port of the loopback, until either side ends."""
    with client, contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)) as server:
        other = {client: server, server: client}
        while True:
            for source in select.select(list(other), [], [])[0]:
                data = source.recv(CHUNK_BYTES)
                if not data:
                    return
                other[source].sendall(data)
