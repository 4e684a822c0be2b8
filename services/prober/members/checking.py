"""Which VLAN is asked for through each member of its bond, when, and what is known of it.

A VLAN is asked for soon after its gateway has answered by way of the bond: who pauses the probes pauses this.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from services.contract.outcomes import ReachOutcome
from services.prober.engine.results import SegmentResult
from services.prober.known_verdicts import Key
from services.runtime.process.clock import Clock

TICK_S = 10.0
"""One VLAN at most in this time: a trickle, also where all hosts of a large site do it at once."""
HOT_S = 60.0
"""Time after an answer by way of the bond in which a VLAN is asked for."""
CONFIRM_S = 60.0
"""After one member's silence, which is asked about again before it is told."""
SILENT_AGAIN_S = 900.0
"""After a silence that is told: so that a repair is noticed."""


class Answers(Protocol):
    """See MemberQuestions.ask."""

    def __call__(
        self, cluster_network: str, nics: Sequence[str], *, vlan: int, gateway: int, every: Sequence[str]
    ) -> Mapping[str, bool]: ...


Members = tuple[tuple[str, bool | None], ...]
"""Each NIC, and whether the gateway answers by it; None: not known."""


class _Known(NamedTuple):
    members: Members
    due_at: float
    suspects: frozenset[str] = frozenset()
    """Silent the last time."""


class _Heard(NamedTuple):
    gateway: int
    at: float


class MemberChecks:
    """The checks of one host. Thread-safe; check_next() takes some seconds, in a thread of its own."""

    def __init__(
        self,
        *,
        uplinks: Callable[[], Mapping[str, str]],
        members: Callable[[str], Sequence[str]],
        is_up: Callable[[str], bool],
        ask: Answers,
        interval_s: float,
        clock: Clock,
    ) -> None:
        """members: the NICs behind an interface; raises OSError. interval_s: see ProberSettings."""
        self._uplinks = uplinks
        self._members = members
        self._is_up = is_up
        self._ask = ask
        self._interval_s = interval_s
        self._clock = clock
        self._lock = threading.Lock()
        self._heard: dict[Key, _Heard] = {}
        """Where a gateway has answered and something is due; the newest last."""
        self._known: dict[Key, _Known] = {}

    def complete(self, result: SegmentResult) -> SegmentResult:
        """Return the result with what is known of the members, and note that its VLAN may be asked for."""
        key, now = (result.cluster_network, result.vlan), self._clock.monotonic()
        known = self._known.get(key)
        if known is None or known.due_at <= now:
            answering = [t.gateway for t in result.targets if t.vlan.outcome is ReachOutcome.REACHABLE]
            if answering and answering[0] is not None:
                with self._lock:
                    self._heard.pop(key, None)
                    self._heard[key] = _Heard(answering[0], now)
        if known is None:
            return result._replace(members_untested=True)
        return result._replace(members=known.members) if known.members else result

    def check_next(self) -> None:
        """Ask for the VLAN that was heard last, if one is due."""
        now = self._clock.monotonic()
        with self._lock:
            if not self._heard:
                return
            key, heard = self._heard.popitem()
            if heard.at < now - HOT_S:
                self._heard.clear()
                return
        interface = self._uplinks().get(key[0])
        if interface is not None:
            try:
                self._known[key] = self._check(key, heard.gateway, interface)
            except OSError:
                # The uplink went away meanwhile.
                self._known.pop(key, None)

    def _check(self, key: Key, gateway: int, interface: str) -> _Known:
        every = self._members(interface)
        later = self._clock.monotonic() + self._interval_s
        if len(every) < 2:
            return _Known((), later)
        up = [nic for nic in every if self._is_up(nic)]
        if len(up) == 1:
            # What answered by way of the bond came through this one.
            found: Mapping[str, bool] = {up[0]: True}
        else:
            found = self._ask(key[0], up, vlan=key[1], gateway=gateway, every=every)
            found = {nic: answered for nic, answered in found.items() if answered or self._is_up(nic)}
        if True not in found.values():
            # The gateway answers none of these questions, as it may not answer ARP probes: nothing is known.
            found = {}
        silent = frozenset(nic for nic, answered in found.items() if not answered)
        before = self._known.get(key)
        told = silent & (before.suspects if before is not None else frozenset())
        # What was told stands while it cannot be tested again.
        stands = dict.fromkeys((nic for nic, was in before.members if was is False), False) if before else {}
        answers = {**stands, **{nic: found[nic] for nic in found.keys() - (silent - told)}}
        members = tuple((nic, answers.get(nic)) for nic in every)
        now = self._clock.monotonic()
        if silent - told:
            return _Known(members, now + CONFIRM_S, silent)
        return _Known(members, now + SILENT_AGAIN_S if silent else later, silent)
