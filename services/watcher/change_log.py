"""What the watcher logs: each change, but only a summary of what it sends: a sweep is thousands of probes."""

from collections import Counter
from collections.abc import Sequence

import structlog

from services.contract.doubts import Doubt
from services.contract.messages import ProbeRequest
from services.network.parse.nad import NetworkRef
from services.runtime.process.outside_log import tell
from services.watcher.plan.triggers import Trigger

SUMMARY_INTERVAL_S = 60.0
NAMED = 10
"""Networks or doubts logged one by one when they come together; of more, only their number is logged."""

log = structlog.get_logger(__name__)


def log_due(due: Sequence[tuple[NetworkRef, Trigger]]) -> None:
    """Log the networks that became due, with what triggered them."""
    for ref, trigger in due if len(due) <= NAMED else ():
        tell(log, "network due", level="info", network=str(ref), why=trigger.value)
    if len(due) > NAMED:
        tell(log, "networks due", level="info", networks=len(due), why=dict(Counter(t.value for _, t in due)))


def log_doubts(doubts: Sequence[Doubt]) -> None:
    """Log the doubts that further hosts check."""
    for doubt in doubts if len(doubts) <= NAMED else ():
        facts = {"segment": str(doubt.segment), "why": doubt.kind.value, "heard": len(doubt.heard)}
        tell(log, "segment in doubt", level="info", content="", **facts)
    if len(doubts) > NAMED:
        tell(
            log,
            "segments in doubt",
            level="info",
            doubts=len(doubts),
            why=dict(Counter(d.kind.value for d in doubts)),
        )


class SendSummary:
    """Counts sent requests and logs their sum: immediately after a quiet time, then once a minute."""

    def __init__(self) -> None:
        self._requests = self._segments = self._asking = 0
        self._hosts: set[str] = set()
        self._logged_at = float("-inf")

    def add(self, requests: Sequence[ProbeRequest]) -> None:
        """Count sent requests."""
        for request in requests:
            asking = sum(probe.ask_dhcp for probe in request.segments)
            self._requests += 1
            self._segments += len(request.segments)
            self._asking += asking
            self._hosts.add(request.host)
            log.debug(
                "probe sent",
                host=request.host,
                cluster_network=request.cluster_network,
                segments=len(request.segments),
                asking_dhcp=asking,
                request=request.id,
            )

    def flush(self, now: float) -> None:
        """Log what was sent since the last summary, if the interval is over."""
        if not self._requests or now - self._logged_at < SUMMARY_INTERVAL_S:
            return
        log.info(
            "probes sent",
            requests=self._requests,
            hosts=len(self._hosts),
            segments=self._segments,
            asking_dhcp=self._asking,
        )
        self._requests = self._segments = self._asking = 0
        self._hosts.clear()
        self._logged_at = now
