"""Sites with injected faults, by their physics: hosts behind switches, routers, DHCP servers, lossy links.

It says what each host would find, and which fault is the right answer. It knows nothing of how causes are
found.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address

HOSTS = 8
VLANS = 60
ROUTERS = 3
SERVERS = 2
SWITCHES = 3
LOSS = 0.02
"""Of each frame, in each direction."""
_ATTEMPTS = 3
_ROUNDS = 2
"""A silence is told once a second round has confirmed it."""
CLUSTER_NETWORK = "extra"


@dataclass
class Vlan:
    """One VLAN with its gateway and its DHCP server."""

    vlan: int
    gateway: IPv4Address
    router: int
    server: int | None
    """None if its networks are configured by hand."""
    is_relayed: bool = False
    exists: bool = True
    is_gateway_up: bool = True
    is_routed: bool = True
    stranger: bool = False


@dataclass
class BrokenSite:
    """A site, its faults, and what would be a right answer for each of them."""

    vlans: list[Vlan]
    switch_of: list[int]
    """By host."""
    uplink_down: set[int] = field(default_factory=set)
    missing: set[tuple[int, int]] = field(default_factory=set)
    """VLANs that a host's port does not carry: (host, VLAN)."""
    routers_down: set[int] = field(default_factory=set)
    servers_down: set[int] = field(default_factory=set)
    answers: list["Answer"] = field(default_factory=list)


@dataclass(frozen=True)
class Answer:
    """A right answer: the kind of the cause, a word in its subject, and what it explains."""

    kind: str
    word: str
    vlans: frozenset[int]
    hosts: frozenset[str] = frozenset()
    """Empty if it is not about hosts."""


def host_name(host: int) -> str:
    """Return the name of a host."""
    return f"node{host + 1}"


def router_mac(router: int) -> str:
    """Return the MAC address of a router."""
    return f"00:1b:0d:00:00:{router + 1:02x}"


def server_address(server: int) -> str:
    """Return the address of a DHCP server."""
    return f"10.0.0.{server + 10}"


def healthy_site(rng: random.Random) -> BrokenSite:
    """Return a site in which everything works."""
    ids = rng.sample(range(2, 4000), VLANS)
    vlans = [
        Vlan(
            vlan,
            IPv4Address(f"10.{100 + index // 250}.{index % 250}.1"),
            rng.randrange(ROUTERS),
            None if rng.random() < 0.2 else rng.randrange(SERVERS),
            rng.random() < 0.6,
        )
        for index, vlan in enumerate(ids)
    ]
    return BrokenSite(vlans, [rng.randrange(SWITCHES) for _ in range(HOSTS)])


def break_uplink(site: BrokenSite, rng: random.Random) -> None:
    """Take a host's uplink down; the carrier stays."""
    host = rng.randrange(HOSTS)
    site.uplink_down.add(host)
    site.answers.append(
        Answer(
            "HostUplink", host_name(host), frozenset(v.vlan for v in site.vlans), frozenset({host_name(host)})
        )
    )


def break_port(site: BrokenSite, rng: random.Random) -> None:
    """Take some VLANs off a host's switch port."""
    host = rng.randrange(HOSTS)
    _take_off(site, [host], rng.sample(site.vlans, rng.randint(1, 10)))


def break_switch(site: BrokenSite, rng: random.Random) -> None:
    """Take some VLANs off the ports of all hosts behind a switch that has not all of them."""
    behind = [h for h in range(HOSTS) if site.switch_of[h] == site.switch_of[0]]
    if len(behind) == HOSTS:
        behind = behind[:-1]
    _take_off(site, behind, rng.sample(site.vlans, rng.randint(2, 10)))


def _take_off(site: BrokenSite, hosts: list[int], vlans: list[Vlan]) -> None:
    site.missing |= {(host, vlan.vlan) for host in hosts for vlan in vlans}
    ids = frozenset(vlan.vlan for vlan in vlans)
    site.answers.append(Answer("VlansMissingOnHosts", "", ids, frozenset(map(host_name, hosts))))


def break_vlan(site: BrokenSite, rng: random.Random) -> None:
    """Take a VLAN away everywhere."""
    vlan = rng.choice(site.vlans)
    vlan.exists = False
    site.answers.append(Answer("VlansReachNoHost", f"VLAN {vlan.vlan} ", frozenset({vlan.vlan})))


def break_gateway(site: BrokenSite, rng: random.Random) -> None:
    """Take one gateway down."""
    vlan = rng.choice(site.vlans)
    vlan.is_gateway_up = False
    site.answers.append(Answer("GatewayDown", str(vlan.gateway), frozenset({vlan.vlan})))


def break_router(site: BrokenSite, rng: random.Random) -> None:
    """Take a router with several gateways down."""
    router = rng.randrange(ROUTERS)
    site.routers_down.add(router)
    held = frozenset(vlan.vlan for vlan in site.vlans if vlan.router == router)
    site.answers.append(Answer("RouterDown", router_mac(router), held))


def break_server(site: BrokenSite, rng: random.Random) -> None:
    """Stop a DHCP server."""
    server = rng.randrange(SERVERS)
    site.servers_down.add(server)
    served = frozenset(vlan.vlan for vlan in site.vlans if vlan.server == server)
    site.answers.append(Answer("DHCPServerDown", server_address(server), served))


def break_route(site: BrokenSite, rng: random.Random) -> None:
    """Take away the route to a prefix that holds several gateways."""
    length = rng.randint(2, 5)
    first = rng.randrange(VLANS >> length) << length
    for vlan in site.vlans[first : first + (1 << length)]:
        vlan.is_routed = False
    ids = frozenset(vlan.vlan for vlan in site.vlans[first : first + (1 << length)])
    site.answers.append(Answer("NoRoute", "", ids))


def add_stranger(site: BrokenSite, rng: random.Random) -> None:
    """Put a DHCP server that should not be there on some VLANs that have one."""
    served = [vlan for vlan in site.vlans if vlan.server is not None]
    chosen = rng.sample(served, rng.randint(1, 4))
    for vlan in chosen:
        vlan.stranger = True
    ids = frozenset(vlan.vlan for vlan in chosen)
    site.answers.append(Answer("StrangeDHCPServer", "192.168.1.1", ids))


FAULTS: tuple[Callable[[BrokenSite, random.Random], None], ...] = (
    break_uplink,
    break_port,
    break_switch,
    break_vlan,
    break_gateway,
    break_router,
    break_server,
    break_route,
    add_stranger,
)


@dataclass(frozen=True)
class Finding:
    """What all hosts tell of one VLAN after both rounds."""

    vlan: Vlan
    answering: frozenset[str]
    silent: frozenset[str]
    offered: frozenset[str]
    is_unoffered: bool
    is_routed: bool
    has_stranger: bool


def observe(site: BrokenSite, rng: random.Random) -> list[Finding]:
    """Return what the hosts of the site find, over links that lose frames."""
    return [_observe_vlan(site, vlan, rng) for vlan in site.vlans]


def _observe_vlan(site: BrokenSite, vlan: Vlan, rng: random.Random) -> Finding:
    is_up = vlan.is_gateway_up and vlan.router not in site.routers_down
    reached = [
        host
        for host in range(HOSTS)
        if vlan.exists and host not in site.uplink_down and (host, vlan.vlan) not in site.missing
    ]
    answering = frozenset(host_name(h) for h in reached if is_up and _arrives(rng))
    names = frozenset(map(host_name, range(HOSTS)))
    serves = vlan.server is not None and vlan.server not in site.servers_down
    through_router = not vlan.is_relayed or is_up
    asked = rng.sample(range(HOSTS), 3)
    # Who misses the VLAN asks in vain; the hosts take turns until one is heard.
    offered = frozenset(
        host_name(h)
        for h in (*asked, *reached)
        if h in reached and serves and through_router and _arrives(rng)
    )
    return Finding(
        vlan,
        answering,
        names - answering,
        offered,
        vlan.server is not None and not offered,
        is_up and vlan.is_routed and _arrives(rng),
        vlan.stranger and bool(reached),
    )


def _arrives(rng: random.Random) -> bool:
    """Return whether a question and its answer pass, in some attempt of some round."""
    return any(rng.random() >= 1 - (1 - LOSS) ** 2 for _ in range(_ATTEMPTS * _ROUNDS))
