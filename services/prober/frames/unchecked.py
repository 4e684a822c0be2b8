"""Making NamedTuples where thousands are made a second."""

from typing import Final

new_unchecked: Final = tuple.__new__
"""What the constructor of a NamedTuple ends in, without the call around it: see docs/performance.md.

Nobody counts the fields then, and no default is filled in; a test looks whether what is found has all.
"""
