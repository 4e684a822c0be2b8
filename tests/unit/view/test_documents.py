"""The JSON that scripts read: documented keys, in one shape for all commands."""

from ipaddress import IPv4Address, IPv4Network

import pytest

from services.contract.outcomes import DHCPOutcome, Fault, LeaseOutcome, ReachOutcome
from services.prober.scan.results import (
    NOT_TRIED,
    ScannedDHCP,
    ScannedLease,
    ScannedOffer,
    ScannedReach,
    ScanResult,
)
from services.view.probe_documents import scanned_document

OFFER = ScannedOffer(
    server=IPv4Address("10.0.112.1"),
    address=IPv4Address("10.0.112.9"),
    cidr=IPv4Network("10.0.112.0/20"),
    gateway=IPv4Address("10.0.112.1"),
)
SERVER = {"server": "10.0.112.1", "cidr": "10.0.112.0/20", "gateway": "10.0.112.1"}


def scanned(
    *offers: ScannedOffer,
    lease: ScannedLease | None = None,
    echo: ScannedReach = NOT_TRIED,
    fault: Fault | None = None,
) -> ScanResult:
    outcome = DHCPOutcome.OFFERED if offers else DHCPOutcome.NO_OFFER
    return ScanResult(
        vlan=7,
        dhcp=ScannedDHCP(outcome=outcome, servers=offers, lease=lease),
        gateway=ScannedReach(outcome=ReachOutcome.REACHABLE, rtt_ms=0.2) if offers else NOT_TRIED,
        fault=fault,
        dropped_frames=0,
        echo=echo,
    )


def test_a_scanned_vlan_is_dhcp_and_gateway() -> None:
    """Unknown values are null; fault is there only if there is one."""
    assert scanned_document(scanned(OFFER)) == {
        "vlan": 7,
        "dhcp": {"outcome": "offered", "servers": [SERVER]},
        "gateway": {"outcome": "reachable", "rtt_ms": 0.2},
    }
    assert scanned_document(scanned(fault=Fault.UPLINK_DOWN)) == {
        "vlan": 7,
        "dhcp": {"outcome": "no_offer", "servers": []},
        "gateway": {"outcome": "not_tried", "rtt_ms": None},
        "fault": "UplinkDown",
    }


def test_a_lease_and_an_echo_are_there_if_they_were_tried() -> None:
    """With what became of them."""
    lease = ScannedLease(LeaseOutcome.HELD, OFFER.address)
    document = scanned_document(scanned(OFFER, lease=lease, echo=ScannedReach(outcome=ReachOutcome.SILENT)))
    assert document["echo"] == {"outcome": "silent", "rtt_ms": None}
    assert document["dhcp"] == {
        "outcome": "offered",
        "servers": [SERVER],
        "lease": {"outcome": "held", "address": "10.0.112.9"},
    }


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"relay": IPv4Address("10.0.112.2")}, {"relay": "10.0.112.2"}),
        ({"mac": "02:fe:00:00:00:01"}, {"mac": "02:fe:00:00:00:01"}),
        ({"rogue": True}, {"rogue": True}),
        ({"unasked_ack": True}, {"unasked_ack": True}),
    ],
)
def test_a_server_says_what_is_unusual(more: dict[str, object], expected: dict[str, object]) -> None:
    """And no more."""
    offer = OFFER._replace(**more)  # type: ignore[arg-type]
    document = scanned_document(scanned(offer))
    assert document["dhcp"] == {"outcome": "offered", "servers": [SERVER | expected]}
