"""Leases from real servers: taken, used for an echo on the VLAN, and always released."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab.namespaces import python_environment
from lab.running import RunningSite, start_site
from lab.site import ServerKind, Vlan
from lab.site_builder import build_site, build_vlan
from tests.network.lab_site import require_lab

POOL = 4
PROBES = 100
KINDS = {7: ServerKind.DNSMASQ, 8: ServerKind.UDHCPD, 9: ServerKind.ISC, 10: ServerKind.BUILTIN}
HELD = 20
"""A VLAN whose gateway is silent, so that an address is held while it is probed."""
TIMEOUT_S = 60.0


def with_small_pool(vlan: Vlan) -> Vlan:
    """Return the VLAN with POOL addresses."""
    return replace(
        vlan, dhcp=tuple(replace(server, pool_end=server.pool_start + POOL - 1) for server in vlan.dhcp)
    )


SITE = build_site(
    [
        *(with_small_pool(build_vlan(vlan, server=kind)) for vlan, kind in KINDS.items()),
        with_small_pool(build_vlan(HELD, server=ServerKind.DNSMASQ, gateway_answers=False)),
    ],
    hosts=2,
)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lab") / "state"


@pytest.fixture(scope="module")
def site(state: Path) -> Iterator[RunningSite]:
    require_lab(SITE)
    with start_site(SITE, state) as running:
        yield running


def command(site: RunningSite, *arguments: str, host: str = "node1") -> list[str]:
    return [*site.command(host), sys.executable, "-m", "tests.network.lease_program", "extra-bo", *arguments]


def scan(site: RunningSite, *arguments: str, host: str = "node1") -> list[list[dict[str, Any]]]:
    """Return the results of each scan, VLAN by VLAN."""
    done = subprocess.run(
        command(site, *arguments, "--host", host, host=host),
        capture_output=True,
        text=True,
        check=False,
        env=python_environment(),
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    rounds: list[list[dict[str, Any]]] = json.loads(done.stdout)
    return rounds


def dnsmasq_leases(state: Path) -> list[str]:
    """Return what dnsmasq has leased on HELD's network, one line per lease."""
    lines = [line for path in state.rglob("dnsmasq-*.leases") for line in path.read_text().splitlines()]
    return [line for line in lines if f" {str(SITE.find_vlan(str(HELD)).cidr).rpartition('.')[0]}." in line]


def wait_until(condition: Callable[[], object]) -> None:
    deadline, never = time.monotonic() + TIMEOUT_S, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        never.wait(0.02)


def test_lease_is_taken_used_and_given_back(site: RunningSite) -> None:
    """Each kind of server sends an ACK; there is no conflict; ARP and ICMP are sent from the address."""
    (found,) = scan(site, ",".join(map(str, KINDS)), "--depth", "lease")
    assert {result["vlan"] for result in found} == set(KINDS)
    for result in found:
        assert result["dhcp"]["lease"]["outcome"] == "held", result
        assert result["gateway"]["outcome"] == result["echo"]["outcome"] == "reachable", result
        assert "fault" not in result


@pytest.mark.parametrize("depth", ["offer", "lease"])
def test_pool_of_four_survives_a_hundred_probes(site: RunningSite, depth: str) -> None:
    """All probes use the same address, and another host still gets one afterwards."""
    vlans = ",".join(map(str, KINDS))
    rounds = scan(site, vlans, "--depth", depth, "--times", str(PROBES))
    offered: dict[int, set[str]] = {}
    for found in rounds:
        for result in found:
            assert result["dhcp"]["outcome"] == "offered", result
            if depth == "lease":
                assert result["dhcp"]["lease"]["outcome"] == "held", result
            offered.setdefault(result["vlan"], set()).update(result["offered"])
    assert len(rounds) == PROBES
    assert {vlan: len(addresses) for vlan, addresses in offered.items()} == dict.fromkeys(KINDS, 1)
    (others,) = scan(site, vlans, "--depth", "offer", host="node2")
    assert [result["dhcp"]["outcome"] for result in others] == ["offered"] * len(KINDS)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 128 + signal.SIGTERM), (signal.SIGINT, -signal.SIGINT)]
)
def test_address_is_released_on_a_stop(
    site: RunningSite, state: Path, number: signal.Signals, code: int
) -> None:
    """A scan that is interrupted while it holds a lease releases it at once."""
    with subprocess.Popen(
        command(site, str(HELD), "--depth", "lease", "--held"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=python_environment(),
    ) as process:
        try:
            wait_until(lambda: dnsmasq_leases(state))
            process.send_signal(number)
            assert process.wait(TIMEOUT_S) == code
        finally:
            process.kill()
    wait_until(lambda: not dnsmasq_leases(state))
