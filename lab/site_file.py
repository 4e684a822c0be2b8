"""Reading a site from YAML, strictly, and writing it back.

Every error is one line: file, field, value, and what was expected.
"""

from __future__ import annotations

from dataclasses import asdict
from ipaddress import IPv4Address
from pathlib import Path

import yaml

from lab.lldp import PortLabel
from lab.site import (
    ALL_VLANS,
    DhcpServer,
    Host,
    Management,
    ServerKind,
    Site,
    SiteError,
    Uplink,
    Vlan,
    format_vlan_set,
)
from lab.site_rules import check_site
from lab.yaml_section import (
    Section,
    StrictLoader,
    address,
    boolean,
    integer,
    network,
    pool,
    server_kind,
    text,
    vlan_set,
    wrong,
)

_VLAN_KEYS = {"vlan", "cluster_network", "cidr", "gateway", "gateway_answers", "routed", "dhcp"}
_DHCP_KEYS = {"pool", "server", "address", "router", "lease_seconds", "ping_check", "relay", "min_secs"}
_LABEL_KEYS = {"switch", "port", "description", "address", "native_vlan", "vlans"}
_NO_ROUTER = "none"


def load_site(path: Path) -> Site:
    """Load the site from the file at `path`.

    Raises:
        SiteError: the file cannot be read, or does not describe a valid site.
    """
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise SiteError(f"{path}: {reason}") from error
    return parse_site(content, origin=str(path))


def parse_site(content: str, *, origin: str) -> Site:
    """Parse a site from the YAML in `content`; `origin` names it in errors. Raises SiteError."""
    try:
        document = yaml.load(content, Loader=StrictLoader)
        site = _site(Section("", document, {"management", "hosts", "vlans"}))
        check_site(site)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        problem = getattr(error, "problem", None) or str(error).partition("\n")[0]
        raise SiteError(f"{origin}: {where}{problem}") from error
    except RecursionError as error:
        raise SiteError(f"{origin}: nested too deep") from error
    except SiteError as error:
        raise SiteError(f"{origin}: {error}") from error
    except ValueError as error:
        # The loader's own converters raise it, e.g. for the timestamp 2024-13-99.
        raise SiteError(f"{origin}: {error}") from error
    return site


def dump_site(site: Site) -> str:
    """Render `site` as YAML that `parse_site` reads back to an equal site."""
    document = {
        "management": {"cidr": str(site.management.cidr), "gateway": str(site.management.gateway)},
        "hosts": {host.name: _dump_host(host) for host in site.hosts},
        "vlans": [_dump_vlan(vlan) for vlan in site.vlans],
    }
    return yaml.safe_dump(document, sort_keys=False)


def _site(section: Section) -> Site:
    return Site(
        management=section.required("management", _management),
        hosts=section.required("hosts", _hosts),
        vlans=section.required("vlans", _vlans),
    )


def _management(field: str, value: object) -> Management:
    section = Section(field, value, {"cidr", "gateway"})
    return Management(cidr=section.required("cidr", network), gateway=section.required("gateway", address))


def _hosts(field: str, value: object) -> tuple[Host, ...]:
    section = Section(field, value, None)
    return tuple(_host(name, section.field(name), entry) for name, entry in section.items())


def _host(name: str, field: str, value: object) -> Host:
    section = Section(field, value, {"address", "uplinks"})
    return Host(
        name=name,
        address=section.required("address", address),
        uplinks=section.optional("uplinks", _uplinks, ()),
    )


def _uplinks(field: str, value: object) -> tuple[Uplink, ...]:
    section = Section(field, value, None)
    return tuple(_uplink(name, section.field(name), entry) for name, entry in section.items())


def _uplink(cluster_network: str, field: str, value: object) -> Uplink:
    section = Section(field, value, {"interface", "vlans", "lldp", "native"})
    return Uplink(
        cluster_network=cluster_network,
        interface=section.required("interface", text),
        vlans=section.optional("vlans", vlan_set, ALL_VLANS),
        lldp=section.optional("lldp", _label, None),
        native=section.optional("native", integer, None),
    )


def _label(field: str, value: object) -> PortLabel:
    section = Section(field, value, _LABEL_KEYS)
    return PortLabel(
        switch=section.required("switch", text),
        port=section.required("port", text),
        description=section.optional("description", text, ""),
        address=section.optional("address", address, None),
        native_vlan=section.optional("native_vlan", integer, None),
        vlans=section.optional("vlans", vlan_set, frozenset()),
    )


def _vlans(field: str, value: object) -> tuple[Vlan, ...]:
    if not isinstance(value, list):
        raise wrong(field, value, "a list")
    return tuple(_vlan(f"{field}[{index}]", entry) for index, entry in enumerate(value))


def _vlan(field: str, value: object) -> Vlan:
    section = Section(field, value, _VLAN_KEYS)
    gateway = section.optional("gateway", address, None)
    answers = section.optional("gateway_answers", boolean, True)

    def servers(path: str, entry: object) -> tuple[DhcpServer, ...]:
        entries = entry if isinstance(entry, list) else [entry]
        paths = [f"{path}[{index}]" for index in range(len(entries))] if isinstance(entry, list) else [path]
        # Only the first server can be the gateway itself; any other is a machine of its own.
        own = [gateway if answers and index == 0 else None for index in range(len(entries))]
        return tuple(
            _dhcp(where, one, gateway=gateway, default_address=default)
            for where, one, default in zip(paths, entries, own, strict=True)
        )

    return Vlan(
        vlan=section.required("vlan", integer),
        cluster_network=section.required("cluster_network", text),
        cidr=section.optional("cidr", network, None),
        gateway=gateway,
        gateway_answers=answers,
        routed=section.optional("routed", boolean, True),
        dhcp=section.optional("dhcp", servers, ()),
    )


def _dhcp(
    field: str, value: object, *, gateway: IPv4Address | None, default_address: IPv4Address | None
) -> DhcpServer:
    section = Section(field, value, _DHCP_KEYS)
    first, last = section.required("pool", pool)
    relay = section.optional("relay", boolean, False)
    own_address = section.optional("address", address, None if relay else default_address)
    if own_address is None:
        why = "a relay needs one to pass on to" if relay else "no answering gateway is there to serve"
        raise SiteError(f"{section.field('address')}: missing, and {why}")
    return DhcpServer(
        pool_start=first,
        pool_end=last,
        address=own_address,
        router=section.optional("router", _router, gateway),
        server=section.optional("server", server_kind, ServerKind.AUTO),
        lease_seconds=section.optional("lease_seconds", integer, 3600),
        ping_check=section.optional("ping_check", boolean, False),
        relay=relay,
        min_secs=section.optional("min_secs", integer, 0),
    )


def _router(field: str, value: object) -> IPv4Address | None:
    return None if value == _NO_ROUTER else address(field, value)


def _dump_host(host: Host) -> dict[str, object]:
    uplinks = {uplink.cluster_network: _dump_uplink(uplink) for uplink in host.uplinks}
    return {"address": str(host.address), "uplinks": uplinks}


def _dump_uplink(uplink: Uplink) -> dict[str, object]:
    dumped: dict[str, object] = {"interface": uplink.interface, "vlans": format_vlan_set(uplink.vlans)}
    if uplink.native is not None:
        dumped["native"] = uplink.native
    if (label := uplink.lldp) is not None:
        fields = {
            **asdict(label),
            "address": str(label.address) if label.address else None,
            "vlans": format_vlan_set(label.vlans) or None,
        }
        dumped["lldp"] = {key: value for key, value in fields.items() if value not in (None, "")}
    return dumped


def _dump_vlan(vlan: Vlan) -> dict[str, object]:
    return {
        "vlan": vlan.vlan,
        "cluster_network": vlan.cluster_network,
        "cidr": str(vlan.cidr) if vlan.cidr else None,
        "gateway": str(vlan.gateway) if vlan.gateway else None,
        "gateway_answers": vlan.gateway_answers,
        "routed": vlan.routed,
        "dhcp": [_dump_dhcp(server) for server in vlan.dhcp],
    }


def _dump_dhcp(server: DhcpServer) -> dict[str, object]:
    return {
        "pool": f"{server.pool_start}-{server.pool_end}",
        "server": server.server.value,
        "address": str(server.address),
        "router": str(server.router) if server.router else _NO_ROUTER,
        "lease_seconds": server.lease_seconds,
        "ping_check": server.ping_check,
        "relay": server.relay,
        "min_secs": server.min_secs,
    }
