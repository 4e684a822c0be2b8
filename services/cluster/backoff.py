"""How long to wait before the API server is asked again: a pure function of what went wrong."""

from services.cluster.errors import ClusterError, Expired, Throttled

BASE_S = 0.2
CAP_S = 8.0
"""So that an API server which is back is noticed within seconds."""


def backoff_s(attempt: int, error: ClusterError, *, jitter: float) -> float:
    """Seconds to wait after the attempt-th failure in a row (from 1).

    Full jitter: anything from 0 to an exponentially growing cap, since all clients lose a server at the same
    moment. jitter: a random number from 0 to 1. Throttled: never sooner than the server said. Expired, the
    first time: at once, since a fresh list is all that is wanted.
    """
    if isinstance(error, Expired) and attempt <= 1:
        return 0.0
    delay = jitter * min(CAP_S, BASE_S * 2.0 ** min(attempt, 16))
    return error.retry_after_s + delay if isinstance(error, Throttled) else delay
