"""`nadroute scan`: arguments refused before a frame is sent, options, and files."""

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
from services.prober.scan.results import ScanResult
from services.prober.scan.scanning import ScanFailed
from tests.unit.cli.running import Utf8, run

TIMEOUT_S = 60.0
FRAME = b"\xff" * 6 + b"\x62\x1f\x00\xab\x00\x07" + b"\x81\x00\x00\x07\x08\x06" + bytes(46)


@pytest.fixture
def scans(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """Record the VLANs of each scan, which then fails."""
    made: list[list[int]] = []

    def scan(interface: str, vlans: list[int], **_: object) -> list[ScanResult]:
        made.append(vlans)
        raise ScanFailed(interface, Fault.UPLINK_MISSING)

    monkeypatch.setattr(scanning, "scan", scan)
    return made


def test_an_unwritable_capture_file_is_an_error_before_the_scan(
    monkeypatch: pytest.MonkeyPatch, scans: list[list[int]], tmp_path: Path
) -> None:
    """The exit code is 2 and nothing is scanned."""
    path = tmp_path / "none" / "scan.pcapng"
    ran = run(monkeypatch, "scan", "-i", "bond0", f"--pcap={path}")
    assert ran.code == 2
    assert ran.err == f"nadroute: --pcap={str(path)!r}: No such file or directory; expected a file to write\n"
    assert scans == []


def test_debug_scans_only_its_vlan_by_default(
    monkeypatch: pytest.MonkeyPatch, scans: list[list[int]]
) -> None:
    """With --vlans it scans those."""
    run(monkeypatch, "scan", "-i", "bond0")
    run(monkeypatch, "scan", "-i", "bond0", "--debug=7")
    run(monkeypatch, "scan", "-i", "bond0", "--debug=7", "--vlans=6-8")
    assert scans == [list(range(1, 4095)), [7], [6, 7, 8]]


def test_every_option_reaches_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any option, the scan takes no address."""
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
        assert call.pop("progress") is None
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


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_is_drawn_on_a_terminal_alone(monkeypatch: pytest.MonkeyPatch, terminal: bool) -> None:
    """Elsewhere the scan does not ask for it: the library that draws it takes long to import."""
    asked: list[object] = []

    def scan(*_: object, progress: object, **__: object) -> list[ScanResult]:
        asked.append(progress)
        return []

    monkeypatch.setattr(scanning, "scan", scan)
    monkeypatch.setattr(Utf8, "isatty", lambda _: terminal)
    run(monkeypatch, "scan", "-i", "bond0")
    assert [callable(progress) for progress in asked] == [terminal]


@pytest.mark.parametrize(
    "option",
    ["--source=7", "--source=7-8=10.0.7.5", "--source=0=10.0.7.5", "--source=7=x", "--allow-server=x"],
)
def test_an_invalid_address_is_refused(
    monkeypatch: pytest.MonkeyPatch, scans: list[list[int]], option: str
) -> None:
    """The error says what was expected."""
    ran = run(monkeypatch, "scan", "-i", "bond0", option)
    assert ran.code == 2
    assert "expected" in ran.err
    assert scans == []


def test_debug_refuses_a_vlan_that_is_not_scanned(
    monkeypatch: pytest.MonkeyPatch, scans: list[list[int]]
) -> None:
    """It would print nothing, without a reason."""
    ran = run(monkeypatch, "scan", "-i", "bond0", "--debug=9", "--vlans=6-8")
    assert ran.code == 2
    assert "--debug=9: expected one of --vlans=6-8" in ran.err
    assert scans == []


@pytest.mark.parametrize("vlan", ["0", "4095", "x"])
def test_debug_refuses_an_invalid_vlan(
    monkeypatch: pytest.MonkeyPatch, scans: list[list[int]], vlan: str
) -> None:
    """Valid are 1 to 4094."""
    assert run(monkeypatch, "scan", "-i", "bond0", f"--debug={vlan}").code == 2
    assert scans == []


def test_nothing_is_recorded_by_default() -> None:
    """There is no recorder."""
    with recording(interface="bond0", debug=None, pcap=None) as recorder:
        assert recorder is None


def _read_a_little(path: Path) -> None:
    with path.open("rb") as file:
        file.read(1)


def test_debug_says_once_what_would_dissect_the_frames(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without scapy, as in every image, frames are printed in hexadecimal."""
    monkeypatch.setattr("services.cli.scan.evidence.find_spec", lambda _name: None)
    with recording(interface="bond0", debug=7, pcap=None):
        pass
    assert capsys.readouterr().err == (
        "frames are printed in hexadecimal: to dissect them, pip install 'nadroute[dissect]'\n"
    )


def test_a_capture_file_that_fails_later_is_reported_at_the_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The reader of the pipe goes away; printing goes on. A full disk is the same case."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = threading.Thread(target=_read_a_little, args=(path,))
    reader.start()
    with recording(interface="bond0", debug=7, pcap=path) as recorder:
        reader.join(TIMEOUT_S)
        assert recorder is not None
        # Either write may fail: a pipe buffers the first.
        for _ in range(2):
            recorder.sent(datetime.now(UTC), FRAME)
    errors = capsys.readouterr().err
    assert errors.count(" s  sent  62:1f:00:ab:00:07 > ff:ff:ff:ff:ff:ff  ARP") == 2
    assert errors.endswith("not all frames were saved: Broken pipe\n")


def test_the_summary_can_be_standard_output(monkeypatch: pytest.MonkeyPatch) -> None:
    """--summary=- replaces the table and excludes other JSON."""
    monkeypatch.setattr(scanning, "scan", lambda *_, **__: [])
    ran = run(monkeypatch, "scan", "-i", "bond0", "--summary=-")
    assert json.loads(ran.out)["vlans"] == 0
    ran = run(monkeypatch, "scan", "-i", "bond0", "--summary=-", "-o", "yaml")
    assert ran.code == 2
    assert "expected without --output=yaml" in ran.err
