"""A gateway outside its clients' subnet works where it is on the link: it is probed and written.

Clouds offer each client a /32 and put the gateway on the link by option 121 (RFC 3442); some name it in
option 3 alone. A /31 is a link of two (RFC 3021).
"""

import json
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest

from services.cli.cells import servers_agree
from services.contract.messages import Target, Verdict
from services.contract.outcomes import Reason, State
from services.network.judge.reduction import Conclusion, reduce
from services.network.parse import nad
from services.network.parse.intent import Channel, Intent, NotProbed, read_intent
from services.network.policy import DEFAULT_POLICY
from services.network.write.writing import decide
from services.prober import verdicts
from tests.unit.network.builders import NOW, network, seen
from tests.unit.network.test_reduction import AUTO
from tests.unit.prober import frames
from tests.unit.prober.frames import option, packed
from tests.unit.prober.world import DHCPServer, Gateway, World

ROUTER, FAR = "10.0.7.1", "172.31.1.1"
DEFAULT = b"\0"
ALL = frozenset({"node1", "node2", "node3"})


def routes(gateway: str, *, on_link: bytes | None = None, first: bool = False) -> bytes:
    """Return option 121: the default route, and one to what is on the link; by default the gateway alone."""
    link = (b"\x20" + packed(gateway) if on_link is None else on_link) + packed("0.0.0.0")
    default = DEFAULT + packed(gateway)
    return option(121, default + link if first else link + default)


def server(
    mask: str, *, router: str | None = None, more: bytes = b"", address: str = "10.0.7.100"
) -> DHCPServer:
    name = "10.0.7.2"
    options = frames.offer_options(server=name, router=router, mask=mask, more=more)
    return DHCPServer(server=name, options=options, address=address)


def found_by(host: str, *nodes: DHCPServer | Gateway, known: str | None = None) -> Verdict:
    """Return the verdict of a host that asks on VLAN 7, where the routed gateways answer."""
    world = World()
    world.put(7, *nodes)
    world.routed |= {ROUTER, FAR}
    world.probe(7, Target(digest=AUTO.digest, gateway=None if known is None else IPv4Address(known)))
    made = verdicts.verdict(world.only(), host=host, request_id="r", incarnation=0, counter=0)
    return made.model_copy(update={"segment": AUTO.segment})


def concluded(*found: Verdict, intent: Intent = AUTO) -> Conclusion:
    aged = [seen(verdict, age_s) for age_s, verdict in enumerate(found, 1)]
    return reduce(
        intent, aged, aged, hosts=frozenset(v.host for v in found), fresh_s=600, policy=DEFAULT_POLICY
    )


WIDE = "255.255.255.0"
WORKING = {
    "a /32 with option 121": (server("255.255.255.255", more=routes(ROUTER)), ROUTER, "10.0.7.1/32"),
    "far away": (server("255.255.255.255", more=routes(FAR)), FAR, "172.31.1.1/32"),
    "default route first": (server("255.255.255.255", more=routes(FAR, first=True)), FAR, "172.31.1.1/32"),
    "within a route": (
        server(WIDE, more=routes(FAR, on_link=b"\x0c\xac\x10")), FAR, "10.0.7.0/24",
    ),
    "outside a /24": (server(WIDE, more=routes(FAR)), FAR, "10.0.7.0/24"),
    "beside option 3": (server("255.255.255.255", router=ROUTER, more=routes(FAR)), FAR, "172.31.1.1/32"),
    "a /31": (server("255.255.255.254", router="10.0.7.101"), "10.0.7.101", "10.0.7.100/31"),
    "outside a /31": (server("255.255.255.254", more=routes(FAR)), FAR, "10.0.7.100/31"),
}  # fmt: skip


@pytest.mark.parametrize(("given", "gateway", "cidr"), WORKING.values(), ids=WORKING)
def test_it_is_probed_written_and_stays_known(given: DHCPServer, gateway: str, cidr: str) -> None:
    """Active with what was offered; the next reading of the annotations knows the gateway."""
    world_found = found_by("node1", given, Gateway(gateway))
    (checked,) = world_found.targets
    assert str(checked.gateway) == gateway
    if gateway == "10.0.7.101":
        world_found = world_found.model_copy(
            update={"targets": (checked.model_copy(update={"routed": checked.vlan}),)}
        )
    result = concluded(world_found)
    assert (result.state, result.findings) == (State.ACTIVE, {})
    before = network()
    change = decide(before, AUTO, result, now=NOW)
    assert change is not None
    route = json.loads(change.annotations[nad.ROUTE])
    assert (route["cidr"], route["gateway"], route["connectivity"]) == (cidr, gateway, "true")
    after = read_intent(replace(before, annotations={**before.annotations, **change.annotations}))
    assert isinstance(after, Intent)
    assert (str(after.known_cidr), str(after.known_gateway)) == (cidr, gateway)
    again = decide(
        replace(before, annotations=dict(change.annotations)),
        after,
        concluded(world_found, intent=after),
        now=NOW,
    )
    assert again is not None
    assert not again.is_due


BROKEN = {
    "no route to it": server(WIDE, router=FAR),
    "no route but the default": server(WIDE, more=option(121, DEFAULT + packed(FAR))),
    "a route elsewhere": server(WIDE, more=routes(FAR, on_link=b"\x10\xc0\xa8")),
    "on the link only by a router": server(
        WIDE, more=option(121, b"\x20" + packed(FAR) + packed(ROUTER) + DEFAULT + packed(FAR))
    ),
    "option 3 while 121 counts": server(WIDE, router=FAR, more=routes("10.0.8.8", on_link=b"\x10\xc0\xa8")),
}


@pytest.mark.parametrize("given", BROKEN.values(), ids=BROKEN)
def test_what_no_route_puts_on_the_link_stays_outside(given: DHCPServer) -> None:
    """VMs would have no way to it."""
    result = concluded(found_by("node1", given, Gateway(FAR)))
    assert (result.state, result.reason) == (State.DHCP_FAILED, Reason.ROUTER_OUTSIDE_SUBNET)


def test_a_32_with_option_3_alone_is_probed_and_told() -> None:
    """Most clients reach the gateway all the same; some do not, so it stands as a finding."""
    result = concluded(found_by("node1", server("255.255.255.255", router=ROUTER), Gateway(ROUTER)))
    assert (result.state, str(result.cidr)) == (State.ACTIVE, "10.0.7.1/32")
    assert result.findings == {
        Reason.SUBNET_TOO_SMALL: "10.0.7.2 (02:fe:00:00:00:01) offers a /32 with gateway 10.0.7.1"
    }


def test_hosts_with_a_32_each_agree() -> None:
    """Each is offered an address of its own: one subnet, no server that disagrees, nothing written twice."""
    addresses = dict(zip(sorted(ALL), ("10.0.7.100", "10.0.9.7", "192.0.2.4"), strict=True))
    found = [
        found_by(host, server("255.255.255.255", more=routes(FAR), address=address), Gateway(FAR))
        for host, address in addresses.items()
    ]
    first, *others = (concluded(*found[at:], *found[:at]) for at in range(3))
    assert (first.state, str(first.cidr), first.findings) == (State.ACTIVE, "172.31.1.1/32", {})
    assert all((o.cidr, o.servers, o.findings) == (first.cidr, first.servers, {}) for o in others)


def test_a_pair_that_offers_a_32_each_is_a_pair() -> None:
    """Two servers with addresses of their own, and one gateway."""
    one = server("255.255.255.255", more=routes(FAR))
    options = frames.offer_options(server="10.0.7.3", router=None, mask="255.255.255.255", more=routes(FAR))
    two = DHCPServer(
        server="10.0.7.3", options=options, address="10.0.7.200", mac=bytes.fromhex("02fe00000003")
    )
    found = found_by("node1", one, two, Gateway(FAR))
    assert found.dhcp is not None
    assert not any(offer.rogue for offer in found.dhcp.servers)
    assert servers_agree(found.dhcp)
    assert concluded(found).findings == {}


def manual(cidr: str, gateway: str) -> Intent | NotProbed:
    return read_intent(network(json.dumps({"mode": "manual", "cidr": cidr, "gateway": gateway})))


@pytest.mark.parametrize(
    ("cidr", "gateway"), [("10.0.7.1/32", "10.0.7.1"), ("10.0.7.9/32", FAR), ("10.0.7.0/31", "10.0.7.1")]
)
def test_an_owner_may_name_a_gateway_on_the_link(cidr: str, gateway: str) -> None:
    """Harvester's webhook accepts a /32, so it is probed."""
    found = manual(cidr, gateway)
    assert isinstance(found, Intent)
    assert (found.cidr, found.gateway) == (IPv4Network(cidr), IPv4Address(gateway))


def test_what_the_webhook_refuses_is_told_apart_from_what_cannot_work() -> None:
    """/0 is refused by both, and an Event says so; a gateway outside its cidr by nadroute alone."""
    refused, outside = manual("0.0.0.0/0", ROUTER), manual("10.0.8.0/24", ROUTER)
    assert isinstance(refused, NotProbed)
    assert isinstance(outside, NotProbed)
    assert (refused.reason, refused.channel) == (Reason.BAD_CIDR, Channel.EVENT)
    assert refused.detail.endswith("got '0.0.0.0/0'; Harvester's webhook refuses this, too")
    assert (outside.reason, outside.channel) == (Reason.GATEWAY_OUTSIDE_CIDR, Channel.STATUS)
    assert "webhook" not in outside.detail


@pytest.mark.parametrize("how", ["status", "gateway"])
def test_only_what_nadroute_wrote_may_be_outside(how: str) -> None:
    """Harvester's helper makes up a subnet from any router, and anyone may write an annotation."""
    result = concluded(found_by("node1", server(WIDE, more=routes(FAR)), Gateway(FAR)))
    change = decide(network(), AUTO, result, now=NOW)
    assert change is not None
    annotations = dict(change.annotations)
    if how == "status":
        del annotations[nad.STATUS]
    else:
        annotations[nad.ROUTE] = annotations[nad.ROUTE].replace(FAR, "172.31.1.2")
    after = read_intent(network(annotations[nad.ROUTE], status=annotations.get(nad.STATUS)))
    assert isinstance(after, Intent)
    assert after.known_gateway is None
