"""`nadroute scan` on 64 VLANs of every kind finds exactly what is there."""

import json
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from lab.namespaces import python_environment
from lab.running import RunningSite, start_site
from lab.site import ServerKind, Vlan
from lab.site_builder import build_site, build_vlan
from tests.network.lab_site import require_lab
from tests.network.scan_truth import truth, without_times

DNSMASQ, UDHCPD, ISC = ServerKind.DNSMASQ, ServerKind.UDHCPD, ServerKind.ISC
KINDS = (DNSMASQ, UDHCPD, ISC)
CENTRAL = {ISC: IPv4Address("172.30.0.200"), DNSMASQ: IPv4Address("172.30.0.201")}
VLANS = range(1, 65)
RELEASED_SECONDS, LOOK_AGAIN_SECONDS = 60.0, 0.05

PLAIN = range(1, 40)
PROBING_FIRST = range(40, 43)
ROUTERLESS = range(43, 46)
SILENT_GATEWAY = range(46, 49)
SECOND_SERVER = range(49, 52)
RELAYED = range(52, 58)
RELAYED_BESIDE_ANOTHER, ROGUE, RELAYED_ROUTERLESS = 58, 59, 60
NO_DHCP = range(61, 63)
# 63 and 64 have no stations.


def rogue(vlan: Vlan) -> Vlan:
    """Make the second server name itself as the router."""
    first, second = vlan.dhcp
    return replace(vlan, dhcp=(first, replace(second, router=second.address)))


def routerless(vlan: Vlan) -> Vlan:
    """Make the servers name no router, although there is one."""
    return replace(vlan, dhcp=tuple(replace(server, router=None) for server in vlan.dhcp))


def mixed(vlans: Sequence[int]) -> list[tuple[int, ServerKind, ServerKind]]:
    """Pair each VLAN with a kind of server, in rotation, and the next kind."""
    return [(vlan, KINDS[vlan % 3], KINDS[(vlan + 1) % 3]) for vlan in vlans]


SITE = build_site(
    [
        *(build_vlan(vlan, server=kind) for vlan, kind, _ in mixed(PLAIN)),
        *(build_vlan(vlan, server=kind, ping_check=True) for vlan, kind, _ in mixed(PROBING_FIRST)),
        *(routerless(build_vlan(vlan, server=kind)) for vlan, kind, _ in mixed(ROUTERLESS)),
        *(build_vlan(vlan, server=kind, gateway_answers=False) for vlan, kind, _ in mixed(SILENT_GATEWAY)),
        *(build_vlan(vlan, server=kind, second_server=other) for vlan, kind, other in mixed(SECOND_SERVER)),
        *(
            build_vlan(vlan, server=kind, relay_to=CENTRAL[kind])
            for vlan, kind in zip(RELAYED, (ISC, DNSMASQ) * 3, strict=True)
        ),
        build_vlan(RELAYED_BESIDE_ANOTHER, server=ISC, relay_to=CENTRAL[ISC], second_server=UDHCPD),
        rogue(build_vlan(ROGUE, server=DNSMASQ, second_server=ISC)),
        routerless(build_vlan(RELAYED_ROUTERLESS, server=DNSMASQ, relay_to=CENTRAL[DNSMASQ])),
        *(build_vlan(vlan, server=None) for vlan in NO_DHCP),
    ]
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSite]:
    """Start one site for all tests of this module; a test that breaks it also heals it."""
    require_lab(SITE)
    with start_site(SITE, tmp_path_factory.mktemp("lab") / "state") as running:
        yield running


def scan(site: RunningSite, *options: str) -> "subprocess.CompletedProcess[str]":
    """Run `nadroute scan` on node1."""
    program = [sys.executable, "-m", "services.cli.main", "scan", "--interface=extra-bo"]
    return subprocess.run(
        [*site.command("node1"), *program, *options],
        capture_output=True,
        text=True,
        check=True,
        env=python_environment(),
        timeout=90,
    )


def test_scan_finds_the_truth_on_64_vlans(site: RunningSite) -> None:
    """With all kinds of servers, silent and relayed VLANs and rogues, the JSON equals the site's truth."""
    found = json.loads(scan(site, "--vlans=1-64", "--output=json").stdout)
    assert without_times(found) == truth(SITE, VLANS)


def test_a_scan_with_leases_finds_the_same_and_keeps_no_address(site: RunningSite) -> None:
    """Every server leases, every gateway that answers ARP answers an echo, and every lease is released.

    The RELEASE is unicast, and the router's port 67 has many sockets, so the server has a machine of its own.
    """
    found = json.loads(scan(site, "--vlans=1-64", "--depth=lease", "--output=json").stdout)
    leases = {entry["vlan"]: entry["dhcp"].pop("lease") for entry in found if "lease" in entry["dhcp"]}
    echoes = {entry["vlan"]: entry.pop("echo") for entry in found if "echo" in entry}
    expected = truth(SITE, VLANS)
    assert without_times(found) == expected
    offered = {entry["vlan"] for entry in expected if entry["dhcp"]["outcome"] == "offered"}
    assert {vlan: lease["outcome"] for vlan, lease in leases.items()} == dict.fromkeys(offered, "held")
    # Without an ARP reply there is no station to send an echo to.
    reached = {entry["vlan"] for entry in expected if entry["gateway"]["outcome"] == "reachable"}
    assert {vlan: echo["outcome"] for vlan, echo in echoes.items()} == dict.fromkeys(reached, "reachable")
    for name in ("dnsmasq-router", "dnsmasq-central2"):
        assert _is_empty(site.state / "run" / f"{name}.leases"), f"{name} did not hear of a RELEASE"


def _is_empty(path: Path) -> bool:
    deadline = time.monotonic() + RELEASED_SECONDS
    while path.read_text().strip():
        if time.monotonic() > deadline:
            return False
        select.select([], [], [], LOOK_AGAIN_SECONDS)
    return True


def test_scan_finds_what_broke_and_what_healed(site: RunningSite) -> None:
    """Of the VLANs of each kind, the broken ones offer nothing and the others are unchanged."""
    broken = [PLAIN[0], PLAIN[1], PLAIN[2], RELAYED[0], RELAYED[1]]
    others = [PLAIN[3], PLAIN[4], PLAIN[5], RELAYED[2], RELAYED[3]]
    wanted = ",".join(map(str, (*broken, *others)))
    expected = [entry for entry in truth(SITE, VLANS) if entry["vlan"] in others]
    for vlan in broken:
        site.break_vlan(vlan)
    try:
        found = json.loads(scan(site, f"--vlans={wanted}", "--deadline=3s", "--output=json").stdout)
    finally:
        for vlan in broken:
            site.heal_vlan(vlan)
    silent = {entry["vlan"] for entry in found if entry["dhcp"]["outcome"] == "no_offer"}
    assert silent == set(broken)
    assert [entry for entry in without_times(found) if entry["vlan"] in others] == expected
    healed = json.loads(scan(site, f"--vlans={wanted}", "--output=json").stdout)
    assert without_times(healed) == [
        entry for entry in truth(SITE, VLANS) if entry["vlan"] in (*broken, *others)
    ]
