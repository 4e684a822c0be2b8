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
CONFIRMING_HOSTS = 3
"""The hosts that ask in vain before DHCP is told to be out: one, and up to two others."""
ON_VLAN = (State.ACTIVE, State.PARTIAL, State.ISOLATED)
SILENT = (State.UNREACHABLE, State.OFF_VLAN)
UPLINK_FAULTS = (Fault.UPLINK_MISSING, Fault.UPLINK_DOWN, Fault.UPLINK_FLAPPING)

Fact = tuple[str, int, str]
"""What, the VLAN, the host. True where, from this host, the gateway answers (vlan, routed), DHCP answers
(dhcp; on the whole VLAN with an empty host), or the uplink works (uplink)."""


@dataclass
class Truth:
    """What is true now and was true before. Everything is so at first."""

    changes: dict[Fact, list[tuple[float, bool]]] = field(default_factory=lambda: defaultdict(list))
    unclear: dict[Fact, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    """Begin and end of the times at which both are true: some frames are lost."""

    def set(self, fact: Fact, value: bool, now: float) -> None:
        """Make it so from now on."""
        if self.holds(fact) is not value:
            self.changes[fact].append((now, value))

    def blur(self, fact: Fact, begin: float) -> None:
        """Make it unclear from then on, until clear()."""
        self.unclear[fact].append((begin, float("inf")))

    def clear(self, fact: Fact, end: float) -> None:
        """End the last unclear time."""
        begin, _ = self.unclear[fact].pop()
        self.unclear[fact].append((begin, end))

    def holds(self, fact: Fact) -> bool:
        """Whether it is so now."""
        changes = self.changes.get(fact)
        return changes[-1][1] if changes else True

    def was(self, fact: Fact, value: bool, *, since: float, until: float) -> bool:
        """Whether it was so at any time of this span."""
        if any(begin <= until and end >= since for begin, end in self.unclear.get(fact, ())):
            return True
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
    """What was told before of the same intent and gateway."""
    after: Status
    believed: Collection[str]
    """The hosts whose word may still count: up at some time within the minute before (W6)."""
    asked: Collection[str]
    """The hosts that must not be passed over: up at some time within the time for a restart."""
    steady: Collection[str]
    """The hosts that can report: up throughout the minute of observed time before."""
    news_since: float
    """WORSE_S before: what is told for the first time was so since then."""
    swept_since: float
    """From then on somebody has probed for SWEEP_S."""
    is_gateway_real: bool = True
    """Whether the gateway that it names is the VLAN's; another one never answers."""
    is_first_offer: bool = False
    """Whether DHCP named the gateway just now: other hosts can check it only when it is written."""
    is_isolated: bool = False
    """Whether the network is marked as isolated, so that the VLAN alone decides."""
    is_new: bool = False
    """Whether its owner asked for something else so lately that not every host need have looked."""


def falsehoods(truth: Truth, written: Written) -> Iterator[str]:
    """Say what a written status says that was not so."""
    after = written.after
    # Whether an uplink that is named as faulty is so is judged by itself.
    able = [host for host in written.steady if after.hosts.get(host) not in UPLINK_FAULTS]
    if after.state == State.UNKNOWN and able:
        yield f"Unknown, but {able} could report"
    if after.state == State.PENDING and written.before is not None and written.before.state != State.PENDING:
        yield f"Pending, after {written.before.state} of the same intent"
    yield from _of_the_hosts(truth, written)
    yield from _of_dhcp(truth, written)
    yield from _of_connectivity(truth, written)
    yield from _of_the_vlan(truth, written)


def unheard(written: Written) -> Iterator[str]:
    """Say which hosts it passes over that could report."""
    for host in written.steady:
        if written.after.hosts.get(host) == Reason.NOT_HEARD:
            yield f"{Reason.NOT_HEARD} of {host}, which could report"


def replacements(truth: Truth, written: Written) -> Iterator[str]:
    """Say what is false where a stranger's gateway takes the place of the VLAN's own, on the same intent.

    Only one that is silent on the VLAN is replaced, and only when no offer names it any more.
    """
    if written.is_gateway_real:
        return
    hosts, gateway = _heard(written), written.after.gateway

    def was_without(path: str, host: str) -> bool:
        fact = (path, written.vlan, host)
        return truth.was(fact, False, since=written.swept_since, until=written.at)

    if answered := [host for host in hosts if not was_without("vlan", host)]:
        yield f"{gateway} takes the place of the gateway, which answers {answered}"
    if not (was_without("dhcp", "") or all(was_without("dhcp", host) for host in hosts)):
        yield f"{gateway} takes the place of the gateway, which DHCP names"


def _was(truth: Truth, written: Written, path: str, host: str, value: bool, *, known: bool = True) -> bool:
    """Whether it was so when a host looked last. known: whether it was told before."""
    if path in ("vlan", "routed") and not written.is_gateway_real:
        return value is False
    since = written.swept_since if known else written.news_since
    return truth.was((path, written.vlan, host), value, since=since, until=written.at)


def _of_the_hosts(truth: Truth, written: Written) -> Iterator[str]:
    for host, why in written.after.hosts.items():
        if why in UPLINK_FAULTS and not _was(truth, written, "uplink", host, False):
            yield f"{why} of {host}, whose uplink works"
        if why in (Fault.NO_PERMISSION, Fault.SEND_FAILED):
            yield f"{why} of {host}, which can send"
        if why == Fault.STOPPED and host in written.steady:
            yield f"{why} of {host}, which could report"


def _of_dhcp(truth: Truth, written: Written) -> Iterator[str]:
    if not _is_out(written.after):
        return
    known = written.before is not None and _is_out(written.before)
    if _was(truth, written, "dhcp", "", False, known=known):
        return
    # One that crashes again and again has had its time, and does not have to confirm.
    heard, confirming = _heard(written), [host for host in _heard(written) if host in written.steady]
    # Who asked in vain may have lost its uplink since, or too many frames to tell what the gateway does.
    mute = [host for host, why in written.after.hosts.items() if why in (*UPLINK_FAULTS, Reason.INCONCLUSIVE)]
    without = [host for host in (*heard, *mute) if _was(truth, written, "dhcp", host, False, known=known)]
    if len(without) < min(CONFIRMING_HOSTS, max(1, len(confirming))):
        yield f"DHCP is out, but it answers {sorted(set(heard) - set(without))}"


def _of_connectivity(truth: Truth, written: Written) -> Iterator[str]:
    before, said = written.before, written.after.connectivity
    path = "vlan" if written.is_isolated else "routed"
    if said == "true" and not any(_was(truth, written, path, host, True) for host in written.believed):
        yield f"true, but it answers no host ({path})"
    if said == "false":
        known = before is not None and before.connectivity == "false"
        # Where the VLAN alone decides, one host is enough, and a fault of its own counts. One host speaks for
        # all where the others do not know the gateway yet.
        hosts = written.asked if written.is_isolated else _heard(written)
        silent = {host for host in hosts if _was(truth, written, path, host, False, known=known)}
        answered = sorted(set(hosts) - silent)
        is_one_enough = written.is_isolated or written.is_first_offer
        if answered and not (is_one_enough and silent):
            yield f"false, but it answers {answered} ({path})"


def _of_the_vlan(truth: Truth, written: Written) -> Iterator[str]:
    before, after, heard = written.before, written.after, _heard(written)
    accused = _silent(after, heard)
    # What was silent everywhere and answers again was looked at since.
    is_recovery = before is not None and before.state in SILENT and after.state in ON_VLAN
    known = [] if before is None or is_recovery else _silent(before, heard)
    wrongly = [h for h in accused if not _was(truth, written, "vlan", h, False, known=h in known)]
    if wrongly:
        yield f"silent on {wrongly}, where it answers"
    if after.state in ON_VLAN and not any(_was(truth, written, "vlan", h, True) for h in written.believed):
        yield f"{after.state}, but it answers nobody"
    if after.state == State.PARTIAL and not (accused or set(after.hosts.values()) & set(Fault)):
        yield "Partial, but no host is named"
    missing = [] if written.is_new else [h for h in written.steady if _is_unnamed(truth, written, h)]
    if after.state in ON_VLAN and missing:
        yield f"{after.state}, and not that it is silent on {missing}"


def _is_unnamed(truth: Truth, written: Written, host: str) -> bool:
    """Whether a host was without the gateway all the time, while it answered another one all the time."""
    if host in written.after.hosts or _was(truth, written, "vlan", host, True):
        return False
    return any(not _was(truth, written, "vlan", other, False) for other in written.steady)


def _heard(written: Written) -> list[str]:
    """Return the hosts whose word is in it."""
    mute = (Reason.NOT_HEARD, Reason.INCONCLUSIVE, *Fault)
    return [host for host in written.asked if written.after.hosts.get(host) not in mute]


def _is_out(status: Status) -> bool:
    return status.state == State.DHCP_FAILED or status.dhcp_out


def _silent(status: Status, hosts: Collection[str]) -> list[str]:
    """Return the hosts on which the gateway is said to be silent; on some something answers untagged."""
    if status.state in SILENT:
        return list(hosts)
    said = (Reason.GATEWAY_SILENT_ON_VLAN, Reason.NATIVE_VLAN)
    return [host for host, why in status.hosts.items() if why in said]
