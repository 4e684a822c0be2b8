"""Kubernetes Events about a network: the message says what is the case, where, and on which hosts."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from services.contract.macs import named, with_mac
from services.contract.outcomes import CALM_STATES, Reason, State
from services.network.judge.reduction import Conclusion
from services.network.parse.intent import Intent, NotProbed
from services.network.parse.status import Status
from services.network.reasons.catalog import REASONS
from services.network.reasons.switch_ports import Announced, members_of, name_ports

MAX_NAMED = 8
"""Hosts that one message names."""
NEW_MAC_REASON = "GatewayMACChanged"
LIMIT_REASON = "CorrectionLimitReached"

EventType = Literal["Normal", "Warning"]


@dataclass(frozen=True)
class Event:
    """A Kubernetes Event (core/v1), without the object that it is about."""

    type: EventType
    reason: str
    """CamelCase."""
    message: str
    component: str = "nadroute-updater"
    """Who reports it."""


@dataclass(frozen=True)
class EventFacts:
    """What the message of an Event may name. Hosts are a comma-separated list."""

    gateway: str
    segment: str
    answering: str
    """Hosts on which the gateway answers on the VLAN."""
    silent: str
    """Hosts on which it does not."""
    unoffered: str
    """Hosts that asked DHCP and received no offer."""
    differing: str
    """Hosts that differ, each with its reason."""


def describe_transition(
    status: Status,
    intent: Intent | NotProbed,
    conclusion: Conclusion | None = None,
    announced: Announced = MappingProxyType({}),
) -> Event:
    """Return the Event for a new state; its reason is the state.

    conclusion: what status says, with the hosts that it rests on; None for a network that is not probed.
    announced: to name the switch ports of hosts that a VLAN does not reach, as far as LLDP tells them.
    """
    message = _message(status.reason, status, intent, conclusion)
    if status.state == State.OFF_VLAN:
        message += "; it answers through the hosts' routing"
    if isinstance(intent, Intent) and (ports := _ports(status, intent.segment.cluster_network, announced)):
        message += f"; its switch port: {ports}"
    if status.detail:
        message += f": {status.detail}"
    if conclusion is not None and conclusion.forgotten and isinstance(intent, Intent):
        known = f"cidr {intent.known_cidr} and gateway {intent.known_gateway}"
        message += f"; {known} are removed: {conclusion.forgotten}"
    if status.dhcp_out:
        silent = Reason.NO_DHCP_OFFER in status.findings
        message += "; DHCP no longer answers" if silent else "; DHCP no longer names a usable gateway"
    is_normal = status.state in CALM_STATES or status.state == State.PENDING
    return Event("Normal" if is_normal else "Warning", status.state, message)


def _ports(status: Status, cluster_network: str, announced: Announced) -> str:
    """Return the switch ports of the hosts on which the VLAN is silent; empty if none is known."""
    silent = [host for host, why in sorted(status.hosts.items()) if why == Reason.GATEWAY_SILENT_ON_VLAN]
    known = [h for h in silent if any(nic.port for nic in members_of(h, cluster_network, announced))]
    return name_ports(known, cluster_network, announced)


def describe_finding(
    code: str, status: Status, intent: Intent | NotProbed, conclusion: Conclusion | None = None
) -> Event:
    """Return the Event for a finding of this status."""
    message, detail = _message(code, status, intent, conclusion), status.findings.get(code, "")
    return Event("Warning", code, f"{message}: {detail}" if detail else message)


def describe_new_mac(before: Status, status: Status, intent: Intent | NotProbed) -> Event:
    """Return the Event for another MAC address of the same gateway: a failover, another router or a stranger.

    before: the status with the former one.
    """
    segment = f" on {intent.segment}" if isinstance(intent, Intent) else ""
    old, new = named(before.gateway_mac), named(status.gateway_mac)
    message = f"gateway {status.gateway}{segment} answers with the MAC address {new}, until now with {old}"
    return Event("Normal", NEW_MAC_REASON, message)


def describe_limit(left: str) -> Event:
    """Return the Event for what another writer took back and nadroute leaves; left: who did what."""
    message = (
        f"{left}; this was written again as often as the limit allows, and is left as it is for up to an hour"
    )
    return Event("Warning", LIMIT_REASON, message)


def _message(code: str, status: Status, intent: Intent | NotProbed, conclusion: Conclusion | None) -> str:
    facts = EventFacts(
        gateway=with_mac(status.gateway, status.gateway_mac) or "unknown",
        segment=str(intent.segment) if isinstance(intent, Intent) else "",
        answering=list_hosts(conclusion.answering if conclusion else ()),
        silent=list_hosts(conclusion.silent if conclusion else ()),
        unoffered=list_hosts(conclusion.unoffered if conclusion else ()),
        differing=list_hosts([f"{host} ({why})" for host, why in sorted(status.hosts.items())]),
    )
    return REASONS[Reason(code)].event.format(**vars(facts))


def list_hosts(names: Sequence[str]) -> str:
    """Join some names, and say how many more there are."""
    more = len(names) - MAX_NAMED
    return (", ".join(names[:MAX_NAMED]) or "none") + (f" and {more} more" if more > 0 else "")
