"""Secrets in files, as Kubernetes and Compose mount them; read anew at each use, so they can be rotated."""

from pathlib import Path

MAX_BYTES = 4_096
FORMER = ".former"
"""The ending of the file beside it with the secret before, while that one still counts."""


def read_secret(path: Path) -> str:
    """Return the file's text without the newline at its end; raise ValueError, which never holds the text."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        secret = content.decode().rstrip("\r\n")
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}; expected a file that this user can read") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path}: expected text in UTF-8") from None
    if not secret:
        raise ValueError(f"{path}: is empty; expected the secret on one line")
    if len(content) > MAX_BYTES or any(not character.isprintable() for character in secret):
        raise ValueError(f"{path}: expected one line of at most {MAX_BYTES} printable characters")
    return secret
