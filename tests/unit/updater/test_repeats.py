"""Which repeated verdicts the updater looks at, and what it asks for in full."""

import pytest

from services.contract.messages import Segment
from services.contract.outcomes import ReachOutcome
from services.contract.reports import Repeats, Report
from tests.unit.network.builders import SEGMENT, dhcp, network, offer, verdict
from tests.unit.updater.test_service import DIGEST, SETTINGS, Bench

PRINT = "a" * 16


class Site(Bench):
    """An updater with one network, on which each host has reported."""

    def __init__(self, *hosts: str) -> None:
        super().__init__()
        self.hosts.hosts = frozenset(hosts)
        self.appear(network())
        self.work()
        for number, host in enumerate(hosts):
            self.tell(host, asked=number == 0)
        self.work()
        self.clock.seconds += 60
        self.work()

    def tell(
        self,
        host: str,
        *,
        vlan: ReachOutcome = ReachOutcome.REACHABLE,
        routed: ReachOutcome = ReachOutcome.REACHABLE,
        asked: bool = False,
        fingerprint: str = PRINT,
    ) -> None:
        """Report in full."""
        answer = dhcp(offer()) if asked else None
        said = verdict(DIGEST, host=host, vlan=vlan, routed=routed, dhcp=answer)
        said = said.model_copy(update={"fingerprint": fingerprint})
        self.updater.take_report(Report(host=host, verdicts=(said,)))

    def repeat(
        self, host: str, *, asked: bool = False, fingerprint: str = PRINT, vlan: int = SEGMENT.vlan
    ) -> tuple[Segment, ...]:
        """Repeat the last report; return what the updater asks for in full."""
        given = Repeats(cluster_network="extra", incarnation=1, verdicts=((vlan, 2, fingerprint, asked),))
        return self.updater.take_report(Report(host=host, repeats=(given,)))

    def is_looked_at(self) -> bool:
        """Return whether a review looks at the network."""
        before = self.metric("nadroute_reduce_seconds_count")
        self.updater.review_due()
        return self.metric("nadroute_reduce_seconds_count") != before


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


def test_a_repeated_answer_to_dhcp_may_replace_another_newest_verdict() -> None:
    """The host found the gateway silent since, and now finds again what it found with its last answer."""
    site = Site("node1")
    site.tell("node1", vlan=ReachOutcome.SILENT, routed=ReachOutcome.SILENT, fingerprint="b" * 16)
    site.work()
    assert site.state() == "Unreachable"
    site.repeat("node1", asked=True)
    site.work()
    assert site.state() == "Active"


def test_a_full_verdict_that_says_the_same_is_no_reason_to_look() -> None:
    """A check without DHCP between two with it is sent in full; so is one for its round-trip times."""
    site = Site("node1")
    site.tell("node1")
    assert not site.is_looked_at()
    site.tell("node1", asked=True, fingerprint="c" * 16)
    assert not site.is_looked_at()
    assert site.repeat("node1", asked=True, fingerprint="c" * 16) == ()
    assert not site.is_looked_at()
    assert site.metric("nadroute_verdicts_total", result="new") == 3


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
