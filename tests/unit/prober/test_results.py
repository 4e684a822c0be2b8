"""Results of the engine as the contract's messages."""

from services.contract.messages import SegmentProbe, Verdict
from services.contract.outcomes import DHCPOutcome, Fault, ReachOutcome
from services.contract.reports import Report
from services.prober import verdicts
from services.prober.engine import results
from services.prober.engine.results import (
    DHCPOffer,
    DiscoveryResult,
    ReachResult,
    SegmentResult,
    TargetResult,
)
from tests.unit.prober.frames import number
from tests.unit.prober.world import target

OFFERED = DHCPOffer(
    server=number("10.0.7.1"),
    address=number("10.0.7.100"),
    prefix=20,
    gateway=number("10.0.7.1"),
    routers=tuple(range(number("10.0.7.1"), number("10.0.7.1") + 40)),
    relay=number("10.9.9.9"),
    lease_s=3600,
    after_s=0.0123456,
)
FOUND = SegmentResult(
    cluster_network="extra",
    vlan=7,
    dhcp=DiscoveryResult(DHCPOutcome.OFFERED, (OFFERED,), 1000, 0.0123456),
    targets=(
        TargetResult(
            "0" * 16,
            OFFERED,
            OFFERED.gateway,
            ReachResult(ReachOutcome.REACHABLE, 0.0002, 1, bytes.fromhex("02fe00000001")),
            ReachResult(ReachOutcome.SILENT, None, 3),
        ),
    ),
    fault=None,
    dropped_frames=2,
)


def test_result_becomes_a_verdict() -> None:
    """Every field, within the contract's bounds; the message survives a round trip through JSON."""
    made = verdicts.verdict(FOUND, host="node1", request_id="r1", incarnation=5, counter=6)
    assert made.dhcp is not None
    (offer,) = made.dhcp.servers
    assert (str(offer.cidr), str(offer.relay), offer.after_ms) == ("10.0.0.0/20", "10.9.9.9", 12.346)
    assert (len(offer.routers), made.dhcp.attempts) == (16, 100)
    (of_target,) = made.targets
    assert (str(of_target.cidr), str(of_target.gateway)) == ("10.0.0.0/20", "10.0.7.1")
    assert (of_target.vlan.rtt_ms, of_target.vlan.mac) == (0.2, "02:fe:00:00:00:01")
    assert (of_target.routed.outcome, of_target.routed.rtt_ms) == (ReachOutcome.SILENT, None)
    assert (made.segment.vlan, made.incarnation, made.counter, made.dropped_frames) == (7, 5, 6, 2)
    report = Report(host="node1", verdicts=(made,))
    assert Report.from_wire(report.to_json()) == report


def test_offer_without_a_mask_has_no_cidr() -> None:
    """The size of a network is never guessed."""
    assert results.cidr(OFFERED._replace(prefix=None)) is None


def test_untried_segment_has_a_result_for_every_target() -> None:
    """With the gateway that would have been checked."""
    probe = SegmentProbe(vlan=9, ask_dhcp=True, targets=(target("10.0.9.1"), target(digest="1" * 16)))
    made = verdicts.verdict(
        results.untried("extra", probe, Fault.STOPPED), host="n", request_id="r", incarnation=0, counter=0
    )
    assert Verdict.from_wire(made.to_wire()) == made
    assert made.dhcp is not None
    assert (made.fault, made.dhcp.outcome) == (Fault.STOPPED, DHCPOutcome.NOT_TRIED)
    assert [str(t.gateway) for t in made.targets] == ["10.0.9.1", "None"]
