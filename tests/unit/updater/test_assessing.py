"""A state without a conclusion is held back; a conclusion is reported at once."""

import pytest
from prometheus_client import CollectorRegistry

from services.contract.names import HOST_TTL_S
from services.contract.outcomes import DHCPOutcome, ReachOutcome
from services.network.parse.intent import Intent, read_intent
from services.network.parse.nad import Network
from services.network.parse.status import Status
from services.updater.assessing import CONFIRMED_WITHIN_S, Assessment, Assessor
from services.updater.metrics import UpdaterMetrics
from services.updater.settings import UpdaterSettings
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
        self.assessor = Assessor(
            self.store,
            self.hosts,
            FakeMemories(),
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
    return Bench()


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
    bench.store.known.clear()
    bench.clock.seconds += 2
    assert bench.state(active) is None


def test_vanished_hosts_count_as_gone_after_a_while(bench: Bench) -> None:
    """Their verdicts do not count any more; a prober that merely restarts is back before that."""
    active = reported("Active")
    bench.store.set_verdicts(verdict(DIGEST, dhcp=dhcp(offer())))
    bench.hosts.hosts = frozenset()
    assert bench.state(active) is None
    bench.clock.seconds += HOST_TTL_S
    assert bench.state(active) == "Unknown"


def test_unknown_stays_without_new_verdicts(bench: Bench) -> None:
    """Still having no verdict is no change."""
    assert bench.state(reported("Unknown")) is None
    bench.store.set_verdicts(verdict(DIGEST, dhcp=dhcp(offer())))
    assert bench.state(reported("Unknown")) == "Active"


def test_after_unknown_a_missing_offer_is_reported(bench: Bench) -> None:
    """It is no conclusion yet, but it makes the watcher have another host ask."""
    bench.hosts = FakeHosts("node1", "node2")
    bench.assessor = Assessor(
        bench.store,
        bench.hosts,
        FakeMemories(),
        bench.clock,
        UpdaterSettings(sweep_interval_s=FRESH_S / 2),
        metrics=UpdaterMetrics(CollectorRegistry()),
    )
    nothing = ReachOutcome.NOT_TRIED
    bench.store.set_verdicts(verdict(DIGEST, dhcp=dhcp(), gateway=None, vlan=nothing, routed=nothing))
    status = Status("Unknown", "NoFreshVerdict", since="2026-11-23T00:00:00Z", digest=DIGEST)
    change = bench.assess(network(status=status.dump())).change
    assert change is not None
    assert (change.after.state, change.after.reason) == ("Pending", "ConfirmingNoOffer")


def test_another_intent_is_pending_at_once(bench: Bench) -> None:
    """The reported state belongs to an intent that no longer applies."""
    assert bench.state(reported("Active", digest="0" * 16)) == "Pending"


def test_a_conclusion_is_reported_at_once(bench: Bench) -> None:
    """A silent gateway is not held back here."""
    bench.store.set_verdicts(verdict(DIGEST, vlan=ReachOutcome.SILENT, routed=ReachOutcome.SILENT))
    assert bench.state(reported("Active")) == "Unreachable"


def test_lost_frames_end_as_unknown_with_their_reason(bench: Bench) -> None:
    """They never become a DHCP failure, and the network does not stay Active forever."""
    lost = dhcp(outcome=DHCPOutcome.INCONCLUSIVE)
    inconclusive = ReachOutcome.INCONCLUSIVE
    bench.store.set_verdicts(verdict(DIGEST, dhcp=lost, vlan=inconclusive, routed=inconclusive))
    assert bench.state(reported("Active")) is None
    bench.clock.seconds += FRESH_S
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


def test_a_host_that_never_answers_does_not_hide_a_dhcp_failure(bench: Bench) -> None:
    """The other hosts are waited for, but not forever."""
    bench.hosts.hosts = frozenset({"node1", "node2"})
    silent = ReachOutcome.NOT_TRIED
    bench.store.set_verdicts(verdict(DIGEST, dhcp=dhcp(), gateway=None, vlan=silent, routed=silent))
    target = network('{"mode":"auto"}')
    assert bench.state(target) == "Pending"
    bench.clock.seconds += CONFIRMED_WITHIN_S - 1
    assert bench.state(target) == "Pending"
    bench.clock.seconds += 1
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
