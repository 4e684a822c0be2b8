"""What should stand in a NAD's annotations, compared with what stands there: the change, or none.

Computed from one version of the object, which the patch then names; so whoever else wrote meanwhile is seen
and decided upon again, and nothing that is the owner's is ever put back to what it was.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from services.contract.outcomes import Reason, State
from services.network.judge.reduction import Conclusion
from services.network.parse import annotations as names
from services.network.parse.intent import Channel, Intent, NotProbed
from services.network.parse.nad import Network
from services.network.parse.route import Route
from services.network.parse.status import Status
from services.network.parse.tolerance import shown

SILENT_REASONS = frozenset({Reason.NO_ROUTE_ANNOTATION})
"""Not told of a network that nothing was told of: it would gain words, and nobody any knowledge."""
MAX_CORRECTIONS = 4
"""Times in an hour that another writer's result is replaced by ours: never a war of writes."""


@dataclass(frozen=True)
class Change:
    """Annotations to set, and what the network comes to be in. Without annotations it is told by an Event."""

    annotations: Mapping[str, str]
    before: Status | None
    after: Status
    is_correction: bool = False
    """Whether it takes back what another writer put over a result of ours that still holds."""

    @property
    def is_transition(self) -> bool:
        """Whether the network's state is another than was told before, and worth an Event."""
        if self.before is None:
            return self.after.state not in (State.IGNORED, State.PENDING)
        if self.after.state == State.INVALID:
            # Its owner has changed it, and it is still refused: they look for the answer.
            return (self.before.reason, self.before.detail) != (self.after.reason, self.after.detail)
        return self.before.state != self.after.state

    @property
    def new_findings(self) -> Mapping[str, str]:
        """What is told beside the state, and was not told before."""
        known = {} if self.before is None else self.before.findings
        return {code: text for code, text in self.after.findings.items() if code not in known}


@dataclass(frozen=True)
class Memory:
    """What is known of a network that does not stand on it."""

    posted: Status | None = None
    """The last status posted by an Event alone."""
    corrections: int = 0
    """Times that another writer's result was taken back in the last hour."""
    observe_only: bool = False
    """Nothing is written to any network."""


NOTHING_REMEMBERED = Memory()


def decide(
    network: Network,
    intent: Intent | NotProbed,
    conclusion: Conclusion | None,
    *,
    now: str,
    memory: Memory = NOTHING_REMEMBERED,
) -> Change | None:
    """What to write on this very version of the network; None where all is as it should be.

    conclusion: what the hosts found, None for a network that is not probed. now: RFC 3339, for `since`.
    """
    channel = intent.channel if isinstance(intent, NotProbed) else Channel.STATUS
    if network.deleting or network.is_system or channel is Channel.NOTHING:
        return None
    if memory.observe_only or channel is Channel.EVENT:
        return _decide_event(intent, conclusion, now=now, memory=memory)
    before = network.status
    after = _status(intent, conclusion, before)
    if before is None and (_is_pending(after) or after.reason in SILENT_REASONS):
        return None
    changes: dict[str, str] = {}
    is_correction = False
    if isinstance(intent, Intent):
        assert conclusion is not None
        wanted = _want(network, intent, conclusion)
        overwritten = _overwritten(wanted, before, after)
        if overwritten or memory.corrections:
            after = _with_other_writer(after, before, overwritten, memory.corrections)
        if wanted.differing and (not overwritten or memory.corrections < MAX_CORRECTIONS):
            changes[names.ROUTE] = wanted.route.with_fields(wanted.fields)
            is_correction = bool(overwritten)
        if names.ROUTE not in changes and _is_being_pinged(network.route):
            # Any write of ours would make Harvester start its ping of this network again.
            return None
    after = after.limited().following(before, now=now)
    if before != after:
        changes[names.STATUS] = after.dump()
    return Change(changes, before, after, is_correction) if changes else None


def _decide_event(
    intent: Intent | NotProbed, conclusion: Conclusion | None, *, now: str, memory: Memory
) -> Change | None:
    """What is to be told where nothing can, or may, be written; None where it was told."""
    before = memory.posted
    after = _status(intent, conclusion, before).limited().following(before, now=now)
    if before == after or (before is None and after.state in (State.PENDING, State.IGNORED)):
        return None
    return Change({}, before, after)


def _status(intent: Intent | NotProbed, conclusion: Conclusion | None, before: Status | None) -> Status:
    if isinstance(intent, NotProbed):
        return Status(intent.state, intent.reason, detail=intent.detail)
    assert conclusion is not None
    return Status(
        conclusion.state,
        conclusion.reason,
        digest=intent.digest,
        gateway=_checked_gateway(intent, conclusion, before),
        connectivity=conclusion.connectivity or "",
        detail=conclusion.detail,
        hosts=conclusion.hosts or {},
        servers=conclusion.servers,
        dhcp_out=conclusion.dhcp_out,
        findings=conclusion.findings,
    )


def _is_pending(status: Status) -> bool:
    """Nothing to tell yet. That a host was offered nothing is told: the watcher has the next one ask."""
    return status.state == State.PENDING and status.reason != Reason.CONFIRMING_NO_OFFER


def _checked_gateway(intent: Intent, conclusion: Conclusion, before: Status | None) -> str:
    """The gateway that this is said of; while nobody can tell, the one that it was said of before."""
    if conclusion.state is State.DHCP_FAILED:
        return ""
    gateway = conclusion.gateway or intent.gateway or intent.known_gateway
    if gateway is None and before is not None and before.digest == intent.digest:
        return before.gateway
    return str(gateway or "")


@dataclass(frozen=True)
class _Wanted:
    """The route annotation's fields as they should be; None takes a field away."""

    route: Route
    fields: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def differing(self) -> dict[str, str]:
        """The fields that are otherwise, and what stands in them."""
        present = {
            "mode": self.route.mode,
            "cidr": self.route.cidr,
            "gateway": self.route.gateway,
            "connectivity": self.route.connectivity,
            "outdated": "true" if self.route.outdated else "",
        }
        return {name: present[name] for name, value in self.fields.items() if present[name] != (value or "")}


def _want(network: Network, intent: Intent, conclusion: Conclusion) -> _Wanted:
    route = network.route
    if conclusion.connectivity is None:
        # cidr and gateway without connectivity would make Harvester ping at once.
        return _Wanted(route)
    fields: dict[str, str | None] = {}
    if intent.mode == "auto" and conclusion.cidr is not None and conclusion.gateway is not None:
        if not network.has_route:
            fields["mode"] = "auto"
        fields |= {"cidr": str(conclusion.cidr), "gateway": str(conclusion.gateway)}
    elif not network.has_route:
        # A bare mode would make Harvester start a Job; without an offer our own annotation says so.
        return _Wanted(route)
    if not _is_of_a_former_gateway(route, conclusion):
        fields["connectivity"] = conclusion.connectivity
    if conclusion.state is State.DHCP_FAILED:
        # No gateway is known: what stands there is junk, or of the VLAN that this network had before.
        fields |= {name: None for name, value in (("cidr", route.cidr), ("gateway", route.gateway)) if value}
    if route.outdated:
        fields["outdated"] = None
    return _Wanted(route, fields)


def _is_of_a_former_gateway(route: Route, conclusion: Conclusion) -> bool:
    """Harvester goes on to ping, at every tick, what it once took for the gateway.

    Where none stands any more, "false" says no more than "DHCP failed", and is nothing to dispute.
    """
    nowhere = not (route.cidr or route.gateway or route.outdated)
    return conclusion.state is State.DHCP_FAILED and nowhere and route.connectivity == "false"


def _overwritten(wanted: _Wanted, before: Status | None, after: Status) -> str:
    """What somebody else put over a result of ours that still holds, in words; empty where nobody did.

    A field that was emptied is no result: so does a save in Harvester's UI, and it is filled in again freely.
    """
    told = (before.digest, before.gateway, before.connectivity) if before is not None else None
    if not after.connectivity or told != (after.digest, after.gateway, after.connectivity):
        return ""
    if wanted.route.outdated:
        return ""
    written = {name: value for name, value in wanted.differing.items() if value}
    return "; ".join(f"another writer set {name} to {shown(value)}" for name, value in written.items())


def _with_other_writer(after: Status, before: Status | None, overwritten: str, corrections: int) -> Status:
    """The finding that another writer disagrees, for as long as one did in the last hour.

    It keeps the words that it began with: others for each of its writes would be a write more of ours.
    """
    known = before.findings.get(Reason.OTHER_WRITER, "") if before is not None and corrections else ""
    limit = f"corrected at most {MAX_CORRECTIONS} times an hour, and then left so"
    text = known or (f"{overwritten}; {limit}" if overwritten else "")
    return replace(after, findings={**after.findings, Reason.OTHER_WRITER.value: text}) if text else after


def _is_being_pinged(route: Route) -> bool:
    """cidr and gateway without connectivity: Harvester's controller is pinging this gateway just now."""
    return bool(route.cidr and route.gateway and not route.connectivity and not route.outdated)
