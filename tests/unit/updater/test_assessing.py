"""Assessing: what is remembered between assessments, and which hosts the watcher is to have asked."""

import pytest
from prometheus_client import CollectorRegistry

from services.contract.doubts import DoubtKind
from services.contract.limits import REPORT_WITHIN_S
from services.contract.names import HOST_TTL_S
from services.contract.open_doubts import Doubts, OpenDoubt
from services.contract.outcomes import DHCPOutcome, Fault, ReachOutcome
from services.network.parse.intent import Intent, read_intent
from services.network.parse.nad import Network, NetworkRef
from services.network.parse.status import Status
from services.updater.decide.assessing import Assessor
from services.updater.decide.assessment import Assessment
from services.updater.memory.kept_memories import KeptMemories
from services.updater.metrics import UpdaterMetrics
from services.updater.settings import UpdaterSettings
from tests.support.manual_clock import ManualClock
from tests.unit.network.builders import CIDR, GATEWAY, SEGMENT, config, dhcp, network, offer, verdict
from tests.unit.updater.fakes import FakeDoubtLog, FakeHosts, FakeMemories, FakeStore

FRESH_S = 600.0
ROUTE = f'{{"mode":"auto","cidr":"{CIDR}","gateway":"{GATEWAY}","connectivity":"true"}}'
DIGEST = Intent(SEGMENT, "auto").digest
SILENT = ReachOutcome.SILENT


class Bench:
    """An assessor over verdicts and hosts that a test sets."""

    def __init__(self, *hosts: str) -> None:
        self.clock, self.hosts, self.doubt_log = ManualClock(), FakeHosts(*hosts), FakeDoubtLog()
        self.store, self.memories = FakeStore(self.clock), FakeMemories()
        self.restart()

    def restart(self) -> None:
        """Lose what the assessor keeps in memory."""
        self.assessor = Assessor(
            self.store,
            self.hosts,
            KeptMemories(self.memories, self.clock),
            self.doubt_log,
            self.clock,
            UpdaterSettings(sweep_interval_s=FRESH_S / 2),
            metrics=UpdaterMetrics(CollectorRegistry()),
        )

    def assess(self, target: Network) -> Assessment:
        (assessment,) = self.assessor.assess([target])
        return assessment

    def state(self, target: Network) -> str | None:
        """Return the state to report now; None while the reported one stands."""
        change = self.assess(target).change
        return None if change is None else change.after.state


@pytest.fixture
def bench() -> Bench:
    return Bench("node1")


def reported(state: str, *, digest: str = DIGEST) -> Network:
    """Return a network with this reported state."""
    status = Status(state, "x", since="2026-11-23T00:00:00Z", digest=digest, gateway=str(GATEWAY))
    return network(ROUTE, status=status.dump())


def test_a_redis_that_came_back_empty_is_no_news(bench: Bench) -> None:
    """The reported state stands for as long as a verdict would; then it is Unknown."""
    active = reported("Active")
    assert bench.state(active) is None
    bench.clock.seconds += FRESH_S - 1
    assert bench.state(active) is None
    bench.clock.seconds += 1
    assessment = bench.assess(active)
    assert assessment.change is not None
    after = assessment.change.after
    assert (after.state, after.reason) == ("Unknown", "NoFreshVerdict")


def test_returning_verdicts_restart_the_wait(bench: Bench) -> None:
    """Two short gaps do not add up to a long one."""
    active = reported("Active")
    assert bench.state(active) is None
    bench.clock.seconds += FRESH_S - 1
    bench.store.set_verdicts(verdict(DIGEST, dhcp=dhcp(offer())))
    bench.state(active)
    bench.store.lose()
    bench.clock.seconds += 2
    assert bench.state(active) is None


def test_without_any_host_a_state_is_unknown(bench: Bench) -> None:
    """W6: a prober that merely restarts is still among the hosts."""
    bench.store.set_verdicts(verdict(DIGEST, dhcp=dhcp(offer())))
    bench.hosts.hosts = frozenset()
    assert bench.state(reported("Active")) == "Unknown"


def test_hosts_that_cannot_probe_are_waited_for(bench: Bench) -> None:
    """An uplink that is down for a moment is no news about the network."""
    bench.store.set_verdicts(verdict(DIGEST, fault=Fault.UPLINK_DOWN))
    assert bench.state(reported("Active")) is None
    bench.clock.seconds += HOST_TTL_S
    assert bench.state(reported("Active")) == "Unknown"


def test_unknown_stays_without_new_verdicts(bench: Bench) -> None:
    """Still having no verdict is no change."""
    assert bench.state(reported("Unknown")) is None
    bench.store.set_verdicts(verdict(DIGEST, dhcp=dhcp(offer())))
    assert bench.state(reported("Unknown")) == "Active"


def test_another_intent_is_pending_at_once(bench: Bench) -> None:
    """The reported state belongs to an intent that no longer applies."""
    assert bench.state(reported("Active", digest="0" * 16)) == "Pending"


def test_a_worse_state_of_the_only_host_is_reported_at_once(bench: Bench) -> None:
    """Nobody can contradict it."""
    bench.state(reported("Active"))
    bench.store.put([verdict(DIGEST, vlan=SILENT, routed=SILENT)])
    assert bench.state(reported("Active")) == "Unreachable"
    assert bench.doubt_log.published == []


def test_a_worse_state_waits_for_the_others_which_are_asked() -> None:
    """The watcher is told once, and again while they do not answer."""
    bench = Bench("node1", "node2", "node3")
    active = reported("Active")
    bench.state(active)
    bench.store.put([verdict(DIGEST, vlan=SILENT, routed=SILENT)])
    for _ in range(11):
        assert bench.state(active) is None
        bench.clock.seconds += 1
    (first, again) = bench.doubt_log.published
    assert (first.segment, first.kind, first.heard, first.ask) == (SEGMENT, DoubtKind.SILENT, ("node1",), 2)
    assert again == first


def test_a_doubt_is_due_when_its_time_is_over() -> None:
    """So it is reported then, and not with the next review of all networks."""
    bench = Bench("node1", "node2")
    active = reported("Active")
    bench.state(active)
    bench.store.put([verdict(DIGEST, vlan=SILENT, routed=SILENT)])
    record = bench.assess(active).record
    assert record is not None
    assert record.doubts.reach is not None
    bench.clock.seconds += REPORT_WITHIN_S - 1
    bench.assess(active)
    bench.assess(active)
    assert bench.assessor.due(bench.store.now_ms) == []
    bench.clock.seconds += 1
    assert bench.assessor.due(bench.store.now_ms) == [active.uid]
    assert bench.assessor.due(bench.store.now_ms) == []
    assert bench.state(active) == "Unreachable"


def test_two_networks_of_a_segment_have_their_hosts_asked_once() -> None:
    """The doubts are about the same gateway."""
    bench = Bench("node1", "node2")
    one, other = reported("Active"), reported("Active")
    other = network(
        ROUTE, status=str(other.annotations["nadroute.io/status"]), ref=NetworkRef("default", "b"), uid="b"
    )
    bench.assessor.assess([one, other])
    bench.store.put([verdict(DIGEST, vlan=SILENT, routed=SILENT)])
    bench.assessor.assess([one, other])
    assert len(bench.doubt_log.published) == 1


def test_many_doubts_on_a_cluster_network_are_confirmed_by_two_hosts() -> None:
    """A router that dies has a thousand gateways; the first doubts still ask everybody."""
    bench = Bench(*(f"node{number}" for number in range(1, 17)))
    status = str(reported("Active").annotations["nadroute.io/status"])
    networks = [
        network(ROUTE, status=status, ref=NetworkRef("default", f"n{number}"), uid=f"uid-{number}")
        for number in range(60)
    ]
    bench.assessor.assess(networks)
    bench.store.put([verdict(DIGEST, vlan=SILENT, routed=SILENT)])
    found = bench.assessor.assess(networks)
    doubts = [each.record.doubts.reach for each in found if each.record is not None]
    asked = [doubt.enough for doubt in doubts if doubt is not None]
    assert asked == [0] * 9 + [2] * 51


def test_lost_frames_end_as_unknown_with_their_reason(bench: Bench) -> None:
    """They never become a DHCP failure, and the network does not stay Active forever."""
    lost = dhcp(outcome=DHCPOutcome.INCONCLUSIVE)
    inconclusive = ReachOutcome.INCONCLUSIVE
    said = verdict(DIGEST, dhcp=lost, vlan=inconclusive, routed=inconclusive)
    bench.store.set_verdicts(said)
    assert bench.state(reported("Active")) is None
    bench.clock.seconds += FRESH_S
    bench.store.set_verdicts(said)
    change = bench.assess(reported("Active")).change
    assert change is not None
    assert (change.after.state, change.after.reason) == ("Unknown", "Inconclusive")


def test_forget_drops_a_networks_wait(bench: Bench) -> None:
    """A successor with the same uid would wait from the start."""
    active = reported("Active")
    bench.state(active)
    bench.clock.seconds += FRESH_S
    bench.assessor.forget(active.uid)
    assert bench.state(active) is None


def test_many_networks_are_read_at_once(bench: Bench) -> None:
    """Each is assessed by its own segment; a network that is not a VLAN needs no verdicts."""
    bench.store.set_verdicts(verdict(DIGEST, dhcp=dhcp(offer())))
    untagged = network(config=config(vlan=0))
    found = bench.assessor.assess([network(), untagged, network(config=config(vlan=5))])
    assert [a.change.after.state if a.change else None for a in found] == ["Active", "Ignored", None]
    assert found[0].conclusion is not None
    assert (found[0].conclusion.answering, found[0].conclusion.unoffered) == (("node1",), ())
    assert read_intent(untagged) == found[1].intent


def test_a_missing_offer_is_asked_of_other_hosts_and_written_as_nothing() -> None:
    """A host that never answers hides the failure for 25 s at most."""
    bench = Bench("node1", "node2")
    nothing = ReachOutcome.NOT_TRIED
    target = network('{"mode":"auto"}')
    bench.store.put([verdict(DIGEST, dhcp=dhcp(), gateway=None, vlan=nothing, routed=nothing)])
    assert bench.state(target) is None
    (asked,) = bench.doubt_log.published
    assert (asked.kind, asked.heard, asked.ask) == (DoubtKind.NO_OFFER, ("node1",), 1)
    bench.clock.seconds += REPORT_WITHIN_S
    assert bench.state(target) == "DHCPFailed"


def test_a_hosts_own_address_is_no_gateway(bench: Bench) -> None:
    """It would always answer. The state becomes Invalid as soon as the host has announced itself."""
    mine = network(f'{{"mode":"manual","cidr":"{CIDR}","gateway":"{GATEWAY}","connectivity":"true"}}')
    assert bench.state(mine) is None
    bench.hosts.own = frozenset({GATEWAY})
    change = bench.assess(mine).change
    assert change is not None
    assert (change.after.state, change.after.reason) == ("Invalid", "GatewayRefused")
    assert "a host's own address" in change.after.detail


def test_nothing_is_told_that_rests_on_a_new_claim(bench: Bench) -> None:
    """R20: neither that the gateway is refused nor that it answers; both are told once it is clear."""
    mine = network(f'{{"mode":"manual","cidr":"{CIDR}","gateway":"{GATEWAY}"}}')
    intent = bench.assess(mine).intent
    assert isinstance(intent, Intent)
    for host in bench.hosts.hosts:
        bench.store.put([verdict(intent.digest, host=host)])
    bench.hosts.unsure = frozenset({GATEWAY})
    assert bench.state(mine) is None
    bench.hosts.unsure = frozenset()
    assert bench.state(mine) == "Active"
    bench.hosts.own = frozenset({GATEWAY})
    assert bench.state(mine) == "Invalid"


def test_the_edit_of_a_network_whose_gateway_answers_is_told(bench: Bench) -> None:
    """R20: while a host claims the gateway that its status said to answer, believed or not."""
    target = reported("Active")
    bench.hosts.own = frozenset({GATEWAY})
    bench.assess(target)
    edited = network(f'{{"mode":"manual","cidr":"{CIDR}","gateway":"{GATEWAY}"}}')
    assert edited.uid == target.uid
    intent = bench.assess(edited).intent
    assert isinstance(intent, Intent)
    bench.hosts.own, bench.hosts.unsure = frozenset(), frozenset({GATEWAY})
    for host in bench.hosts.hosts:
        bench.store.put([verdict(intent.digest, host=host, counter=9)])
    assert bench.state(edited) == "Active"


@pytest.mark.parametrize("state", ["Active", "Partial", "Isolated"])
def test_no_announcement_takes_a_gateway_that_answers(bench: Bench, state: str) -> None:
    """R20: neither from the intent, nor from the offers that name it."""
    target = reported(state)
    bench.store.put([verdict(DIGEST, dhcp=dhcp(offer()), counter=9)])
    before = bench.assess(target)
    bench.hosts.own = frozenset({GATEWAY})
    after = bench.assess(target)
    assert (after.intent, after.change) == (before.intent, before.change)
    assert isinstance(after.intent, Intent)
    assert after.intent.known_gateway == GATEWAY


def test_a_restart_forgets_no_doubt() -> None:
    """Its time goes on: an updater that restarts again and again hides no outage."""
    bench = Bench("node1", "node2")
    active = reported("Active")
    bench.state(active)
    bench.store.put([verdict(DIGEST, vlan=SILENT, routed=SILENT)])
    for _ in range(5):
        assert bench.state(active) is None
        record = bench.assess(active).record
        assert record is not None
        bench.memories.conclude([record])
        bench.clock.seconds += (REPORT_WITHIN_S - 1) / 5
        bench.restart()
    assert bench.state(active) is None
    bench.clock.seconds += 1
    assert bench.assessor.due(bench.store.now_ms) == [active.uid]
    assert bench.state(active) == "Unreachable"


def test_a_forged_doubt_from_the_future_is_ignored() -> None:
    """Anyone may write Redis: it would hold every other state back until then."""
    bench = Bench("node1")
    active = reported("Active")
    record = bench.assess(active).record
    assert record is not None
    forged = OpenDoubt(kind=DoubtKind.SILENT, since_ms=bench.store.now_ms + 3_600_000)
    doubts = Doubts(digest=DIGEST, reach=forged)
    bench.memories.conclude([record.model_copy(update={"doubts": doubts})])
    bench.restart()
    bench.store.put([verdict(DIGEST, vlan=SILENT, routed=SILENT)])
    bench.assess(active)
    bench.clock.seconds += REPORT_WITHIN_S
    assert bench.state(active) == "Unreachable"
