"""All reasons with their texts, in the groups and the order of contract.outcomes.Reason."""

from collections.abc import Mapping
from dataclasses import dataclass

from services.contract.outcomes import Reason
from services.network.reasons.addresses import ADDRESS_FINDINGS
from services.network.reasons.configuration import LEFT_ALONE, REFUSED
from services.network.reasons.dhcp import FINDINGS, NO_USABLE_GATEWAY
from services.network.reasons.reachability import GATEWAY_CHECKED, MEMBERS, NO_RESULT
from services.network.reasons.texts import ReasonText


@dataclass(frozen=True)
class Group:
    """Reasons that belong together, and what is common to them."""

    title: str
    texts: Mapping[Reason, ReasonText]
    introduction: str = ""


GROUPS = (
    Group("The gateway was checked", GATEWAY_CHECKED),
    Group(
        "DHCP names no usable gateway",
        NO_USABLE_GATEWAY,
        """
        These are the reasons of state `DHCPFailed` if no gateway is known from before. Otherwise they are
        findings beside the state of the known gateway, and the status has `dhcpOut`. A gateway that the
        offer itself names and that cannot be one in the offered subnet does not count as known, unless the
        offer is a stranger's and another server has named the gateway. One that another writer removes from
        the annotation stays known until a result for another route is reported.

        A known gateway counts as unknown again when for an hour (six times the age up to which a result is
        fresh) no offer has named it and it has answered no host on the VLAN; and at once if it is on the
        hosts' own networks and answers through routing, but on this VLAN from no host. cidr and gateway are
        then removed from the annotation, and the Event says why. Harvester's controller may then set
        `connectivity` to `"false"`, which nadroute leaves.
        """,
    ),
    Group("No result", NO_RESULT),
    Group("Left alone", LEFT_ALONE),
    Group(
        "Refused",
        REFUSED,
        """
        `detail` names the field, its value and what was expected. If Harvester's webhook refuses every write
        to such a network (an unreadable route annotation or `spec.config`, a manual cidr or gateway that it
        cannot parse), nadroute posts one Event and writes nothing.
        """,
    ),
    Group(
        "Findings",
        {**MEMBERS, **FINDINGS, **ADDRESS_FINDINGS},
        """
        A finding stands beside any state, in `findings` of the status. An Event reports it when it appears.
        """,
    ),
)

REASONS: Mapping[Reason, ReasonText] = {
    reason: text for group in GROUPS for reason, text in group.texts.items()
}
