"""Hiding the passwords of URLs in text that others wrote: exceptions, log lines, refused messages."""

import re

HIDDEN = "***"
_USERINFO = re.compile(r"(?<=://)\S*@")
"""Up to the last @ of the word: a password that is not percent-encoded may contain / and @ itself."""


def hide_passwords(text: str) -> str:
    """Return the text without what stands between :// and @ in a word."""
    return _USERINFO.sub(_hidden, text) if "://" in text else text


def _hidden(found: re.Match[str]) -> str:
    return found[0] if found[0] == f":{HIDDEN}@" else f"{HIDDEN}@"
