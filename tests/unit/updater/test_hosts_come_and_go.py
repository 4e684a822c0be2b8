"""What is told while hosts have not reported yet, and once they are gone."""

import pytest

from services.contract.outcomes import State
from tests.reference.site import Site

TTL_S, RESTART_S = 15, 25


@pytest.fixture
def site() -> Site:
    site = Site(2, ((100, "manual"),))
    look(site)
    site.wait(40)
    return site


def look(site: Site, *hosts: str) -> str:
    """Have these hosts report; return the state that is told then."""
    for host in hosts:
        site.probe(host, 100, False, "good", "now")
    site.wait(1)
    site.look()
    status = site.network_at(0).status
    return "" if status is None else status.state


def test_the_first_host_to_report_makes_a_network_active(site: Site) -> None:
    """Nobody waits for the others; one that differs is told when it has reported."""
    site.truth(100, "vlan node2")
    assert look(site, "node1") == State.ACTIVE
    assert look(site, "node1", "node2") == State.PARTIAL
    status = site.network_at(0).status
    assert status is not None
    assert status.hosts.keys() == {"node2"}


def test_a_host_that_is_gone_accuses_nobody(site: Site) -> None:
    """As long as it may restart, it stays named; then the others alone decide."""
    site.truth(100, "vlan node2")
    for _ in range(2):
        look(site, "node1", "node2")
    site.prober("node2", "crash")
    gone_at = site.clock.seconds
    while look(site, "node1") == State.PARTIAL:
        assert site.clock.seconds - gone_at < 60
    assert TTL_S + RESTART_S - 5 <= site.clock.seconds - gone_at <= TTL_S + RESTART_S + 5
    status = site.network_at(0).status
    assert status is not None
    assert (status.state, status.hosts) == (State.ACTIVE, {})


def test_a_host_that_is_gone_acquits_nobody(site: Site) -> None:
    """Its answer counts as long as it may restart; then the silence of the others is told."""
    site.truth(100, "vlan node2")
    for _ in range(2):
        look(site, "node1", "node2")
    site.prober("node1", "crash")
    gone_at = site.clock.seconds
    while look(site, "node2") == State.PARTIAL:
        assert site.clock.seconds - gone_at < 90
    status = site.network_at(0).status
    assert status is not None
    assert status.state == State.OFF_VLAN
    assert site.clock.seconds - gone_at >= TTL_S + RESTART_S - 5
