"""Networks, intents and verdicts for tests, with only what a test is about spelled out."""

import json
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network

from services.contract.messages import DHCPVerdict, Offer, ReachVerdict, Segment, TargetVerdict, Verdict
from services.contract.outcomes import BridgeFault, DHCPOutcome, Fault, ReachOutcome
from services.contract.verdicts import AgedVerdict
from services.network.parse import nad
from services.network.parse.nad import Network, NetworkRef
from services.network.write.writing import Change

SEGMENT = Segment(cluster_network="extra", vlan=100)
GATEWAY = IPv4Address("10.0.112.1")
CIDR = IPv4Network("10.0.112.0/20")
NOW = "2026-11-23T03:04:05Z"
UNSET: object = object()


def config(vlan: object = 100, **more: object) -> str:
    """spec.config of a VM network."""
    return json.dumps({"cniVersion": "0.3.1", "type": "bridge", "bridge": "extra-br", "vlan": vlan, **more})


def network(
    route: str | None = None,
    *,
    status: str | None = None,
    config: object = config(),
    annotations: Mapping[str, str] | None = None,
    ref: NetworkRef = NetworkRef("default", "net"),  # noqa: B008 - frozen
    uid: str = "uid-1",
    version: str = "1",
    deleting: bool = False,
) -> Network:
    """A network with this route annotation, if any, and our status, if any."""
    given = dict(annotations or {})
    if route is not None:
        given[nad.ROUTE] = route
    if status is not None:
        given[nad.STATUS] = status
    return Network(ref, uid, version, config, given, {}, deleting)


def reach(outcome: ReachOutcome, attempts: int = 3) -> ReachVerdict:
    """As after three probes, unless said otherwise: fewer do not make a gateway silent."""
    return ReachVerdict(outcome=outcome, attempts=attempts)


def offer(
    gateway: IPv4Address | str | None = GATEWAY,
    *,
    server: str = "10.0.112.1",
    cidr: IPv4Network | str | None = CIDR,
    mac: str | None = None,
    relay: str | None = None,
) -> Offer:
    return Offer(
        server=IPv4Address(server),
        mac=mac,
        relay=None if relay is None else IPv4Address(relay),
        address=IPv4Address("10.0.112.50"),
        cidr=None if cidr is None else IPv4Network(cidr),
        gateway=None if gateway is None else IPv4Address(gateway),
    )


def dhcp(*offers: Offer, outcome: DHCPOutcome | None = None, omitted: int = 0) -> DHCPVerdict:
    """What DHCP said: offers, or none. omitted: further offers."""
    chosen = outcome or (DHCPOutcome.OFFERED if offers else DHCPOutcome.NO_OFFER)
    return DHCPVerdict(outcome=chosen, servers=offers, omitted=omitted)


def verdict(
    digest: str,
    *,
    host: str = "node1",
    vlan: ReachOutcome = ReachOutcome.REACHABLE,
    routed: ReachOutcome = ReachOutcome.REACHABLE,
    gateway: IPv4Address | None = GATEWAY,
    dhcp: DHCPVerdict | None = None,
    fault: Fault | None = None,
    bridge: BridgeFault | None = None,
    attempts: int = 3,
    counter: int = 1,
    segment: Segment = SEGMENT,
) -> Verdict:
    """A verdict of one host for one intent."""
    target = TargetVerdict(
        digest=digest, gateway=gateway, vlan=reach(vlan, attempts), routed=reach(routed, attempts)
    )
    return Verdict(
        segment=segment,
        host=host,
        request_id="request-1",
        incarnation=1,
        counter=counter,
        dhcp=dhcp,
        targets=(target,),
        fault=fault,
        bridge=bridge,
    )


def seen(verdict: Verdict, age_s: float = 1.0) -> AgedVerdict:
    return AgedVerdict(verdict, age_s)


def due(change: Change | None) -> Change | None:
    """Return the change if there is anything to do."""
    return change if change is not None and change.is_due else None
