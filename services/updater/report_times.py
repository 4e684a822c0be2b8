"""How long each host may take to report, as far as that is believed: a forged one delays what is worse."""

from collections.abc import Iterable, Mapping
from itertools import chain

from services.contract.limits import REPORT_WITHIN_S
from services.contract.messages import HostAnnouncement
from services.contract.reports import Report

UNHEARD_MS = 60_000
"""After the start every host is taken at its word for so long: nothing was heard of any. Observed time."""


class ReportTimes:
    """The times that hosts announce, held against their own reports. Not thread-safe.

    A prober announces one time for as long as it runs, and its reports name the same incarnation. So a time
    counts once a report has come of the prober that announces it; before that, or where it changes without
    a new incarnation, the shorter one that its host has shown counts, and for a host that never reported,
    the usual one.
    """

    def __init__(self) -> None:
        self._said: Mapping[str, HostAnnouncement] = {}
        self._shown: dict[str, HostAnnouncement] = {}
        """The announcement that a report of the host agreed with."""
        self._until_ms: int | None = None
        self._now_ms = 0

    def take(self, live: Iterable[HostAnnouncement], now_ms: int) -> None:
        """Take all hosts that are announced or restart now; what others have shown is forgotten.

        now_ms: observed time.
        """
        self._said = {announced.host: announced for announced in live}
        self._shown = {name: shown for name, shown in self._shown.items() if name in self._said}
        self._now_ms = now_ms
        if self._until_ms is None:
            self._until_ms = now_ms + UNHEARD_MS

    def reported(self, report: Report) -> None:
        """Record a report: from then on the time counts that the prober announces which made it."""
        said, shown = self._said.get(report.host), self._shown.get(report.host)
        if said is None or (shown is not None and shown.incarnation == said.incarnation):
            return
        made_by = chain((v.incarnation for v in report.verdicts), (r.incarnation for r in report.repeats))
        if said.incarnation in made_by:
            self._shown[report.host] = said

    def of(self, announced: HostAnnouncement) -> float:
        """Return for how many seconds this host is waited for."""
        shown = self._shown.get(announced.host)
        if shown is not None:
            return min(announced.report_within_s, shown.report_within_s)
        is_unheard = self._until_ms is not None and self._now_ms < self._until_ms
        return announced.report_within_s if is_unheard else REPORT_WITHIN_S

    def unbelieved(self) -> list[str]:
        """Return the hosts whose time does not count, by name."""
        return sorted(name for name, said in self._said.items() if self.of(said) < said.report_within_s)
