"""What is known of one probed network, and when its changes are due: a storm of them is one change."""

from dataclasses import dataclass

from services.watcher.plan.rotation import NEVER
from services.watcher.plan.triggers import Observed

COALESCE_S = 0.1
"""Minimum between two due times of one network in a burst of changes. The first change is due at once."""
PROBE_NOW_GAP_S = 10.0
"""Minimum between two probes of one network that are requested by annotation."""


@dataclass
class Known:
    """A probed network. Times are monotonic seconds."""

    observed: Observed
    _triggered_at: float = -NEVER
    """The latest due time set by a change, past or future."""
    _probe_now_at: float = -NEVER

    def change(self, now: float) -> float:
        """Return when a change is due: the first of a burst at once, the following ones together."""
        if self._triggered_at <= now:
            self._triggered_at = max(now, self._triggered_at + COALESCE_S)
        return self._triggered_at

    def probe_now(self, now: float) -> float:
        """Return when a probe is due that is requested by annotation."""
        if self._probe_now_at <= now:
            self._probe_now_at = max(now, self._probe_now_at + PROBE_NOW_GAP_S)
        return self._probe_now_at
