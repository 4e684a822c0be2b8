"""What is due and exceeds the budget of its cluster network waits, and goes by its urgency."""

from collections import Counter

import pytest

from services.contract.doubts import DoubtKind
from services.contract.limits import FRAMES_PER_S
from services.contract.outcomes import Reason
from services.watcher.limits.budget import BURST_S
from services.watcher.limits.pace import Pace
from services.watcher.plan.schedule import Schedule
from tests.unit.watcher.builders import ACTIVE, MANUAL, described, doubt, host, network, status_of

HOSTS = tuple(f"n{number:02}" for number in range(32))
SILENT = status_of("Unreachable", gateway="10.0.7.1")


def paced(*, rate: float = FRAMES_PER_S, networks: int = 1_000, status: str = ACTIVE) -> Schedule:
    """Return a schedule of 32 hosts and as many networks, which takes minutes for all."""
    due = Schedule(pace=Pace(frames_per_s=rate), random=lambda: 0.5)
    due.set_hosts([host(name, "extra", "other") for name in HOSTS], 0.0)
    for vlan in range(1, networks + 1):
        due.upsert(network(f"a{vlan}", vlan=vlan, route=MANUAL, status=status), 0.0)
    return due


def run(due: Schedule, *, start: float, end: float) -> list[tuple[float, str]]:
    """Return what is sent from start until before end, and when."""
    sent, now = list[tuple[float, str]](), start
    while now < end:
        sent += [(now, each) for each in described(due.due(now))]
        now = max(now, due.next_due())
    return sent


def test_no_more_is_sent_than_the_budget_allows() -> None:
    """What waited is counted; without a limit all is sent at once."""
    due = paced()
    sent = run(due, start=0.0, end=20.0)
    assert FRAMES_PER_S <= len([at for at, _ in sent if at < BURST_S]) <= 2 * BURST_S * FRAMES_PER_S
    assert len(sent) <= 20 * FRAMES_PER_S
    assert due.postponed > len(sent) / 2
    lifted = paced(rate=0.0)
    assert len(lifted.due(0.0, limit=10**6)) >= 5_000
    assert lifted.postponed == 0


def test_each_cluster_network_has_its_own_budget() -> None:
    """Another one is not held up."""
    due = paced()
    run(due, start=0.0, end=20.0)
    due.upsert(network("other", cluster_network="other", route=MANUAL, status=ACTIVE), 20.0)
    assert len([p for p in due.due(20.0) if p.segment.cluster_network == "other"]) == len(HOSTS)


@pytest.mark.parametrize("what", ["new", "edited", "probe now", "doubt"])
def test_news_and_doubts_do_not_wait_behind_a_sweep(what: str) -> None:
    """A host probes at once, while thousands of sweeps wait."""
    due = paced()
    run(due, start=0.0, end=20.3)
    match what:
        case "new":
            due.upsert(network("new", vlan=4_000, route=MANUAL), 20.4)
        case "edited":
            changed = MANUAL.replace("10.0.7.1", "10.0.7.9")
            due.upsert(network("a700", vlan=700, route=changed, status=ACTIVE), 20.4)
        case "probe now":
            due.upsert(network("a700", vlan=700, route=MANUAL, status=ACTIVE, probe_now="1"), 20.4)
        case _:
            due.doubt([doubt(DoubtKind.SILENT, "n00", vlan=700, ask=1)], 20.4)
    vlan = 4_000 if what == "new" else 700
    assert [
        each for at, each in run(due, start=20.4, end=20.9 + (what == "doubt")) if each.endswith(f" {vlan}")
    ]


def test_nothing_starves() -> None:
    """While news never ends, and neither does what fails, sweeps go on with their share."""
    due = paced(networks=100)
    for vlan in range(101, 401):
        due.upsert(network(f"f{vlan}", vlan=vlan, route=MANUAL, status=status_of("Partial")), 0.0)
    sent = Counter[str]()
    for second in range(60):
        for vlan in range(401, 501):
            due.upsert(
                network(f"b{vlan}", vlan=vlan, route=MANUAL, status=None, uid=f"{second}-{vlan}"), second
            )
        for _, each in run(due, start=float(second), end=second + 1.0):
            vlan = int(each.split()[1])
            sent["news" if vlan > 400 else "failing" if vlan > 100 else "sweep"] += 1
    assert min(sent.values()) >= 0.1 * sent.total()
    assert set(sent) == {"news", "failing", "sweep"}


def test_what_is_silent_is_counted_with_all_its_frames() -> None:
    """Three ARP probes each."""
    answering, silent = (
        paced(),
        paced(status=status_of("Partial", hosts=dict.fromkeys(HOSTS, Reason.GATEWAY_SILENT_ON_VLAN))),
    )
    counts = [len(run(due, start=0.0, end=60.0)) for due in (answering, silent)]
    assert counts[1] < 0.6 * counts[0]


def test_a_deleted_network_that_waits_is_not_probed() -> None:
    """Nor is what takes its place given a new budget."""
    due = paced()
    run(due, start=0.0, end=5.0)
    for vlan in range(1, 1_001):
        due.delete(network(f"a{vlan}", vlan=vlan).uid, 5.0)
    assert run(due, start=5.0, end=20.0) == []
    for vlan in range(1, 1_001):
        due.upsert(network(f"b{vlan}", vlan=vlan, route=MANUAL, status=ACTIVE), 20.0)
    assert 0 < len(due.due(20.0)) <= BURST_S * FRAMES_PER_S
