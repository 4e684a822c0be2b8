"""A router with gateways on several cluster networks has one budget; what is unknown of it delays nothing."""

from collections import Counter

import pytest

from services.contract.limits import FRAMES_PER_S
from services.contract.messages import Segment
from services.watcher.limits.pace import Pace
from services.watcher.limits.routers import MAX_SHARED, Routers
from services.watcher.plan.schedule import Schedule
from tests.unit.watcher.builders import ACTIVE, MANUAL, host, network

CORE, OTHER = "02:00:00:00:00:01", "02:00:00:00:00:02"
NAMES = ("east", "north", "west")
NETWORKS = 400
HOSTS = 8
SECONDS = 30


def segment(name: str, vlan: int) -> Segment:
    return Segment(cluster_network=name, vlan=vlan)


def schedule() -> Schedule:
    """Return a schedule of hosts that all carry every cluster network, on each of which much is due."""
    due = Schedule(pace=Pace(), random=lambda: 0.5)
    due.set_hosts([host(f"n{number}", *NAMES) for number in range(HOSTS)], 0.0)
    for name in NAMES:
        for vlan in range(1, NETWORKS + 1):
            it = network(f"{name}{vlan}", vlan=vlan, route=MANUAL, status=ACTIVE, cluster_network=name)
            due.upsert(it, 0.0)
    return due


def sent(due: Schedule) -> Counter[str]:
    """Return how many checks each cluster network is sent in SECONDS."""
    counts, now = Counter[str](), 0.0
    while now < SECONDS:
        counts.update(probe.segment.cluster_network for probe in due.due(now))
        now = max(now, due.next_due())
    return counts


def test_one_router_on_all_cluster_networks_gets_no_more_than_one_budget() -> None:
    """They share it evenly, and each gets as much as before where nothing is known."""
    unknown = sent(schedule())
    assert min(unknown.values()) > 0.5 * SECONDS * FRAMES_PER_S
    due = schedule()
    due.take_routers({segment(name, vlan): {CORE} for name in NAMES for vlan in range(1, NETWORKS + 1)})
    counts = sent(due)
    assert 0.5 * SECONDS * FRAMES_PER_S < counts.total() <= SECONDS * FRAMES_PER_S
    assert min(counts.values()) > 0.8 * max(counts.values())


def test_a_router_of_one_cluster_network_is_not_held_up_by_one_that_is_shared() -> None:
    """Nor is what no router is known of."""
    due = schedule()
    shared = {segment(name, vlan): {CORE} for name in NAMES[:2] for vlan in range(1, NETWORKS + 1)}
    own = {segment(NAMES[2], vlan): {OTHER} for vlan in range(1, NETWORKS // 2)}
    due.take_routers({**shared, **own})
    counts = sent(due)
    assert counts[NAMES[2]] > 0.5 * SECONDS * FRAMES_PER_S
    assert counts[NAMES[0]] + counts[NAMES[1]] <= SECONDS * FRAMES_PER_S


def test_a_site_is_swept_as_slowly_as_its_shared_router_bears() -> None:
    """So no result is outdated because of the budget; where nothing is shared, each has its own interval."""
    due = schedule()
    alone = due.intervals(0.0)
    due.take_routers({segment(name, vlan): {CORE} for name in NAMES[:2] for vlan in range(1, NETWORKS + 1)})
    assert due.crowds.doubt_pace == FRAMES_PER_S / 2
    alone_s = (HOSTS + 2) * NETWORKS / (0.5 * FRAMES_PER_S)
    assert alone == due.intervals(1.0) == dict.fromkeys(NAMES, max(300.0, alone_s))
    due.set_hosts([host(f"n{number}", *NAMES) for number in range(4 * HOSTS)], 2.0)
    together = due.intervals(2.0)
    many_s = (4 * HOSTS + 2) * NETWORKS / (0.5 * FRAMES_PER_S)
    assert together[NAMES[0]] == together[NAMES[1]] == pytest.approx(2 * many_s)
    assert together[NAMES[2]] == max(300.0, many_s)


def test_only_routers_on_several_cluster_networks_count_and_no_more_than_so_many() -> None:
    """A router that is replaced, or a segment that is gone, counts no more."""
    routers = Routers()
    for number in range(2 * MAX_SHARED):
        routers.learn(segment("east", 1 + number), {f"mac{number}"})
        assert routers.shared(segment("east", 1 + number)) == ()
        routers.learn(segment("west", 1 + number), {f"mac{number}"})
    assert sum(bool(routers.shared(segment("east", 1 + n))) for n in range(2 * MAX_SHARED)) == MAX_SHARED
    assert routers.shared(segment("east", 1)) == ("mac0",)
    routers.learn(segment("west", 1), {"another"})
    routers.learn(segment("west", 2), ())
    assert routers.shared(segment("east", 1)) == routers.shared(segment("east", 2)) == ()
    assert len(list(routers.loads())) == MAX_SHARED - 2


def test_the_routers_of_a_single_cluster_network_do_not_matter() -> None:
    """Its budget bounds each of them, so nobody needs to look."""
    due = Schedule(pace=Pace(), random=lambda: 0.5)
    due.set_hosts([host("n1", *NAMES)], 0.0)
    due.upsert(network("a", vlan=1, route=MANUAL, cluster_network="east"), 0.0)
    assert due.shared_segments() == ()
    due.upsert(network("b", vlan=1, route=MANUAL, cluster_network="west"), 0.0)
    assert set(due.shared_segments()) == {segment("east", 1), segment("west", 1)}
