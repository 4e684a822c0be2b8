"""Waiting for the probers' results."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from services.contract.errors import MessageRefused
from services.contract.messages import Verdict
from services.runtime.process.clock import Clock
from services.watcher.requests import Sent

POLL_S = 0.1


@dataclass
class ProbeResults:
    """The received results. failures: by host, why one is missing."""

    verdicts: list[Verdict] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)


def collect(
    sent: Sequence[Sent], *, timeout_s: float, clock: Clock, on_progress: Callable[[int], None]
) -> ProbeResults:
    """Wait until every request is answered or timed out; on_progress gets the number of segments done.

    All results are forgotten afterwards, so that none stays in Redis.
    """
    results = ProbeResults()
    pending = list(sent)
    done: dict[str, int] = {}
    deadline = clock.monotonic() + timeout_s
    never = threading.Event()
    try:
        while True:
            for one in list(pending):
                if one.result.ready():
                    _take(one, results)
                    done[one.request.id] = len(one.request.segments)
                    pending.remove(one)
                else:
                    done[one.request.id] = _done_so_far(one)
            on_progress(sum(done.values()))
            if not pending or clock.monotonic() >= deadline:
                break
            clock.wait(never, POLL_S)
    finally:
        for one in sent:
            one.result.forget()
    for one in pending:
        results.failures[one.request.host] = f"no answer within {timeout_s:g} s"
    return results


def _done_so_far(one: Sent) -> int:
    """Segments done, as the prober reports while it works; 0 before it begins."""
    info = one.result.info
    done = info.get("done") if isinstance(info, dict) else None
    return min(done, len(one.request.segments)) if isinstance(done, int) and done > 0 else 0


def _take(one: Sent, results: ProbeResults) -> None:
    """Parse a result; what does not fit becomes a failure of the host."""
    host, result = one.request.host, one.result
    if not result.successful():
        results.failures[host] = f"its task failed: {type(result.result).__name__}: {result.result}"
        return
    bodies = result.result if isinstance(result.result, list) else []
    wanted = {probe.vlan for probe in one.request.segments}
    taken: set[int] = set()
    for body in bodies:
        try:
            verdict = Verdict.from_wire(body)
        except MessageRefused as error:
            results.failures[host] = f"its result is invalid: {error}"
            continue
        segment = verdict.segment
        if verdict.host != host or segment.cluster_network != one.request.cluster_network:
            continue
        taken.add(segment.vlan)
        results.verdicts.append(verdict)
    if not wanted <= taken:
        results.failures.setdefault(host, "it refused the request")
