"""Measurements, side by side in one run with what they are compared to: `python -m bench`.

Nothing here is a test: on a busy machine a run may miss a limit, and the table says so. Ratios of CPU time
are worth more than wall time.
"""
