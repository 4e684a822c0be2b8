"""The check of the engine's results in the benchmark."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest

from bench.probing import is_true
from bench.processes import RunFailed, number, read_object
from services.contract.outcomes import DHCPOutcome, Fault, ReachOutcome
from services.prober.scan.results import ScannedDHCP, ScannedOffer, ScannedReach, ScanResult

GATEWAY = IPv4Address("10.0.112.1")
OFFER = ScannedOffer(
    server=GATEWAY,
    address=IPv4Address("10.0.112.10"),
    cidr=IPv4Network("10.0.112.0/20"),
    gateway=GATEWAY,
)
TRUE = ScanResult(
    vlan=7,
    dhcp=ScannedDHCP(outcome=DHCPOutcome.OFFERED, servers=(OFFER,)),
    gateway=ScannedReach(outcome=ReachOutcome.REACHABLE),
    fault=None,
    dropped_frames=0,
)
SILENT = replace(
    TRUE, dhcp=ScannedDHCP(outcome=DHCPOutcome.NO_OFFER), gateway=ScannedReach(outcome=ReachOutcome.NOT_TRIED)
)


def test_the_truth_of_a_vlan_is_recognised() -> None:
    """The true result of VLAN 7 of the responder and of a big site, 10.0.112.0/20, counts as right."""
    assert is_true(TRUE, mute=None)
    assert is_true(TRUE, mute=2)


def offered(**changes: IPv4Address | IPv4Network | None) -> ScannedDHCP:
    return ScannedDHCP(DHCPOutcome.OFFERED, (OFFER._replace(**changes),))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "result",
    [
        replace(TRUE, vlan=8),
        replace(TRUE, fault=Fault.STOPPED),
        replace(TRUE, dhcp=offered(gateway=None)),
        replace(TRUE, dhcp=offered(server=IPv4Address("10.0.112.2"))),
        replace(TRUE, dhcp=offered(cidr=IPv4Network("10.0.112.0/24"))),
        replace(TRUE, dhcp=ScannedDHCP(outcome=DHCPOutcome.OFFERED, servers=(OFFER, OFFER))),
        replace(TRUE, dhcp=ScannedDHCP(outcome=DHCPOutcome.INCONCLUSIVE, servers=(OFFER,))),
        replace(TRUE, gateway=ScannedReach(outcome=ReachOutcome.SILENT)),
        SILENT,
    ],
)
def test_anything_else_is_wrong(result: ScanResult) -> None:
    """Another VLAN's reply, a fault, a wrong address, a second server and silence all count as wrong."""
    assert not is_true(result, mute=None)


def test_a_dead_vlan_must_be_called_silent() -> None:
    """An offer from a dead VLAN counts as wrong, like silence from a live one."""
    assert is_true(SILENT, mute=7)
    assert not is_true(TRUE, mute=7)


def test_an_echo_counts_where_it_was_asked_for() -> None:
    """If ICMP was requested too, a gateway that only answers ARP counts as wrong."""
    reachable = replace(TRUE, echo=ScannedReach(outcome=ReachOutcome.REACHABLE))
    assert is_true(reachable, mute=None, echoed=True)
    assert not is_true(TRUE, mute=None, echoed=True)
    assert not is_true(reachable, mute=None)


@pytest.mark.parametrize("text", ["", "ready", "[1]", "{", "1"])
def test_output_that_is_no_object_is_a_failed_run(text: str) -> None:
    """Incomplete output is a failed run, so a killed program is not taken for a fast one."""
    with pytest.raises(RunFailed):
        read_object(text)


def test_the_last_line_counts_and_numbers_are_numbers() -> None:
    """Only the last line of the output counts, and a value must be a number."""
    assert number(read_object('ready\n{"cpu_s": 1}\n'), "cpu_s") == 1.0
    for value in (True, "1", None):
        with pytest.raises(RunFailed):
            number({"cpu_s": value}, "cpu_s")
