"""The expected result of `nadroute scan`, derived from the site alone: the JSON without times."""

import re
from typing import Any

from lab.site import DhcpServer, Site, Vlan

Entry = dict[str, Any]


def truth(site: Site, vlans: range) -> list[Entry]:
    """Return an entry for each of `vlans`; `rtt_ms` says whether there is a time."""
    by_id = {vlan.vlan: vlan for vlan in site.vlans}
    return [_entry(number, by_id.get(number)) for number in vlans]


def without_times(found: list[Entry]) -> list[Entry]:
    """Return the JSON of a scan in the same form, without MAC addresses, which the kernel invents."""
    return [
        {
            **entry,
            "dhcp": {
                **entry["dhcp"],
                "servers": [_without_mac(server) for server in entry["dhcp"]["servers"]],
            },
            "gateway": {
                "outcome": entry["gateway"]["outcome"],
                "rtt_ms": _is_time(entry["gateway"]["rtt_ms"]),
            },
        }
        for entry in found
    ]


def _without_mac(server: Entry) -> Entry:
    assert re.fullmatch(r"([0-9a-f]{2}:){5}[0-9a-f]{2}", server["mac"])
    return {name: value for name, value in server.items() if name != "mac"}


def _is_time(value: object) -> bool:
    assert value is None or (isinstance(value, float) and 0 <= value < 10_000)
    return value is not None


def _entry(number: int, vlan: Vlan | None) -> Entry:
    servers = sorted(vlan.dhcp, key=lambda server: server.address) if vlan else []
    counting = _counting(servers)
    outcome = _gateway(vlan, counting) if vlan else "not_tried"
    return {
        "vlan": number,
        "dhcp": {
            "outcome": "offered" if servers else "no_offer",
            "servers": [_server(vlan, server, rogue=_is_rogue(server, counting)) for server in servers]
            if vlan
            else [],
        },
        "gateway": {"outcome": outcome, "rtt_ms": outcome == "reachable"},
    }


def _server(vlan: Vlan, server: DhcpServer, *, rogue: bool) -> Entry:
    entry: Entry = {
        "server": str(server.address),
        "cidr": str(vlan.cidr),
        "gateway": None if server.router is None else str(server.router),
    }
    if server.relay:
        entry["relay"] = str(vlan.gateway)
    if rogue:
        entry["rogue"] = True
    return entry


def _is_rogue(server: DhcpServer, counting: DhcpServer | None) -> bool:
    """Return whether the server names another gateway than the one that counts; all share a subnet."""
    return counting is None or server.router != counting.router


def _counting(servers: list[DhcpServer]) -> DhcpServer | None:
    """Return the server that counts: of those that name a gateway, the one with the lowest address."""
    return min(servers, key=lambda server: (server.router is None, server.address), default=None)


def _gateway(vlan: Vlan, counting: DhcpServer | None) -> str:
    if counting is None or counting.router is None:
        return "not_tried"
    alive = {server.address for server in vlan.dhcp if not server.relay}
    if vlan.gateway is not None and vlan.gateway_answers:
        alive.add(vlan.gateway)
    return "reachable" if counting.router in alive else "silent"
