"""Where Redis is, and how this process signs in there: the one value from which every connection is made."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from redis.credentials import CredentialProvider
from redis.exceptions import ConnectionError as RedisConnectionError

from services.runtime.process.redaction import HIDDEN
from services.runtime.process.secret_files import FORMER, read_secret

SCHEMES = ("redis", "rediss", "unix")
_EXPECTED = "expected redis://HOST:PORT/DB, rediss://HOST:PORT/DB or unix:///path/to/socket?db=DB"
_HINT = (
    "; percent-encode what is no letter or digit in the user and the password of a URL, or give the password "
    "in a file, with redis_password_file"
)
_PLAIN = re.compile(r"[a-z]+://[a-z0-9.-]+(:[0-9]{1,5})?(/[0-9]?)?")
_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")


def check_url(url: str) -> str:
    """Return the URL; raise ValueError, without a part of it, when it is not a supported Redis URL."""
    _parse(url)
    return url


def redact(address: "str | RedisAddress") -> str:
    """Return the URL without user and password, for logs and display.

    *** where it is not one of Redis, unless it is one without anything that could be a password.
    """
    url = address if isinstance(address, str) else address.url
    try:
        parts = _parse(url)
    except ValueError:
        return url if _PLAIN.fullmatch(url) else HIDDEN
    _, sign, place = parts.netloc.rpartition("@")
    return _joined(parts, f":{HIDDEN}@{place}" if sign else place)


def celery_url(url: str) -> str:
    """Return Celery's form of the URL: `redis+socket://` for a unix socket, virtual_host for its database."""
    parts = _parse(url)
    if parts.scheme != "unix":
        return url
    options = [("virtual_host" if name == "db" else name, value) for name, value in parse_qsl(parts.query)]
    return _joined(parts._replace(scheme="redis+socket", query=urlencode(options)), parts.netloc)


def _parse(url: str) -> SplitResult:
    """Split a URL. A password that is not percent-encoded must not pass as a host, a path or a query."""
    try:
        # It drops some control characters, and its errors quote the URL.
        parts = urlsplit(url) if url.isprintable() and not set(url) & set(" #\\") else None
        host, port = (parts.hostname, parts.port) if parts else (None, None)
    except ValueError:
        parts = None
    if parts is None or parts.scheme not in SCHEMES or "@" in parts.path + parts.query:
        raise ValueError(_EXPECTED + _HINT)
    if parts.scheme == "unix":
        databases = [value for name, value in parse_qsl(parts.query, keep_blank_values=True) if name == "db"]
        if not parts.path.startswith("/") or parts.netloc.rpartition("@")[2]:
            raise ValueError("expected an absolute path: unix:///path/to/socket" + _HINT)
        if (parts.query and not re.fullmatch(r"db=[0-9]{1,9}", parts.query)) or len(databases) > 1:
            raise ValueError("expected the database as unix:///path/to/socket?db=NUMBER, and no more" + _HINT)
        return parts
    if host is None or not _HOST.fullmatch(host) or port == 0:
        raise ValueError("expected a host: redis://HOST:PORT/DB" + _HINT)
    if "?" in url or not re.fullmatch(r"/?[0-9]{0,9}", parts.path):
        raise ValueError("expected the database as redis://HOST:PORT/DB, and no more" + _HINT)
    return parts


def _joined(parts: SplitResult, netloc: str) -> str:
    # urlunsplit writes unix:/path for an empty netloc.
    if not netloc:
        return f"{parts.scheme}://{parts.path}{f'?{parts.query}' if parts.query else ''}"
    return urlunsplit(parts._replace(netloc=netloc))


class Credentials(CredentialProvider):
    """User and password as redis-py asks for them at each new connection; a file is read anew each time."""

    def __init__(self, username: str, password: str, file: Path | None) -> None:
        self._username = username
        self._password = password
        self._file = file

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        """Return (user, password), or (password,) of the user `default`. Raise redis.ConnectionError."""
        password = self._password
        if self._file is not None:
            try:
                password = read_secret(self._file)
            except ValueError as error:
                # An outage to redis-py and Celery: they try again.
                raise RedisConnectionError(f"the password of Redis cannot be read: {error}") from None
        return (self._username, password) if self._username else (password,)

    def __repr__(self) -> str:
        return f"Credentials({HIDDEN})"


@dataclass(frozen=True, repr=False)
class RedisAddress:
    """A Redis, with what this process needs to be let in. Its text holds no password.

    url: checked here, which raises ValueError. username, password_file: in place of those in the URL. The
    other files are for rediss://, where the server is always verified: by ca_file alone; without one, by the
    system's CAs.
    """

    url: str
    username: str = ""
    password_file: Path | None = None
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None

    def __post_init__(self) -> None:
        _parse(self.url)

    def __str__(self) -> str:
        return redact(self)

    def __repr__(self) -> str:
        # kombu shares connections between those whose options read alike, so others must differ. The hash
        # is keyed by a secret of the process.
        return f"RedisAddress({self}, {hash(self):x})"

    @staticmethod
    def of(address: "str | RedisAddress") -> "RedisAddress":
        """Return the address; of a URL, the one without anything else."""
        return RedisAddress(address) if isinstance(address, str) else address

    @property
    def bare_url(self) -> str:
        """The URL without user and password: for clients that print it."""
        parts = _parse(self.url)
        return _joined(parts, parts.netloc.rpartition("@")[2])

    @property
    def is_encrypted(self) -> bool:
        """Whether connections use TLS."""
        return self.url.startswith("rediss:")

    @property
    def has_credentials(self) -> bool:
        """Whether the URL itself has a user or a password."""
        return "@" in _parse(self.url).netloc

    def credentials(self) -> Credentials | None:
        """Return user and password; None where none is given."""
        parts = _parse(self.url)
        username = self.username or unquote(parts.username or "")
        password = unquote(parts.password or "")
        if not (username or password or self.password_file):
            return None
        return Credentials(username, password, self.password_file)

    def with_former_password(self) -> "RedisAddress | None":
        """Return the same with the password before this one, where there is a file of it; else None."""
        file = self.password_file
        former = None if file is None else file.with_name(file.name + FORMER)
        return replace(self, password_file=former) if former is not None and former.exists() else None

    def url_with_password(self) -> str:
        """Return the URL with user and password, read now: for a client that takes nothing else."""
        credentials = self.credentials()
        if credentials is None:
            return self.url
        user, password = ("", *credentials.get_credentials())[-2:]
        parts = _parse(self.url)
        userinfo = f"{quote(user, safe='')}:{quote(password, safe='')}"
        return _joined(parts, f"{userinfo}@{parts.netloc.rpartition('@')[2]}")

    def tls_options(self) -> dict[str, Any]:
        """Return the keyword arguments of redis-py's TLS connection; none without TLS."""
        if not self.is_encrypted:
            return {}
        options = {
            "ssl_ca_certs": self.ca_file,
            "ssl_certfile": self.certificate_file,
            "ssl_keyfile": self.key_file,
        }
        given = {name: str(path) for name, path in options.items() if path is not None}
        return {"ssl_cert_reqs": "required", "ssl_check_hostname": True, **given}
