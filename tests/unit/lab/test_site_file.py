"""The site file: its contents, and the error for each mistake."""

from ipaddress import IPv4Address
from pathlib import Path

import pytest

from lab.site import ServerKind, SiteError
from lab.site_file import load_site, parse_site

EXAMPLE = Path(__file__).parents[3] / "examples" / "site.yaml"
HEAD = """
management: {cidr: 10.255.0.0/24, gateway: 10.255.0.1}
hosts:
  node1: {address: 10.255.0.11, uplinks: {extra: {interface: extra-bo, vlans: "7,10-12"}}}
"""


def site_with(vlan: str) -> str:
    """Build a site file whose only VLAN is the YAML `vlan`."""
    return f"{HEAD}vlans:\n  - {{{vlan}}}\n"


def vlan_7(rest: str) -> str:
    """Build a site file whose only VLAN is 7 with `rest`."""
    return site_with(f"vlan: 7, cluster_network: extra, cidr: 10.0.112.0/20, {rest}")


def test_the_example_says_what_the_example_networks_need() -> None:
    """The example has three networks with DHCP, one without, an empty VLAN, and a silent gateway."""
    site = load_site(EXAMPLE)
    by_id = {vlan.vlan: vlan for vlan in site.vlans}
    assert [host.name for host in site.hosts] == ["node1", "node2"]
    assert all(len(by_id[vlan].dhcp) == 1 and by_id[vlan].routed for vlan in (7, 100, 200))
    assert by_id[300].gateway is not None
    assert by_id[300].dhcp == ()
    assert (by_id[400].gateway, by_id[400].dhcp) == (None, ())
    assert not by_id[500].gateway_answers


def test_defaults_are_filled_in() -> None:
    """By default DHCP answers from the gateway and names it, and the VLAN is routed."""
    site = parse_site(vlan_7("gateway: 10.0.112.1, dhcp: {pool: 10.0.112.100-10.0.112.199}"), origin="f")
    vlan = site.vlans[0]
    assert vlan.routed
    assert vlan.gateway_answers
    (server,) = vlan.dhcp
    assert (server.address, server.router) == (vlan.gateway, vlan.gateway)
    assert (server.server, server.ping_check, server.lease_seconds) == (ServerKind.AUTO, False, 3600)
    assert site.hosts[0].uplinks[0].vlans == {7, 10, 11, 12}


def test_router_none_leaves_the_option_out() -> None:
    """`router: none` is a server that names no router although the VLAN has a gateway."""
    text = vlan_7("gateway: 10.0.112.1, dhcp: {pool: 10.0.112.100-10.0.112.199, router: none}")
    assert parse_site(text, origin="f").vlans[0].dhcp[0].router is None


def test_a_list_makes_several_servers() -> None:
    """The second server of a list answers from its own address."""
    first = "{pool: 10.0.112.100-10.0.112.199}"
    second = "{pool: 10.0.112.200-10.0.112.210, server: builtin, address: 10.0.112.2, router: 10.0.112.9}"
    site = parse_site(vlan_7(f"gateway: 10.0.112.1, dhcp: [{first}, {second}]"), origin="f")
    assert [str(server.address) for server in site.vlans[0].dhcp] == ["10.0.112.1", "10.0.112.2"]
    assert site.vlans[0].dhcp[1].router == IPv4Address("10.0.112.9")


DHCP = "dhcp: {pool: 10.0.112.100-10.0.112.199}"
FREE = "expected a free host address in management.cidr 10.255.0.0/24, because it is relayed to"
MISTAKES = {
    "nothing": ("", "f: document: None: expected a mapping"),
    "no vlans": (HEAD, "f: vlans: missing"),
    "not YAML": ("vlans: [", "f: line 1, column 9: expected the node content, but found '<stream end>'"),
    "a key twice": (HEAD + "hosts: {}\nvlans: []\n", "f: line 5, column 1: key 'hosts' is given twice"),
    "an unknown key": (
        vlan_7("gatway: 10.0.112.1"),
        "f: vlans[0].gatway: unknown key; did you mean 'gateway'?",
    ),
    "a far key": (
        HEAD + "zzz: 1\nvlans: []\n",
        "f: zzz: unknown key; expected one of hosts, management, vlans",
    ),
    "a number as key": (HEAD + "7: 1\nvlans: []\n", "f: 7: 7: expected text as a key"),
    "VLAN 0": (
        site_with("vlan: 0, cluster_network: extra"),
        "f: vlans[0].vlan: '0': expected a VLAN ID 1-4094",
    ),
    "VLAN 4095": (
        site_with("vlan: 4095, cluster_network: extra"),
        "f: vlans[0].vlan: '4095': expected a VLAN ID 1-4094",
    ),
    "a VLAN that is yes": (
        site_with("vlan: yes, cluster_network: extra"),
        "f: vlans[0].vlan: True: expected a whole number",
    ),
    "no uplink": (
        site_with("vlan: 7, cluster_network: extar"),
        "f: vlans[0].cluster_network: 'extar': expected a cluster network with an uplink (extra)",
    ),
    "a VLAN twice": (
        HEAD + "vlans: [{vlan: 7, cluster_network: extra}, {vlan: 7, cluster_network: extra}]",
        "f: vlans[1].vlan: 'extra/7': expected each VLAN once per cluster network",
    ),
    "networks that overlap": (
        vlan_7("gateway: null").rstrip() + "\n  - {vlan: 8, cluster_network: extra, cidr: 10.0.0.0/8}\n",
        "f: vlans[1].cidr: '10.0.0.0/8': expected no overlap with vlans[0].cidr 10.0.112.0/20",
    ),
    "a network that overlaps management": (
        site_with("vlan: 7, cluster_network: extra, cidr: 10.255.0.128/25"),
        "f: vlans[0].cidr: '10.255.0.128/25': expected no overlap with management.cidr 10.255.0.0/24",
    ),
    "host bits": (
        site_with("vlan: 7, cluster_network: extra, cidr: 10.0.112.1/20"),
        "f: vlans[0].cidr: '10.0.112.1/20': expected an IPv4 network such as 10.0.112.0/20, no host bits",
    ),
    "no cidr": (
        site_with("vlan: 7, cluster_network: extra, gateway: 10.0.0.1"),
        "f: vlans[0].cidr: 'None': expected a network, because the VLAN has a gateway or DHCP",
    ),
    "gateway outside": (
        vlan_7("gateway: 10.1.0.1"),
        "f: vlans[0].gateway: '10.1.0.1': expected a host address in 10.0.112.0/20",
    ),
    "gateway that is the broadcast address": (
        vlan_7("gateway: 10.0.127.255"),
        "f: vlans[0].gateway: '10.0.127.255': expected a host address in 10.0.112.0/20",
    ),
    "no gateway that serves": (
        vlan_7(DHCP),
        "f: vlans[0].dhcp.address: missing, and no answering gateway is there to serve",
    ),
    "a silent gateway that serves": (
        vlan_7(f"gateway: 10.0.112.1, gateway_answers: false, {DHCP}"),
        "f: vlans[0].dhcp.address: missing, and no answering gateway is there to serve",
    ),
    "a silent gateway that serves by name": (
        vlan_7(
            "gateway: 10.0.112.1, gateway_answers: false, "
            "dhcp: {pool: 10.0.112.100-10.0.112.199, address: 10.0.112.1}"
        ),
        "f: vlans[0].dhcp.address: '10.0.112.1': expected an address other than the silent gateway's",
    ),
    "pool outside": (
        vlan_7("gateway: 10.0.112.1, dhcp: {pool: 10.0.112.100-10.0.128.1}"),
        "f: vlans[0].dhcp.pool: '10.0.112.100-10.0.128.1': expected host addresses in 10.0.112.0/20",
    ),
    "pool backwards": (
        vlan_7("gateway: 10.0.112.1, dhcp: {pool: 10.0.112.9-10.0.112.5}"),
        "f: vlans[0].dhcp.pool: '10.0.112.9-10.0.112.5': expected FIRST-LAST with FIRST not above LAST",
    ),
    "pool with the gateway": (
        vlan_7("gateway: 10.0.112.1, dhcp: {pool: 10.0.112.1-10.0.112.5}"),
        "f: vlans[0].dhcp.pool: '10.0.112.1-10.0.112.5': expected a range without the gateway's address",
    ),
    "half a pool": (
        vlan_7("gateway: 10.0.112.1, dhcp: {pool: 10.0.112.100}"),
        "f: vlans[0].dhcp.pool: '10.0.112.100': expected FIRST-LAST, two IPv4 addresses",
    ),
    "an unknown server": (
        vlan_7("gateway: 10.0.112.1, dhcp: {pool: 10.0.112.5-10.0.112.9, server: kea}"),
        "f: vlans[0].dhcp.server: 'kea': expected one of auto, dnsmasq, udhcpd, isc, builtin",
    ),
    "a relay to nowhere": (
        vlan_7("gateway: 10.0.112.1, dhcp: {pool: 10.0.112.5-10.0.112.9, relay: true}"),
        "f: vlans[0].dhcp.address: missing, and a relay needs one to pass on to",
    ),
    "a relay to the VLAN itself": (
        vlan_7("gateway: 10.0.112.1, dhcp: {pool: 10.0.112.5-10.0.112.9, relay: true, address: 10.0.112.2}"),
        f"f: vlans[0].dhcp.address: '10.0.112.2': {FREE}",
    ),
    "a relay to a host": (
        vlan_7("gateway: 10.0.112.1, dhcp: {pool: 10.0.112.5-10.0.112.9, relay: true, address: 10.255.0.11}"),
        f"f: vlans[0].dhcp.address: '10.255.0.11': {FREE}",
    ),
    "a relay that is not routed": (
        vlan_7(
            "gateway: 10.0.112.1, routed: false, "
            "dhcp: {pool: 10.0.112.5-10.0.112.9, relay: true, address: 10.255.0.20}"
        ),
        "f: vlans[0].dhcp.relay: 'True': expected a VLAN with an answering, routed gateway",
    ),
    "a relay to udhcpd": (
        vlan_7(
            "gateway: 10.0.112.1, "
            "dhcp: {pool: 10.0.112.5-10.0.112.9, relay: true, address: 10.255.0.20, server: udhcpd}"
        ),
        "f: vlans[0].dhcp.server: 'udhcpd': expected a server other than udhcpd, which serves no relays",
    ),
    "a relay to one that probes first": (
        vlan_7(
            "gateway: 10.0.112.1, "
            "dhcp: {pool: 10.0.112.5-10.0.112.9, relay: true, address: 10.255.0.20, ping_check: true}"
        ),
        "f: vlans[0].dhcp.ping_check: 'True': expected false with a relay",
    ),
    "two kinds of server at one address": (
        HEAD + "vlans:\n"
        "- {vlan: 7, cluster_network: extra, cidr: 10.7.0.0/24, gateway: 10.7.0.1, "
        "dhcp: {pool: 10.7.0.5-10.7.0.9, relay: true, address: 10.255.0.20, server: isc}}\n"
        "- {vlan: 8, cluster_network: extra, cidr: 10.8.0.0/24, gateway: 10.8.0.1, "
        "dhcp: {pool: 10.8.0.5-10.8.0.9, relay: true, address: 10.255.0.20, server: builtin}}\n",
        "f: vlans[1].dhcp.server: 'builtin': expected isc, as for the other VLANs at 10.255.0.20",
    ),
    "a lease too short": (
        vlan_7("gateway: 10.0.112.1, dhcp: {pool: 10.0.112.5-10.0.112.9, lease_seconds: 5}"),
        "f: vlans[0].dhcp.lease_seconds: '5': expected 120 to 604800 seconds",
    ),
    "the same server twice": (
        vlan_7(
            "gateway: 10.0.112.1, dhcp: [{pool: 10.0.112.5-10.0.112.9}, "
            "{pool: 10.0.112.5-10.0.112.9, address: 10.0.112.1}]"
        ),
        "f: vlans[0].dhcp[1].address: '10.0.112.1': expected an address that no other server on the VLAN has",
    ),
    "trunked VLANs": (
        HEAD.replace("7,10-12", "7,12-10") + "vlans: []",
        "f: hosts.node1.uplinks.extra.vlans: '7,12-10': expected all, or 7,10-20 ('12-10' descends)",
    ),
    "a list of VLANs that fits into no frame": (
        HEAD.replace('vlans: "7,10-12"', 'lldp: {switch: sw, port: p, vlans: "1-200"}') + "vlans: []",
        "f: hosts.node1.uplinks.extra.lldp.vlans: '1-200': expected what fits into one frame, some 80",
    ),
    "a native VLAN that is none": (
        HEAD.replace('vlans: "7,10-12"', "lldp: {switch: sw, port: p, native_vlan: 4095}") + "vlans: []",
        "f: hosts.node1.uplinks.extra.lldp.native_vlan: '4095': expected a VLAN ID 1-4094",
    ),
    "a host outside": (
        HEAD.replace("10.255.0.11", "10.1.0.11") + "vlans: []",
        "f: hosts.node1.address: '10.1.0.11': expected a host address in management.cidr 10.255.0.0/24",
    ),
    "a host at the gateway's address": (
        HEAD.replace("10.255.0.11", "10.255.0.1") + "vlans: []",
        "f: hosts.node1.address: '10.255.0.1': expected a free address, not that of the management gateway",
    ),
    "the lab's own interface": (
        HEAD.replace("extra-bo", "mgmt") + "vlans: []",
        "f: hosts.node1.uplinks.extra.interface: 'mgmt': expected a name that is unused on the host",
    ),
    "an interface name with a space": (
        HEAD.replace("extra-bo", "extra bo") + "vlans: []",
        "f: hosts.node1.uplinks.extra.interface: 'extra bo': expected an interface name, 15 characters",
    ),
}


@pytest.mark.parametrize(("text", "message"), MISTAKES.values(), ids=MISTAKES)
def test_each_mistake_is_one_line_with_file_field_value_and_expectation(text: str, message: str) -> None:
    """A mistake in the file is exactly one line with file, field, value and what was expected."""
    with pytest.raises(SiteError) as refused:
        parse_site(text, origin="f")
    assert str(refused.value) == message


def test_a_file_that_cannot_be_read_is_one_line_too(tmp_path: Path) -> None:
    """A missing file is an error with its name."""
    with pytest.raises(SiteError, match=r"none\.yaml: No such file or directory$"):
        load_site(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('vlans: "7,10-12"', 'vlans: "7,10-12", native: 8', "native: '8': expected one of the port's vlans"),
        (
            "server: isc",
            "server: udhcpd",
            "min_secs: '3': expected 0 to 255 with isc, 0 with any other server",
        ),
    ],
)
def test_a_native_vlan_is_carried_and_only_isc_lets_clients_wait(old: str, new: str, expected: str) -> None:
    """Each is refused by its field."""
    dhcp = "{pool: 10.0.112.10-10.0.112.20, server: isc, min_secs: 3}"
    content = vlan_7(f"gateway: 10.0.112.1, dhcp: {dhcp}").replace(
        'vlans: "7,10-12"', 'vlans: "7,10-12", native: 7'
    )
    parse_site(content, origin="site.yaml")
    changed = content.replace(", native: 7", "").replace(old, new)
    with pytest.raises(SiteError, match=expected):
        parse_site(changed, origin="site.yaml")
