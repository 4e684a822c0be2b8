"""Harvester's route annotation as it should be: which fields say a result, and which are left alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from services.contract.conclusions import NO_RESULT, Result
from services.contract.outcomes import State
from services.network.judge.reduction import Conclusion
from services.network.parse.intent import Intent, NotProbed
from services.network.parse.nad import Network
from services.network.parse.route import Route
from services.network.parse.tolerance import read_cidr, read_gateway


def result_of(intent: Intent | NotProbed, conclusion: Conclusion | None) -> Result:
    """Return what the route annotation should say of a conclusion; None for a network that is not probed."""
    if isinstance(intent, NotProbed) or conclusion is None:
        return NO_RESULT
    connectivity = conclusion.connectivity or ""
    if intent.mode == "manual" or conclusion.state is State.DHCP_FAILED:
        # No gateway is known from DHCP: the values are the owner's, junk, or from the network's former VLAN.
        return Result(connectivity=connectivity)
    cidr, gateway = conclusion.cidr, conclusion.gateway
    if cidr is None or gateway is None or not connectivity:
        # What is offered now was not checked yet, and is not written.
        cidr, gateway = intent.known_cidr, intent.known_gateway
    return Result(cidr=str(cidr or ""), gateway=str(gateway or ""), connectivity=connectivity)


@dataclass(frozen=True)
class Wanted:
    """The fields that the route annotation should have; None removes a field."""

    route: Route
    fields: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def differing(self) -> dict[str, str]:
        """The present values of the fields that differ."""
        present = self.route.written
        return {name: present[name] for name, value in self.fields.items() if present[name] != (value or "")}


def want(network: Network, intent: Intent | NotProbed, state: str, result: Result) -> Wanted:
    """Return the fields with which the network's route annotation says this result."""
    route = network.route
    if isinstance(intent, NotProbed) or not result.connectivity:
        # Without connectivity, cidr and gateway would make Harvester ping at once.
        return Wanted(route)
    fields: dict[str, str | None] = {}
    if result.cidr and result.gateway:
        if not network.has_route:
            fields["mode"] = "auto"
        if (read_cidr(route.cidr), read_gateway(route.gateway)) != (
            read_cidr(result.cidr),
            read_gateway(result.gateway),
        ):
            fields |= {"cidr": result.cidr, "gateway": result.gateway}
    elif not network.has_route:
        # A bare mode would make Harvester start a Job. Without an offer, only the status is written.
        return Wanted(route)
    if not _is_of_a_former_gateway(route, state):
        fields["connectivity"] = result.connectivity
    if state == State.DHCP_FAILED and intent.mode == "auto":
        fields |= {name: None for name, value in (("cidr", route.cidr), ("gateway", route.gateway)) if value}
    if route.outdated:
        fields["outdated"] = None
    return Wanted(route, fields)


def _is_of_a_former_gateway(route: Route, state: str) -> bool:
    """Whether "false" is Harvester's result for a gateway that the annotation no longer names.

    Harvester keeps pinging that gateway. Its "false" says no more than "DHCP failed", so it stays.
    """
    is_unnamed = not (route.cidr or route.gateway or route.outdated)
    return state == State.DHCP_FAILED and is_unnamed and route.connectivity == "false"
