"""Which repeated verdicts can change a conclusion; of all others the updater takes the time, and no more."""

from collections.abc import Callable, Iterable

from services.contract.messages import Repeats, Segment, Verdict
from services.contract.verdicts import Confirmed


class RepeatedVerdicts:
    """Chooses the segments to review after a report. Thread-safe.

    A repeat says nothing new. It matters where a judgement awaits who has reported since, where the verdict
    that it repeats did not count any more, and where it becomes the newest answer to DHCP: of several offers,
    and of an offer and silence, the newest counts.
    """

    def __init__(self, *, fresh_s: float, is_awaited: Callable[[Segment], bool]) -> None:
        """is_awaited: whether a network on the segment has something in doubt."""
        self._fresh_s = fresh_s
        self._is_awaited = is_awaited
        self._last_asked: dict[Segment, str] = {}
        """The host of the newest answer to DHCP."""

    def full(self, verdicts: Iterable[Verdict]) -> None:
        """Take verdicts that came in full and are stored."""
        for verdict in verdicts:
            if verdict.dhcp is not None:
                self._last_asked[verdict.segment] = verdict.host

    def matter(self, host: str, repeats: Repeats, confirmed: Confirmed) -> set[Segment]:
        """Return the segments of these repeats on which they can change a conclusion."""
        asked = {vlan for vlan, _, _, is_asked in repeats.verdicts if is_asked}
        found = set[Segment]()
        for segment, gap_s in confirmed.gaps_s.items():
            is_newest = segment.vlan in asked and self._last_asked.get(segment) != host
            if is_newest:
                self._last_asked[segment] = host
            if is_newest or gap_s >= self._fresh_s or self._is_awaited(segment):
                found.add(segment)
        return found
