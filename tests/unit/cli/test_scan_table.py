"""The table of `scan`: a row for each VLAN that answered, and no empty columns."""

from ipaddress import IPv4Address, IPv4Network

import pytest

from services.cli.scan.table import print_scan, scan_columns
from services.cli.tables import table_lines
from services.contract.outcomes import DHCPOutcome, Fault, LeaseOutcome, ReachOutcome
from services.prober.scan.results import (
    NOT_TRIED,
    ScannedDHCP,
    ScannedLease,
    ScannedOffer,
    ScannedReach,
    ScanResult,
)

ADDRESS = IPv4Address("10.0.7.100")
PLAIN = ScannedOffer(
    server=IPv4Address("10.0.7.1"),
    address=ADDRESS,
    cidr=IPv4Network("10.0.7.0/24"),
    gateway=IPv4Address("10.0.7.1"),
)
ROGUE = ScannedOffer(server=IPv4Address("10.0.7.250"), address=ADDRESS, rogue=True)
RELAYED = ScannedOffer(server=IPv4Address("172.30.0.200"), address=ADDRESS, relay=IPv4Address("10.0.7.1"))
REACHED = ScannedReach(outcome=ReachOutcome.REACHABLE, rtt_ms=0.25)


def result(
    *offers: ScannedOffer,
    vlan: int = 7,
    gateway: ScannedReach = REACHED,
    lease: LeaseOutcome | None = None,
    echo: ScannedReach = NOT_TRIED,
    fault: Fault | None = None,
) -> ScanResult:
    """Return the result of a VLAN."""
    return ScanResult(
        vlan=vlan,
        dhcp=ScannedDHCP(
            outcome=DHCPOutcome.OFFERED if offers else DHCPOutcome.NO_OFFER,
            servers=offers,
            lease=None if lease is None else ScannedLease(lease, ADDRESS),
        ),
        gateway=gateway,
        fault=fault,
        dropped_frames=0,
        echo=echo,
    )


def lines(*results: ScanResult) -> list[list[str]]:
    """Return the cells of the table by line, without the rule."""
    text = [line.plain for line in table_lines(scan_columns(results), 200)]
    return [[word.strip() for word in line.split("  ") if word.strip()] for line in (text[0], *text[2:])]


def test_a_vlan_is_a_row_of_its_offer() -> None:
    """Lease, echo and fault have no column if there is none."""
    assert lines(result(PLAIN)) == [
        ["vlan", "DHCP", "cidr", "gateway", "answers"],
        ["7", "✔ 10.0.7.1", "10.0.7.0/24", "10.0.7.1", "✔ 0.2 ms"],
    ]


def test_an_unusual_server_is_marked() -> None:
    """A rogue server, one behind a relay, and two under one address, told apart by their MAC addresses."""
    assert lines(result(PLAIN, ROGUE))[1][1] == "✔ 10.0.7.1, 10.0.7.250 rogue"
    assert lines(result(RELAYED))[1][1] == "✔ 172.30.0.200 via 10.0.7.1"
    pair = [PLAIN._replace(mac=f"02:fe:00:00:00:0{n}") for n in (1, 2)]
    assert lines(result(*pair))[1][1] == "✔ 10.0.7.1 (02:fe:00:00:00:01), 10.0.7.1 (02:fe:00:00:00:02)"
    assert lines(result(pair[0]))[1][1] == "✔ 10.0.7.1"


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (LeaseOutcome.HELD, "✔ 10.0.7.100"),
        (LeaseOutcome.CONFLICT, "✘ 10.0.7.100 conflict"),
        (LeaseOutcome.NO_ANSWER, "✘ 10.0.7.100 no answer"),
    ],
)
def test_a_lease_is_shown_with_its_outcome(outcome: LeaseOutcome, expected: str) -> None:
    """The echo from its address is in the next column."""
    head, line = lines(result(PLAIN, lease=outcome, echo=ScannedReach(outcome=ReachOutcome.SILENT)))
    assert head[5:] == ["lease", "echo"]
    assert line[5:] == [expected, "✘ silent"]


def test_silent_vlans_share_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A VLAN with a fault is not among them."""
    silent = [result(vlan=vlan, gateway=NOT_TRIED) for vlan in (1, 2, 3, 9)]
    down = result(vlan=4, gateway=NOT_TRIED, fault=Fault.UPLINK_DOWN)
    print_scan([*silent, down, result(PLAIN)])
    printed = capsys.readouterr().out
    assert printed.endswith("no offer on 4 of 6 VLANs: 1-3,9\n")
    assert "UplinkDown" in printed
