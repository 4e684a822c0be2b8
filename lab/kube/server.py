"""The API server in a thread, for tests and for `python -m lab.kube`."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from pathlib import Path
from types import TracebackType

from aiohttp import web

from lab.kube.admission import Admission
from lab.kube.app import App
from lab.kube.control import Control
from lab.kube.credentials import HOST, Authority, Tokens, kubeconfig, write_private
from lab.kube.faults import Faults
from lab.kube.journal import Journal
from lab.kube.requests import RequestLog, RequestRecord
from lab.kube.rivals import Rival
from lab.kube.store import Store
from lab.kube.watches import Watches
from lab.kube.writes import WriteRecord

START_SECONDS = 20.0
STOP_SECONDS = 20.0
LAST_TURNS = 10  # of the loop, in which transports that were aborted let go of their sockets


class ApiServer:
    """A small Kubernetes API server on 127.0.0.1.

    `with ApiServer() as server:` serves until the block ends. start and stop may also be called, repeatedly:
    objects, port and credentials stay. `state` is a folder that keeps them across processes. `port` 0 selects
    a free one. `tls` False serves plain HTTP, without tokens unless `require_token` is set. `window` is the
    number of changes that a watch may be behind.
    """

    def __init__(
        self,
        *,
        state: Path | None = None,
        port: int = 0,
        tls: bool = True,
        require_token: bool | None = None,
        admission: Admission | None = None,
        control: bool = False,
        window: int = 20_000,
        bookmark_seconds: float = 10.0,
    ) -> None:
        if state is not None:
            state.mkdir(parents=True, exist_ok=True, mode=0o700)
        journal = Journal(state / "objects.jsonl") if state else None
        self.store = Store(admission=admission, journal=journal, window=window)
        self.watches = Watches()
        self.faults = Faults(self.store, self.watches)
        self.request_log = RequestLog()
        self.tokens = Tokens(state)
        self._authority = Authority.load(state) if tls else None
        self._port = port
        self._require_token = tls if require_token is None else require_token
        self._control = (
            Control(self.store, self.faults, self.watches, self.request_log, self.tokens) if control else None
        )
        self._bookmark_seconds = bookmark_seconds
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over: asyncio.Event | None = None
        self._failures: list[BaseException] = []

    @property
    def port(self) -> int:
        """Return the port; 0 before the first start if a free one is to be selected."""
        return self._port

    @property
    def url(self) -> str:
        """Return the URL: https://127.0.0.1:<port>, or http."""
        return f"{'https' if self._authority else 'http'}://{HOST}:{self._port}"

    @property
    def ca(self) -> bytes | None:
        """Return the certificate of its authority, PEM; None without TLS."""
        return self._authority.certificate() if self._authority else None

    @property
    def writes(self) -> list[WriteRecord]:
        """Return every write so far, committed or refused, oldest first."""
        return self.store.writes.all()

    @property
    def requests(self) -> list[RequestRecord]:
        """Return every request on a resource so far, whatever its result, oldest first."""
        return self.request_log.all()

    def rival(self, namespace: str, name: str) -> Rival:
        """Return a second writer to a network."""
        return Rival(self.store, namespace, name)

    def kubeconfig(self, path: Path, *, user: str = "", token_file: bool = False) -> Path:
        """Write a kubeconfig (0600, atomically) and return its path.

        `user` gets its own token, which the record of writes distinguishes. `token_file` puts the name of the
        administrator's token file into it, which `tokens.rotate()` rewrites; it requires a state folder.
        """
        named = self.tokens.file if token_file else None
        token = self.tokens.issue(user) if user else self.tokens.admin
        content = kubeconfig(url=self.url, ca=self.ca, token=token, token_file=named)
        write_private(path, content)
        return path

    def start(self) -> ApiServer:
        """Start serving; return when requests are answered. Raises OSError if the port is taken."""
        self._failures.clear()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), name="lab-kube", daemon=True)
        self._thread.start()
        if not ready.wait(START_SECONDS):
            raise TimeoutError("the API server did not start")
        for failure in self._failures:
            self._thread.join()
            raise failure
        return self

    def stop(self) -> None:
        """End all connections and stop listening. Objects and scripted faults stay."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        if self._loop is not None and self._over is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._over.set)
        thread.join(STOP_SECONDS)

    def restart(self) -> None:
        """Stop and start again on the same port without the history, as after a crash."""
        self.stop()
        self.faults.thaw()
        self.store.compact()
        self.start()

    def close(self) -> None:
        """Stop for good."""
        self.stop()
        self.store.close()

    def __enter__(self) -> ApiServer:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _run(self, ready: threading.Event) -> None:
        try:
            asyncio.run(self._serve(ready))
        except BaseException as error:  # noqa: BLE001 - raised in the thread that starts it
            self._failures.append(error)
        finally:
            ready.set()

    async def _serve(self, ready: threading.Event) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        app = App(
            store=self.store,
            faults=self.faults,
            watches=self.watches,
            requests=self.request_log,
            tokens=self.tokens if self._require_token else None,
            control=self._control,
            bookmark_seconds=self._bookmark_seconds,
        )
        runner = web.AppRunner(app.build(), access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        try:
            listening = socket.create_server((HOST, self._port), backlog=512)
            self._port = listening.getsockname()[1]
            context = self._authority.server_context() if self._authority else None
            await web.SockSite(runner, listening, ssl_context=context).start()
            ready.set()
            await self._over.wait()
        finally:
            if self._control is not None:
                await self._control.close()
            server = runner.server
            transports = _transports(server)
            await runner.cleanup()
            # And those whose handshake ended meanwhile.
            for transport in transports + _transports(server):
                # Python 3.11.2 (Debian 12) raises it where the connection is lost already.
                with contextlib.suppress(AttributeError):
                    transport.abort()
            for _ in range(LAST_TURNS):
                await asyncio.sleep(0)


def _transports(server: web.Server | None) -> list[asyncio.Transport]:
    connections = server.connections if server is not None else []
    return [each.transport for each in connections if each.transport is not None]
