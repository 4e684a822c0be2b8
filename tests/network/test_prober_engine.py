"""The prober against real servers and gateways, over tagged frames."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from lab.namespaces import python_environment
from lab.running import RunningSite, start_site
from lab.site import ServerKind, Vlan
from lab.site_builder import build_site, build_vlan
from services.contract.messages import SegmentProbe, Target, Verdict
from services.contract.outcomes import DHCPOutcome, Fault, ReachOutcome
from tests.network.lab_site import require_lab
from tests.network.prober_program import SLOTS

DNSMASQ, UDHCPD, BUILTIN = ServerKind.DNSMASQ, ServerKind.UDHCPD, ServerKind.BUILTIN
SERVED = {vlan: (DNSMASQ, UDHCPD, BUILTIN)[vlan % 3] for vlan in range(1, 25)}
PINGS_FIRST = {30: DNSMASQ, 31: UDHCPD}
SILENT, SILENT_GATEWAY, UNROUTED, ROUTERLESS, TWO_SERVERS, MANUAL = 40, 41, 42, 43, 44, 45
NET_RAW = 1 << 13
ONLY_NET_RAW = ["setpriv", "--bounding-set=-all,+net_raw", "--inh-caps=-all,+net_raw", "--no-new-privs"]
NO_CAPABILITY = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]

SITE = build_site(
    [
        *(build_vlan(vlan, server=kind) for vlan, kind in SERVED.items()),
        *(build_vlan(vlan, server=kind, ping_check=True) for vlan, kind in PINGS_FIRST.items()),
        Vlan(vlan=SILENT, cluster_network="extra"),
        build_vlan(SILENT_GATEWAY, server=UDHCPD, gateway_answers=False),
        build_vlan(UNROUTED, server=BUILTIN, routed=False),
        build_vlan(ROUTERLESS, server=DNSMASQ, gateway=False),
        build_vlan(TWO_SERVERS, server=DNSMASQ, second_server=BUILTIN),
        build_vlan(MANUAL, server=None),
    ]
)
BY_VLAN = {vlan.vlan: vlan for vlan in SITE.vlans}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSite]:
    """Start one site for all tests of this module; a test that breaks it also heals it."""
    require_lab(SITE)
    with start_site(SITE, tmp_path_factory.mktemp("lab") / "state") as running:
        yield running


def gateway(vlan: int) -> str:
    return str(BY_VLAN[vlan].gateway)


def ask(vlan: int) -> SegmentProbe:
    return SegmentProbe(vlan=vlan, ask_dhcp=True, targets=(Target(digest="0" * 16),))


def check(vlan: int, address: str) -> SegmentProbe:
    target = Target.model_validate({"digest": "0" * 16, "gateway": address, "from_dhcp": False})
    return SegmentProbe(vlan=vlan, targets=(target,))


def command(probes: Sequence[SegmentProbe], *options: str, interface: str) -> list[str]:
    text = json.dumps([probe.to_wire() for probe in probes])
    return [sys.executable, "-m", "tests.network.prober_program", interface, text, *options]


def run(
    site: RunningSite,
    probes: Sequence[SegmentProbe],
    *options: str,
    interface: str = "extra-bo",
    privilege: Sequence[str] = (),
) -> tuple[dict[int, Verdict], dict[str, Any]]:
    """Run the program on node1; return the verdicts by VLAN, and its whole output."""
    done = subprocess.run(
        [*site.command("node1"), *privilege, *command(probes, *options, interface=interface)],
        capture_output=True,
        text=True,
        check=False,
        env=python_environment(),
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return read(done.stdout)


def read(output: str) -> tuple[dict[int, Verdict], dict[str, Any]]:
    printed = json.loads(output.splitlines()[-1])
    verdicts = [Verdict.model_validate_json(json.dumps(verdict)) for verdict in printed["verdicts"]]
    return {verdict.segment.vlan: verdict for verdict in verdicts}, printed


def assert_works(vlan: int, verdict: Verdict) -> None:
    """Assert the complete verdict of a healthy network."""
    assert verdict.fault is None
    assert verdict.dhcp is not None
    assert verdict.dhcp.outcome is DHCPOutcome.OFFERED, f"VLAN {vlan}"
    (target,) = verdict.targets
    assert (str(target.cidr), str(target.gateway)) == (str(BY_VLAN[vlan].cidr), gateway(vlan))
    assert target.vlan.outcome is ReachOutcome.REACHABLE
    assert target.routed.outcome is ReachOutcome.REACHABLE


def test_24_vlans_of_three_servers_are_found_at_once(site: RunningSite) -> None:
    """dnsmasq, udhcpd and the lab's own server are found, with gateways on both paths; nothing is dropped."""
    found, _ = run(site, [ask(vlan) for vlan in SERVED], "--deadline", "12")
    assert found.keys() == SERVED.keys()
    for vlan, verdict in found.items():
        assert_works(vlan, verdict)
        assert verdict.dhcp is not None
        (offer,) = verdict.dhcp.servers
        assert str(offer.server) == gateway(vlan)
        assert offer.address in BY_VLAN[vlan].cidr  # type: ignore[operator]
        assert verdict.dropped_frames == 0


def test_servers_that_ping_first_are_waited_for(site: RunningSite) -> None:
    """Servers that probe an address for seconds before the offer are no failure."""
    found, _ = run(site, [ask(vlan) for vlan in PINGS_FIRST], "--deadline", "12")
    for vlan, verdict in found.items():
        assert_works(vlan, verdict)


def test_each_failure_has_its_own_outcome(site: RunningSite) -> None:
    """Each failure has its own result: silent VLAN, silent or unrouted gateway, no router, no DHCP."""
    asked = [ask(vlan) for vlan in (SILENT, SILENT_GATEWAY, UNROUTED, ROUTERLESS, TWO_SERVERS)]
    found, printed = run(site, [*asked, check(MANUAL, gateway(MANUAL))], "--deadline", "3")
    outcomes = {
        vlan: (
            v.dhcp and v.dhcp.outcome.value,
            v.targets[0].vlan.outcome.value,
            v.targets[0].routed.outcome.value,
        )
        for vlan, v in found.items()
    }
    assert outcomes == {
        SILENT: ("no_offer", "not_tried", "not_tried"),
        SILENT_GATEWAY: ("offered", "silent", "silent"),
        UNROUTED: ("offered", "reachable", "silent"),
        ROUTERLESS: ("offered", "not_tried", "not_tried"),
        TWO_SERVERS: ("offered", "reachable", "reachable"),
        MANUAL: (None, "reachable", "reachable"),
    }
    assert found[ROUTERLESS].targets[0].cidr == BY_VLAN[ROUTERLESS].cidr
    both = found[TWO_SERVERS].dhcp
    assert both is not None
    assert [offer.server for offer in both.servers] == [s.address for s in BY_VLAN[TWO_SERVERS].dhcp]
    assert printed["seconds"] < 12


def test_probing_again_holds_the_same_address(site: RunningSite) -> None:
    """Each (host, segment) has one identity, so a small pool is not exhausted."""
    vlans = [1, 2, 3]
    addresses = []
    for _ in range(3):
        found, _ = run(site, [ask(vlan) for vlan in vlans])
        addresses.append([str(found[v].dhcp.servers[0].address) for v in vlans if found[v].dhcp])  # type: ignore[union-attr]
    assert addresses[0] == addresses[1] == addresses[2]


def test_cap_net_raw_is_enough(site: RunningSite) -> None:
    """The ring, promiscuous mode, the filter and the ICMP socket need no other capability."""
    found, printed = run(site, [ask(vlan) for vlan in SERVED], privilege=ONLY_NET_RAW)
    assert printed["capabilities"] == NET_RAW
    for vlan, verdict in found.items():
        assert_works(vlan, verdict)


def test_without_cap_net_raw_the_fault_is_named(site: RunningSite) -> None:
    """Without the privilege to look at the network, nothing is concluded about it."""
    found, printed = run(site, [ask(1)], privilege=NO_CAPABILITY)
    assert printed["capabilities"] == 0
    assert found[1].fault is Fault.NO_PERMISSION
    assert found[1].dhcp is not None
    assert found[1].dhcp.outcome is DHCPOutcome.NOT_TRIED


def test_missing_uplink_is_a_fault_and_routed_is_asked_all_the_same(site: RunningSite) -> None:
    """N1: a missing uplink says nothing about what the host can route to."""
    found, _ = run(site, [check(MANUAL, gateway(MANUAL))], interface="no-such-bo")
    assert found[MANUAL].fault is Fault.UPLINK_MISSING
    assert found[MANUAL].targets[0].vlan.outcome is ReachOutcome.NOT_TRIED
    assert found[MANUAL].targets[0].routed.outcome is ReachOutcome.REACHABLE


def test_uplink_that_goes_down_is_noticed_at_once(site: RunningSite) -> None:
    """N2: an uplink disconnected during a probe ends it soon, and is a fault from then on."""
    waiting = command([ask(SILENT)], "--deadline", "120", interface="extra-bo")
    try:
        with subprocess.Popen(
            [*site.command("node1"), *waiting], stdout=subprocess.PIPE, text=True, env=python_environment()
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "begun\n"
            site.host_down("node1")
            output = process.stdout.read()
        found, _ = read(output)
        assert found[SILENT].fault is Fault.UPLINK_DOWN
        later, _ = run(site, [ask(1)])
        assert later[1].fault is Fault.UPLINK_DOWN
    finally:
        site.host_up("node1")
    healed, _ = run(site, [ask(1)])
    assert_works(1, healed[1])


def test_frames_that_the_kernel_drops_are_counted(site: RunningSite) -> None:
    """A full ring loses replies, and PACKET_STATISTICS counts them."""
    address = str(int(BY_VLAN[1].gateway or 0))
    done = subprocess.run(
        [
            *site.command("node1"),
            *[sys.executable, "-m", "tests.network.prober_program", "extra-bo", "--overflow", address, "1"],
        ],
        capture_output=True,
        text=True,
        check=True,
        env=python_environment(),
        timeout=60,
    )
    counted = json.loads(done.stdout)
    assert counted["received"] == SLOTS
    assert 0 < counted["dropped"] <= counted["sent"] - SLOTS


def test_works_in_a_user_namespace() -> None:
    """The prober works for a user without rights on the machine, in a user namespace."""
    script = (
        "import json, subprocess, sys\n"
        "from pathlib import Path\n"
        "from lab.running import start_site\n"
        "from lab.site import ServerKind\n"
        "from lab.site_builder import build_site, build_vlan\n"
        "site = build_site([build_vlan(v, server=ServerKind.BUILTIN) for v in range(1, 17)])\n"
        "with start_site(site, Path(sys.argv[1]) / 'state') as running:\n"
        "    assert running.description.user_namespace\n"
        "    argv = [*running.command('node1'), sys.executable, '-m', *sys.argv[2:]]\n"
        "    sys.exit(subprocess.call(argv))\n"
    )
    require_lab(build_site([build_vlan(vlan, server=BUILTIN) for vlan in range(1, 17)]))
    # Root may map only itself into a namespace with CAP_SETFCAP, so that is all that it keeps here.
    ordinary = ["setpriv", "--bounding-set=-all,+setfcap", "--inh-caps=-all"] if os.geteuid() == 0 else []
    interpreter = [sys.executable, "-c", script]
    probes = json.dumps([ask(vlan).to_wire() for vlan in range(1, 17)])
    with tempfile.TemporaryDirectory(prefix="nr-", dir="/tmp") as folder:
        done = subprocess.run(
            [*ordinary, *interpreter, folder, "tests.network.prober_program", "extra-bo", probes],
            capture_output=True,
            text=True,
            check=False,
            env=python_environment(),
            cwd=Path(__file__).parents[2],
            timeout=60,
        )
    assert done.returncode == 0, done.stderr
    found, _ = read(done.stdout)
    assert {v.targets[0].vlan.outcome for v in found.values()} == {ReachOutcome.REACHABLE}
    assert {v.targets[0].routed.outcome for v in found.values()} == {ReachOutcome.REACHABLE}
    assert len(found) == 16
