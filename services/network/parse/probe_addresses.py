"""The annotation by which an owner gives each host an address on the VLAN to probe from."""

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from typing import NamedTuple

from services.network.parse.tolerance import load_pairs, read_gateway, shown

MAX_CHARACTERS = 65_536
MAX_HOSTS = 1_000
MAX_PROBLEMS = 3
"""Problems that are told; the others are counted."""
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", re.ASCII)


class ProbeAddresses(NamedTuple):
    """What the annotation gives, as far as it can be used."""

    given: tuple[tuple[str, IPv4Address], ...] = ()
    """Host and address, by host."""
    problem: str = ""
    """What cannot be used, and what was expected; empty if everything can."""


NO_ADDRESSES = ProbeAddresses()


def read_probe_addresses(text: str, cidr: IPv4Network | None, gateway: IPv4Address | None) -> ProbeAddresses:
    """Read the annotation: a JSON object of host names and IPv4 addresses. Never raises.

    cidr, gateway: the owner's; None in auto mode, where an address could be one that DHCP leases to a VM.
    """
    if cidr is None or gateway is None:
        return ProbeAddresses(problem="the network is not in manual mode, where alone addresses are used")
    if len(text) > MAX_CHARACTERS:
        return ProbeAddresses(problem=f"{len(text)} characters, expected at most {MAX_CHARACTERS}")
    try:
        pairs = load_pairs(text)
    except ValueError as error:
        return ProbeAddresses(problem=str(error))
    given: dict[str, IPv4Address] = {}
    problems = list(_take(pairs, given, cidr, gateway))
    more = f"; and {len(problems) - MAX_PROBLEMS} more" if len(problems) > MAX_PROBLEMS else ""
    return ProbeAddresses(tuple(sorted(given.items())), "; ".join(problems[:MAX_PROBLEMS]) + more)


def _take(
    pairs: tuple[tuple[str, object], ...],
    given: dict[str, IPv4Address],
    cidr: IPv4Network,
    gateway: IPv4Address,
) -> Iterator[str]:
    """Put what can be used into given; yield what is wrong with the rest."""
    hosts = dict[IPv4Address, str]()
    for host, value in pairs[:MAX_HOSTS]:
        where = shown(host)
        if _HOST.fullmatch(host) is None:
            yield f"{where}: expected the name of a host"
        elif host in given:
            yield f"{where}: named twice; {given[host]} is used"
        elif not isinstance(value, str) or (address := read_gateway(value)) is None:
            yield f"{where}: expected a host's IPv4 address, got {shown(value)}"
        elif address not in cidr:
            yield f"{where}: expected an address in cidr {cidr}, got {address}"
        elif address == gateway:
            yield f"{where}: expected an address of its own, got the gateway's, {address}"
        elif cidr.prefixlen < 31 and address in (cidr.network_address, cidr.broadcast_address):
            yield f"{where}: expected a host's address in {cidr}, got {address}, its first or last"
        elif address in hosts:
            yield f"{where}: expected an address of its own, got {address}, which {hosts[address]} has"
        else:
            given[host] = address
            hosts[address] = host
    if len(pairs) > MAX_HOSTS:
        yield f"{len(pairs)} hosts, expected at most {MAX_HOSTS}"
