"""States in plain words, for Kubernetes Events: what is so, where, and as seen from whom."""

from collections.abc import Mapping, Sequence

from services.contract.outcomes import Reason, State
from services.network.parse.intent import Intent
from services.network.reasons.events import Event
from services.updater.assessing import Assessment

MAX_NAMED = 8
"""Hosts that are named in one sentence."""
CALM_STATES = frozenset({State.ACTIVE, State.PENDING, State.IGNORED, State.DISABLED})
"""Nothing is wrong in these."""

_SENTENCES: Mapping[str, str] = {
    Reason.GATEWAY_ANSWERS: "gateway {gateway} answers on {segment} from {answering}",
    Reason.GATEWAY_SILENT_ON_SOME_HOSTS: "gateway {gateway} is silent on {segment} for {differing}",
    Reason.GATEWAY_NOT_ROUTED: "gateway {gateway} answers on {segment} ({checked}), but is not routed",
    Reason.GATEWAY_SILENT_ON_VLAN: "gateway {gateway} is routed, but silent on {segment} ({checked})",
    Reason.GATEWAY_SILENT: "gateway {gateway} is silent on {segment}, and when routed ({checked})",
    Reason.NO_DHCP_OFFER: "no DHCP server answered on {segment} (asked from {asked})",
    Reason.NO_ROUTER_OPTION: "DHCP on {segment} names no gateway",
    Reason.NO_SUBNET_MASK: "DHCP on {segment} names no usable subnet mask",
    Reason.SUBNET_TOO_SMALL: "DHCP on {segment} names a subnet without room for a gateway",
    Reason.ROUTER_OUTSIDE_SUBNET: "DHCP on {segment} names a gateway outside its subnet",
    Reason.ROUTER_NOT_A_HOST: "DHCP on {segment} names a gateway that no host can be",
    Reason.ROUTER_IS_OFFERED_ADDRESS: "DHCP on {segment} names the address that it offers as the gateway",
    Reason.ROUTER_REFUSED: "DHCP on {segment} names a gateway that hosts must not ask",
    Reason.CONFIGURED_SERVER_SILENT: "the DHCP server that the network names is silent on {segment}",
    Reason.CONFIRMING_NO_OFFER: "no DHCP server has answered on {segment} yet; other hosts are asking too",
    Reason.NOT_PROBED_YET: "{segment} has not been probed yet for what is asked now",
    Reason.NO_HOST: "no host that carries {segment} is announced",
    Reason.NO_FRESH_VERDICT: "no host has probed {segment} lately",
    Reason.INCONCLUSIVE: "frames were lost on the hosts that probed {segment}: nothing can be concluded",
    Reason.CANNOT_PROBE: "no host can probe {segment}: {differing}",
    Reason.UNTAGGED: "it is untagged",
    Reason.TRUNK: "it is a trunk",
    Reason.OVERLAY: "it is an overlay network",
    Reason.SYSTEM_NETWORK: "it is one of Harvester's own",
    Reason.NOT_A_BRIDGE: "it is no bridge network",
    Reason.NO_ROUTE_ANNOTATION: "it has no route annotation, and default_mode is off",
    Reason.DISABLED_BY_ANNOTATION: "its owner switched probing off",
    Reason.BAD_CONFIG: "its configuration cannot be read",
    Reason.OUT_OF_SCOPE: "nadroute is not told to look after it",
    Reason.BAD_ROUTE: "its route annotation cannot be read",
    Reason.BAD_SERVER: "its DHCP server is refused",
    Reason.BAD_CIDR: "its cidr is refused",
    Reason.BAD_GATEWAY: "its gateway is refused",
    Reason.GATEWAY_OUTSIDE_CIDR: "its gateway is outside its cidr",
    Reason.GATEWAY_REFUSED: "its gateway is refused",
    Reason.SEVERAL_ROUTERS: "DHCP on {segment} names several gateways",
    Reason.DHCP_SERVERS_DISAGREE: "DHCP servers on {segment} disagree",
    Reason.OTHER_WRITER: "somebody else writes this network's route annotation too",
}  # fmt: skip


def describe(assessment: Assessment) -> Event:
    """Return the Event for a transition; its reason is the state."""
    assert assessment.change is not None
    after = assessment.change.after
    message = _sentence(assessment, after.reason)
    if after.detail:
        message += f": {after.detail}"
    if after.dhcp_out:
        silent = Reason.NO_DHCP_OFFER in after.findings
        message += "; DHCP no longer answers" if silent else "; DHCP names no usable gateway any more"
    return Event("Normal" if after.state in CALM_STATES else "Warning", after.state, message)


def describe_finding(assessment: Assessment, code: str, text: str) -> Event:
    """Return the Event for a finding beside the state."""
    message = _sentence(assessment, code)
    return Event("Warning", code, f"{message}: {text}" if text else message)


def _sentence(assessment: Assessment, code: str) -> str:
    assert assessment.change is not None
    after, intent = assessment.change.after, assessment.intent
    differing = [f"{host} ({why})" for host, why in sorted(after.hosts.items())]
    return _SENTENCES.get(code, code).format(
        gateway=after.gateway or "unknown",
        segment=str(intent.segment) if isinstance(intent, Intent) else "",
        checked=listed(assessment.checked_from),
        answering=listed([host for host in assessment.checked_from if host not in after.hosts]),
        asked=listed(assessment.asked_from),
        differing=listed(differing),
    )


def listed(names: Sequence[str]) -> str:
    """Some names, and how many more there are."""
    more = len(names) - MAX_NAMED
    return (", ".join(names[:MAX_NAMED]) or "none") + (f" and {more} more" if more > 0 else "")
