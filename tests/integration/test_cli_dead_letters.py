"""`nadroute dead-letters` against a real Redis, in which others may write as well."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing

import pytest

from services.contract.names import DEAD_LETTERS_KEY
from services.runtime.connection.redis_client import connect
from services.runtime.stored import dead_letters
from tests.support.log_lines import log_lines
from tests.support.redis_server import RedisServer
from tests.unit.cli.running import Ran, run


def shown(monkeypatch: pytest.MonkeyPatch, server: RedisServer, *arguments: str) -> Ran:
    """Run `nadroute dead-letters` against this Redis."""
    return run(monkeypatch, "dead-letters", *arguments, REDIS_URL=server.url)


def record(server: RedisServer, reason: str, *, body: object = "{}") -> None:
    dead_letters.record(server.client, where="report", reason=reason, body=body)


def test_the_newest_letters_are_shown_first(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Up to the limit, in the table and as JSON."""
    for number in range(30):
        record(redis_server, f"reason-{number}", body={"number": number})
    letters = json.loads(shown(monkeypatch, redis_server, "-o", "json").out)
    assert [letter["reason"] for letter in letters] == [f"reason-{number}" for number in range(29, 9, -1)]
    assert letters[0]["body"] == '{"number": 29}'
    table = shown(monkeypatch, redis_server, "--limit", "2").out
    assert all(word in table for word in ("report", "reason-29", "reason-28"))
    assert "reason-27" not in table


def test_what_others_wrote_harms_neither_terminal_nor_memory(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control characters are replaced, what is no letter is left out, and nothing is read whole."""
    for junk in ("junk", "5", "[]", "{}", b"\xff\x00", "[" * 100_000, "x" * 10_000_000):
        redis_server.client.lpush(DEAD_LETTERS_KEY, junk)
    record(redis_server, "\x1b[2J\x07\nbad", body="\x1b]0;title\x07")
    with closing(connect(redis_server.url)) as client:
        raw = dead_letters.read_raw(client, 20)
    assert max(map(len, raw)) == dead_letters.LETTER_BYTES
    table = shown(monkeypatch, redis_server).out
    assert "bad" in table
    assert len(table.splitlines()) == 3
    for printed in (table, shown(monkeypatch, redis_server, "-o", "json").out):
        assert all(character.isprintable() or character == "\n" for character in printed)


def test_junk_in_the_list_hides_no_letter(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left out is said, also where nothing else is there."""
    for number in range(3):
        record(redis_server, f"reason-{number}")
    for number in range(60):
        redis_server.client.lpush(DEAD_LETTERS_KEY, f"junk-{number}")
    ran = shown(monkeypatch, redis_server, "--limit", "2")
    assert ["reason-2" in ran.out, "reason-1" in ran.out, "reason-0" in ran.out] == [True, True, False]
    assert "1 more is kept" in ran.err
    assert "60 entries of the list are no dead letter" in ran.err
    redis_server.client.ltrim(DEAD_LETTERS_KEY, 0, 59)
    ran = shown(monkeypatch, redis_server)
    assert (ran.code, ran.out, "no message was refused" in ran.err) == (0, "", False)
    assert "60 entries" in ran.err


def test_no_password_is_kept_or_shown(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in what nadroute recorded, nor in what others did; also not the half of one, at the end."""
    url = "redis://:hunter2@redis:6379/0"
    record(redis_server, f"bad url {url}", body=url)
    record(redis_server, "long", body="x" * (dead_letters.BODY_KEPT_CHARACTERS - 14) + url)
    assert not any("hunt" in letter for letter in dead_letters.read_raw(redis_server.client, 20))
    letter = {"at_ms": 1, "where": "report", "reason": url, "body": url}
    redis_server.client.lpush(DEAD_LETTERS_KEY, json.dumps(letter))
    for output in ("table", "json", "yaml"):
        printed = shown(monkeypatch, redis_server, "-o", output).out
        assert "hunter2" not in printed
        assert "redis://***@redis" in printed


def test_an_empty_list_is_said(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """On standard error; a list of another type is an error of Redis."""
    ran = shown(monkeypatch, redis_server)
    assert (ran.code, ran.out) == (0, "")
    assert "no dead letters" in ran.err
    redis_server.client.set(DEAD_LETTERS_KEY, "x")
    assert shown(monkeypatch, redis_server).code == 3


def test_the_same_content_is_logged_once(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a warning, and again when it has come ten times as often; it is recorded each time."""
    lines = log_lines(monkeypatch, dead_letters)
    for _ in range(50):
        record(redis_server, "a flood of one")
    record(redis_server, "another")
    warnings = [(line["reason"], line.get("times")) for line in lines if line["log_level"] == "warning"]
    assert warnings == [("a flood of one", None), ("a flood of one", 10), ("another", None)]
    assert redis_server.client.llen(DEAD_LETTERS_KEY) == 51


@pytest.mark.parametrize(("output", "read"), [("json", json.loads), ("table", str)])
def test_letters_are_followed(redis_server: RedisServer, output: str, read: Callable[[str], object]) -> None:
    """Those that are there come first, then each as it comes, until Ctrl-C; what was skipped is said."""
    record(redis_server, "first")
    command = [sys.executable, "-m", "services.cli.main", "dead-letters", "--follow", "-o", output]
    environment = {**os.environ, "NADROUTE_REDIS_URL": redis_server.url, "PYTHONUNBUFFERED": "1"}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment) as following:
        try:
            assert following.stdout is not None
            assert following.stderr is not None
            for reason in ("first", "second", "second"):
                if reason != "first":
                    record(redis_server, reason)
                line = following.stdout.readline()
                assert reason in str(read(line))
            assert "waiting" in following.stderr.readline()
            letter = redis_server.client.lindex(DEAD_LETTERS_KEY, 0)
            redis_server.client.lpush(DEAD_LETTERS_KEY, *[str(letter).replace("second", "many")] * 1_000)
            redis_server.client.ltrim(DEAD_LETTERS_KEY, 0, 999)
            assert [("many" in following.stdout.readline()) for _ in range(1_000)] == [True] * 1_000
            assert "skipped" in following.stderr.readline()
            following.send_signal(signal.SIGINT)
            assert following.wait(60) == 130
        finally:
            following.kill()


@pytest.mark.parametrize(
    ("before", "now", "new"),
    [
        ([], [], []),
        ([], ["a"], ["a"]),
        (["a"], ["a"], []),
        (["a"], ["b", "a"], ["b"]),
        (["a", "a"], ["a", "a", "a"], ["a"]),
        (["c", "b", "a"], ["e", "d", "c"], ["e", "d"]),
        (["a"], ["c", "b"], ["c", "b"]),
        (["b", "a"], [], []),
    ],
)
def test_what_was_added_is_found(before: list[str], now: list[str], new: list[str]) -> None:
    """Also where as many were dropped, or all."""
    assert dead_letters.added(now, before) == new
