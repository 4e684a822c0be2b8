"""The settings of the connection to Redis: secrets and certificates in files."""

from pathlib import Path

import pytest

from services.contract.errors import ConfigurationError
from services.runtime.connection.redis_address import RedisAddress
from services.runtime.connection.settings import ServiceSettings


def test_a_password_file_is_read_at_each_connection(tmp_path: Path) -> None:
    """A file that changes under a running service counts from the next connection."""
    file = tmp_path / "password"
    file.write_text("first\n")
    settings = ServiceSettings.load(redis_username="prober", redis_password_file=str(file))
    credentials = settings.redis_address.credentials()
    assert credentials is not None
    assert credentials.get_credentials() == ("prober", "first")
    file.write_text("p@ss/wörd #2")
    assert credentials.get_credentials() == ("prober", "p@ss/wörd #2")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "No such file or directory; expected a file that this user can read"),
        (b"", "is empty; expected the secret on one line"),
        (b"\n", "is empty; expected the secret on one line"),
        (b"hunter\nhunter2\n", "expected one line of at most 4096 printable characters"),
        (b"hunter" * 1_000, "expected one line of at most 4096 printable characters"),
        (b"\xffhunter", "expected text in UTF-8"),
    ],
)
def test_a_password_file_without_one_password_is_refused(
    content: bytes | None, expected: str, tmp_path: Path
) -> None:
    """The error names setting, file and what was expected, and holds nothing of the content."""
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigurationError) as error:
        ServiceSettings.load(redis_password_file=str(file))
    assert str(error.value).startswith("--redis-password-file='")
    assert str(error.value).endswith(f"{file}: {expected}")
    assert "hunter" not in str(error.value)


def test_what_contradicts_itself_is_refused(tmp_path: Path) -> None:
    """A CA without TLS, a certificate without its key, and two places for one password."""
    file = tmp_path / "file"
    file.write_text("x")
    for expected, flags in {
        "redis_ca_file is given, and redis_url is redis://:***@h/0: expected rediss://HOST:PORT/DB": {
            "redis_url": "redis://u:pw@h/0",
            "redis_ca_file": file,
        },
        "redis_certificate_file or redis_key_file is given alone: expected both": {
            "redis_url": "rediss://h/0",
            "redis_key_file": file,
        },
        "redis_url is redis://:***@h/0, and redis_username or redis_password_file is given too: expected "
        "user and password in the URL, or in these settings": {
            "redis_url": "redis://u:pw@h/0",
            "redis_password_file": file,
        },
    }.items():
        with pytest.raises(ConfigurationError) as error:
            ServiceSettings.load(**flags)
        assert str(error.value) == expected


def test_without_credentials_nothing_is_sent() -> None:
    """A Redis without users is still one: redis-py authenticates only if it has something to say."""
    assert RedisAddress("redis://h").credentials() is None
    assert RedisAddress("redis://user@h").credentials() is not None
