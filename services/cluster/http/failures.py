"""What went wrong between this client and the server, in our errors."""

import ssl

import urllib3

from services.cluster.errors import MAX_MESSAGE_CHARACTERS, Unavailable


class Untrusted(Unavailable):
    """The server's certificate is not of the CA that was read: that may have been replaced since."""


def unavailable(where: str, error: BaseException) -> Unavailable:
    """Return our error for one of the socket, of http.client or of urllib3. where: the request."""
    kind = Untrusted if _is_untrusted(error) else Unavailable
    return kind(f"{where}: {describe(error)}")


def describe(error: BaseException) -> str:
    """Return the innermost error: urllib3 wraps a refused connection several times."""
    while isinstance(error, urllib3.exceptions.MaxRetryError) and error.reason is not None:
        error = error.reason
    if isinstance(error, urllib3.exceptions.NewConnectionError) and isinstance(error.__cause__, OSError):
        where = f"{error.conn.host}:{error.conn.port}"
        return f"cannot connect to {where}: {error.__cause__.strerror or error.__cause__}"
    return f"{type(error).__name__}: {error}"[:MAX_MESSAGE_CHARACTERS]


def _is_untrusted(error: BaseException) -> bool:
    """Return whether the server's certificate was not verified: urllib3 wraps that several times."""
    seen: BaseException | None = error
    while seen is not None and not isinstance(seen, ssl.SSLCertVerificationError):
        reason = getattr(seen, "reason", None)
        inner = next((arg for arg in seen.args if isinstance(arg, BaseException)), None)
        seen = reason if isinstance(reason, BaseException) else inner
    return seen is not None
