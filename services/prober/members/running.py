"""The thread that asks through the members of this host's bonds."""

from services.prober.engine.results import SegmentResult
from services.prober.members.asking import MemberQuestions
from services.prober.members.checking import TICK_S, MemberChecks
from services.prober.sockets.members import read_members
from services.prober.sockets.netlink import read_state
from services.prober.uplinks import Uplinks
from services.runtime.process.clock import Clock
from services.runtime.process.repeating import RepeatingThread


class MemberThread(RepeatingThread):
    """Checks each VLAN through each member; see ProberSettings.member_check_interval_s."""

    def __init__(self, *, host: str, interval_s: float, uplinks: Uplinks, clock: Clock) -> None:
        """interval_s: 0 for no checks."""
        self._is_on = interval_s > 0
        self._checks = MemberChecks(
            uplinks=uplinks.current,
            members=read_members,
            is_up=is_up,
            ask=MemberQuestions(host, clock=clock).ask,
            interval_s=interval_s,
            clock=clock,
        )
        super().__init__("prober-members", self._checks.check_next, clock=clock, interval_s=TICK_S)

    def start(self) -> None:
        """Start the thread, unless there is nothing to check."""
        if self._is_on:
            super().start()

    def complete(self, result: SegmentResult) -> SegmentResult:
        """Return the result with what is known of the members."""
        return self._checks.complete(result) if self._is_on else result


def is_up(interface: str) -> bool:
    """Return whether an interface is up, with carrier. Raises OSError."""
    state = read_state(interface)
    return state is not None and state.up
