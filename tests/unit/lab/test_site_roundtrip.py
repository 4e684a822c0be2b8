"""Sites from Python: every site survives writing and reading."""

import contextlib
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.lldp import PortLabel
from lab.site import ALL_VLANS, ServerKind, Site, SiteError, format_vlan_set, parse_vlan_set
from lab.site_builder import build_site, build_vlan
from lab.site_file import dump_site, parse_site
from lab.site_rules import check_site


@given(st.text(max_size=80))
def test_any_text_is_a_site_or_a_site_error(text: str) -> None:
    """Reading any text raises nothing but SiteError."""
    with contextlib.suppress(SiteError):
        parse_site(text, origin="f")


@given(st.frozensets(st.integers(1, 4094)).filter(bool))
def test_a_vlan_set_survives_writing_and_reading(vlans: frozenset[int]) -> None:
    """parse_vlan_set reads what format_vlan_set writes."""
    assert parse_vlan_set(format_vlan_set(vlans)) == vlans


def test_all_is_every_vlan() -> None:
    """`all` stands for 1-4094."""
    assert parse_vlan_set("all") == ALL_VLANS == frozenset(range(1, 4095))


VLANS = st.builds(
    build_vlan,
    st.integers(1, 4094),
    server=st.sampled_from(ServerKind),
    second_server=st.none() | st.sampled_from(ServerKind),
    gateway_answers=st.booleans(),
    gateway=st.booleans(),
    routed=st.booleans(),
    ping_check=st.booleans(),
)
RELAYED = st.builds(
    build_vlan,
    st.integers(1, 4094),
    server=st.just(ServerKind.ISC),
    second_server=st.none() | st.sampled_from(ServerKind),
    relay_to=st.sampled_from([IPv4Address("172.30.0.200"), IPv4Address("172.30.0.201")]),
)
SITES = st.builds(
    build_site,
    st.lists(VLANS | RELAYED, max_size=8, unique_by=lambda vlan: vlan.vlan),
    hosts=st.integers(1, 5),
)


LABELS = st.builds(
    PortLabel,
    switch=st.text("sw-", min_size=1, max_size=9),
    port=st.text("Gi/1", min_size=1, max_size=9),
    description=st.text("abc ", max_size=9),
    address=st.none() | st.ip_addresses(v=4),
    native_vlan=st.none() | st.integers(1, 4094),
    vlans=st.frozensets(st.integers(1, 4094), max_size=20),
)


@given(st.none() | LABELS)
def test_a_port_label_survives_writing_and_reading(label: PortLabel | None) -> None:
    """What the switch announces on the port of a host."""
    site = build_site([build_vlan(7)], hosts=1)
    (host,) = site.hosts
    uplink = replace(host.uplinks[0], lldp=label)
    labelled = replace(site, hosts=(replace(host, uplinks=(uplink,)),))
    assert parse_site(dump_site(labelled), origin="f") == labelled


@given(SITES)
def test_a_site_survives_writing_and_reading(site: Site) -> None:
    """parse_site reads what dump_site writes to an equal site, so the builder's sites are valid."""
    assert parse_site(dump_site(site), origin="f") == site


def test_a_site_of_every_vlan_is_valid() -> None:
    """The builder's networks never overlap, up to 4094 VLANs."""
    site = build_site(range(1, 4095))
    check_site(site)
    assert site.vlans[6].cidr == IPv4Network("10.0.112.0/20")


def test_vlans_are_found_by_number_and_by_cluster_network() -> None:
    """A number is enough for a VLAN while it is unique."""
    site = build_site([7, 8, build_vlan(8, cluster_network="other")])
    assert site.find_vlan("7") is site.find_vlan("extra/7")
    with pytest.raises(SiteError, match="several cluster networks"):
        site.find_vlan("8")
    with pytest.raises(SiteError, match="no VLAN '9'"):
        site.find_vlan("9")
