"""Benchmarks of the engine beside what it is compared with, in one run: `python -m bench`.

These are not tests: on a busy machine a run may miss a limit, and the table says so. Ratios of CPU time are
more reliable than wall time.
"""
