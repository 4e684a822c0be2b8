"""Telling what became of a decision: in the log, and by Events on the network."""

from collections.abc import Callable, Mapping
from typing import Protocol

import structlog

from services.cluster.errors import Denied
from services.network.parse.intent import Intent
from services.network.parse.nad import Network, NetworkRef
from services.network.reasons.events import (
    Event,
    describe_finding,
    describe_limit,
    describe_new_mac,
    describe_transition,
)
from services.network.reasons.switch_ports import Announced
from services.network.write.writing import Change
from services.runtime.process.outside_log import tell
from services.updater.decide.assessment import Assessment

DENIED_REASON = "WriteDenied"

log = structlog.get_logger(__name__)


class Writer(Protocol):
    """cluster.writing.ClusterWriter, or what stands in for it; the first two may raise ClusterError."""

    def get_network(self, ref: NetworkRef) -> Network:
        """Read the network as it is now."""
        ...

    def annotate(self, network: Network, annotations: Mapping[str, str | None]) -> Network:
        """Set annotations on exactly this version of this object."""
        ...

    def post_event(self, network: Network, event: Event) -> None:
        """Queue an Event on the network; it never fails."""
        ...


class Teller:
    """Logs, and posts Events. Thread-safe; it never fails."""

    def __init__(self, writer: Writer, announced: Callable[[], Announced]) -> None:
        """announced: the hosts, whose switch ports Events name."""
        self._writer = writer
        self._announced = announced

    def told(self, assessment: Assessment, change: Change, written: Network) -> None:
        """Tell that a change was written, or concluded where nothing may be written."""
        # Repeated writes while hosts join are no news to a reader of the log.
        write_log = log.info if change.is_transition or change.new_findings else log.debug
        write_log(
            "network written" if change.hindrance is None else "network observed",
            network=str(written.ref),
            segment=str(assessment.intent.segment) if isinstance(assessment.intent, Intent) else "",
            state=change.after.state,
            reason=change.after.reason,
            annotations=sorted(change.annotations if change.hindrance is None else ()),
        )
        facts = (change.after, assessment.intent, assessment.conclusion)
        if change.is_transition:
            self._writer.post_event(written, describe_transition(*facts, self._announced()))
        if change.has_new_mac and change.before is not None:
            self._writer.post_event(written, describe_new_mac(change.before, change.after, assessment.intent))
        for code in change.new_findings:
            self._writer.post_event(written, describe_finding(code, *facts))

    def left(self, network: Network, change: Change) -> None:
        """Tell that what another writer took back is left as it is."""
        log.warning("correction limit reached", network=str(network.ref), left=change.left)
        self._writer.post_event(network, describe_limit(change.left))

    def denied(self, assessment: Assessment, change: Change, error: Denied, *, is_first: bool) -> None:
        """Tell that admission denied a change; by an Event for the first time."""
        network = assessment.network
        tell(log, "write denied", network=str(network.ref), state=change.after.state, error=str(error))
        if is_first:
            event = describe_transition(
                change.after, assessment.intent, assessment.conclusion, self._announced()
            )
            message = f"{event.reason}: {event.message}. It cannot be written to the network: {error}"
            self._writer.post_event(network, Event("Warning", DENIED_REASON, message))
