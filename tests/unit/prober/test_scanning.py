"""What surrounds a scan: GC tuning and deferred signals."""

import contextlib
import gc
import os
import signal
import threading

import pytest

from services.prober.scan.scanning import deferred_signals
from services.runtime.process.gc_tuning import gc_tuned_for_scan


def test_gc_thresholds_are_restored_after_a_scan() -> None:
    """Also when the scan fails."""
    before = gc.get_threshold()
    meanwhile: list[tuple[int, int, int]] = []
    with contextlib.suppress(KeyError), gc_tuned_for_scan():
        meanwhile.append(gc.get_threshold())
        raise KeyError
    assert meanwhile[0] > before
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0


def test_the_results_of_a_scan_are_in_the_oldest_generation() -> None:
    """Young collections do not traverse these tens of thousands of objects."""
    with gc_tuned_for_scan():
        made: list[object] = []
    assert any(old is made for old in gc.get_objects(generation=2))


@pytest.mark.parametrize(
    ("number", "raised"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]
)
def test_a_signal_is_deferred_until_it_is_checked(
    number: signal.Signals, raised: type[BaseException]
) -> None:
    """Leased addresses can be released first; the handlers are restored afterwards."""
    # The parent process may ignore them, as a shell does for background jobs.
    ours = {
        signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler),
        signal.SIGTERM: signal.signal(signal.SIGTERM, signal.SIG_DFL),
    }
    try:
        before = {which: signal.getsignal(which) for which in ours}
        with deferred_signals() as deferred:
            deferred.check()
            os.kill(os.getpid(), number)
            with pytest.raises(raised):
                deferred.check()
        assert {which: signal.getsignal(which) for which in ours} == before
    finally:
        for which, handler in ours.items():
            signal.signal(which, handler)


def test_signals_with_a_handler_are_not_deferred() -> None:
    """Nor are any outside the main thread."""
    ours = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        handler = signal.getsignal(signal.SIGTERM)
        with deferred_signals():
            assert signal.getsignal(signal.SIGTERM) is handler
    finally:
        signal.signal(signal.SIGTERM, ours)
    ran: list[bool] = []

    def elsewhere() -> None:
        with deferred_signals() as deferred:
            deferred.check()
            ran.append(True)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join(60)
    assert ran == [True]
