"""Planning a site: namespaces, programs, and missing prerequisites."""

from ipaddress import IPv4Address
from pathlib import Path

import pytest

from lab import prerequisites
from lab.dhcp import isc, programs
from lab.dhcp.programs import server_programs
from lab.dhcp.relay import Leg, decode_legs
from lab.dhcp.task import ServerProgram
from lab.prerequisites import missing_prerequisites, resolve_server
from lab.site import ServerKind, Vlan
from lab.site_builder import build_site, build_vlan
from lab.wiring import plan

DNSMASQ, UDHCPD, BUILTIN = ServerKind.DNSMASQ, ServerKind.UDHCPD, ServerKind.BUILTIN
ISC = ServerKind.ISC
CENTRAL, OTHER = IPv4Address("172.30.0.200"), IPv4Address("172.30.0.201")


def links(*vlans: Vlan) -> list[tuple[str, str, str | None]]:
    """Return namespace, interface and address of all stations on `vlans`."""
    accesses = plan(build_site(vlans)).accesses
    return [
        (link.namespace, link.interface, str(link.address) if link.address else None) for link in accesses
    ]


def served(*vlans: Vlan, folder: Path = Path("/run/lab")) -> dict[str, ServerProgram]:
    """Return the programs that serve `vlans`, by name."""
    site = build_site(vlans)
    found = server_programs(plan(site), management=site.management.cidr, directory=folder)
    return {program.name: program for program in found}


def configuration(program: ServerProgram) -> list[str]:
    """Return the lines of its configuration file, stripped."""
    return [line.strip() for line in program.files[0][1].splitlines()]


@pytest.fixture
def everything_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulate a machine with every server."""
    for module in (programs, isc):
        monkeypatch.setattr(module, "program", lambda name: f"/usr/sbin/{name}")
    monkeypatch.setattr(prerequisites, "find_program", lambda name: f"/usr/sbin/{name}")


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulate a machine without any program."""
    monkeypatch.setattr(prerequisites, "find_program", lambda name: None)


def test_routed_gateways_live_in_the_router_and_others_on_the_island() -> None:
    """Only a routed gateway shares a namespace with the management network."""
    assert links(build_vlan(7), build_vlan(8, routed=False)) == [
        ("router", "v7", "10.0.112.1/20"),
        ("island", "v8", "10.0.128.1/20"),
    ]


def test_a_silent_gateway_is_a_port_without_an_address() -> None:
    """A silent gateway is a station that never answers."""
    assert links(build_vlan(7, gateway_answers=False, server=None)) == [("router", "v7", None)]


def test_nobody_lives_on_an_empty_vlan() -> None:
    """A VLAN without gateway and DHCP has no port."""
    assert links(Vlan(vlan=400, cluster_network="extra")) == []


def test_a_second_server_is_a_machine_of_its_own() -> None:
    """A server with an address of its own does not share the gateway's machine."""
    assert links(build_vlan(7, second_server=BUILTIN)) == [
        ("router", "v7", "10.0.112.1/20"),
        ("dhcp1", "v7", "10.0.112.250/20"),
    ]
    assert links(build_vlan(7, gateway=False, second_server=BUILTIN)) == [
        ("dhcp1", "v7", "10.0.112.249/20"),
        ("dhcp2", "v7", "10.0.112.250/20"),
    ]


@pytest.mark.usefixtures("everything_installed")
def test_one_dnsmasq_serves_all_vlans_that_do_not_ping() -> None:
    """dnsmasq blocks while it probes an address, so a VLAN with ping_check gets its own process."""
    found = served(build_vlan(7), build_vlan(8), build_vlan(9, ping_check=True))
    assert list(found) == ["dnsmasq-router", "dnsmasq-router-v9"]
    texts = {name: configuration(program) for name, program in found.items()}
    assert "no-ping" in texts["dnsmasq-router"]
    assert "interface=v7" in texts["dnsmasq-router"]
    assert "interface=v8" in texts["dnsmasq-router"]
    assert "no-ping" not in texts["dnsmasq-router-v9"]
    assert "dhcp-range=set:v9,10.0.144.100,10.0.144.199,255.255.240.0,3600" in texts["dnsmasq-router-v9"]


@pytest.mark.usefixtures("everything_installed")
def test_each_udhcpd_serves_one_vlan_and_the_builtin_serves_all() -> None:
    """udhcpd serves one interface; the lab's own server has a socket for each."""
    vlans = [build_vlan(vlan, server=kind) for vlan, kind in enumerate([UDHCPD, UDHCPD, BUILTIN, BUILTIN], 1)]
    found = served(*vlans)
    assert list(found) == ["udhcpd-router-v1", "udhcpd-router-v2", "builtin-router"]
    assert found["builtin-router"].sockets == 2


@pytest.mark.usefixtures("everything_installed")
def test_nothing_is_written_outside_the_directory() -> None:
    """Every path in a configuration is inside the directory that is removed afterwards."""
    vlans = [build_vlan(1, server=UDHCPD), build_vlan(2), build_vlan(3, server=ISC)]
    for program in served(*vlans, folder=Path("/run/lab")).values():
        assert program.files
        copies = {str(copy) for copy, _ in program.copies}
        for path, text in program.files:
            words = [word for line in text.splitlines() for word in line.replace("=", " ").split()]
            words += [str(path), *copies, *(word for word in program.argv if "sbin" not in word)]
            assert {str(Path(word).parent) for word in words if word.startswith("/")} == {"/run/lab"}


@pytest.mark.usefixtures("everything_installed")
def test_one_dhcpd_serves_all_vlans_of_a_namespace() -> None:
    """ISC dhcpd probes addresses without blocking, so VLANs with ping_check share its process."""
    found = served(build_vlan(1, server=ISC), build_vlan(2, server=ISC, ping_check=True))
    assert list(found) == ["isc-router"]
    assert found["isc-router"].argv[-2:] == ("v1", "v2")
    lines = configuration(found["isc-router"])
    assert lines[1:9] == [
        "subnet 10.0.16.0 netmask 255.255.240.0 {",
        "range 10.0.16.100 10.0.16.199;",
        "default-lease-time 3600;",
        "max-lease-time 3600;",
        "min-lease-time 3600;",
        "ping-check false;",
        "min-secs 0;",
        "option routers 10.0.16.1;",
    ]
    assert "ping-check true;" in lines[9:]


@pytest.mark.usefixtures("everything_installed")
def test_a_relayed_vlan_is_served_on_the_management_network_through_its_gateway() -> None:
    """Each relayed address is one machine, and one relay in the router serves all gateways."""
    vlans = [
        build_vlan(1, server=ISC, relay_to=CENTRAL, second_server=BUILTIN),
        build_vlan(2, server=ISC, relay_to=CENTRAL, gateway=True),
        build_vlan(3, server=DNSMASQ, relay_to=OTHER),
    ]
    wiring = plan(build_site(vlans))
    assert [(link.machine, link.address) for link in wiring.centrals] == [
        ("central1", CENTRAL),
        ("central2", OTHER),
    ]
    assert links(*vlans)[:2] == [("router", "v1", "10.0.16.1/20"), ("dhcp1", "v1", "10.0.16.250/20")]
    found = served(*vlans)
    assert list(found) == ["builtin-dhcp1", "isc-central1", "dnsmasq-central2", "relay"]
    assert found["isc-central1"].argv[-1] == "mgmt"
    assert "subnet 172.30.0.0 netmask 255.255.255.0 { }" in configuration(found["isc-central1"])
    assert "interface=mgmt" in configuration(found["dnsmasq-central2"])
    assert decode_legs(found["relay"].stdin) == [
        Leg(interface="v1", address=IPv4Address("10.0.16.1"), servers=(CENTRAL,)),
        Leg(interface="v2", address=IPv4Address("10.0.32.1"), servers=(CENTRAL,)),
        Leg(interface="v3", address=IPv4Address("10.0.48.1"), servers=(OTHER,)),
    ]
    assert found["relay"].sockets == 6


@pytest.mark.usefixtures("everything_installed")
def test_auto_is_dnsmasq_where_it_is_installed() -> None:
    """A real server is preferred."""
    assert resolve_server(ServerKind.AUTO) is DNSMASQ


@pytest.mark.usefixtures("nothing_installed")
def test_auto_is_the_builtin_server_elsewhere() -> None:
    """Without dnsmasq the lab uses its own server, and servers requested by name stay."""
    assert resolve_server(ServerKind.AUTO) is BUILTIN
    assert resolve_server(UDHCPD) is UDHCPD


@pytest.mark.usefixtures("nothing_installed")
def test_every_missing_program_is_named_with_its_package() -> None:
    """Missing programs are reported before anything starts, a server only if the site names it."""
    missing = missing_prerequisites(build_site([build_vlan(7, server=UDHCPD), build_vlan(8)]))
    assert "ip is not installed (Debian package iproute2)" in missing
    assert "nsenter is not installed (Debian package util-linux)" in missing
    assert "udhcpd is not installed (Debian package udhcpd), and the site names it" in missing
    assert not any("dnsmasq" in line for line in missing)


@pytest.mark.parametrize(
    ("setting", "value", "advice"),
    [
        ("kernel/unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1"),
        (
            "kernel/apparmor_restrict_unprivileged_userns",
            "1",
            "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        ),
        ("user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=15000"),
        ("user/max_user_namespaces", "9", "a reason that no sysctl shows"),
    ],
)
def test_denied_user_namespaces_are_reported_with_the_sysctl_that_denies_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str, value: str, advice: str
) -> None:
    """A denied user namespace is reported in one line with the sysctl to change."""
    (tmp_path / setting).parent.mkdir()
    (tmp_path / setting).write_text(f"{value}\n")
    monkeypatch.setattr(prerequisites, "_SYSCTL", tmp_path)
    monkeypatch.setattr(prerequisites, "has_namespace_rights", lambda: False)
    monkeypatch.setattr(prerequisites, "find_program", lambda name: "/bin/false")
    (line,) = missing_prerequisites()
    assert line.startswith("user namespaces are denied to ordinary users")
    assert advice in line
