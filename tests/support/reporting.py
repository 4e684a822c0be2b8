"""Verdicts on their way to an updater as a prober sends them: by exception, and in full when it asks."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

from services.contract.messages import Segment, Verdict
from services.contract.outcomes import Fault
from services.contract.reports import Repeat, Repeats, Report
from services.prober.known_verdicts import KnownVerdicts
from services.prober.outbox import ANSWERED_WITHIN_S

Take = Callable[[Report], Sequence[Segment]]
"""Takes a report; returns the segments that are wanted in full."""


@dataclass(frozen=True)
class Sent:
    """A verdict as a host sends it."""

    verdict: Verdict
    at: float
    is_repeat: bool

    @property
    def report(self) -> Report:
        """The report that has it alone."""
        if not self.is_repeat:
            return self.full
        said = self.verdict
        repeats = Repeats(
            cluster_network=said.segment.cluster_network,
            incarnation=said.incarnation,
            verdicts=(self.repeat,),
        )
        return Report(host=said.host, repeats=(repeats,))

    @property
    def repeat(self) -> Repeat:
        """What names the verdict that it repeats."""
        said = self.verdict
        assert said.fingerprint is not None
        return said.segment.vlan, said.counter, said.fingerprint, said.is_dhcp_conclusive

    @property
    def full(self) -> Report:
        """The same, in full."""
        return Report(host=self.verdict.host, verdicts=(self.verdict,))


@dataclass
class Reporting:
    """What every host's prober knows that the updater knows."""

    known: dict[tuple[str, int], KnownVerdicts] = field(default_factory=lambda: defaultdict(KnownVerdicts))
    """By host and incarnation."""
    repeated: int = 0
    """How many verdicts were repeats."""
    answered: int = 0
    """How many of them the updater wanted in full."""

    def send(self, verdict: Verdict, now: float) -> Sent:
        """Return the verdict as its host sends it now, whether or not it arrives."""
        if verdict.fault is Fault.STOPPED:
            return Sent(verdict, now, is_repeat=False)
        said = verdict.model_copy(update={"fingerprint": content(verdict)})
        is_repeat = self._of(verdict).repeats(
            _key(verdict.segment), said.fingerprint, is_conclusive=verdict.is_dhcp_conclusive, now=now
        )
        self.repeated += is_repeat
        return Sent(said, now, is_repeat)

    def deliver(self, sent: Sent, take: Take, now: float) -> None:
        """Deliver it, and what the updater asks for then."""
        for segment in take(sent.report):
            if now - sent.at > ANSWERED_WITHIN_S:
                self._of(sent.verdict).forget(_key(segment))
                continue
            self.answered += 1
            take(sent.full)

    def _of(self, verdict: Verdict) -> KnownVerdicts:
        return self.known[verdict.host, verdict.incarnation]


def content(verdict: Verdict) -> str | None:
    """Return a fingerprint of what it says; see prober.fingerprints."""
    if verdict.fault is not None or verdict.dropped_frames:
        return None
    text = verdict.model_dump_json(
        exclude={"request_id": True, "incarnation": True, "counter": True, "fingerprint": True}
    )
    return blake2b(text.encode(), digest_size=8).hexdigest()


def _key(segment: Segment) -> tuple[str, int]:
    return segment.cluster_network, segment.vlan
