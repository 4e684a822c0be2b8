"""TLS in front of a real Redis: the server that pip installs is built without it."""

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

CHUNK_BYTES = 65_536


class Authority:
    """A certificate authority, as a file, with certificates of it."""

    def __init__(self, folder: Path, name: str) -> None:
        self._ca = trustme.CA(organization_name=name)
        self._folder = folder / name
        self._folder.mkdir()
        self.file = self._folder / "ca.pem"
        self._ca.cert_pem.write_to_path(str(self.file))

    def server(self, name: str, *, expired: bool = False) -> ssl.SSLContext:
        """Return the context of a server with this name, which asks for a certificate of this authority."""
        end = datetime.now(UTC) + (-timedelta(days=1) if expired else timedelta(days=1))
        begin = datetime.now(UTC) - timedelta(days=2)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert(name, not_before=begin, not_after=end).configure_cert(context)
        self._ca.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    def client(self) -> tuple[Path, Path]:
        """Return the files of a client's certificate and its key."""
        issued = self._ca.issue_cert("client@nadroute.test")
        certificate, key = self._folder / "client.pem", self._folder / "client.key"
        certificate.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(str(key))
        return certificate, key


class TLSFront:
    """A listener that ends TLS and passes on to the server's socket. `context` may change at any time."""

    def __init__(self, target: Path, context: ssl.SSLContext) -> None:
        self.context = context
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def drop_all(self) -> None:
        """Break every connection, as a restart of the server does."""
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Listen no more, and break what is open."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop_all()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                plain, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(plain,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX) as behind,
            plain,
            self.context.wrap_socket(plain, server_side=True) as front,
        ):
            behind.connect(str(self._target))
            self._pass(front, behind)

    def _pass(self, front: ssl.SSLSocket, behind: socket.socket) -> None:
        self._open.add(front)
        try:
            while True:
                ready = [front] if front.pending() else select.select([front, behind], [], [])[0]
                for source, sink in ((front, behind), (behind, front)):
                    if source in ready:
                        data = source.recv(CHUNK_BYTES)
                        if not data:
                            return
                        sink.sendall(data)
        finally:
            self._open.discard(front)


@contextlib.contextmanager
def tls_front(target: Path, context: ssl.SSLContext) -> Iterator[TLSFront]:
    """Listen for the duration of the block."""
    front = TLSFront(target, context)
    try:
        yield front
    finally:
        front.close()
