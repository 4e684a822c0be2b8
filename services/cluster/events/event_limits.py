"""How many Events may be posted: overall, and on one object, as in client-go.

On one object: client-go's EventSourceObjectSpamFilter. Overall: the kubelet's --event-qps and --event-burst.
"""

from collections import OrderedDict

OVERALL_BURST = 100
OVERALL_PER_S = 50.0
OBJECT_BURST = 25
OBJECT_PER_S = 1 / 300
MAX_OBJECTS = 10_000
"""Objects of which the last Events are remembered; the least recent is forgotten first."""


class TokenBucket:
    """Tokens that come back at a rate, up to a burst. Times are monotonic seconds."""

    def __init__(self, *, burst: int, per_s: float, now: float) -> None:
        self._burst = burst
        self._per_s = per_s
        self._tokens = float(burst)
        self._counted_at = now

    def wait_s(self, now: float) -> float:
        """Return the seconds until there is a token; 0 when there is one."""
        self._tokens = min(self._burst, self._tokens + (now - self._counted_at) * self._per_s)
        self._counted_at = now
        # Sums of fractions: a token that is due must not be a rounding error away.
        return 0.0 if self._tokens > 1 - 1e-9 else (1 - self._tokens) / self._per_s

    def take(self, now: float) -> bool:
        """Take a token; return False, and take none, where there is none."""
        if self.wait_s(now) > 0:
            return False
        self._tokens -= 1
        return True


class ObjectLimits:
    """One bucket for each object, by uid."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def take(self, uid: str, now: float) -> bool:
        """Count an Event on an object; return False where it is one too many."""
        bucket = self._buckets.pop(uid, None) or TokenBucket(burst=OBJECT_BURST, per_s=OBJECT_PER_S, now=now)
        self._buckets[uid] = bucket
        if len(self._buckets) > MAX_OBJECTS:
            self._buckets.popitem(last=False)
        return bucket.take(now)
