"""What the reference knows and says: reports with their arrival, and the word about one network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from services.contract.messages import Verdict
from services.contract.outcomes import Fault, Reason, State

UNDECIDED = (State.PENDING, State.UNKNOWN)
NOT_HEARD = Reason.NOT_HEARD.value
"""Why a host is named that did not report in time."""


@dataclass(frozen=True)
class Arrival:
    """A verdict and when it arrived, in milliseconds of observed time."""

    at: int
    verdict: Verdict

    @property
    def host(self) -> str:
        return self.verdict.host

    @property
    def order(self) -> tuple[int, int]:
        """What orders the verdicts of one host."""
        return self.verdict.incarnation, self.verdict.counter


@dataclass(frozen=True)
class Word:
    """What is said of a network."""

    state: State
    reason: Reason
    connectivity: str = ""
    """Empty: it stays as it is."""
    gateway: str = ""
    cidr: str = ""
    """What DHCP names now; empty if it names nothing, or the owner did."""
    checked: str = ""
    """The gateway that it is about, whoever named it."""
    mac: str = ""
    """Who answers for that one on the VLAN, or did last."""
    hosts: Mapping[str, str] = field(default_factory=dict)
    servers: tuple[str, ...] = ()
    dhcp_out: bool = False
    digest: str = ""
    in_vain: Mapping[str, str] = field(default_factory=dict)
    """Hosts that DHCP answered without the VLAN's tag, where it offers nothing."""
    all_in_vain: bool = False
    """Whether they are all that got no offer."""
    is_forgotten: bool = False
    """Whether a gateway was known until now."""
    needs_address: bool = False
    """Whether it says that 0.0.0.0 is not answered."""

    @property
    def is_decided(self) -> bool:
        return self.state not in UNDECIDED

    def says_as(self, other: "Word") -> bool:
        """Whether both say the same."""
        return (*self.facts(), self.gateway, self.cidr) == (*other.facts(), other.gateway, other.cidr)

    def facts(self) -> tuple[object, ...]:
        """Return what a reader sees of it."""
        facts = self.state, self.reason, self.connectivity, dict(self.hosts), self.servers, self.dhcp_out
        return *facts, self.needs_address, self.mac


def newest(arrivals: Sequence[Arrival], *, asked: bool = False) -> dict[str, Arrival]:
    """Return each host's newest verdict, by its own order; asked: of those with a conclusive
    DHCP result.

    A copy of a verdict changes nothing, nor does one of a probe that was stopped.
    """
    found: dict[str, Arrival] = {}
    for arrival in arrivals:
        if arrival.verdict.fault is Fault.STOPPED or (asked and not arrival.verdict.is_dhcp_conclusive):
            continue
        before = found.get(arrival.host)
        if before is None or arrival.order > before.order:
            found[arrival.host] = arrival
    return found
