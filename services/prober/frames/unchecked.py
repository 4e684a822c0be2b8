"""Construction of NamedTuples without a check, for code that makes thousands a second."""

from typing import Final

new_unchecked: Final = tuple.__new__
"""What the constructor of a NamedTuple calls, without the Python call around it: see docs/performance.md.

The number of fields is not checked and no default is filled in; a test compares every result's fields.
"""
