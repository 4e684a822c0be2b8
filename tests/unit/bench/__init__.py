"""Tests of the benchmark's own parts, because a wrong table is worse than none."""
