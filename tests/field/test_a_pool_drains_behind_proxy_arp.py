"""At depth lease behind proxy ARP, each probe found its address in use and declined it: a pool drained."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address

import pytest
import redis

from services.contract.lease_conflicts import LeaseConflict
from services.contract.messages import LeaseVerdict, SegmentProbe, Verdict
from services.contract.names import LEASE_CONFLICT_TTL_S, lease_conflict_key
from services.contract.outcomes import Depth, LeaseOutcome, Reason, State
from services.network.parse.intent import Intent
from services.prober import verdicts
from services.prober.fingerprints import fingerprint
from services.prober.lease_pauses import LeasePauses
from tests.support.redis_server import RedisServer
from tests.unit.network.builders import CIDR, GATEWAY, SEGMENT, dhcp, offer
from tests.unit.network.judged_network import JudgedNetwork
from tests.unit.prober import frames
from tests.unit.prober.frames import Sent
from tests.unit.prober.leasing import DECLINE, REQUEST, LeasingServer, Pinged
from tests.unit.prober.world import UPLINK, Gateway, World, target

PROXY = "02:bd:00:00:00:01"
KEY = lease_conflict_key(SEGMENT.model_copy(update={"vlan": 7}))
HOUR_MS = 3_600_000


@dataclass
class ProxyARP:
    """Answers ARP for every address but the gateway's."""

    asked: list[str] = field(default_factory=list)

    def __call__(self, sent: Sent) -> Iterator[tuple[float, bytes]]:
        if sent.arp_target is not None and sent.arp_target != "10.0.7.1":
            self.asked.append(sent.arp_target)
            mac = bytes.fromhex(PROXY.replace(":", ""))
            yield 0.001, frames.arp_reply(sender=sent.arp_target, to=sent.source, mac=mac)


class Prober:
    """A host's prober, of which only queue and sockets are left out."""

    def __init__(self, client: redis.Redis, *, hours: float = 6.0, depth: Depth = Depth.LEASE) -> None:
        self.pauses = LeasePauses(client, hours=hours, depth=depth)
        self.world = World(routed=False, depth=depth)
        self.server, self.proxy = LeasingServer(), ProxyARP()
        self.world.put(7, self.server, Gateway("10.0.7.1"), Pinged(), self.proxy)

    def ask(self, *, depth: Depth = Depth.OFFER) -> Verdict:
        """Probe VLAN 7 once more, with DHCP."""
        world = self.world
        world.found.clear()
        world._begun = 1
        asked = SegmentProbe(vlan=7, ask_dhcp=True, depth=depth, targets=(target(),))
        (probe,) = self.pauses.apply(UPLINK, [asked])
        world.engine.start(UPLINK, probe, done=lambda found: world.found.update({7: found}), now=world.now)
        result = self.pauses.complete(world.only())
        made = verdicts.verdict(
            result, host="n", request_id="r", incarnation=0, counter=0, fingerprint=fingerprint(result)
        )
        return Verdict.from_wire(made.to_wire())


def lease_of(verdict: Verdict) -> LeaseVerdict:
    assert verdict.dhcp is not None
    assert verdict.dhcp.lease is not None
    return verdict.dhcp.lease


def test_one_address_is_declined_and_no_host_leases_for_hours(redis_server: RedisServer) -> None:
    """The next asks of this host, of others and of one that restarted only receive offers, and say why."""
    first, second = Prober(redis_server.client), Prober(redis_server.client)
    conflict = lease_of(first.ask())
    assert (conflict.outcome, conflict.owner) == (LeaseOutcome.CONFLICT, PROXY)
    paused = [prober.ask() for prober in (first, second, Prober(redis_server.client), second)]
    assert {lease_of(each).outcome for each in paused} == {LeaseOutcome.PAUSED}
    assert {(str(lease_of(each).address), lease_of(each).owner) for each in paused} == {("10.0.7.100", PROXY)}
    assert len({each.fingerprint for each in paused}) == 1
    assert all(each.targets[0].gateway is not None for each in paused), "DHCP still names the gateway"
    assert len(first.server.of(DECLINE)) == 1
    assert second.server.of(REQUEST) == second.server.of(DECLINE) == []


def test_after_the_pause_one_address_more_is_tried_and_names_proxy_arp(redis_server: RedisServer) -> None:
    """The MAC address that answered for one address hours ago answers for another one."""
    prober = Prober(redis_server.client)
    prober.ask()
    assert 0 < redis_server.client.ttl(KEY) <= LEASE_CONFLICT_TTL_S
    known = LeaseConflict.from_wire(redis_server.client.get(KEY))
    old = known.model_copy(update={"at_ms": known.at_ms - 6 * HOUR_MS, "address": IPv4Address("10.0.7.99")})
    redis_server.client.set(KEY, old.to_json())
    again = lease_of(prober.ask())
    assert (again.outcome, again.others) == (LeaseOutcome.CONFLICT, (IPv4Address("10.0.7.99"),))
    assert lease_of(prober.ask()).others == (IPv4Address("10.0.7.99"),)
    assert len(prober.server.of(DECLINE)) == 2


def test_an_address_that_is_taken_while_it_is_in_use_is_a_conflict(redis_server: RedisServer) -> None:
    """It is declined too, so it begins the same pause."""
    prober = Prober(redis_server.client)
    prober.world.nodes[7] = [prober.server, Gateway("10.0.7.1"), Pinged(silent=True)]
    stranger = bytes.fromhex(PROXY.replace(":", ""))
    prober.world.deliver(1.0, 7, frames.arp_request(sender="10.0.7.100", target="10.0.7.1", mac=stranger))
    assert (lease_of(prober.ask()).outcome, redis_server.client.exists(KEY)) == (LeaseOutcome.CONFLICT, 1)


@pytest.mark.parametrize("stored", ["", "7", "[]", '{"at_ms":1}', '{"at_ms":99999999999999}', "\0" * 9_000])
def test_junk_in_redis_pauses_nothing(redis_server: RedisServer, stored: str) -> None:
    """Nor does a conflict of the future; the lease is taken and the key replaced or set aside."""
    redis_server.client.set(KEY, stored)
    prober = Prober(redis_server.client)
    prober.world.nodes[7] = [prober.server, Gateway("10.0.7.1"), Pinged()]
    assert lease_of(prober.ask()).outcome is LeaseOutcome.HELD


def test_the_pause_is_a_setting_and_of_leases_only(redis_server: RedisServer) -> None:
    """With 0 hours each ask leases; at depth offer nothing is said of leases."""
    eager = Prober(redis_server.client, hours=0.0)
    assert [lease_of(eager.ask()).outcome for _ in range(2)] == [LeaseOutcome.CONFLICT] * 2
    assert redis_server.client.exists(KEY) == 0
    shallow = Prober(redis_server.client, depth=Depth.OFFER)
    assert lease_of(shallow.ask(depth=Depth.LEASE)).outcome is LeaseOutcome.CONFLICT
    verdict = shallow.ask()
    assert verdict.dhcp is not None
    assert verdict.dhcp.lease is None


AUTO = Intent(SEGMENT, "auto", known_gateway=GATEWAY, known_cidr=CIDR)
IN_USE = LeaseVerdict(
    outcome=LeaseOutcome.PAUSED,
    server=IPv4Address("10.0.112.2"),
    address=IPv4Address("10.0.112.50"),
    owner=PROXY,
)


def findings(lease: LeaseVerdict, *, gateway_mac: str = "02:00:00:00:00:09") -> dict[str, str]:
    """Return what is told of a network on which hosts found this."""
    site = JudgedNetwork(AUTO, "node1", "node2")
    said = dhcp(offer()).model_copy(update={"lease": lease})
    site.report("node1", dhcp=said, mac=gateway_mac).report("node2", mac=gateway_mac)
    told = site.look()
    assert told is not None
    assert told.state == State.ACTIVE
    return dict(told.findings)


def test_a_conflict_is_told_with_the_mac() -> None:
    """Beside the state, which does not depend on it; it goes when an address could be leased again."""
    text = "10.0.112.50, offered by 10.0.112.2, is in use by 02:bd:00:00:00:01"
    assert findings(IN_USE) == {Reason.ADDRESS_IN_USE: text}
    assert findings(IN_USE.model_copy(update={"outcome": LeaseOutcome.CONFLICT})) == {
        Reason.ADDRESS_IN_USE: text
    }
    assert findings(IN_USE.model_copy(update={"outcome": LeaseOutcome.HELD})) == {}


@pytest.mark.parametrize("by", ["others", "gateway"])
def test_a_mac_that_answers_for_several_addresses_is_named_proxy_arp(by: str) -> None:
    """For another address that was offered before, or for the gateway's."""
    if by == "others":
        told = findings(IN_USE.model_copy(update={"others": (IPv4Address("10.0.112.49"),)}))
        other = "10.0.112.49"
    else:
        told, other = findings(IN_USE, gateway_mac=PROXY), str(GATEWAY)
    assert told == {
        Reason.PROXY_ARP: f"{PROXY} answers ARP for 10.0.112.50, {other}; 10.0.112.2 offered the first"
    }


def test_the_finding_stays_the_same_whoever_asks() -> None:
    """Hosts take turns: nothing is written again."""
    site = JudgedNetwork(AUTO, "node1", "node2")
    said = dhcp(offer()).model_copy(update={"lease": IN_USE})
    site.report("node1", dhcp=said).report("node2").stand()
    before = site.status
    for turn in range(4):
        site.report(f"node{turn % 2 + 1}", dhcp=said)
        assert site.look(after=300) is None
    assert before is not None
    assert site.status == replace(before)
