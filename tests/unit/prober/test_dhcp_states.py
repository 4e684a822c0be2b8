"""The DHCP client's states: no event, in any order, leads to a transition that is not in the table."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contract.outcomes import LeaseOutcome
from services.prober.engine import dhcp_states
from services.prober.engine.dhcp_states import (
    BOUND,
    ENDED,
    INIT,
    NAMES,
    REQUESTING,
    SELECTING,
    TRANSITIONS,
    UNANSWERED,
)
from services.prober.engine.discovery import Discovery
from services.prober.engine.identity import Identity
from services.prober.engine.lease import LeasedAddress
from services.prober.engine.results import DHCPOffer, DiscoveryResult, LeaseResult
from services.prober.engine.settings import EngineSettings
from services.prober.engine.timers import Timers
from services.prober.engine.trunk_state import Transaction, TrunkState
from services.prober.frames import dhcp, templates
from services.prober.frames.dhcp import Reply
from tests.unit.prober import frames
from tests.unit.prober.frames import number
from tests.unit.prober.leasing import DECLINE, DISCOVER, RELEASE, kind_of

SERVER, ADDRESS = number("10.0.7.1"), number("10.0.7.100")
OFFER = DHCPOffer(
    server=SERVER,
    address=ADDRESS,
    prefix=24,
    gateway=SERVER,
    routers=(SERVER,),
    relay=0,
    lease_s=3600,
    after_s=0.01,
    xid=b"offr",
    server_mac=frames.SERVER_MAC,
)
STRANGER = bytes.fromhex("02bad0000002")
SECONDS = st.sampled_from([0.0, 0.1, 0.3, 1.0, 5.0])
SERVERS = st.sampled_from([SERVER, SERVER, SERVER + 1])
LEASE_EVENTS = st.lists(
    st.tuples(st.just("reply"), st.sampled_from([dhcp.ACK, dhcp.ACK, dhcp.NAK, dhcp.OFFER]), SERVERS)
    | st.tuples(st.just("wait"), SECONDS)
    | st.tuples(st.sampled_from(["wait", "wait", "conflict", "release", "abandon"]), st.just(0.5)),
    max_size=12,
)
DISCOVERY_EVENTS = st.lists(
    st.tuples(st.just("reply"), st.sampled_from([dhcp.OFFER, dhcp.ACK, dhcp.NAK]), SERVERS)
    | st.tuples(st.just("wait"), SECONDS)
    | st.tuples(st.sampled_from(["wait", "loss", "loss", "abandon"]), st.just(4.0)),
    max_size=12,
)
PACED = EngineSettings(start_rate=0.4, arp_rate=2.0, offer_window_s=3.0)
"""So slow that retransmissions and ARP probes wait in queues, and may be dequeued too late."""


class Handler:
    """Collects what a client reports."""

    def __init__(self) -> None:
        self.offers: list[DHCPOffer] = []
        self.results: list[Any] = []

    def offered(self, offer: DHCPOffer, now: float) -> None:
        self.offers.append(offer)

    def discovered(self, result: DiscoveryResult, now: float) -> None:
        self.results.append(result)

    def leased(self, result: LeaseResult, now: float) -> None:
        self.results.append(result)


class Bench:
    """A trunk's state, and the client under test; time is moved by hand."""

    def __init__(self) -> None:
        self.timers = Timers()
        self.trunk = TrunkState(
            identity=Identity(host="node1", cluster_network="extra"),
            templates=templates.load(),
            settings=PACED,
            timers=self.timers,
            randomness=random.Random(1),
        )
        self.station = self.trunk.identity.station(7)
        self.handler = Handler()
        self.now = 1000.0

    def wait(self, seconds: float) -> None:
        """Move the time on, from timer to timer."""
        until = self.now + seconds
        while (due := self.timers.next_deadline()) is not None and due <= until:
            self.now = max(self.now, due)
            self.timers.run_due(self.now)
        self.now = until

    def reply(self, client: Discovery | LeasedAddress, kind: int, server: int) -> None:
        """Deliver a reply as the trunk does: only if a message waits for it."""
        waiting = next((t for t in self.trunk.transactions.values() if t.exchange is client), None)
        if waiting is not None:
            client.replied(waiting, self._message(kind, server, waiting), mac=STRANGER, now=self.now)

    def sent(self, kind: int) -> int:
        """Count the messages of this type that were sent."""
        return sum(kind_of(frames.take_apart(frame)) == kind for frame, _ in self.trunk.outbox)

    def _message(self, kind: int, server: int, transaction: Transaction) -> Reply:
        return Reply(
            kind,
            transaction.xid,
            self.station.mac,
            ADDRESS,
            0,
            server,
            0xFFFFFF00,
            (SERVER,),
            SERVER,
            3600,
            server,
        )


def lease(bench: Bench) -> LeasedAddress:
    """An address whose first DHCPREQUEST has been sent."""
    leased = LeasedAddress(bench.trunk, station=bench.station, offer=OFFER, handler=bench.handler, leases={})
    leased.start(bench.now)
    return leased


@given(LEASE_EVENTS)
def test_lease_makes_only_legal_transitions_and_reports_once(events: list[tuple[Any, ...]]) -> None:
    """Whatever happens: one result, and another only for a conflict while the address is in use; at most one
    DHCPRELEASE or DHCPDECLINE, and nothing after the end."""
    bench = Bench()
    client = lease(bench)
    for name, *arguments in events:
        state, sent = client._state, len(bench.trunk.outbox)
        if name == "reply":
            bench.reply(client, *arguments)
            assert state == REQUESTING or client._state == state
        elif name == "wait":
            bench.wait(*arguments)
        elif name == "conflict":
            client.conflict_detected(STRANGER, bench.now)
        elif name == "release":
            client.release(bench.now)
        else:
            client.abandon(bench.now)
        assert client.in_use is (client._state == BOUND)
        reported = [result.outcome for result in bench.handler.results]
        assert len(reported[:1]) == (client._state in (BOUND, UNANSWERED, ENDED))
        assert len(reported) < 2 or reported == [LeaseOutcome.HELD, LeaseOutcome.CONFLICT]
        assert state != ENDED or (client._state, len(bench.trunk.outbox)) == (ENDED, sent)
    client.release(bench.now)
    sent = len(bench.trunk.outbox)
    bench.wait(60.0)
    assert (client._state, len(bench.trunk.outbox)) == (ENDED, sent)
    assert 1 <= len(bench.handler.results) <= 2
    assert bench.sent(RELEASE) + bench.sent(DECLINE) <= 1
    assert (bench.trunk.transactions, bench.trunk.claims) == ({}, {})


@given(DISCOVERY_EVENTS, st.integers(0, 12))
def test_discovery_makes_only_legal_transitions_and_reports_once(
    events: list[tuple[Any, ...]], started_at: int
) -> None:
    """Whatever happens: one result, and no DHCPDISCOVER before the start or after SELECTING."""
    bench = Bench()
    open_ones: dict[Discovery, None] = {}
    client = Discovery(
        bench.trunk,
        station=bench.station,
        expected=[(SERVER, 0)],
        offers=[],
        handler=bench.handler,
        discoveries=open_ones,
    )
    for name, *arguments in [*events[:started_at], ("start",), *events[started_at:]]:
        state, sent = client._state, bench.sent(DISCOVER)
        if name == "reply":
            bench.reply(client, *arguments)
        elif name == "wait":
            bench.wait(*arguments)
        elif name == "start":
            bench.trunk.start_pace.submit(bench.now, client.start)
        elif name == "loss":
            client.frames_lost(bench.now, wait_s=0.0)
        else:
            client.abandon(bench.now)
        assert state == SELECTING or name == "start" or bench.sent(DISCOVER) == sent
        assert state != INIT or client._state in (INIT, SELECTING) or name == "abandon"
        assert len(bench.handler.results) == (client._state == ENDED)
    bench.wait(60.0)
    assert client._state == ENDED
    assert len(bench.handler.results) == 1
    assert (bench.trunk.transactions, open_ones) == ({}, {})


def test_queued_retransmission_is_not_sent_after_the_offer() -> None:
    """A DHCPDISCOVER that waits for the rate limit is dropped once the client is COLLECTING."""
    bench = Bench()
    client = Discovery(
        bench.trunk, station=bench.station, expected=[], offers=[], handler=bench.handler, discoveries={}
    )
    bench.trunk.start_pace.submit(bench.now, client.start)
    bench.wait(2.0)
    # Another exchange takes the token that the retransmission would need.
    bench.wait(0.6)
    bench.trunk.start_pace.submit(bench.now, lambda _: None)
    client.frames_lost(bench.now, wait_s=0.0)
    bench.wait(0.5)
    bench.reply(client, dhcp.OFFER, SERVER)
    bench.wait(60.0)
    assert bench.sent(DISCOVER) == 1


def test_a_conflict_in_use_is_reported_after_all() -> None:
    """An address that was in use is declined, and told as one that another station has."""
    bench = Bench()
    client = lease(bench)
    bench.reply(client, dhcp.ACK, SERVER)
    for _ in range(3):
        bench.wait(0.5)
    client.conflict_detected(STRANGER, bench.now)
    client.release(bench.now)
    assert [result.outcome for result in bench.handler.results] == [LeaseOutcome.HELD, LeaseOutcome.CONFLICT]
    assert (bench.sent(DECLINE), bench.sent(RELEASE)) == (1, 0)


@pytest.mark.parametrize("state", sorted(TRANSITIONS), ids=NAMES)
def test_transition_that_is_not_in_the_table_is_refused(state: int) -> None:
    """The table is what enter allows: no more, no less."""
    for to in TRANSITIONS:
        if to in TRANSITIONS[state]:
            assert dhcp_states.enter(state, to) == to
        else:
            with pytest.raises(dhcp_states.IllegalTransition, match=f"^{NAMES[state]} to {NAMES[to]}$"):
                dhcp_states.enter(state, to)
