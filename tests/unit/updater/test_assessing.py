"""What nobody can tell is told late, and what is known at once."""

import pytest

from services.contract.names import HOST_TTL_S
from services.contract.outcomes import DHCPOutcome, ReachOutcome
from services.network.parse.intent import Intent, read_intent
from services.network.parse.nad import Network
from services.network.parse.status import Status
from services.updater.assessing import CONFIRMED_WITHIN_S, Assessment, Assessor
from tests.support.manual_clock import ManualClock
from tests.unit.network.builders import CIDR, GATEWAY, SEGMENT, config, dhcp, network, offer, verdict
from tests.unit.updater.fakes import FakeHosts, FakeMemories, FakeStore

FRESH_S = 600.0
ROUTE = f'{{"mode":"auto","cidr":"{CIDR}","gateway":"{GATEWAY}","connectivity":"true"}}'
DIGEST = Intent(SEGMENT, "auto").digest


class Bench:
    """An assessor over verdicts and hosts that a test sets."""

    def __init__(self) -> None:
        self.clock, self.store, self.hosts = ManualClock(), FakeStore(), FakeHosts("node1")
        self.assessor = Assessor(self.store, self.hosts, FakeMemories(), self.clock, fresh_s=FRESH_S)

    def assess(self, target: Network) -> Assessment:
        (assessment,) = self.assessor.assess([target])
        return assessment

    def state(self, target: Network) -> str | None:
        """What would be told now; None where what was told stands."""
        change = self.assess(target).change
        return None if change is None else change.after.state


@pytest.fixture
def bench() -> Bench:
    return Bench()


def told(state: str, *, digest: str = DIGEST) -> Network:
    """A network of which this was told."""
    status = Status(state, "x", since="2026-11-23T00:00:00Z", digest=digest, gateway=str(GATEWAY))
    return network(ROUTE, status=status.dump())


def test_a_redis_that_came_back_empty_is_no_news(bench: Bench) -> None:
    """What was told stands for as long as a verdict would; then it is unknown."""
    active = told("Active")
    assert bench.state(active) is None
    bench.clock.seconds += FRESH_S - 1
    assert bench.state(active) is None
    bench.clock.seconds += 1
    assessment = bench.assess(active)
    assert assessment.change is not None
    after = assessment.change.after
    assert (after.state, after.reason) == ("Unknown", "NoFreshVerdict")


def test_verdicts_that_come_back_start_the_wait_anew(bench: Bench) -> None:
    """Two short gaps are not one long one."""
    active = told("Active")
    assert bench.state(active) is None
    bench.clock.seconds += FRESH_S - 1
    bench.store.say(verdict(DIGEST, dhcp=dhcp(offer())))
    bench.state(active)
    bench.store.known.clear()
    bench.clock.seconds += 2
    assert bench.state(active) is None


def test_hosts_that_vanish_are_believed_after_a_while(bench: Bench) -> None:
    """Their verdicts count no more; a prober that only starts again is back before it is told."""
    active = told("Active")
    bench.store.say(verdict(DIGEST, dhcp=dhcp(offer())))
    bench.hosts.hosts = frozenset()
    assert bench.state(active) is None
    bench.clock.seconds += HOST_TTL_S
    assert bench.state(active) == "Unknown"


def test_unknown_stays_until_something_is_known(bench: Bench) -> None:
    """That nothing came since makes it no less unknown."""
    assert bench.state(told("Unknown")) is None
    bench.store.say(verdict(DIGEST, dhcp=dhcp(offer())))
    assert bench.state(told("Unknown")) == "Active"


def test_after_unknown_a_host_that_was_offered_nothing_is_told(bench: Bench) -> None:
    """That is news, though nothing is concluded from it yet: the watcher has another host ask."""
    bench.hosts = FakeHosts("node1", "node2")
    bench.assessor = Assessor(bench.store, bench.hosts, FakeMemories(), bench.clock, fresh_s=FRESH_S)
    nothing = ReachOutcome.NOT_TRIED
    bench.store.say(verdict(DIGEST, dhcp=dhcp(), gateway=None, vlan=nothing, routed=nothing))
    status = Status("Unknown", "NoFreshVerdict", since="2026-11-23T00:00:00Z", digest=DIGEST)
    change = bench.assess(network(status=status.dump())).change
    assert change is not None
    assert (change.after.state, change.after.reason) == ("Pending", "ConfirmingNoOffer")


def test_another_intent_is_pending_at_once(bench: Bench) -> None:
    """What was told is of something that nobody asks any more."""
    assert bench.state(told("Active", digest="0" * 16)) == "Pending"


def test_what_is_known_is_told_at_once(bench: Bench) -> None:
    """A gateway that falls silent waits for nothing here."""
    bench.store.say(verdict(DIGEST, vlan=ReachOutcome.SILENT, routed=ReachOutcome.SILENT))
    assert bench.state(told("Active")) == "Unreachable"


def test_lost_frames_end_as_unknown_with_their_reason(bench: Bench) -> None:
    """Never as a failure of DHCP; and not for ever as Active."""
    lost = dhcp(outcome=DHCPOutcome.INCONCLUSIVE)
    inconclusive = ReachOutcome.INCONCLUSIVE
    bench.store.say(verdict(DIGEST, dhcp=lost, vlan=inconclusive, routed=inconclusive))
    assert bench.state(told("Active")) is None
    bench.clock.seconds += FRESH_S
    change = bench.assess(told("Active")).change
    assert change is not None
    assert (change.after.state, change.after.reason) == ("Unknown", "Inconclusive")


def test_a_network_that_is_gone_leaves_nothing_behind(bench: Bench) -> None:
    """Its successor under the same uid, if there ever were one, waits anew."""
    active = told("Active")
    bench.state(active)
    bench.clock.seconds += FRESH_S
    bench.assessor.forget(active.uid)
    assert bench.state(active) is None


def test_many_networks_are_read_at_once(bench: Bench) -> None:
    """Each by its own segment; what is no VLAN network needs no verdicts."""
    bench.store.say(verdict(DIGEST, dhcp=dhcp(offer())))
    untagged = network(config=config(vlan=0))
    found = bench.assessor.assess([network(), untagged, network(config=config(vlan=5))])
    assert [a.change.after.state if a.change else None for a in found] == ["Active", "Ignored", None]
    assert found[0].conclusion is not None
    assert (found[0].conclusion.answering, found[0].conclusion.unoffered) == (("node1",), ())
    assert read_intent(untagged) == found[1].intent


def test_a_host_that_never_answers_hides_no_failure_of_dhcp(bench: Bench) -> None:
    """The others are waited for, and not for ever."""
    bench.hosts.hosts = frozenset({"node1", "node2"})
    silent = ReachOutcome.NOT_TRIED
    bench.store.say(verdict(DIGEST, dhcp=dhcp(), gateway=None, vlan=silent, routed=silent))
    target = network('{"mode":"auto"}')
    assert bench.state(target) == "Pending"
    bench.clock.seconds += CONFIRMED_WITHIN_S - 1
    assert bench.state(target) == "Pending"
    bench.clock.seconds += 1
    assert bench.state(target) == "DHCPFailed"


def test_a_hosts_own_address_is_no_gateway(bench: Bench) -> None:
    """It would always answer; who wrote it is told, as soon as the host has announced itself."""
    mine = network(f'{{"mode":"manual","cidr":"{CIDR}","gateway":"{GATEWAY}","connectivity":"true"}}')
    assert bench.state(mine) is None
    bench.hosts.own = frozenset({GATEWAY})
    change = bench.assess(mine).change
    assert change is not None
    assert (change.after.state, change.after.reason) == ("Invalid", "GatewayRefused")
    assert "a host's own address" in change.after.detail
