"""DHCP is asked once where it answers, however long the updater and the API server take to say so."""

import base64
import json
from collections import Counter
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry

from services.contract.messages import ProbeRequest, SegmentProbe
from services.contract.names import REPORT_QUEUE, probe_queue
from services.contract.outcomes import DHCPOutcome
from services.prober.engine.results import DiscoveryResult, SegmentResult
from services.prober.metrics import ProberMetrics
from services.prober.reporter import Reporter
from services.runtime.connection import redis_client
from services.runtime.queues.celery_app import make_app
from services.watcher.deciding import Decider
from services.watcher.dispatch import Dispatcher
from services.watcher.hosts import PollResult
from services.watcher.limits.pace import Pace
from services.watcher.mailbox import Mailbox
from services.watcher.metrics import WatcherMetrics
from services.watcher.plan.schedule import Schedule
from tests.support.manual_clock import ManualClock
from tests.support.redis_server import RedisServer
from tests.unit.prober.reporting import Lock
from tests.unit.watcher.builders import ACTIVE, KNOWN, host, network, status_of

HOSTS = ("n1", "n2", "n3")
MINUTE_S = 60.0
OF_A_TRUNK = 4_094


class Site:
    """A watcher and probers, on a real Redis. Nobody takes the reports: the updater stands still."""

    def __init__(self, server: RedisServer) -> None:
        self.clock = ManualClock()
        self.client = redis_client.connect(server.url)
        self.app = make_app(server.url)
        self.asks = Counter[int]()
        self.offers = DHCPOutcome.OFFERED
        self.answers = True
        self.mailbox = Mailbox(self.clock)
        dispatcher = Dispatcher(self.app, self.client, clock=self.clock, sweep_s=300.0)
        self._decider = Decider(
            Schedule(pace=Pace(frames_per_s=0.0), random=lambda: 0.5),
            self.mailbox,
            dispatcher,
            is_leader=lambda: True,
            clock=self.clock,
            random=lambda: 0.5,
            metrics=WatcherMetrics(CollectorRegistry()),
        )
        self._reporters = {name: self._reporter(name) for name in HOSTS}
        self.mailbox.polled(PollResult(tuple(map(host, HOSTS))))

    def _reporter(self, name: str) -> Reporter:
        return Reporter(
            app=self.app,
            client=self.client,
            host=name,
            lock=Lock(),  # type: ignore[arg-type]
            clock=self.clock,
            metrics=ProberMetrics(CollectorRegistry()),
        )

    def run(self, seconds: float) -> None:
        """Let this much time pass."""
        end = self.clock.seconds + seconds
        while self.clock.seconds < end:
            self._decider.step()
            for name, reporter in self._reporters.items():
                self._serve(name, reporter)

    def _serve(self, name: str, reporter: Reporter) -> None:
        """Take what arrived for this host and report it, as its prober does."""
        while (raw := self.client.rpop(probe_queue(name))) is not None:
            _, kwargs, _ = json.loads(base64.b64decode(json.loads(str(raw))["body"]))
            request = ProbeRequest.from_wire(kwargs["request"])
            for probe in request.segments:
                self.asks[probe.vlan] += probe.ask_dhcp
                if self.answers:
                    reporter.add(self._result(probe), request_id=request.id, deliver=None)
        reporter._flush()

    def _result(self, probe: SegmentProbe) -> SegmentResult:
        dhcp = DiscoveryResult(self.offers, (), 1, 0.1) if probe.ask_dhcp else None
        return SegmentResult("extra", probe.vlan, dhcp, (), None, 0)


@pytest.fixture
def site(redis_server: RedisServer) -> Iterator[Site]:
    made = Site(redis_server)
    yield made
    made.app.close()
    made.client.close()


@pytest.mark.parametrize("networks", [100, pytest.param(OF_A_TRUNK, marks=pytest.mark.long)])
def test_an_answering_network_is_asked_once_while_the_updater_stands_still(site: Site, networks: int) -> None:
    """For a minute and a half, in which no report is taken from Redis."""
    for vlan in range(1, networks + 1):
        site.mailbox.upserted(network(f"a{vlan}", vlan=vlan))
    site.run(1.5 * MINUTE_S)
    assert site.client.llen(REPORT_QUEUE)
    assert Counter(site.asks.values()) == {1: networks}


def test_what_did_not_answer_is_asked_again(site: Site) -> None:
    """No report, or one of no offer, is a reason to ask the next host; so is an edit."""
    site.mailbox.upserted(network())
    site.answers = False
    site.run(MINUTE_S)
    assert site.asks[7] >= 2
    site.answers, site.offers = True, DHCPOutcome.NO_OFFER
    before = site.asks[7]
    site.run(2 * MINUTE_S)
    assert site.asks[7] >= before + 2
    site.offers = DHCPOutcome.OFFERED
    site.run(2 * MINUTE_S)
    before = site.asks[7]
    site.run(2 * MINUTE_S)
    assert site.asks[7] == before
    site.mailbox.upserted(network(route='{"mode":"auto","serverIPAddr":"10.0.7.5"}'))
    site.run(5.0)
    assert site.asks[7] == before + 1


def test_an_edit_is_asked_for_although_the_answer_before_is_not_told(site: Site) -> None:
    """It is at once."""
    site.mailbox.upserted(network())
    site.run(10.0)
    site.mailbox.upserted(network(route='{"mode":"auto","serverIPAddr":"10.0.7.5"}'))
    site.run(10.0)
    assert site.asks[7] == 2


@pytest.mark.parametrize(("told", "asks"), [("NoDHCPOffer", 1), ("NoRouterOption", 4)])
def test_an_offer_that_is_told_hinders_no_ask(site: Site, told: str, asks: int) -> None:
    """It does where the status says that there was none: it is not written yet that DHCP answers again."""
    site.mailbox.upserted(network(status=status_of("DHCPFailed", told)))
    site.run(1.9 * MINUTE_S)
    assert site.asks[7] == asks


def test_dhcp_is_asked_again_with_the_sweep(site: Site) -> None:
    """However long nothing is told, and as ever once it is."""
    site.mailbox.upserted(network())
    site.run(7 * MINUTE_S)
    assert site.asks[7] == 2
    site.mailbox.upserted(network(route=KNOWN, status=ACTIVE))
    site.run(3 * MINUTE_S)
    assert site.asks[7] == 2
    site.run(2 * MINUTE_S)
    assert site.asks[7] == 3
