"""What was probed by hand counts against the budgets, of the cluster network and of the router."""

from services.contract.by_hand import ByHand
from services.contract.limits import FRAMES_PER_S
from services.contract.messages import Segment
from services.watcher.hosts import PollResult
from services.watcher.mailbox import Mailbox
from services.watcher.plan.schedule import Schedule
from tests.support.manual_clock import ManualClock
from tests.unit.watcher.test_routers import CORE, NAMES, NETWORKS, schedule, segment

BEGAN_S = 20


def sent(due: Schedule, *, begin: int, end: int) -> dict[str, int]:
    """Return how many checks each cluster network is sent between these seconds."""
    counts, now = dict.fromkeys(NAMES, 0), float(begin)
    while now < end:
        for probe in due.due(now):
            counts[probe.segment.cluster_network] += 1
        now = max(now, due.next_due())
    return counts


def test_the_plan_holds_back_by_what_was_sent_by_hand() -> None:
    """On that cluster network only; everything by hand does not stop it for longer than some seconds."""
    for frames, least in ((6 * FRAMES_PER_S, 0.2), (10_000 * FRAMES_PER_S, 0.0)):
        due = schedule()
        before = sent(due, begin=0, end=BEGAN_S)
        for part in range(10):
            due.lanes.sent_by_hand(segment(NAMES[0], 1 + part), frames / 10, BEGAN_S)
        during = sent(due, begin=BEGAN_S, end=BEGAN_S + 10)
        assert least * before[NAMES[0]] / 2 <= during[NAMES[0]] < 0.6 * before[NAMES[0]] / 2
        assert during[NAMES[1]] > 0.8 * before[NAMES[1]] / 2
        assert sent(due, begin=BEGAN_S + 13, end=BEGAN_S + 23)[NAMES[0]] > 0.6 * before[NAMES[0]] / 2


def test_a_shared_router_is_counted_too() -> None:
    """So what was sent on one cluster network is made up for on all."""
    due = schedule()
    due.take_routers({segment(name, vlan): {CORE} for name in NAMES for vlan in range(1, NETWORKS + 1)})
    before = sent(due, begin=0, end=BEGAN_S)
    due.lanes.sent_by_hand(segment(NAMES[0], 1), 6.0 * FRAMES_PER_S, BEGAN_S)
    during = sent(due, begin=BEGAN_S, end=BEGAN_S + 10)
    assert sum(during.values()) < 0.6 * sum(before.values()) / 2


def test_what_is_not_planned_has_no_budget() -> None:
    """Anyone who may probe by hand names any cluster network."""
    due = schedule()
    due.lanes.sent_by_hand(Segment(cluster_network="unknown", vlan=1), 100, 0.0)
    assert not due.lanes._of_cluster_networks


def test_no_poll_hides_what_an_earlier_one_read() -> None:
    """Both are counted."""
    mailbox = Mailbox(ManualClock())
    said = [ByHand(cluster_network="extra", frames=((vlan, 2),)) for vlan in (1, 2)]
    for each in said:
        mailbox.polled(PollResult((), by_hand=(each,)))
    poll = mailbox.take(0.0).poll
    assert poll is not None
    assert poll.by_hand == tuple(said)
