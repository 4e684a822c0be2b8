"""What lost connections leave in cycles is collected, though a prober collects seldom."""

import subprocess
import sys

YOUNG = """
import gc
from services.runtime.process.gc_tuning import tune_gc

tune_gc()
most = 0
for _ in range(100_000):
    one = []
    one.append([one])
    most = max(most, gc.get_count()[0])
assert most <= 20_001, most
assert len(gc.get_objects()) < 50_000, len(gc.get_objects())
"""
OLD = """
import gc, weakref
from services.runtime.process.gc_tuning import tune_gc

class Connection:
    pass

before = [[number] for number in range(200_000)]
tune_gc()
connection = Connection()
connection.itself = connection
gone = weakref.ref(connection)
gc.collect()
del connection
kept = []
while gone() is not None:
    kept.append([len(kept)])
    assert len(kept) < 400_000
"""


def test_garbage_of_an_outage_is_bounded() -> None:
    """Of 200,000 objects in cycles fewer than 50,000 are there at a time: each takes some 250 bytes."""
    subprocess.run([sys.executable, "-c", YOUNG], check=True)


def test_a_connection_that_had_become_old_is_collected() -> None:
    """Long before there are as many new objects as in a whole run."""
    subprocess.run([sys.executable, "-c", OLD], check=True)
