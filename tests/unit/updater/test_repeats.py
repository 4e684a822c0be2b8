"""Which repeated verdicts the updater looks at, and what it asks for in full."""

import pytest

from services.contract.messages import Repeats, Report, Segment
from services.contract.outcomes import ReachOutcome
from tests.unit.network.builders import SEGMENT, dhcp, network, offer, verdict
from tests.unit.updater.fakes import FakeHosts
from tests.unit.updater.test_service import DIGEST, SETTINGS, Bench

PRINT = "a" * 16


class Site(Bench):
    """An updater with one network, on which each host has reported."""

    def __init__(self, *hosts: str) -> None:
        super().__init__()
        self.updater._hosts = self.updater._assessor._hosts = FakeHosts(*hosts)
        self.appear(network())
        self.work()
        for number, host in enumerate(hosts):
            self.tell(host, asked=number == 0)
        self.work()
        # A minute later, and after a review of all networks.
        self.clock.seconds += 60
        self.work()
        self.store.looked_at.clear()

    def tell(self, host: str, *, vlan: ReachOutcome = ReachOutcome.REACHABLE, asked: bool = False) -> None:
        """Report in full."""
        said = verdict(DIGEST, host=host, vlan=vlan, dhcp=dhcp(offer()) if asked else None)
        said = said.model_copy(update={"fingerprint": PRINT})
        self.updater.take_report(Report(host=host, verdicts=(said,)))

    def repeat(
        self, host: str, *, asked: bool = False, fingerprint: str = PRINT, vlan: int = SEGMENT.vlan
    ) -> tuple[Segment, ...]:
        """Repeat the last report; return what the updater asks for in full."""
        given = Repeats(cluster_network="extra", incarnation=1, verdicts=((vlan, 2, fingerprint, asked),))
        return self.updater.take_report(Report(host=host, repeats=(given,)))

    def is_looked_at(self) -> bool:
        """Return whether the segment is assessed, before the next review of all networks."""
        self.store.looked_at.clear()
        self.updater.review_due()
        return SEGMENT in self.store.looked_at


def test_a_repeat_is_no_reason_to_look() -> None:
    """Its verdict is younger, and that is all."""
    site = Site("node1", "node2")
    assert site.repeat("node1", asked=True) == ()
    assert site.repeat("node2") == ()
    assert not site.is_looked_at()
    assert {site.clock.seconds - at for at, _ in site.store.latest.values()} == {0.0}
    assert site.metric("nadroute_verdicts_total", result="repeated") == 2


def test_a_repeat_is_looked_at_where_something_is_in_doubt() -> None:
    """That the gateway still answers another host decides between Partial and Unreachable."""
    site = Site("node1", "node2")
    site.tell("node1", vlan=ReachOutcome.SILENT)
    assert site.is_looked_at()
    assert not site.is_looked_at()
    site.repeat("node2")
    assert site.is_looked_at()


def test_a_repeat_is_looked_at_where_the_verdict_had_not_counted_any_more() -> None:
    """A network that was Unknown is told at once, and not with the next review of all."""
    site = Site("node1")
    site.clock.seconds += SETTINGS.fresh_s
    site.work()
    site.repeat("node1", asked=True)
    assert site.is_looked_at()


def test_a_repeat_is_looked_at_where_it_is_the_newest_answer_to_dhcp() -> None:
    """Of offers that differ the newest counts."""
    site = Site("node1", "node2")
    site.tell("node2", asked=True)
    site.updater.review_due()
    site.repeat("node1", asked=True)
    assert site.is_looked_at()
    site.repeat("node1", asked=True)
    assert not site.is_looked_at()
    site.repeat("node2", asked=True)
    assert site.is_looked_at()


def test_what_is_unknown_is_asked_for_and_changes_nothing() -> None:
    """Redis was emptied, or the full verdict was lost."""
    site = Site("node1")
    before = dict(site.store.latest)
    assert site.repeat("node1", fingerprint="b" * 16) == (SEGMENT,)
    assert site.store.latest == before
    assert not site.is_looked_at()
    assert site.metric("nadroute_verdicts_total", result="unknown") == 1


@pytest.mark.parametrize("host", ["node2", "invented"])
def test_a_host_that_is_not_announced_is_asked_for_nothing(host: str) -> None:
    """Nobody serves its queue."""
    assert Site("node1").repeat(host) == ()
