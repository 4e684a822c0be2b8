"""What a new version of a network makes due: a pure comparison with the version before."""

from dataclasses import dataclass
from enum import Enum

from services.contract.outcomes import Reason, State
from services.network.parse import annotations as names
from services.network.parse.intent import Intent, NotProbed, read_intent
from services.network.parse.nad import Network
from services.network.parse.route import Route
from services.network.parse.status import Status
from services.network.policy import Policy
from services.watcher.plan.workload import Wish

HEARD = frozenset({State.ACTIVE, State.PARTIAL, State.ISOLATED})
"""States in which a host at least hears the gateway on the VLAN."""


class Trigger(Enum):
    """What is due at once."""

    NOTHING = "nothing"
    GATEWAY = "gateway"
    """The gateway that is known became another: hosts that did not hear it from DHCP check it."""
    CONTRADICTION = "contradiction"
    """A host found the gateway otherwise than all had before, up or down: every host checks."""
    NO_OFFER = "no offer"
    """A host was offered nothing by DHCP: another one asks, to confirm it or to know better."""
    EVERYTHING = "everything"
    ASKED_BY_HAND = "asked by hand"
    """Everything too, but not as often as somebody might write the annotation."""


@dataclass(frozen=True)
class Observed:
    """One version of a network that is to be probed, as far as it decides when."""

    uid: str
    intent: Intent
    digest: str
    probe_now: str
    wants_connectivity: bool
    """cidr and gateway stand there without connectivity, as after a save in Harvester's UI."""
    is_check_failing: bool
    """What is told of the network is not Active, or nothing, or of another intent."""
    is_ask_failing: bool
    """The same, or that DHCP is out; but not where hosts hear the gateway that DHCP named."""
    answers: bool | None = None
    """Whether the gateway is told to answer any host on the VLAN; None where nothing is told of it."""
    is_partial: bool = False
    """It is told to answer on some hosts, and not on others."""
    unoffered: frozenset[str] = frozenset()
    """Hosts that are told to have been offered nothing by DHCP."""

    @property
    def wish(self) -> Wish:
        """What it comes to for its segment's plan."""
        return Wish(
            self.intent,
            is_check_failing=self.is_check_failing,
            is_ask_failing=self.is_ask_failing,
            answers=self.answers,
        )

    @property
    def is_settled(self) -> bool:
        """Whether all is well, and written."""
        return not (self.wish.is_failing or self.wants_connectivity)


def observe(network: Network, policy: Policy) -> Observed | NotProbed:
    """Read one version of a network. Never raises."""
    intent = read_intent(network, policy)
    if isinstance(intent, NotProbed):
        return intent
    digest = intent.digest
    status = network.status
    told = status if status is not None and status.digest in ("", digest) else None
    return Observed(
        uid=network.uid,
        intent=intent,
        digest=digest,
        probe_now=network.annotations.get(names.PROBE_NOW, ""),
        wants_connectivity=_wants_connectivity(network.route),
        is_check_failing=told is None or told.state != State.ACTIVE,
        is_ask_failing=told is None or told.state not in HEARD or told.dhcp_out,
        answers=None if told is None else _answers(told, intent),
        is_partial=told is not None and told.state == State.PARTIAL,
        unoffered=frozenset() if told is None else _unoffered(told),
    )


def compare(before: Observed | None, after: Observed) -> Trigger:
    """What the step from one version to the next makes due."""
    if before is None or before.uid != after.uid or before.digest != after.digest:
        return Trigger.EVERYTHING
    if after.wants_connectivity and not before.wants_connectivity:
        return Trigger.EVERYTHING
    known_before, known = before.intent.known_gateway, after.intent.known_gateway
    if known_before is not None and known is None:
        # Somebody cut the annotation back: what was in it has to be asked for again.
        return Trigger.EVERYTHING
    if after.probe_now and after.probe_now != before.probe_now:
        return Trigger.ASKED_BY_HAND
    if known != known_before:
        return Trigger.GATEWAY
    if _contradicts(before, after):
        return Trigger.CONTRADICTION
    return Trigger.NO_OFFER if after.unoffered - before.unoffered else Trigger.NOTHING


def _contradicts(before: Observed, after: Observed) -> bool:
    """Whether one host found what the others had not: of a gateway of which something was told before."""
    if before.answers is None:
        return False
    return bool(after.answers and not before.answers) or (after.is_partial and not before.is_partial)


def _wants_connectivity(route: Route) -> bool:
    return bool(route.cidr and route.gateway and not route.connectivity)


def _answers(told: Status, intent: Intent) -> bool | None:
    gateway = intent.gateway or intent.known_gateway
    if gateway is None or told.gateway not in ("", str(gateway)):
        return None
    if told.state in (State.UNREACHABLE, State.OFF_VLAN):
        return False
    return True if told.state in HEARD else None


def _unoffered(told: Status) -> frozenset[str]:
    return frozenset(host for host, why in told.hosts.items() if why == Reason.NO_DHCP_OFFER)
