"""What DHCP says of a network, summarized over all hosts: the newest offers, or why they are unusable."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network

from services.contract.gateways import Flaw, find_flaw, first_usable, subnet_of
from services.contract.messages import Offer, Verdict
from services.contract.outcomes import DHCPOutcome, Reason, Untagged
from services.contract.verdicts import AgedVerdict
from services.network.judge.reach import silent_on_vlan
from services.network.judge.servers import (
    agreeing,
    are_too_many,
    choose,
    describe,
    find_differences,
    find_stranger,
    find_too_many,
    identity,
    list_servers,
    newest_offers,
    offers_in,
    remember,
    routers_of,
    sender,
)
from services.network.judge.untagged import heard_untagged
from services.network.parse.intent import Intent
from services.network.parse.status import ServerIdentity, ServerOffer
from services.network.policy import Policy

_REASONS: Mapping[Flaw, Reason] = {
    Flaw.NOT_A_HOST: Reason.ROUTER_NOT_A_HOST,
    Flaw.NO_SUBNET: Reason.NO_SUBNET_MASK,
    Flaw.OFFERED_ADDRESS: Reason.ROUTER_IS_OFFERED_ADDRESS,
    Flaw.OUTSIDE: Reason.ROUTER_OUTSIDE_SUBNET,
    Flaw.NETWORK_ADDRESS: Reason.ROUTER_NOT_A_HOST,
    Flaw.BROADCAST_ADDRESS: Reason.ROUTER_NOT_A_HOST,
    Flaw.DENIED: Reason.ROUTER_REFUSED,
    Flaw.TOO_WIDE: Reason.SUBNET_TOO_WIDE,
    Flaw.OVERLAPS_DENIED: Reason.SUBNET_REFUSED,
}
_BAD_ROUTER = frozenset(
    {
        Reason.ROUTER_NOT_A_HOST,
        Reason.ROUTER_IS_OFFERED_ADDRESS,
        Reason.ROUTER_OUTSIDE_SUBNET,
        Reason.ROUTER_REFUSED,
    }
)


@dataclass(frozen=True)
class DHCPSummary:
    """What DHCP says of one network: fresh if it answered, else remembered from the annotation."""

    cidr: IPv4Network | None
    gateway: IPv4Address | None
    answered: bool
    reason: Reason
    """Why there is no usable answer; meaningless if there is one."""
    detail: str = ""
    """The values behind the reason."""
    servers: tuple[ServerOffer, ...] = ()
    findings: Mapping[str, str] = field(default_factory=dict)
    """Findings beside the state, by reason code, with their values."""
    unoffered: tuple[str, ...] = ()
    """Hosts that asked and received no offer since the newest offer."""
    untagged: Mapping[str, Untagged] = field(default_factory=dict)
    """What those of them heard that were answered without the VLAN's tag."""
    named_by: frozenset[ServerIdentity] | None = None
    """Servers that have named the gateway; None: those that are remembered."""

    @property
    def is_news(self) -> bool:
        """Whether an answer counts. Without one, nothing was learned about servers and findings."""
        return self.reason not in (Reason.NOT_PROBED_YET, Reason.CONFIRMING_NO_OFFER)


def summarize_dhcp(
    intent: Intent,
    asked: Sequence[AgedVerdict],
    *,
    confirmations: int,
    policy: Policy,
    latest: Sequence[Verdict] = (),
) -> DHCPSummary | None:
    """Summarize the conclusive answers; None if there is none and nothing is remembered.

    asked: the newest fresh verdict of each host that asked DHCP. A host without an offer may have a fault of
    its own: DHCP is out once confirmations + 1 hosts received none since the newest offer. latest: the newest
    fresh verdict of each host: a gateway on the hosts' own networks is believed only while it answers on the
    VLAN.
    """
    if intent.mode == "manual":
        return None
    newest_first = sorted(
        (seen for seen in asked if is_conclusive(seen.verdict, intent.digest)),
        key=lambda seen: (seen.age_s, seen.verdict.host),
    )
    offered = [seen for seen in newest_first if _has_offers(seen.verdict)]
    silent = [seen for seen in newest_first if not _has_offers(seen.verdict)]
    if offered:
        silent = [seen for seen in silent if seen.age_s < offered[0].age_s]
    remembered = (intent.known_cidr, intent.known_gateway)
    unoffered = tuple(sorted(seen.verdict.host for seen in silent))
    if len(silent) > confirmations:
        servers = list_servers(newest_offers(offered))
        return DHCPSummary(
            *remembered, False, Reason.NO_DHCP_OFFER, servers=servers, unoffered=unoffered,
            untagged=heard_untagged(seen.verdict for seen in silent),
        )  # fmt: skip
    if offered:
        return replace(_read_offers(intent, offered, policy, latest), unoffered=unoffered)
    if silent:
        answered = intent.known_gateway is not None
        return DHCPSummary(*remembered, answered, Reason.CONFIRMING_NO_OFFER, unoffered=unoffered)
    return DHCPSummary(*remembered, True, Reason.NOT_PROBED_YET) if intent.known_gateway else None


def is_conclusive(verdict: Verdict, digest: str) -> bool:
    """Whether the host asked DHCP for this intent, and can tell what came of it."""
    return verdict.is_dhcp_conclusive and any(target.digest == digest for target in verdict.targets)


def _has_offers(verdict: Verdict) -> bool:
    return verdict.dhcp is not None and verdict.dhcp.outcome is DHCPOutcome.OFFERED


def _read_offers(
    intent: Intent, offered: Sequence[AgedVerdict], policy: Policy, latest: Sequence[Verdict]
) -> DHCPSummary:
    """Choose one offer for all hosts; see servers.choose.

    offered: the verdicts with offers, the newest first. latest: the newest verdict of each host.
    """
    known, offers = intent.known_gateway, newest_offers(offered)
    # Invented servers are others at every probe: naming them would be a write each time.
    too_many = are_too_many(offers, offered)
    listed = () if too_many else list_servers(offers)
    eligible = [offer for offer in offers if intent.server in (None, offer.server)]
    usable = [(offer, gateway) for offer in eligible if (gateway := _usable_gateway(offer, policy))]
    if suspects := {gateway for _, gateway in usable if policy.may_be_of_hosts(gateway)}:
        checks = [*(seen.verdict for seen in reversed(offered)), *latest]
        elsewhere = silent_on_vlan(suspects, intent.digest, checks)
        usable = [(offer, gateway) for offer, gateway in usable if gateway not in elsewhere]
    named_known = intent.named_by | {
        identity(offer)
        for seen in offered
        for offer in offers_in(seen.verdict)
        if known is not None and _names(offer, known, intent.known_cidr, policy)
    }
    if intent.server is not None:
        named_known = frozenset(s for s in named_known if s.address == str(intent.server))
    if not usable:
        reason, detail = _why_unusable(intent, eligible, offers, policy)
        findings = _find_in(listed, "none is usable", too_many=too_many)
        remembered = (intent.known_cidr, known)
        agreed = agreeing(eligible, named_known)
        trusted = [offer for offer in eligible if not named_known or identity(offer) in agreed]
        if any(_contradicts(offer, known, policy) for offer in trusted):
            # It came from such an offer: Harvester's helper takes any router and makes up a subnet.
            remembered = (None, None)
        return DHCPSummary(*remembered, False, reason, detail, listed, findings)
    is_silent = known is not None and bool(silent_on_vlan({known}, intent.digest, latest))
    # Invented servers name another gateway at every probe.
    gives_way = is_silent and not too_many
    choice = choose(intent, usable, named_known=named_known, known_is_silent=gives_way)
    if choice is None:
        reason = Reason.OTHER_SERVER_ANSWERED
        detail = find_stranger(listed, f"{known} in {intent.known_cidr}", too_many=too_many)
        findings = {reason.value: detail}
        if too_many:
            findings |= find_too_many(f"nadroute keeps {known}")
        return DHCPSummary(intent.known_cidr, known, not is_silent, reason, detail, listed, findings)
    chosen, gateway = choice
    (server,) = list_servers([chosen])
    listed = listed or (server,)
    findings = _find_in(listed, f"nadroute uses the offer of {describe(server)}", too_many=too_many)
    if len(set(chosen.routers)) > 1:
        named = ", ".join(map(str, dict.fromkeys(chosen.routers)))
        findings[Reason.SEVERAL_ROUTERS] = f"{sender(chosen)} names {named}; nadroute uses {gateway}"
    cidr = subnet_of(chosen.cidr, gateway)
    if chosen.cidr is not None and chosen.cidr.prefixlen == 32 and not chosen.on_link:
        findings[Reason.SUBNET_TOO_SMALL] = f"{sender(chosen)} offers a /32 with gateway {gateway}"
    same = [offer for offer, _ in usable if _names(offer, gateway, cidr, policy)]
    naming = [chosen] if too_many else same
    named_by = remember(intent.named_by if gateway == known else (), map(identity, naming))
    return DHCPSummary(cidr, gateway, True, Reason.GATEWAY_ANSWERS, "", listed, findings, named_by=named_by)


def _find_in(servers: Sequence[ServerOffer], choice: str, *, too_many: bool) -> dict[str, str]:
    return find_too_many(choice) if too_many else find_differences(servers, choice)


def _usable_gateway(offer: Offer, policy: Policy) -> IPv4Address | None:
    usable = first_usable(
        None if offer.gateway is None else int(offer.gateway),
        map(int, offer.routers),
        offered=int(offer.address),
        subnet=_subnet(offer),
        prefix=_prefix(offer),
        on_link=offer.on_link,
        denied=policy.denied,
    )
    return None if usable is None else IPv4Address(usable)


def _names(offer: Offer, gateway: IPv4Address, cidr: IPv4Network | None, policy: Policy) -> bool:
    return subnet_of(offer.cidr, gateway) == cidr and _usable_gateway(offer, policy) == gateway


def _subnet(offer: Offer) -> int:
    return 0 if offer.cidr is None else int(offer.cidr.network_address)


def _prefix(offer: Offer) -> int | None:
    return None if offer.cidr is None else offer.cidr.prefixlen


def _refuse(offer: Offer, router: IPv4Address, policy: Policy) -> Reason | None:
    """Return why this router of the offer cannot be the gateway; None if it can."""
    flaw = find_flaw(
        int(router),
        offered=int(offer.address),
        subnet=_subnet(offer),
        prefix=_prefix(offer),
        on_link=offer.on_link and router == offer.gateway,
        denied=policy.denied,
    )
    return None if flaw is None else _REASONS[flaw]


def _why_unusable(
    intent: Intent, eligible: Sequence[Offer], offers: Sequence[Offer], policy: Policy
) -> tuple[Reason, str]:
    """Return reason and detail for the server with the lowest address, so that they are stable."""
    if not eligible:
        if not offers:
            return Reason.NO_DHCP_OFFER, ""
        others = ", ".join(dict.fromkeys(map(sender, offers)))
        return Reason.CONFIGURED_SERVER_SILENT, f"{intent.server} did not answer, {others} did"
    offer = eligible[0]
    routers = routers_of(offer)
    subnet = str(offer.cidr or "no usable mask")
    if not routers:
        return Reason.NO_ROUTER_OPTION, f"{sender(offer)} offered {offer.address} ({subnet})"
    router = _usable_gateway(offer, policy) or routers[0]
    # Without a flaw it is on the hosts' own networks, and does not answer on the VLAN.
    reason = _refuse(offer, router, policy) or Reason.ROUTER_NOT_ON_VLAN
    if reason is Reason.SUBNET_REFUSED and offer.cidr is not None:
        subnet += f", which overlaps {policy.overlapped_by(offer.cidr)}"
    return reason, f"{sender(offer)} offered {offer.address} ({subnet}) with router {router}"


def _contradicts(offer: Offer, known: IPv4Address | None, policy: Policy) -> bool:
    """Whether the offer names the known gateway, and its subnet rules that gateway out."""
    return known in routers_of(offer) and _refuse(offer, known, policy) in _BAD_ROUTER
