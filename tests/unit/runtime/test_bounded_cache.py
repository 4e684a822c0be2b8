"""R20: what is remembered of outside content is bounded by its size."""

from collections.abc import Callable

import pytest

from services.runtime.process.bounded_cache import KEPT_S, ParseCache
from tests.support.manual_clock import ManualClock


def counting(parsed: list[str], text: str) -> Callable[[], str]:
    """Return a parser of this text that says when it is called."""

    def parse() -> str:
        parsed.append(text)
        return text.upper()

    return parse


def test_a_text_is_parsed_once_while_it_is_kept() -> None:
    """The oldest go first, however few there are; one that was read lately stays."""
    cache, parsed = ParseCache[str](max_bytes=30), list[str]()
    for text in ("a" * 10, "b" * 10, "a" * 10, "c" * 10, "d" * 10, "a" * 10):
        assert cache.get(text.encode(), counting(parsed, text)) == text.upper()
    assert [text[0] for text in parsed] == ["a", "b", "c", "d"]
    cache.get(b"x" * 100, counting(parsed, "x" * 100))
    assert cache.get(b"a" * 10, counting(parsed, "again")) == "AGAIN"


def test_what_is_read_no_more_is_kept_for_minutes() -> None:
    """However few there are: what has changed in Redis is not read again."""
    clock = ManualClock()
    cache, parsed = ParseCache[str](max_bytes=10**9, clock=clock), list[str]()
    for text in ("old", "read", "read", "read", "new", "read", "old"):
        cache.get(text.encode(), counting(parsed, text))
        clock.seconds += KEPT_S / 4
    assert parsed == ["old", "read", "new", "old"]
    assert cache._values._bytes == len("readnewold")


def test_the_same_text_may_mean_something_else_under_another_key() -> None:
    """An announcement is one under its own host's key alone."""
    cache, parsed = ParseCache[str](max_bytes=30), list[str]()
    for key in ("one", "other", "one"):
        cache.get(b"a", counting(parsed, key), of=key)
    assert parsed == ["one", "other"]


def test_an_error_is_raised_each_time() -> None:
    """And kept by nobody."""
    cache = ParseCache[str](max_bytes=30)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            cache.get(b"a", lambda: str(1 // 0))
