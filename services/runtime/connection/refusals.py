"""Why Redis does not do what was asked, in a word: for metrics, logs and readiness."""

import redis

LONGEST_TEXT = 300
_CODES: tuple[tuple[type[redis.RedisError], str], ...] = (
    (redis.exceptions.NoPermissionError, "NOPERM"),
    (redis.exceptions.ReadOnlyError, "READONLY"),
    (redis.exceptions.OutOfMemoryError, "OOM"),
    (redis.exceptions.BusyLoadingError, "LOADING"),
    (redis.exceptions.ClusterDownError, "CLUSTERDOWN"),
)
"""The codes that redis-py has classes for, and takes from the text."""
_MORE_CODES = ("MISCONF", "NOREPLICAS", "MASTERDOWN", "UNBLOCKED", "BUSY", "WRONGTYPE", "EXECABORT", "MOVED")


def kind_of(error: BaseException) -> str:
    """Return Redis' own code for a refusal, such as NOPERM; the name of the exception's class for the rest.

    One of a small set, whatever Redis answers.
    """
    for refused, code in _CODES:
        if isinstance(error, refused):
            return code
    if isinstance(error, redis.ResponseError):
        # In a pipeline, redis-py puts the command before it.
        found = [code for code in _MORE_CODES if code in str(error)[:LONGEST_TEXT].split()]
        return next(iter(found), "ResponseError")
    return type(error).__name__


def is_refusal(error: BaseException) -> bool:
    """Return whether Redis answered, and refused to do it."""
    return isinstance(error, redis.ResponseError | redis.exceptions.BusyLoadingError)


def describe(error: BaseException) -> str:
    """Return the kind with the text of the error, cut."""
    kind, text = kind_of(error), str(error)[:LONGEST_TEXT]
    return text if text.startswith(kind) else f"{kind}: {text}"
