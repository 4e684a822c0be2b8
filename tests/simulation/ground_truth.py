"""What is true on a site over time, and whether a written status was true when it was written.

A status cannot know what changed after the hosts looked. So each thing that it says must have been true at
some time within the time that a host has to look again and to report: WORSE_S for news of the bad kind, which
takes all hosts, and SWEEP_S for what was known before. SWEEP_S is counted while somebody probes.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from services.contract.outcomes import Fault, Reason, State
from services.network.parse.status import Status

WORSE_S = 25.0 + 12.0 + 4.0
"""The bound for hosts that could contradict, DHCP's deadline, and the check of a silent gateway."""
SWEEP_S = 300.0 * 1.1 + 16.0
"""The longest time between two checks by one host, and the longest probe."""
ON_VLAN = (State.ACTIVE, State.PARTIAL, State.ISOLATED)

Fact = tuple[str, int, str]
"""A path (vlan or routed), or dhcp; the VLAN; the host. True where the gateway, or the server, answers."""


@dataclass
class Truth:
    """What is true now and was true before. Everything answers at first."""

    changes: dict[Fact, list[tuple[float, bool]]] = field(default_factory=lambda: defaultdict(list))

    def set(self, fact: Fact, value: bool, now: float) -> None:
        """Make it so from now on."""
        if self.holds(fact) is not value:
            self.changes[fact].append((now, value))

    def holds(self, fact: Fact) -> bool:
        """Whether it is so now."""
        changes = self.changes.get(fact)
        return changes[-1][1] if changes else True

    def was(self, fact: Fact, value: bool, *, since: float, until: float) -> bool:
        """Whether it was so at any time of this span."""
        spans = [(float("-inf"), True), *self.changes.get(fact, ())]
        ends = [begin for begin, _ in spans[1:]] + [float("inf")]
        return any(
            known is value and begin <= until and end >= since
            for (begin, known), end in zip(spans, ends, strict=True)
        )


@dataclass(frozen=True)
class Written:
    """A status that was written."""

    at: float
    vlan: int
    before: Status | None
    after: Status
    believed: Collection[str]
    """The hosts whose word may still count: up at some time within the minute before (W6)."""
    asked: Collection[str]
    """The hosts that must not be passed over: up at some time within the time for a restart."""
    steady: Collection[str]
    """The hosts that can report: up throughout the minute before."""
    swept_since: float
    """From then on somebody has probed for SWEEP_S."""


def falsehoods(truth: Truth, written: Written) -> Iterator[str]:
    """Say what a written status says that was not so."""
    if written.after.state == State.UNKNOWN and written.steady:
        yield f"Unknown, but {written.steady} could report"
    yield from _of_dhcp(truth, written)
    yield from _of_routing(truth, written)
    yield from _of_the_vlan(truth, written)


def _was(truth: Truth, written: Written, path: str, host: str, value: bool, *, known: bool = True) -> bool:
    """Whether it was so when a host looked last. known: whether it was told before."""
    since = written.swept_since if known else written.at - WORSE_S
    return truth.was((path, written.vlan, host), value, since=since, until=written.at)


def _of_dhcp(truth: Truth, written: Written) -> Iterator[str]:
    if _is_out(written.after):
        known = written.before is not None and _is_out(written.before)
        facts = [("dhcp", ""), *(("vlan", host) for host in _heard(written))]
        if not any(_was(truth, written, path, host, False, known=known) for path, host in facts):
            yield "DHCP is out, but it answers every host"


def _of_routing(truth: Truth, written: Written) -> Iterator[str]:
    before, said = written.before, written.after.connectivity
    if said == "true" and not any(_was(truth, written, "routed", h, True) for h in written.believed):
        yield "true, but it is routed on no host"
    if said == "false":
        known = before is not None and before.connectivity == "false"
        hosts = [h for h in _heard(written) if not _was(truth, written, "routed", h, False, known=known)]
        if hosts:
            yield f"false, but it is routed on {hosts}"


def _of_the_vlan(truth: Truth, written: Written) -> Iterator[str]:
    before, after, heard = written.before, written.after, _heard(written)
    accused = _silent(after, heard)
    known = [] if before is None else _silent(before, heard)
    wrongly = [h for h in accused if not _was(truth, written, "vlan", h, False, known=h in known)]
    if wrongly:
        yield f"silent on {wrongly}, where it answers"
    if after.state in ON_VLAN and not any(_was(truth, written, "vlan", h, True) for h in written.believed):
        yield f"{after.state}, but it answers nobody"
    if after.state == State.PARTIAL and not (accused or set(after.hosts.values()) & set(Fault)):
        yield "Partial, but no host is named"


def _heard(written: Written) -> list[str]:
    """Return the hosts whose word is in it."""
    return [host for host in written.asked if written.after.hosts.get(host) not in (Reason.NOT_HEARD, *Fault)]


def _is_out(status: Status) -> bool:
    return status.state == State.DHCP_FAILED or status.dhcp_out


def _silent(status: Status, hosts: Collection[str]) -> list[str]:
    """Return the hosts on which the gateway is said to be silent."""
    if status.state in (State.UNREACHABLE, State.OFF_VLAN):
        return list(hosts)
    return [host for host, why in status.hosts.items() if why == Reason.GATEWAY_SILENT_ON_VLAN]
