"""Triggers: what a new version of a network makes due, by a pure comparison with the previous version."""

from dataclasses import dataclass
from enum import Enum

from services.contract.outcomes import Reason, State
from services.network.parse import nad
from services.network.parse.intent import Intent, NotProbed, read_intent
from services.network.parse.nad import Network
from services.network.parse.status import Status
from services.network.policy import Policy
from services.watcher.limits.workload import Demand

VLAN_STATES = frozenset({State.ACTIVE, State.PARTIAL, State.ISOLATED})
"""States in which the gateway answers at least one host on the VLAN."""
_SILENT = (Reason.GATEWAY_SILENT_ON_VLAN, Reason.NATIVE_VLAN)
"""Why a host is named on which the gateway does not answer."""


class Trigger(Enum):
    """What is due now."""

    NOTHING = "nothing"
    GATEWAY = "gateway"
    """The known gateway changed: every host that did not learn it from DHCP checks it."""
    CONTRADICTION = "contradiction"
    """A host contradicts what all hosts found before, up or down: every host checks."""
    NO_OFFER = "no offer"
    """A host got no DHCP offer: another host asks, to confirm or refute it."""
    EVERYTHING = "everything"
    PROBE_NOW = "probe-now annotation"
    """Everything, rate-limited: anybody may write the annotation at any rate."""


@dataclass(frozen=True)
class Observed:
    """The parts of one version of a probed network that decide when it is due."""

    demand: Demand
    """What the network requires of its segment's plan."""
    probe_now: str
    lacks_connectivity: bool
    """See Route."""
    is_partial: bool
    """Whether the gateway answers some hosts but not all, by the status."""
    unoffered: frozenset[str]
    """Hosts that got no DHCP offer, by the status."""

    @property
    def is_settled(self) -> bool:
        """Whether nothing is failing and everything is written."""
        return not (self.demand.is_failing or self.lacks_connectivity)


def observe(network: Network, policy: Policy) -> Observed | NotProbed:
    """Read one version of a network. Never raises."""
    intent = read_intent(network, policy)
    if isinstance(intent, NotProbed):
        return intent
    status = network.status
    reported = status if status is not None and status.digest in ("", intent.digest) else None
    return Observed(
        demand=Demand(
            intent,
            is_check_failing=reported is None or reported.state != State.ACTIVE,
            is_ask_failing=reported is None or reported.state not in VLAN_STATES or reported.dhcp_out,
            answers=None if reported is None else _answers(reported, intent),
            is_told=reported is not None and reported.state != State.PENDING,
            is_unoffered=reported is not None and _is_unoffered(reported),
            silent_on=frozenset() if reported is None else _named(reported, *_SILENT),
        ),
        probe_now=network.annotations.get(nad.PROBE_NOW, ""),
        lacks_connectivity=network.route.lacks_connectivity,
        is_partial=reported is not None and reported.state == State.PARTIAL,
        unoffered=frozenset() if reported is None else _named(reported, Reason.NO_DHCP_OFFER),
    )


def compare(before: Observed | None, after: Observed) -> Trigger:
    """Return what the change from one version to the next makes due."""
    if before is None:
        return Trigger.EVERYTHING
    intent_before, intent = before.demand.intent, after.demand.intent
    if intent_before.digest != intent.digest:
        return Trigger.EVERYTHING
    if after.lacks_connectivity and not before.lacks_connectivity:
        return Trigger.EVERYTHING
    known_before, known = intent_before.known_gateway, intent.known_gateway
    if known_before is not None and known is None:
        # Somebody removed the gateway from the annotation: DHCP must be asked for it again.
        return Trigger.EVERYTHING
    if after.probe_now and after.probe_now != before.probe_now:
        return Trigger.PROBE_NOW
    if known != known_before:
        return Trigger.GATEWAY
    if _contradicts(before, after):
        return Trigger.CONTRADICTION
    return Trigger.NO_OFFER if after.unoffered - before.unoffered else Trigger.NOTHING


def _contradicts(before: Observed, after: Observed) -> bool:
    """Return whether the status of a known gateway went up, or from all hosts to some."""
    answered = before.demand.answers
    if answered is None:
        return False
    return bool(after.demand.answers and not answered) or (after.is_partial and not before.is_partial)


def _answers(status: Status, intent: Intent) -> bool | None:
    gateway = intent.gateway or intent.known_gateway
    if gateway is None or status.gateway not in ("", str(gateway)):
        return None
    if status.state in (State.UNREACHABLE, State.OFF_VLAN):
        return False
    return True if status.state in VLAN_STATES else None


def _is_unoffered(status: Status) -> bool:
    return status.reason == Reason.NO_DHCP_OFFER or Reason.NO_DHCP_OFFER in status.findings


def _named(status: Status, *reasons: Reason) -> frozenset[str]:
    """Return the hosts that the status names for one of these reasons."""
    return frozenset(host for host, why in status.hosts.items() if why in reasons)
