"""GC tuning: fewer collections, since what thousands of networks need are live objects, not garbage."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_THRESHOLDS = (20_000, 5, 1)
"""Net allocations between two collections of the youngest generation, collections of it between two of the
next one, and so on. With Python's default of 700, collecting takes as long as probing, and a sixth of an
updater's time. With more, what lost
connections leave in cycles would take tens of megabytes: an outage of Redis leaves a thousand objects with
each try to connect."""
_SCAN_THRESHOLD = 1_000_000
"""More than a scan of all VLANs allocates; a scan creates no reference cycles."""


def tune_gc() -> None:
    """Collect seldom from now on, and exclude all existing objects from collection."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)


@contextmanager
def gc_tuned_for_scan() -> Iterator[None]:
    """Collect seldom for the duration of the block."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(_SCAN_THRESHOLD, 20, 20)
    try:
        yield
    finally:
        # Move the results to the oldest generation, so that they are not traversed by young collections.
        gc.freeze()
        gc.set_threshold(*before)
        gc.unfreeze()
