"""When Python looks for garbage: seldom, since 4094 segments in hand are work and no garbage."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_SELDOM = 200_000
"""Objects made and not freed between two looks. Every look at the youngest goes through all of them; the
default of 700 takes as long as the probing itself."""
_IN_A_SCAN = 1_000_000
"""More than a scan of all VLANs makes, and it makes no garbage: nothing that ends refers to itself."""


def collect_seldom() -> None:
    """From now on, in this process; what is there already is never looked at again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_SELDOM, 20, 20)


@contextmanager
def collecting_seldom() -> Iterator[None]:
    """Meanwhile alone, for a scan."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(_IN_A_SCAN, 20, 20)
    try:
        yield
    finally:
        # What the scan leaves is old at once: its results would be looked through for nothing.
        gc.freeze()
        gc.set_threshold(*before)
        gc.unfreeze()
