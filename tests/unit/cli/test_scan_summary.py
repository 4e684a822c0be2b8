"""A scan in numbers: counts by outcome, and distributions of times."""

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cli.scan.summary import Distribution, summarize
from services.contract.outcomes import DHCPOutcome, Fault, ReachOutcome
from services.prober.scan.results import NOT_TRIED, ScannedDHCP, ScannedOffer, ScannedReach, ScanResult

TIMES = st.floats(min_value=0, max_value=1e6)


def offered(vlan: int, *after_ms: float, rtt_ms: float | None, echo: ScannedReach = NOT_TRIED) -> ScanResult:
    """Return a VLAN with an offer for each time, all but the first rogue; rtt_ms None: a silent gateway."""
    offers = tuple(
        ScannedOffer(
            server=IPv4Address(167772160 + number),
            address=IPv4Address("10.0.0.9"),
            after_ms=after,
            rogue=number > 1,
        )
        for number, after in enumerate(after_ms, 1)
    )
    outcome = ReachOutcome.SILENT if rtt_ms is None else ReachOutcome.REACHABLE
    return ScanResult(
        vlan=vlan,
        dhcp=ScannedDHCP(outcome=DHCPOutcome.OFFERED, servers=offers),
        gateway=ScannedReach(outcome=outcome, rtt_ms=rtt_ms),
        fault=None,
        dropped_frames=0,
        echo=echo,
    )


def without_offer(
    vlan: int, outcome: DHCPOutcome, *, fault: Fault | None = None, dropped: int = 0
) -> ScanResult:
    return ScanResult(
        vlan=vlan,
        dhcp=ScannedDHCP(outcome=outcome),
        gateway=NOT_TRIED,
        fault=fault,
        dropped_frames=dropped,
    )


RESULTS = [
    offered(1, 3.0, 1000.5, rtt_ms=0.5),
    offered(2, 1.0, rtt_ms=0.25, echo=ScannedReach(outcome=ReachOutcome.REACHABLE, rtt_ms=0.75)),
    offered(3, 2.0, rtt_ms=None),
    without_offer(4, DHCPOutcome.NO_OFFER, dropped=2),
    without_offer(5, DHCPOutcome.INCONCLUSIVE, dropped=3),
    without_offer(6, DHCPOutcome.NOT_TRIED, fault=Fault.UPLINK_DOWN),
]


def test_each_vlan_is_counted_once_and_each_offer_is_a_time() -> None:
    """Outcomes that did not occur are 0."""
    assert summarize(RESULTS).document() == {
        "vlans": 6,
        "dhcp": {"offered": 3, "no_offer": 1, "inconclusive": 1, "not_tried": 1},
        "gateways": {"reachable": 2, "silent": 1, "inconclusive": 0, "not_tried": 3},
        "faults": {"UplinkDown": 1},
        "offer": {"n": 4, "p50_ms": 2.0, "p95_ms": 1000.5, "max_ms": 1000.5},
        "arp": {"n": 2, "p50_ms": 0.25, "p95_ms": 0.5, "max_ms": 0.5},
        "echo": {"n": 1, "p50_ms": 0.75, "p95_ms": 0.75, "max_ms": 0.75},
        "rogue_servers": 1,
        "dropped_frames": 3,
    }


def test_the_summary_lists_what_occurred() -> None:
    """Each distribution has its n, since p95 of two values means little."""
    assert summarize(RESULTS).lines() == [
        "6 VLANs:              3 offered, 1 no offer, 1 inconclusive, 1 not tried",
        "gateways:             2 reachable, 1 silent, 3 not tried",
        "faults:               1 UplinkDown",
        "rogue DHCP servers:   1",
        "OFFER after DISCOVER: n 4, p50 2.0 ms, p95 1000.5 ms, max 1000.5 ms",
        "ARP round trip:       n 2, p50 0.2 ms, p95 0.5 ms, max 0.5 ms",
        "ICMP round trip:      n 1, p50 0.8 ms, p95 0.8 ms, max 0.8 ms",
    ]


def test_without_answers_there_are_no_times() -> None:
    """There is no line of them, and percentiles are null."""
    summary = summarize([without_offer(4, DHCPOutcome.NO_OFFER)])
    assert summary.lines() == ["1 VLAN:               1 no offer", "gateways:             1 not tried"]
    assert summary.document()["arp"] == {"n": 0, "p50_ms": None, "p95_ms": None, "max_ms": None}


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([7.0], (7.0, 7.0, 7.0)),
        ([2.0, 1.0], (1.0, 2.0, 2.0)),
        ([float(n) for n in range(100, 0, -1)], (50.0, 95.0, 100.0)),
        ([0.0] * 19 + [9.0], (0.0, 0.0, 9.0)),
        ([0.0] * 18 + [9.0] * 2, (0.0, 9.0, 9.0)),
    ],
)
def test_percentiles_are_nearest_ranks(times: list[float], expected: tuple[float, float, float]) -> None:
    """Each is one of the measured times."""
    found = Distribution.of(times)
    assert (found.p50_ms, found.p95_ms, found.max_ms) == expected
    assert found.n == len(times)


@given(st.lists(TIMES, min_size=1, max_size=200))
def test_no_more_than_their_share_exceeds_a_percentile(times: list[float]) -> None:
    """At most 50 % exceed p50, 5 % p95 and none max, and no smaller value has this property."""
    found = Distribution.of(times)
    assert found.max_ms == max(times)
    for percentile, per_cent in ((found.p50_ms, 50), (found.p95_ms, 95)):
        assert percentile in times
        assert sum(time <= percentile for time in times) * 100 >= per_cent * len(times)
        assert sum(time < percentile for time in times) * 100 < per_cent * len(times)
