"""A relay between processes and their server, which leaves connections half open, and tells of requests."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

Address = tuple[str, int] | Path
"""Of a TCP port, or of a unix socket."""
_CHUNK_BYTES = 1 << 16
_START_S = 20.0


class Proxy:
    """Relays to a server from a unix socket, or else a free port of 127.0.0.1; a `with` block runs it.

    on_request: called with each chunk that a client sends, before the server gets it.
    """

    def __init__(
        self, server: Address, *, listen: Path | None = None, on_request: Callable[[], None] = lambda: None
    ) -> None:
        self.port = 0
        self.on_request = on_request
        self._server = server
        self._listen = listen
        self._dropping: set[int] = set()
        """Connections of which nothing arrives any more on either side."""
        self._opened = 0
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._over = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)

    def drop_packets(self) -> None:
        """Leave the present connections open, and deliver nothing on them from now on. New ones work."""
        self._dropping.update(range(self._opened))

    def __enter__(self) -> "Proxy":
        self._thread.start()
        assert self._ready.wait(_START_S)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(_START_S)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        if self._listen is not None:
            serving = await asyncio.start_unix_server(self._accept, path=self._listen)
        else:
            serving = await asyncio.start_server(self._accept, host="127.0.0.1", port=0)
            self.port = serving.sockets[0].getsockname()[1]
        self._ready.set()
        await self._over.wait()
        serving.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number, self._opened = self._opened, self._opened + 1
        try:
            if isinstance(self._server, Path):
                up_reader, up_writer = await asyncio.open_unix_connection(self._server)
            else:
                up_reader, up_writer = await asyncio.open_connection(*self._server)
        except OSError:
            writer.transport.abort()
            return
        up = asyncio.ensure_future(self._relay(number, reader, up_writer, self._told))
        down = asyncio.ensure_future(self._relay(number, up_reader, writer, lambda: None))
        try:
            await asyncio.wait((up, down), return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            # The end of the block. asyncio would report what is raised here as an error.
            pass
        finally:
            for task in (up, down):
                task.cancel()
            for end in (writer, up_writer):
                end.transport.abort()

    def _told(self) -> None:
        self.on_request()

    async def _relay(
        self,
        number: int,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        tell: Callable[[], None],
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK_BYTES):
                if number not in self._dropping:
                    tell()
                    writer.write(data)
                    await writer.drain()
            if number in self._dropping:
                # Not even its end arrives.
                await self._over.wait()
