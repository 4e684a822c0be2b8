"""Credentials: the certificate authority, the tokens and the kubeconfig."""

from __future__ import annotations

import base64
import os
import secrets
import ssl
import threading
from dataclasses import dataclass
from pathlib import Path

import trustme
import yaml

from lab.kube.jsontypes import JsonObject

HOST = "127.0.0.1"
ADMIN = "admin"


def write_private(path: Path, content: bytes) -> None:
    """Replace a file atomically; only its owner can read it."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


@dataclass(frozen=True, slots=True)
class Authority:
    """The lab's own certificate authority."""

    ca: trustme.CA

    @classmethod
    def load(cls, state: Path | None) -> Authority:
        """Load the authority from the state folder, so that a kubeconfig survives a restart, or make one."""
        if state is None:
            return cls(trustme.CA())
        cert, key = state / "ca.crt", state / "ca.key"
        if cert.exists() and key.exists():
            return cls(trustme.CA.from_pem(cert.read_bytes(), key.read_bytes()))
        ca = trustme.CA()
        write_private(key, ca.private_key_pem.bytes())
        write_private(cert, ca.cert_pem.bytes())
        return cls(ca)

    def certificate(self) -> bytes:
        """Return the authority's certificate, PEM."""
        return self.ca.cert_pem.bytes()

    def server_context(self) -> ssl.SSLContext:
        """Return the server's TLS context, with a certificate for 127.0.0.1 and localhost."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.ca.issue_cert(HOST, "localhost").configure_cert(context)
        return context


class Tokens:
    """The valid bearer tokens, each with its user. Thread-safe."""

    def __init__(self, state: Path | None) -> None:
        """Keep the administrator's token in the file `token` of the state folder."""
        self._lock = threading.Lock()
        self._users: dict[str, str] = {}
        self.file = state / "token" if state else None
        if self.file is not None and self.file.exists():
            self._admin = self.file.read_text().strip()
            self._users[self._admin] = ADMIN
        else:
            self._admin = self.rotate()

    @property
    def admin(self) -> str:
        """Return the administrator's token."""
        with self._lock:
            return self._admin

    def issue(self, user: str) -> str:
        """Issue another token, for a user that the record of writes distinguishes."""
        token = secrets.token_urlsafe(24)
        with self._lock:
            self._users[token] = user
        return token

    def rotate(self, *, keep_old: bool = False) -> str:
        """Issue a new token for the administrator, in `file`; the old one is revoked unless kept."""
        token = secrets.token_urlsafe(24)
        with self._lock:
            if not keep_old:
                self._users = {each: user for each, user in self._users.items() if user != ADMIN}
            self._users[token] = ADMIN
            self._admin = token
        if self.file is not None:
            write_private(self.file, token.encode())
        return token

    def revoke(self, token: str) -> None:
        """Revoke a token."""
        with self._lock:
            self._users.pop(token, None)

    def user(self, header: str) -> str | None:
        """Return the user of an Authorization header; None if it is missing or invalid."""
        scheme, _, token = header.partition(" ")
        with self._lock:
            return self._users.get(token.strip()) if scheme.lower() == "bearer" else None


def kubeconfig(
    *, url: str, ca: bytes | None, token: str | None, token_file: Path | None, namespace: str = "default"
) -> bytes:
    """Render a kubeconfig as YAML; with `token_file`, it names that file, so the token can be rotated."""
    cluster: JsonObject = {"server": url}
    if ca is not None:
        cluster["certificate-authority-data"] = base64.b64encode(ca).decode()
    user: JsonObject = {}
    if token_file is not None:
        user["tokenFile"] = str(token_file)
    elif token is not None:
        user["token"] = token
    config: JsonObject = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "lab",
        "clusters": [{"name": "lab", "cluster": cluster}],
        "users": [{"name": "lab", "user": user}],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "lab", "namespace": namespace}}],
    }
    return yaml.safe_dump(config, sort_keys=False).encode()
