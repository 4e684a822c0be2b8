"""No password is shown: not by errors, settings, logs, dead letters or what Celery and Flower print."""

import json
import logging
import re
import string
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import SecretStr

from services.cli.failures import CommandFailed
from services.contract.errors import ConfigurationError
from services.runtime.connection.redis_address import RedisAddress, redact
from services.runtime.connection.redis_client import connect
from services.runtime.connection.settings import ServiceSettings, check_environment
from services.runtime.process.logs import configure
from services.runtime.process.redaction import hide_passwords
from services.runtime.queues.celery_app import make_app
from services.runtime.stored import dead_letters

PLACES = ("redis://:{}@host:6379/0", "rediss://prober:{}@host/2", "unix://:{}@/run/redis.sock?db=1")
SHOWN = {
    "***",
    "redis://:***@host:6379/0",
    "rediss://:***@host/2",
    "unix://:***@/run/redis.sock?db=1",
}
ERROR = re.compile(r"--redis-url='\*\*\*': expected (redis|the database|a host|an absolute)[\w:/ ,?=;-]+")
"""Nothing in it comes from the URL but the kind of the fault."""
passwords = st.text(st.characters(codec="utf-8"), max_size=40) | st.text("@#?/%:[]\\&= aZ09", max_size=20)
words = st.text(
    string.printable.translate({ord(c): None for c in string.whitespace}), min_size=1, max_size=30
)
every_place = pytest.mark.parametrize("place", PLACES)


@every_place
@given(password=passwords)
@example(password="p@ss")
@example(password="p#ss")
@example(password="p?ss")
@example(password="p/ss")
@example(password="p%ss")
@example(password="@/w")
@example(password="?db=3")
@example(password="\N{ACCOUNT OF}")
def test_a_raw_password_in_a_url_is_hidden_whole(place: str, password: str) -> None:
    """Either the URL is shown with *** for user and password, or nothing of it is."""
    url = place.format(password)
    assert redact(url) in SHOWN
    if redact(url) == "***":
        with pytest.raises(ConfigurationError, match="percent-encode") as error:
            ServiceSettings.load(redis_url=SecretStr(url))
        assert ERROR.fullmatch(str(error.value))
    else:
        settings = ServiceSettings.load(redis_url=SecretStr(url))
        assert str(settings.redis_address) == settings.redacted()["redis_url"] == redact(url)


@every_place
@given(password=passwords.filter(bool))
def test_an_encoded_password_arrives_whole(place: str, password: str) -> None:
    """What is percent-encoded is what Redis gets, and clients that print URLs never have it."""
    address = RedisAddress(place.format(quote(password, safe="")))
    credentials = address.credentials()
    assert credentials is not None
    assert credentials.get_credentials()[-1] == password
    assert address.bare_url in {shown.replace(":***@", "") for shown in SHOWN}
    assert RedisAddress(address.url_with_password()).credentials().get_credentials()[-1] == password  # type: ignore[union-attr]
    assert (
        password == "Credentials(***)" or password in "Credentials(***)" or password not in repr(credentials)
    )


@given(password=words)
@example(password="p@s/s")
@example(password='p"s#s')
def test_a_password_in_a_text_of_others_is_hidden(password: str) -> None:
    """An exception, a log line or a refused message that quotes a URL is shown without its password."""
    said = hide_passwords(f"cannot connect to redis://u:{password}@host:6379/0: refused")
    assert said == "cannot connect to redis://***@host:6379/0: refused"


def test_celery_has_no_password_to_print(tmp_path: Path) -> None:
    """Flower and the worker print broker URL and settings: these hold neither user nor password."""
    file = tmp_path / "password"
    file.write_text("from-the-file\n")
    for address in (
        RedisAddress("redis://user:in-the-url@127.0.0.1:1/0"),
        RedisAddress("rediss://127.0.0.1:1/0", username="user", password_file=file),
    ):
        with make_app(address) as app, app.connection() as connection:
            printed = [
                repr(app.conf.table(with_defaults=True, censored=False)),
                connection.as_uri(include_password=True),
                app.backend.as_uri(include_password=True),
                repr(connection.transport_options),
                app.bugreport(),
            ]
        with connect(address) as client:
            printed.append(repr(client))
        assert not [text for text in printed if "in-the-url" in text or "from-the-file" in text]


def test_an_unknown_variable_is_named_without_its_value() -> None:
    """NADROUTE_REDIS_PASSWORD is no setting; its value is a password all the same."""
    with pytest.raises(ConfigurationError) as error:
        check_environment([ServiceSettings], {"NADROUTE_REDIS_PASSWORD": "hunter2"})
    assert str(error.value) == (
        "NADROUTE_REDIS_PASSWORD: no such setting; did you mean NADROUTE_REDIS_PASSWORD_FILE?"
    )


def test_a_user_with_a_password_is_hidden() -> None:
    """`user:password` in the setting of the user is a likely mistake."""
    with pytest.raises(ConfigurationError) as error:
        ServiceSettings.load(redis_username="prober:hunter2")
    assert "--redis-username='***'" in str(error.value)
    assert "hunter2" not in str(error.value)


def test_an_error_of_the_command_line_hides_passwords(capsys: pytest.CaptureFixture[str]) -> None:
    """click quotes the argument that it does not expect."""
    CommandFailed("Got unexpected extra argument (redis://:a/b@c@host)").show()
    assert capsys.readouterr().err.endswith("Got unexpected extra argument (redis://***@host)\n")


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_log_line_hides_passwords(log_format: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Of our own lines, of libraries', and of tracebacks."""
    root, quoted = logging.getLogger(), "redis://u:pa/s@hunter@host"
    before = root.handlers[:], root.level
    try:
        configure(level="info", log_format=log_format, service="x")  # type: ignore[arg-type]
        try:
            raise ValueError(quoted)
        except ValueError:
            logging.getLogger("kombu").exception("Cannot connect to %s", "redis://:pa#s@hunter@host/0")
        line = capsys.readouterr().err
    finally:
        root.handlers[:], root.level = before
        logging.captureWarnings(False)
    assert "hunter" not in line
    assert line.count("redis://***@host") >= 2
    if log_format == "json":
        assert json.loads(line)["event"] == "Cannot connect to redis://***@host/0"


def test_a_dead_letter_hides_passwords() -> None:
    """Also one with / and @ in the password, at the letter's end."""
    shown = dead_letters.parse(
        [json.dumps({"at_ms": 1, "where": "q", "reason": "redis://u:a/b@c@h", "body": "rediss://:a@b/c@h/0"})]
    )
    assert [(letter.reason, letter.body) for letter in shown] == [("redis://***@h", "rediss://***@h/0")]
