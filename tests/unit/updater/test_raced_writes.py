"""A review beside a write compares with what stood before it, so it is made again afterwards."""

from collections.abc import Callable, Mapping, Sequence

import pytest

from services.contract.outcomes import Fault
from services.contract.reports import Report
from services.network.parse import nad
from services.network.parse.nad import Network
from services.updater.decide.assessment import Assessment
from tests.unit.network.builders import dhcp, offer, verdict
from tests.unit.updater.world import HOSTS, N, World


class Site:
    """A network of which node3 loses its uplink now and then."""

    def __init__(self, mode: str) -> None:
        self.world = World(mode, "routed")
        for _ in range(2):
            self.world.probe_everywhere()
            self.settle()

    @property
    def told(self) -> tuple[object, object]:
        status = self.world.status()
        return status["state"], status.get("hosts")

    def settle(self) -> None:
        """Review and write until nothing is left to do."""
        for _ in range(3):
            self.world.review()
        self.world.clock.seconds += 1

    def lose_uplink(self) -> None:
        """Let node3 report that it has none."""
        self.world.counter += 1
        said = verdict(
            self.world.intent.digest, host="node3", vlan=N, routed=N, fault=Fault.UPLINK_DOWN,
            counter=self.world.counter, dhcp=dhcp(offer()) if self.world.mode == "auto" else None,
        )  # fmt: skip
        self.world.updater.take_report(Report(host="node3", verdicts=(said,)))


PARTIAL = ("Partial", {"node3": "UplinkDown"})


@pytest.fixture(params=["manual", "auto"])
def site(request: pytest.FixtureRequest) -> Site:
    """A network of which it is told that node3 has no uplink, and which is about to be Active again."""
    made = Site(request.param)
    made.lose_uplink()
    made.settle()
    for host in HOSTS[:2]:
        made.world.probe(host, False, "good")
    made.settle()
    assert made.told == PARTIAL
    made.world.probe("node3", False, "good")
    return made


def lost_again(site: Site, make: Callable[[], None]) -> None:
    """Check that a fault is told that node3 reports while it is written that there is none."""
    make()
    site.settle()
    for host in HOSTS[:2]:
        site.world.probe(host, False, "good")
    site.settle()
    assert site.told == PARTIAL


@pytest.mark.parametrize("is_applied", [False, True])
def test_what_was_reviewed_during_a_write_is_reviewed_after_it(site: Site, is_applied: bool) -> None:
    """The response is on its way, or the request."""
    cluster, annotate = site.world.cluster, site.world.cluster.annotate

    def slowly(network: Network, annotations: Mapping[str, str | None]) -> Network:
        cluster.annotate = annotate  # type: ignore[method-assign]
        assert '"Active"' in str(annotations[nad.STATUS])
        written = annotate(network, annotations) if is_applied else None
        site.lose_uplink()
        site.world.updater.review_due()
        return written or annotate(network, annotations)

    cluster.annotate = slowly  # type: ignore[method-assign]
    lost_again(site, site.settle)


def test_what_was_written_during_a_review_is_reviewed_again(site: Site) -> None:
    """Its write began and ended while many networks were assessed."""
    updater = site.world.updater
    updater.review_due()
    reviewer = updater._rounds._reviewer
    assess = reviewer._assess

    def and_then_it_is_written(networks: Sequence[Network]) -> list[Assessment]:
        assessed = assess(networks)
        reviewer._assess = assess  # type: ignore[method-assign]
        assert updater.write_due()
        return assessed

    reviewer._assess = and_then_it_is_written  # type: ignore[method-assign]
    site.lose_uplink()
    lost_again(site, updater.review_due)
