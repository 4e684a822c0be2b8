"""Identity, timers, token buckets, results, settings and a scan's JSON."""

import itertools
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contract.errors import ConfigurationError
from services.contract.messages import Report, SegmentProbe, Verdict
from services.contract.outcomes import DHCPOutcome, Fault, ReachOutcome
from services.network.policy import DEFAULT_POLICY
from services.prober.engine import results
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
from services.prober.settings import ProberSettings
from services.prober.sockets import netlink as uplink
from tests.unit.prober.frames import number
from tests.unit.prober.world import target


def test_identity_is_stable_and_local() -> None:
    """Constant for a (host, segment), locally administered, unicast, and with the host's prefix."""
    ours = Identity(host="node1", cluster_network="extra")
    again = Identity(host="node1", cluster_network="extra")
    assert [ours.mac(v) for v in (1, 7, 4094)] == [again.mac(v) for v in (1, 7, 4094)]
    assert ours.client_id(7) == again.client_id(7)
    assert ours.mac(7)[0] & 3 == 2
    assert ours.mac(7)[:4] == ours.prefix
    # Pinned: with another value, an update would take a second address from every pool.
    assert ours.mac(7).hex(":") == "62:94:7e:56:f0:07"
    assert ours.client_id(7).hex() == "00d370438be2be5aed0f34fb61317f0007"


def test_identities_differ() -> None:
    """By host, cluster network and VLAN; with one_mac, VLANs differ in the client identifier alone."""
    names = itertools.product([f"node{n}" for n in range(30)], ["mgmt", "extra"])
    identities = [Identity(host=host, cluster_network=network) for host, network in names]
    everyone = [(i.mac(v), i.client_id(v)) for i in identities for v in range(1, 100)]
    assert len({mac for mac, _ in everyone}) == len({c for _, c in everyone}) == len(everyone)
    one = Identity(host="node1", cluster_network="extra", one_mac=True)
    assert one.mac(7) == one.mac(8)
    assert one.client_id(7) != one.client_id(8)


@given(st.lists(st.tuples(st.floats(0, 100), st.booleans()), max_size=50))
def test_timers_run_in_order_and_cancelled_ones_do_not(timings: list[tuple[float, bool]]) -> None:
    """Each runs once, when it is due, in the order of time."""
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
def test_bucket_never_exceeds_its_rate(rate: float, gaps: list[float]) -> None:
    """In any period: at most rate times its length, plus one burst."""
    bucket, now, taken = TokenBucket(rate), 100.0, []
    for gap in gaps:
        now += gap
        while bucket.take(now):
            taken.append(now)
    burst = max(1.0, rate * 0.02)
    for first, start in enumerate(taken):
        assert len(taken) - first <= (taken[-1] - start) * rate + burst + 1


@given(st.floats(0.5, 5000), st.integers(1, 60))
def test_paced_queue_runs_all_actions_in_order(rate: float, count: int) -> None:
    """Every wakeup at the next deadline makes progress."""
    timers = Timers()
    paced = PacedQueue(timers, rate)
    ran: list[int] = []
    for number_ in range(count):
        paced.submit(0.0, lambda now, n=number_: ran.append(n))  # type: ignore[misc]
    wakeups = 0
    while (due := timers.next_deadline()) is not None:
        timers.run_due(due)
        wakeups += 1
        assert wakeups <= 2 * count + 2, "a wakeup without a token"
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


def test_result_becomes_a_verdict() -> None:
    """Every field, within the contract's bounds; the message survives a round trip through JSON."""
    made = results.verdict(FOUND, host="node1", request_id="r1", incarnation=5, counter=6)
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
    """The size of a network is never guessed."""
    assert results.cidr(OFFERED._replace(prefix=None)) is None


def test_untried_segment_has_a_result_for_every_target() -> None:
    """With the gateway that would have been checked."""
    probe = SegmentProbe(vlan=9, ask_dhcp=True, targets=(target("10.0.9.1"), target(digest="1" * 16)))
    made = results.verdict(
        results.untried("extra", probe, Fault.STOPPED), host="n", request_id="r", incarnation=0, counter=0
    )
    assert Verdict.from_wire(made.to_wire()) == made
    assert made.dhcp is not None
    assert (made.fault, made.dhcp.outcome) == (Fault.STOPPED, DHCPOutcome.NOT_TRIED)
    assert [str(t.gateway) for t in made.targets] == ["10.0.9.1", "None"]


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
    ("flags", "message"),
    [
        ({"host": "Node 1"}, "--host='Node 1'"),
        ({"uplinks": {}}, "--uplinks={}"),
        ({"uplinks": {"extra": "an-interface-name-too-long"}}, "--uplinks"),
        ({"arp_rate": 0}, "--arp-rate=0"),
        ({"concurrency": 0}, "--concurrency=0"),
        ({"dhcp_deadline_s": -1}, "--dhcp-deadline-s=-1"),
    ],
)
def test_wrong_setting_is_named(flags: dict[str, Any], message: str) -> None:
    """The field, the value and what was expected."""
    with pytest.raises(ConfigurationError, match=message):
        ProberSettings.load(**{"host": "node1", "uplinks": {"extra": "extra-bo"}, **flags})


def test_prober_settings_set_the_engine() -> None:
    """The defaults are those of RFC 2131 and of measurements."""
    settings = ProberSettings.load(host="node1", uplinks={"extra": "extra-bo"}, arp_rate=10)
    engine = settings.engine_settings()
    assert (engine.dhcp_deadline_s, engine.arp_rate, engine.start_rate) == (12.0, 10.0, 1000.0)
    assert engine.retransmit_s == (4.0, 8.0, 16.0)


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
def test_empty_bucket_is_ready_later_whatever_the_uptime(up_s: float) -> None:
    """Large floats are far apart; a timer set for the present time would loop."""
    bucket, now = TokenBucket(1000.0), up_s
    for _ in range(1000):
        while bucket.take(now):
            pass
        assert bucket.ready_at(now) > now
        now = bucket.ready_at(now)
