"""Decide which annotations of a network to change, from what they are and what they should be.

A decision is for one version of the object, which the patch names. After anyone else's write it is made
again, so an owner's edit is never reverted.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from services.contract.conclusions import NO_RESULT, Hindrance, Result
from services.contract.outcomes import Reason, State
from services.network.judge.evidence import UNDECIDED
from services.network.judge.reduction import Conclusion
from services.network.parse import nad
from services.network.parse.intent import Channel, Intent, NotProbed
from services.network.parse.nad import Network
from services.network.parse.status import Status
from services.network.parse.tolerance import read_gateway
from services.network.write.disputes import MAX_CORRECTIONS, find_loss, fingerprint, with_finding
from services.network.write.remembering import NOTHING_REMEMBERED, Memory
from services.network.write.wanting import result_of, want

SILENT_REASONS = frozenset({Reason.NO_ROUTE_ANNOTATION})
"""Not written to a network without a status: it would tell nobody anything new."""


@dataclass(frozen=True)
class Change:
    """What the annotations of a network should be, and what has to change for that."""

    before: Status | None
    """The status that was told last: by the annotation, or by the record where nothing may be written."""
    after: Status
    route: Mapping[str, str | None] = field(default_factory=dict)
    """Fields of the route annotation to set, or to remove if None; also those that are left as they are."""
    annotations: Mapping[str, str] = field(default_factory=dict)
    """Annotations to set."""
    result: Result = NO_RESULT
    """What the route annotation says when all of it is written."""
    hindrance: Hindrance | None = None
    """What keeps them from being set; then only an Event reports the status."""
    content: str = ""
    """The fingerprint of what it writes; see disputes."""
    stands: bool = False
    """Whether the annotations say all of that already."""
    is_correction: bool = False
    """Whether it writes again what another writer took back."""
    is_news: bool = True
    """Whether it reports something; otherwise it only puts back what stood, while something is in doubt."""
    left_for_s: float | None = None
    """Where another writer took something back and the limit is reached: seconds for which it is left so."""
    left: str = ""
    """What that is, if it is still to be told."""

    @property
    def is_due(self) -> bool:
        """Whether there is something to do: a patch or, where nothing may be written, an Event."""
        if self.hindrance is None:
            return bool(self.annotations) or self.left_for_s is not None
        return self.is_transition or self.has_new_mac or bool(self.new_findings)

    @property
    def is_transition(self) -> bool:
        """Whether the state changed in a way that is worth an Event."""
        if self.is_correction:
            return False
        if self.before is None:
            return self.after.state not in (State.IGNORED, State.PENDING)
        if self.after.state == State.INVALID:
            # The owner changed it and it is still refused: they need to know why.
            return (self.before.reason, self.before.detail) != (self.after.reason, self.after.detail)
        return self.before.state != self.after.state

    @property
    def has_new_mac(self) -> bool:
        """Whether another machine answers for the same gateway, with the same intent."""
        before, after = self.before, self.after
        if before is None or (before.digest, before.gateway) != (after.digest, after.gateway):
            return False
        return not self.is_correction and "" != before.gateway_mac != after.gateway_mac != ""

    @property
    def new_findings(self) -> Mapping[str, str]:
        """Findings that the status before did not have, by code; a correction adds only its own."""
        known = {} if self.before is None else self.before.findings
        new = {code: text for code, text in self.after.findings.items() if code not in known}
        if self.is_correction:
            return {code: text for code, text in new.items() if code == Reason.OTHER_WRITER}
        return new


def decide(
    network: Network,
    intent: Intent | NotProbed,
    conclusion: Conclusion | None,
    *,
    now: str,
    memory: Memory = NOTHING_REMEMBERED,
) -> Change | None:
    """Return what this version of the network should say; None for one that is not nadroute's to report on.

    conclusion: None for a network that is not probed. now: RFC 3339, for `since`.
    """
    channel = intent.channel if isinstance(intent, NotProbed) else Channel.STATUS
    if network.deleting or network.is_system or channel is Channel.NOTHING:
        return None
    told = memory.told or network.status
    after = _status(intent, conclusion, told, network.status).limited()
    if channel is Channel.EVENT:
        return Change(told, after.following(told, now=now), hindrance=Hindrance.UNREADABLE)
    return _change(network, intent, after, result_of(intent, conclusion), now=now, memory=memory)


def restate(network: Network, intent: Intent, *, now: str, memory: Memory) -> Change:
    """Return the change with which the network says again what was told of this very intent."""
    told = memory.told
    assert told is not None
    findings = {code: text for code, text in told.findings.items() if code != Reason.OTHER_WRITER}
    after = replace(told, findings=findings)
    change = _change(network, intent, after, memory.to_restate, now=now, memory=memory)
    return replace(change, is_news=False)


def _change(
    network: Network, intent: Intent | NotProbed, after: Status, result: Result, *, now: str, memory: Memory
) -> Change:
    written, told = network.status, memory.told or network.status
    wanted = want(network, intent, after.state, result)
    if "connectivity" not in wanted.fields:
        # It is unknown, or left as another writer wrote it.
        result = result.model_copy(update={"connectivity": ""})
    is_news = written is not None or not (after.state == State.PENDING or after.reason in SILENT_REASONS)
    content, loss = fingerprint(after, result), None
    if is_news and content == memory.written.content:
        loss = find_loss(network, wanted.differing, written, after)
    after = with_finding(after, written, loss, memory.written)
    hindrance = Hindrance.OBSERVE_ONLY if memory.observe_only else None
    before = told if hindrance else written
    # Where both agree, the annotation's `since` stands: the record alone is no reason to write.
    after = after.limited().following(told, now=now)
    after = after.following(before, now=after.since)
    if loss is not None and memory.written.corrections >= MAX_CORRECTIONS:
        to_tell = "" if memory.written.is_told else loss.text
        left_for_s = memory.written.room_in_s
        return Change(before, after, wanted.fields, result=result, left_for_s=left_for_s, left=to_tell)
    annotations: dict[str, str] = {}
    if wanted.differing:
        annotations[nad.ROUTE] = wanted.route.with_fields(wanted.fields)
    # While Harvester's controller pings the gateway, any write without a result would make it start again.
    is_pinged = isinstance(intent, Intent) and network.route.lacks_connectivity and not network.route.outdated
    if written != after and is_news and (nad.ROUTE in annotations or not is_pinged):
        annotations[nad.STATUS] = after.dump()
    return Change(
        before,
        after,
        wanted.fields if nad.ROUTE in annotations else {},
        annotations,
        result,
        hindrance,
        content,
        stands=written == after and not wanted.differing,
        is_correction=loss is not None,
    )


def _status(intent: Intent | NotProbed, conclusion: Conclusion | None, *before: Status | None) -> Status:
    """before: the statuses of before, of which the first on this intent counts."""
    if isinstance(intent, NotProbed):
        gateway = str(intent.host_address or "")
        return Status(intent.state, intent.reason, gateway=gateway, detail=intent.detail)
    assert conclusion is not None
    same = next((status for status in before if status is not None and status.digest == intent.digest), None)
    gateway = _checked_gateway(intent, conclusion, same)
    named_by = conclusion.named_by
    if named_by is None or gateway != str(conclusion.gateway):
        named_by = same.named_by if same is not None and same.gateway == gateway else intent.named_by
    return Status(
        conclusion.state,
        conclusion.reason,
        digest=intent.digest,
        gateway=gateway,
        gateway_mac=conclusion.gateway_mac if gateway else "",
        named_by=named_by if gateway else frozenset(),
        connectivity=conclusion.connectivity or "",
        detail=conclusion.detail,
        hosts=conclusion.hosts or {},
        servers=conclusion.servers,
        dhcp_out=conclusion.dhcp_out,
        findings=conclusion.findings,
    )


def _checked_gateway(intent: Intent, conclusion: Conclusion, before: Status | None) -> str:
    """Return the gateway that the status is about; while there is no result, that of the status before.

    before: on the same intent.
    """
    if conclusion.state is State.DHCP_FAILED:
        return ""
    known = intent.gateway or intent.known_gateway
    if known is None and before is not None:
        known = read_gateway(before.gateway)
    if conclusion.state in UNDECIDED:
        # What is offered now was not checked yet.
        return str(known or conclusion.gateway or "")
    return str(conclusion.gateway or known or "")
