"""The small parts: identity, timers, token buckets, findings, settings and a scan's JSON."""

import itertools
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contract.errors import ConfigurationError
from services.contract.messages import DHCPFinding, Offer, Reach, Report, SegmentProbe, Verdict
from services.contract.outcomes import DHCPOutcome, Fault, ReachOutcome
from services.network.policy import DEFAULT_POLICY
from services.prober.engine import results as findings
from services.prober.engine.identity import Identity
from services.prober.engine.pacing import PacedQueue, TokenBucket
from services.prober.engine.results import (
    DHCPOffer,
    DiscoveryResult,
    ReachResult,
    SegmentResult,
    TargetResult,
)
from services.prober.engine.timers import Timers
from services.prober.scan import scanning
from services.prober.settings import ProberSettings
from services.prober.sockets import netlink as uplink
from tests.unit.prober.frames import number
from tests.unit.prober.world import target


def test_identity_is_stable_and_local() -> None:
    """The same for ever for a (host, segment), locally administered, unicast, and our own prefix."""
    ours = Identity(host="node1", cluster_network="extra")
    again = Identity(host="node1", cluster_network="extra")
    assert [ours.mac(v) for v in (1, 7, 4094)] == [again.mac(v) for v in (1, 7, 4094)]
    assert ours.client_id(7) == again.client_id(7)
    assert ours.mac(7)[0] & 3 == 2
    assert ours.mac(7)[:4] == ours.prefix
    # Pinned: another value would hold a second address in every pool after an update.
    assert ours.mac(7).hex(":") == "62:94:7e:56:f0:07"
    assert ours.client_id(7).hex() == "00d370438be2be5aed0f34fb61317f0007"


def test_identities_differ() -> None:
    """By host, by cluster network and by VLAN; with one MAC, by VLAN in the client identifier alone."""
    names = itertools.product([f"node{n}" for n in range(30)], ["mgmt", "extra"])
    identities = [Identity(host=host, cluster_network=network) for host, network in names]
    everyone = [(i.mac(v), i.client_id(v)) for i in identities for v in range(1, 100)]
    assert len({mac for mac, _ in everyone}) == len({c for _, c in everyone}) == len(everyone)
    one = Identity(host="node1", cluster_network="extra", one_mac=True)
    assert one.mac(7) == one.mac(8)
    assert one.client_id(7) != one.client_id(8)


@given(st.lists(st.tuples(st.floats(0, 100), st.booleans()), max_size=50))
def test_timers_run_in_order_and_cancelled_ones_do_not(timings: list[tuple[float, bool]]) -> None:
    """Each once, when its time has come, the earlier first."""
    timers = Timers()
    ran: list[float] = []
    for when, cancelled in timings:
        timer = timers.at(when, lambda now, when=when: ran.append(when))  # type: ignore[misc]
        if cancelled:
            timer.cancel()
    due = sorted(when for when, cancelled in timings if not cancelled)
    timers.run_due(50.0)
    assert ran == [when for when in due if when <= 50.0]
    timers.run_due(100.0)
    assert ran == due
    assert timers.next_deadline() is None


@given(st.floats(0.5, 5000), st.lists(st.floats(0, 0.5), max_size=200))
def test_bucket_never_gives_more_than_its_rate(rate: float, gaps: list[float]) -> None:
    """In any stretch of time at most what the rate allows, and the burst that it began with."""
    bucket, now, taken = TokenBucket(rate), 100.0, []
    for gap in gaps:
        now += gap
        while bucket.take(now):
            taken.append(now)
    burst = max(1.0, rate * 0.02)
    for first, start in enumerate(taken):
        assert len(taken) - first <= (taken[-1] - start) * rate + burst + 1


@given(st.floats(0.5, 5000), st.integers(1, 60))
def test_queue_lets_all_through_in_order_when_it_says(rate: float, count: int) -> None:
    """Whoever comes back at the next deadline finds progress; nobody is passed by."""
    timers = Timers()
    paced = PacedQueue(timers, rate)
    ran: list[int] = []
    for number_ in range(count):
        paced.submit(0.0, lambda now, n=number_: ran.append(n))  # type: ignore[misc]
    turns = 0
    while (due := timers.next_deadline()) is not None:
        timers.run_due(due)
        turns += 1
        assert turns <= 2 * count + 2, "it wakes without a token"
    assert ran == list(range(count))


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


def test_finding_becomes_a_verdict_that_travels() -> None:
    """Every field arrives, within the contract's bounds, over the wire and back."""
    made = findings.verdict(FOUND, host="node1", request_id="r1", incarnation=5, counter=6)
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
    assert Report.from_wire(report.to_wire()) == report


def test_offer_without_a_mask_has_no_cidr() -> None:
    """A network's size is never guessed."""
    assert findings.cidr(OFFERED._replace(prefix=None)) is None


def test_untried_segment_says_so_for_every_target() -> None:
    """The gateway that was to be asked is named all the same."""
    probe = SegmentProbe(vlan=9, ask_dhcp=True, targets=(target("10.0.9.1"), target(digest="1" * 16)))
    made = findings.verdict(
        findings.untried("extra", probe, Fault.STOPPED), host="n", request_id="r", incarnation=0, counter=0
    )
    assert Verdict.from_wire(made.to_wire()) == made
    assert made.dhcp is not None
    assert (made.fault, made.dhcp.outcome) == (Fault.STOPPED, DHCPOutcome.NOT_TRIED)
    assert [str(t.gateway) for t in made.targets] == ["10.0.9.1", "None"]


def test_scan_json_is_the_documented_one() -> None:
    """The stable form, with and without an answer."""
    offer = Offer.model_validate(
        {"server": "10.0.112.1", "address": "10.0.112.9", "cidr": "10.0.112.0/20", "gateway": "10.0.112.1"}
    )
    found = scanning.ScanResult(
        vlan=7,
        dhcp=DHCPFinding(outcome=DHCPOutcome.OFFERED, servers=(offer,)),
        gateway=Reach(outcome=ReachOutcome.REACHABLE, rtt_ms=0.2),
        fault=None,
        dropped_frames=0,
    )
    server = {"server": "10.0.112.1", "cidr": "10.0.112.0/20", "gateway": "10.0.112.1"}
    assert found.to_json() == {
        "vlan": 7,
        "dhcp": {"outcome": "offered", "servers": [server]},
        "gateway": {"outcome": "reachable", "rtt_ms": 0.2},
    }
    silent = scanning.ScanResult(
        vlan=8,
        dhcp=DHCPFinding(outcome=DHCPOutcome.NO_OFFER),
        gateway=Reach(outcome=ReachOutcome.NOT_TRIED),
        fault=Fault.UPLINK_DOWN,
        dropped_frames=0,
    )
    assert silent.to_json() == {
        "vlan": 8,
        "dhcp": {"outcome": "no_offer", "servers": []},
        "gateway": {"outcome": "not_tried", "rtt_ms": None},
        "fault": "UplinkDown",
    }


@pytest.mark.parametrize("vlans", [[0], [4095], [7, 5000]])
def test_scan_of_no_vlan_is_refused(vlans: list[int]) -> None:
    """Before anything is opened."""
    with pytest.raises(ValueError, match="1 to 4094"):
        scanning.scan("lo", vlans)


def test_state_of_an_interface_is_read_from_the_kernel() -> None:
    """The loopback is there; what is not there is None and no error."""
    state = uplink.read_state("lo")
    assert state is not None
    assert state.index == 1
    assert uplink.read_state("no-such-if") is None


@given(st.binary(min_size=32, max_size=120))
def test_short_attributes_do_not_loop(tail: bytes) -> None:
    """A length of zero in an answer ends the reading."""
    header = uplink._HEADER.pack(16 + len(tail), 16, 0, 1, 0)
    state = uplink.parse_reply(header + tail)
    assert state is None or state.carrier_changes >= 0


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ({"host": "Node 1"}, "--host='Node 1'"),
        ({"uplinks": {}}, "--uplinks={}"),
        ({"uplinks": {"extra": "an-interface-name-too-long"}}, "--uplinks"),
        ({"arp_rate": 0}, "--arp-rate=0"),
        ({"concurrency": 0}, "--concurrency=0"),
        ({"dhcp_deadline_s": -1}, "--dhcp-deadline-s=-1"),
    ],
)
def test_wrong_setting_is_named(flags: dict[str, Any], told: str) -> None:
    """The field, the value and what was expected."""
    with pytest.raises(ConfigurationError, match=told):
        ProberSettings.load(**{"host": "node1", "uplinks": {"extra": "extra-bo"}, **flags})


def test_settings_make_the_policy() -> None:
    """What is set is what the engine does; the defaults are those of RFC 2131 and of the measurements."""
    settings = ProberSettings.load(host="node1", uplinks={"extra": "extra-bo"}, arp_rate=10)
    policy = settings.engine_settings()
    assert (policy.dhcp_deadline_s, policy.arp_rate, policy.start_rate) == (12.0, 10.0, 1000.0)
    assert policy.retransmit_s == (4.0, 8.0, 16.0)


def test_the_prober_denies_what_the_updater_refuses() -> None:
    """The same subnets by default, and the host's own addresses; what is given takes the default's place."""
    settings = ProberSettings.load(host="node1", uplinks={"extra": "extra-bo"})
    assert settings.denied_subnets == DEFAULT_POLICY.denied_subnets
    pods = (int(IPv4Address("10.52.0.0")), 0xFFFF0000)
    assert pods in settings.engine_settings().denied
    given = settings.model_copy(update={"denied_subnets": (IPv4Network("10.9.0.0/24"),)})
    own = IPv4Address("10.0.7.4")
    assert given.engine_settings(own_addresses=[own]).denied == (
        (int(IPv4Address("10.9.0.0")), 0xFFFFFF00),
        (int(own), 0xFFFFFFFF),
    )


@pytest.mark.parametrize("up_s", [1e3, 2e7, 3e7, 1e9])
def test_bucket_that_refuses_is_ready_later_however_long_the_host_is_up(up_s: float) -> None:
    """Far from zero the clock's numbers lie far apart; a timer for the same time again would run for ever."""
    bucket, now = TokenBucket(1000.0), up_s
    for _ in range(1000):
        while bucket.take(now):
            pass
        assert bucket.ready_at(now) > now
        now = bucket.ready_at(now)
