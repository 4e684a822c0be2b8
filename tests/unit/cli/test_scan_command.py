"""`nadroute scan`: what is refused before a frame is sent, and what becomes of a file that cannot be kept."""

import json
import os
import threading
from datetime import UTC, datetime
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from services.cli.scan.evidence import recording
from services.contract.outcomes import Depth, Fault
from services.prober.scan import scanning
from services.prober.scan.scanning import ScanFailed, ScanResult
from tests.unit.cli.running import run

TIMEOUT_S = 60.0
FRAME = b"\xff" * 6 + b"\x62\x1f\x00\xab\x00\x07" + b"\x81\x00\x00\x07\x08\x06" + bytes(46)


@pytest.fixture
def scans(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """The VLANs of each scan that would have been made."""
    made: list[list[int]] = []

    def scan(interface: str, vlans: list[int], **_: object) -> list[ScanResult]:
        made.append(vlans)
        raise ScanFailed(interface, Fault.UPLINK_MISSING)

    monkeypatch.setattr(scanning, "scan", scan)
    return made


def test_a_capture_file_that_cannot_be_written_is_told_before_the_scan(
    monkeypatch: pytest.MonkeyPatch, scans: list[list[int]], tmp_path: Path
) -> None:
    """Nobody waits twelve seconds to learn it."""
    path = tmp_path / "none" / "scan.pcapng"
    ran = run(monkeypatch, "scan", "-i", "bond0", f"--pcap={path}")
    assert ran.code == 2
    assert ran.err == f"nadroute: --pcap={str(path)!r}: No such file or directory; expected a file to write\n"
    assert scans == []


def test_debug_scans_its_vlan_alone_unless_others_are_named(
    monkeypatch: pytest.MonkeyPatch, scans: list[list[int]]
) -> None:
    """Who looks at one VLAN need not wait for 4094; who wants to see it among others says so."""
    run(monkeypatch, "scan", "-i", "bond0")
    run(monkeypatch, "scan", "-i", "bond0", "--debug=7")
    run(monkeypatch, "scan", "-i", "bond0", "--debug=7", "--vlans=6-8")
    assert scans == [list(range(1, 4095)), [7], [6, 7, 8]]


def test_what_is_asked_for_is_what_is_scanned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every option reaches the engine; without any it takes no address."""
    asked: list[dict[str, object]] = []

    def scan(interface: str, vlans: list[int], **options: object) -> list[ScanResult]:
        asked.append({"interface": interface, "vlans": vlans, **options})
        return []

    monkeypatch.setattr(scanning, "scan", scan)
    options = ["--vlans=7,9", "--deadline=500ms", "--rate=0", "--depth=lease", "--source=7=10.0.7.5"]
    options += ["--source=9=10.0.9.5", "--allow-server=10.0.7.1", "--arp-inspection", "--one-mac"]
    assert run(monkeypatch, "scan", "-i", "bond0").code == 0
    assert run(monkeypatch, "scan", "-i", "bond0", *options).code == 0
    for call in asked:
        assert callable(call.pop("progress"))
    assert asked == [
        {
            "interface": "bond0",
            "vlans": list(range(1, 4095)),
            "deadline_s": 12.0,
            "rate": 1000.0,
            "depth": Depth.OFFER,
            "sources": {},
            "arp_inspection": False,
            "one_mac": False,
            "allowed_servers": (),
            "recorder": None,
        },
        {
            "interface": "bond0",
            "vlans": [7, 9],
            "deadline_s": 0.5,
            "rate": None,
            "depth": Depth.LEASE,
            "sources": {7: IPv4Address("10.0.7.5"), 9: IPv4Address("10.0.9.5")},
            "arp_inspection": True,
            "one_mac": True,
            "allowed_servers": (IPv4Address("10.0.7.1"),),
            "recorder": None,
        },
    ]


@pytest.mark.parametrize(
    "option",
    ["--source=7", "--source=7-8=10.0.7.5", "--source=0=10.0.7.5", "--source=7=x", "--allow-server=x"],
)
def test_an_address_that_is_none_is_refused(
    monkeypatch: pytest.MonkeyPatch, scans: list[list[int]], option: str
) -> None:
    """With what was expected in its place."""
    ran = run(monkeypatch, "scan", "-i", "bond0", option)
    assert ran.code == 2
    assert "expected" in ran.err
    assert scans == []


def test_a_vlan_to_debug_that_is_not_scanned_is_refused(
    monkeypatch: pytest.MonkeyPatch, scans: list[list[int]]
) -> None:
    """It would be silent, and nobody would know why."""
    ran = run(monkeypatch, "scan", "-i", "bond0", "--debug=9", "--vlans=6-8")
    assert ran.code == 2
    assert "--debug=9: expected one of --vlans=6-8" in ran.err
    assert scans == []


@pytest.mark.parametrize("vlan", ["0", "4095", "x"])
def test_a_vlan_to_debug_has_to_be_one(
    monkeypatch: pytest.MonkeyPatch, scans: list[list[int]], vlan: str
) -> None:
    """1 to 4094."""
    assert run(monkeypatch, "scan", "-i", "bond0", f"--debug={vlan}").code == 2
    assert scans == []


def test_nothing_is_recorded_where_nobody_asked() -> None:
    """And so the link is the one without a recorder."""
    with recording(interface="bond0", debug=None, pcap=None) as recorder:
        assert recorder is None


def _read_a_little(path: Path) -> None:
    with path.open("rb") as file:
        file.read(1)


def test_a_file_that_fails_later_is_told_and_ends_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Here whoever reads it goes away; a full disk is the same."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = threading.Thread(target=_read_a_little, args=(path,))
    reader.start()
    with recording(interface="bond0", debug=7, pcap=path) as recorder:
        reader.join(TIMEOUT_S)
        assert recorder is not None
        # What fails may be the first or the second: a pipe takes what nobody reads any more.
        for _ in range(2):
            recorder.sent(datetime.now(UTC), FRAME)
    told = capsys.readouterr().err
    assert told.count(" s  sent  62:1f:00:ab:00:07 > ff:ff:ff:ff:ff:ff  ARP") == 2
    assert told.endswith("not all frames were saved: Broken pipe\n")


def test_the_summary_can_be_standard_output(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then it is all of it; it takes the place of the table and cannot stand beside other JSON."""
    monkeypatch.setattr(scanning, "scan", lambda *_, **__: [])
    ran = run(monkeypatch, "scan", "-i", "bond0", "--summary=-")
    assert json.loads(ran.out)["vlans"] == 0
    ran = run(monkeypatch, "scan", "-i", "bond0", "--summary=-", "-o", "yaml")
    assert ran.code == 2
    assert "expected without --output=yaml" in ran.err
