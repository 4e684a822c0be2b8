"""Evidence of `nadroute scan`: frames as they pass, a file for Wireshark, and times."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from scapy.layers.dhcp import DHCP
from scapy.layers.inet import UDP
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.utils import RawPcapNgReader, rdpcap

from lab.namespaces import python_environment
from lab.running import RunningSite, start_site
from lab.site import ServerKind, Vlan
from lab.site_builder import build_site, build_vlan
from tests.network.lab_site import require_lab

PLAIN, RELAYED, TWO_SERVERS, SILENT = 1, 2, 3, 4
CENTRAL = IPv4Address("172.30.0.200")
SITE = build_site(
    [
        build_vlan(PLAIN, server=ServerKind.DNSMASQ),
        build_vlan(RELAYED, server=ServerKind.ISC, relay_to=CENTRAL),
        build_vlan(TWO_SERVERS, server=ServerKind.DNSMASQ, second_server=ServerKind.ISC),
        Vlan(vlan=SILENT, cluster_network="extra"),
    ]
)
DISCOVER, OFFER, WHO_HAS, IS_AT = "discover", "offer", "who-has", "is-at"
SENT, RECEIVED = 2, 1
EXCHANGE = [(SENT, DISCOVER), (RECEIVED, OFFER), (SENT, WHO_HAS), (RECEIVED, IS_AT)]
LINE = re.compile(r"\+\d+\.\d{6} s  (sent|recv)  \S+ > \S+  (ARP who has|ARP is at|DHCP \w+)\b.*")
Step = tuple[int, str]


@dataclass(frozen=True)
class Scan:
    """A scan with all kinds of recording, and when it ran (Unix time)."""

    results: list[dict[str, Any]]
    stderr: str
    capture: Path
    summary: dict[str, Any]
    began: float
    ended: float


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scan]:
    """Scan all VLANs once, with --debug for the relayed one."""
    require_lab(SITE)
    folder = tmp_path_factory.mktemp("scan")
    with start_site(SITE, folder / "state") as site:
        yield _scan(site, folder)


def _scan(site: RunningSite, folder: Path) -> Scan:
    capture, summary = folder / "scan.pcapng", folder / "summary.json"
    program = [sys.executable, "-m", "services.cli.main", "scan", "--interface=extra-bo", "--vlans=1-4"]
    options = [f"--debug={RELAYED}", f"--pcap={capture}", f"--summary={summary}"]
    began = _unix_time()
    done = subprocess.run(
        [*site.command("node1"), *program, *options, "--deadline=2s", "--output=json"],
        capture_output=True,
        text=True,
        check=True,
        env=python_environment(),
        timeout=60,
    )
    return Scan(
        results=json.loads(done.stdout),
        stderr=done.stderr,
        capture=capture,
        summary=json.loads(summary.read_text()),
        began=began,
        ended=_unix_time(),
    )


def _unix_time() -> float:
    return time.clock_gettime(time.CLOCK_REALTIME)


def kind(packet: Ether) -> str:
    """Return what a frame is in the exchange."""
    if ARP in packet:
        return {1: WHO_HAS, 2: IS_AT}[packet[ARP].op]
    return {1: DISCOVER, 2: OFFER}[
        dict(option for option in packet[DHCP].options if len(option) == 2)["message-type"]
    ]


def steps(scan: Scan) -> dict[int, list[Step]]:
    """Return what was sent on each VLAN, as scapy reads the file."""
    with RawPcapNgReader(str(scan.capture)) as reader:
        directions = [meta.direction for _, meta in reader]
    found: dict[int, list[Step]] = {}
    for direction, packet in zip(directions, rdpcap(str(scan.capture)), strict=True):
        found.setdefault(packet[Dot1Q].vlan, []).append((direction, kind(packet)))
    return found


def test_a_capture_holds_the_exchange_of_each_vlan_in_its_order(scan: Scan) -> None:
    """Frames are tagged, and a request precedes its reply; a silent VLAN has only requests."""
    found = steps(scan)
    assert (found[PLAIN], found[RELAYED]) == (EXCHANGE, EXCHANGE)
    assert set(found[SILENT]) == {(SENT, DISCOVER)}
    assert sorted(found[TWO_SERVERS]) == sorted([*EXCHANGE, (RECEIVED, OFFER)])
    assert set(found) == {PLAIN, RELAYED, TWO_SERVERS, SILENT}


def test_the_times_of_a_capture_are_those_of_the_scan(scan: Scan) -> None:
    """Times are wall-clock times, and agree with the durations in the scan's result."""
    packets = rdpcap(str(scan.capture))
    assert all(scan.began <= packet.time <= scan.ended for packet in packets)
    for entry in scan.results:
        if entry["vlan"] not in (PLAIN, RELAYED):
            continue
        at = {kind(packet): float(packet.time) for packet in packets if packet[Dot1Q].vlan == entry["vlan"]}
        assert at[DISCOVER] <= at[OFFER] <= at[WHO_HAS] <= at[IS_AT]
        # The engine's clock and the capture's are read within one iteration of the loop.
        assert (at[IS_AT] - at[WHO_HAS]) * 1000 == pytest.approx(entry["gateway"]["rtt_ms"], abs=1_000)


@pytest.mark.tshark
def test_wireshark_reads_a_capture_as_it_is_meant(scan: Scan) -> None:
    """tshark reads the same VLANs, directions, kinds and checksums, and finds nothing malformed."""
    fields = [
        "vlan.id",
        "frame.packet_flags_direction",
        "dhcp.option.dhcp",
        "arp.opcode",
        "udp.checksum.status",
    ]
    done = subprocess.run(
        [
            *("tshark", "-r", str(scan.capture), "-o", "udp.check_checksum:TRUE", "-T", "fields"),
            *(word for field in (*fields, "_ws.malformed", "frame.interface_name") for word in ("-e", field)),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    found: dict[int, list[Step]] = {}
    for line in done.stdout.splitlines():
        vlan, direction, message, operation, checksum, malformed, interface = line.split("\t")
        name = {"1": DISCOVER, "2": OFFER}[message] if message else {"1": WHO_HAS, "2": IS_AT}[operation]
        assert (checksum, malformed) in (("1", ""), ("", ""))
        assert interface == "extra-bo"
        found.setdefault(int(vlan), []).append((int(direction, 0), name))
    assert found == steps(scan)


def test_debug_prints_the_frames_of_its_vlan_in_order_of_time(scan: Scan) -> None:
    """On standard error, one a line with its time and fields, and none of another VLAN."""
    lines = [match for line in scan.stderr.splitlines() if (match := LINE.fullmatch(line))]
    assert [line.groups() for line in lines] == [
        ("sent", "DHCP Discover"),
        ("recv", "DHCP Offer"),
        ("sent", "ARP who has"),
        ("recv", "ARP is at"),
    ]
    assert f"giaddr={SITE.find_vlan(str(RELAYED)).gateway}" in scan.stderr
    assert f"server_id={CENTRAL}" in scan.stderr


def test_the_summary_counts_what_the_capture_shows(scan: Scan) -> None:
    """The summary has one time for each OFFER and each gateway."""
    offers = [packet for packet in rdpcap(str(scan.capture)) if UDP in packet and kind(packet) == OFFER]
    assert scan.summary["offer"]["n"] == len(offers) == 4
    assert scan.summary["arp"]["n"] == 3
    assert scan.summary["dhcp"] == {"offered": 3, "no_offer": 1, "inconclusive": 0, "not_tried": 0}
    for times in (scan.summary["offer"], scan.summary["arp"]):
        assert 0 < times["p50_ms"] <= times["p95_ms"] <= times["max_ms"] < 2000
