"""Which gateway is usable: prober and network are held against one plain reference."""

import json
from ipaddress import IPv4Address, IPv4Network

from hypothesis import example, given
from hypothesis import strategies as st

from services.contract.gateways import DENIED_SUBNETS, find_flaw, masked
from services.contract.messages import Target
from services.contract.verdicts import AgedVerdict
from services.network.judge.dhcp import summarize_dhcp
from services.network.parse.intent import Intent, read_intent
from services.network.policy import Policy
from services.prober.engine.settings import EngineSettings
from services.prober.verdicts import verdict
from tests.unit.network.builders import network
from tests.unit.network.test_reduction import AUTO
from tests.unit.prober import frames
from tests.unit.prober.world import DHCPServer, World

NEAR = st.integers(0, 7).map(lambda last: IPv4Address("10.0.112.0") + last)
ODD = [
    "0.0.0.0",
    "0.1.2.3",
    "127.0.0.1",
    "169.254.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "10.9.0.1",
    "10.52.3.4",
]
ANYWHERE = st.sampled_from(ODD).map(IPv4Address) | NEAR | st.ip_addresses(v=4)
NEIGHBOURS = st.tuples(ANYWHERE, st.integers(0, 7)).map(
    lambda pair: (pair[0], IPv4Address(int(pair[0]) ^ pair[1]))
)
DENIED = st.sampled_from(
    [
        (),
        (IPv4Network("10.0.112.0/30"),),
        (IPv4Network("10.0.112.5/32"),),
        (IPv4Network("10.0.0.0/15"), IPv4Network("192.168.0.0/16")),
        DENIED_SUBNETS,
    ]
)


def is_usable(
    gateway: IPv4Address,
    cidr: IPv4Network | None,
    denied: tuple[IPv4Network, ...],
    offered: IPv4Address | None,
    *,
    on_link: bool = False,
) -> bool:
    """The rule for an offer once more, in the words of ipaddress."""
    if cidr is None or cidr.prefixlen < 8:
        return False
    if any(cidr.overlaps(subnet) for subnet in denied if subnet.prefixlen < 32):
        return False
    return is_usable_for_an_owner(gateway, cidr, denied, offered, on_link=on_link)


def is_usable_for_an_owner(
    gateway: IPv4Address,
    cidr: IPv4Network,
    denied: tuple[IPv4Network, ...],
    offered: IPv4Address | None = None,
    *,
    on_link: bool = False,
) -> bool:
    """The rule for an owner, who may name a wide subnet and one around a denied one."""
    if cidr.prefixlen == 0 or gateway == offered:
        return False
    if gateway not in cidr and not on_link and cidr.prefixlen != 32:
        return False
    if cidr.prefixlen < 31 and gateway in (cidr.network_address, cidr.broadcast_address):
        return False
    refused = ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3")
    return not any(gateway in subnet for subnet in (*map(IPv4Network, refused), *denied))


@given(
    addresses=st.tuples(ANYWHERE, ANYWHERE) | NEIGHBOURS,
    prefix=st.none() | st.integers(0, 32),
    denied=DENIED,
    on_link=st.booleans(),
)
@example(
    addresses=(IPv4Address("169.254.0.1"), IPv4Address("169.254.0.2")), prefix=16, denied=(), on_link=True
)
@example(addresses=(IPv4Address("10.9.9.9"), IPv4Address("10.9.9.50")), prefix=1, denied=(), on_link=True)
@example(addresses=(IPv4Address("10.9.9.9"), IPv4Address("10.9.9.50")), prefix=7, denied=(), on_link=False)
@example(addresses=(IPv4Address("10.9.9.9"), IPv4Address("10.9.9.50")), prefix=8, denied=(), on_link=False)
@example(
    addresses=(IPv4Address("10.9.9.9"), IPv4Address("10.9.9.50")),
    prefix=8,
    denied=DENIED_SUBNETS,
    on_link=False,
)
def test_a_gateway_without_a_flaw_is_a_usable_one(
    addresses: tuple[IPv4Address, IPv4Address],
    prefix: int | None,
    denied: tuple[IPv4Network, ...],
    on_link: bool,
) -> None:
    """For every gateway, offered address, prefix and set of denied subnets."""
    gateway, address = addresses
    flaw = find_flaw(
        int(gateway),
        offered=int(address),
        subnet=int(address),
        prefix=prefix,
        on_link=on_link,
        denied=masked(denied),
    )
    cidr = None if prefix is None else IPv4Network((address, prefix), strict=False)
    assert (flaw is None) == is_usable(gateway, cidr, denied, address, on_link=on_link)


@given(
    address=NEAR,
    prefix=st.none() | st.integers(1, 32),
    routers=st.lists(ANYWHERE, max_size=4),
    classless=st.none() | ANYWHERE,
    on_link=st.booleans(),
    denied=DENIED,
)
@example(
    address=IPv4Address("10.0.112.0"),
    prefix=31,
    routers=[IPv4Address("10.0.112.1")],
    classless=None,
    on_link=False,
    denied=(),
)
def test_prober_and_updater_take_the_same_gateway_from_an_offer(
    address: IPv4Address,
    prefix: int | None,
    routers: list[IPv4Address],
    classless: IPv4Address | None,
    on_link: bool,
    denied: tuple[IPv4Network, ...],
) -> None:
    """From the frame to the annotation, or the updater would wait for a verdict on what no host checks."""
    mask = None if prefix is None else str(IPv4Network((0, prefix)).netmask)
    more = frames.option(3, b"".join(router.packed for router in routers)) if routers else b""
    if classless is not None:
        link = b"\x20" + classless.packed + bytes(4) if on_link else b""
        more += frames.option(121, b"\0" + classless.packed + link)
    options = frames.offer_options(server="10.0.112.1", mask=mask, router=None, more=more)
    world = World(EngineSettings(denied=masked(denied)))
    world.put(AUTO.segment.vlan, DHCPServer(server="10.0.112.1", options=options, address=str(address)))
    world.probe(AUTO.segment.vlan, Target(digest=AUTO.digest))
    found = world.only()
    report = verdict(found, host="node1", request_id="r1", incarnation=1, counter=1)

    lease = summarize_dhcp(
        AUTO, [AgedVerdict(report, 1.0)], confirmations=0, policy=Policy(denied_subnets=denied)
    )

    cidr = None if prefix is None else IPv4Network((address, prefix), strict=False)
    # A default route through 0.0.0.0 names no router.
    named = [(router, False) for router in routers]
    if classless is not None:
        named.insert(0, (classless, on_link))
    usable = (gateway for gateway, near in named if is_usable(gateway, cidr, denied, address, on_link=near))
    expected = next(usable, None)
    assert found.targets[0].gateway == (None if expected is None else int(expected))
    assert lease is not None
    assert lease.gateway == expected
    assert lease.answered == (expected is not None)
    assert bool(lease.detail) == (expected is None)


@given(gateway=ANYWHERE, address=NEAR, prefix=st.integers(0, 32), denied=DENIED)
def test_a_gateway_is_known_if_an_offer_may_name_it_and_accepted_if_an_owner_may(
    gateway: IPv4Address, address: IPv4Address, prefix: int, denied: tuple[IPv4Network, ...]
) -> None:
    """So what was written by the rules of a former version is not taken for known."""
    policy = Policy(denied_subnets=denied)
    cidr = IPv4Network((address, prefix), strict=False)

    route = {"mode": "manual", "cidr": f"{address}/{prefix}", "gateway": str(gateway)}
    accepted = isinstance(read_intent(network(json.dumps(route)), policy), Intent)
    assert accepted == is_usable_for_an_owner(gateway, cidr, denied)

    remembered = read_intent(network(json.dumps({**route, "mode": "auto"})), policy)
    assert isinstance(remembered, Intent)
    assert remembered.known_gateway == (gateway if is_usable(gateway, cidr, denied, None) else None)
