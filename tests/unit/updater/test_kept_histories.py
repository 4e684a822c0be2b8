"""Short histories in which the updater and the reference of the judgement once differed."""

import pytest

from tests.reference.playing import History, Player

KEPT = {
    # An old offer does not count again because time stood still, and confirms no gateway.
    "the hour of a gateway that nothing confirms goes on": History(3, ((100, "new"), (100, "new")), (
        ("wait", 4),
        ("probe", "node3", 100, True, "good", "now"),
        ("truth", 100, "vlan"),
        ("wait", 2),
        ("probe", "node1", 100, True, "good", "now"),
        ("probe", "node1", 100, False, "good", "now"),
        ("probe", "node2", 100, True, "good", "now"),
        ("probe", "node3", 100, False, "good", "now"),
        ("probe", "node2", 100, False, "broken", "now"),
        ("fault", "watcher"),
        ("wait", 90),
        ("fault", "watcher"),
        ("wait", 260),
        ("wait", 260),
        ("wait", 260),
        ("probe", "node3", 100, True, "good", "now"),
        ("wait", 260),
    ), "routed", 40.0),
    "another gateway, offered while disabled": History(3, ((100, "new"), (100, "new")), (
        ("probe", "node1", 100, True, "good", "twice"),
        ("truth", 100, "gateway"),
        ("edit", 1, "disabled"),
        ("probe", "node3", 100, True, "good", "now"),
        ("edit", 1, "disabled"),
        ("wait", 40),
    ), "vlan", 25.0),
    "something worse, found while disabled": History(1, ((100, "auto"), (100, "manual")), (
        ("truth", 100, "routed"),
        ("edit", 1, "disabled"),
        ("wait", 40),
        ("probe", "node1", 100, True, "good", "now"),
        ("edit", 1, "disabled"),
    )),
    # The first host's answer is outdated by the time the second one asks.
    "a missing offer that nobody has confirmed": History(4, ((100, "manual"), (200, "new")), (
        ("truth", 200, "dhcp"),
        ("probe", "node1", 200, True, "good", "now"),
        ("wait", 130),
        ("edit", 1, "recreate"),
        ("wait", 130),
        ("probe", "node3", 200, True, "good", "now"),
    ), "routed", 40.0),
    "a save that the watch reports after nothing is known any more": History(1, ((200, "manual"),), (
        ("probe", "node1", 200, False, "good", "now"),
        ("fault", "watch"),
        ("edit", 0, "ui"),
        ("wait", 260),
    )),
    "a save when the last host is gone": History(1, ((100, "manual"),), (
        ("probe", "node1", 100, True, "good", "now"),
        ("prober", "node1", "stop"),
        ("wait", 24),
        ("fault", "flush"),
        ("edit", 0, "bare"),
        ("prober", "node1", "start"),
    )),
    "an offer whose host is gone": History(3, ((100, "new"), (100, "auto")), (
        ("probe", "node3", 100, True, "good", "now"),
        ("truth", 100, "vlan node1"),
        ("probe", "node1", 100, True, "good", "now"),
        ("wait", 90),
        ("probe", "node2", 100, True, "good", "now"),
        ("prober", "node2", "stop"),
        ("truth", 100, "dhcp"),
        ("probe", "node3", 100, False, "good", "now"),
        ("wait", 260),
    ), "vlan", 40.0),
    # With one host that can ask, its answer is enough; the state is told later.
    "a missing offer that is confirmed before anything is told": History(2, ((100, "new"),), (
        ("probe", "node1", 100, True, "good", "now"),
        ("wait", 14),
        ("truth", 100, "gateway"),
        ("probe", "node1", 100, False, "good", "now"),
        ("probe", "node2", 100, True, "good", "now"),
        ("truth", 100, "dhcp"),
        ("truth", 100, "routed"),
        ("probe", "node2", 100, True, "broken", "now"),
        ("probe", "node2", 100, False, "good", "now"),
        ("probe", "node1", 100, False, "good", "now"),
    ), "vlan"),
    # Its server never named the gateway that the annotation names.
    "a stranger's offer on another VLAN": History(1, ((200, "auto"), (100, "new")), (
        ("probe", "node1", 200, True, "good", "now"),
        ("edit", 0, "vlan"),
        ("edit", 0, "ui"),
        ("wait", 5),
        ("probe", "node1", 100, True, "good", "now"),
        ("wait", 24),
        ("probe", "node1", 100, False, "stopped", "now"),
    )),
    # The gateway that another writer has removed is known by what an earlier updater wrote.
    "Redis emptied after an updater's start, before anything was put back": History(1, ((100, "auto"),), (
        ("probe", "node1", 100, True, "good", "now"),
        ("prober", "node1", "stop"),
        ("wait", 90),
        ("truth", 100, "dhcp"),
        ("edit", 0, "auto"),
        ("fault", "updater"),
        ("fault", "flush"),
        ("prober", "node1", "start"),
        ("wait", 90),
        ("probe", "node1", 100, True, "good", "twice"),
    )),
    # A new updater knows what it finds as written, so that it is put back.
    "an edit between Redis emptied and an updater's start": History(3, ((100, "manual"),), (
        ("fault", "watch"),
        ("probe", "node3", 100, False, "lossy", "now"),
        ("fault", "flush"),
        ("edit", 0, "ping failed"),
        ("fault", "updater"),
    )),
    # node1's offer is the older one, and nobody has checked the gateway that it names.
    "an unchecked gateway while nothing is known": History(2, ((100, "auto"),), (
        ("wait", 25),
        ("probe", "node1", 100, True, "good", "now"),
        ("truth", 100, "gateway"),
        ("probe", "node2", 100, True, "good", "now"),
        ("probe", "node1", 100, False, "good", "now"),
        ("probe", "node1", 100, False, "good", "now"),
        ("probe", "node2", 100, True, "lossy", "now"),
        ("wait", 90),
        ("probe", "node2", 100, False, "good", "now"),
        ("wait", 40),
    )),
    # Nothing was told of the routes between, so the annotations still tell of the first one.
    "a way back to a route after an updater's start": History(2, ((100, "auto"),), (
        ("probe", "node2", 100, True, "good", "now"),
        ("prober", "node2", "stop"),
        ("edit", 0, "manual"),
        ("fault", "api"),
        ("fault", "updater"),
        ("fault", "api"),
        ("prober", "node2", "start"),
        ("truth", 100, "dhcp"),
        ("edit", 0, "gateway"),
        ("probe", "node2", 100, True, "good", "now"),
        ("edit", 0, "auto"),
        ("probe", "node2", 100, True, "broken", "now"),
        ("probe", "node2", 100, False, "good", "now"),
        ("wait", 40),
    )),
    # What is put back says nothing of DHCP, so the hosts have no more time to ask it.
    "a missing offer while another writer is corrected": History(3, ((100, "auto"),), (
        ("probe", "node1", 100, True, "good", "now"),
        ("truth", 100, "dhcp"),
        ("probe", "node1", 100, False, "good", "now"),
        ("probe", "node2", 100, False, "good", "now"),
        ("probe", "node3", 100, True, "good", "now"),
        ("wait", 5),
        ("probe", "node1", 100, True, "good", "now"),
        ("probe", "node2", 100, False, "good", "now"),
        ("probe", "node3", 100, False, "good", "now"),
        ("probe", "node3", 100, True, "broken", "now"),
        ("prober", "node3", "crash"),
        ("edit", 0, "gateway"),
        ("fault", "updater"),
        ("truth", 100, "routed node3"),
        ("prober", "node3", "start"),
        ("deliver", 2),
        ("probe", "node1", 100, False, "stopped", "twice"),
        ("probe", "node1", 100, False, "good", "now"),
        ("probe", "node2", 100, False, "good", "now"),
        ("probe", "node3", 100, True, "good", "now"),
        ("deliver", 5),
        ("truth", 100, "vlan"),
        ("edit", 0, "ping failed"),
        ("truth", 100, "routed"),
        ("probe", "node3", 100, True, "good", "now"),
        ("probe", "node1", 100, True, "good", "now"),
        ("probe", "node2", 100, False, "good", "now"),
        ("probe", "node3", 100, False, "good", "now"),
    )),
}  # fmt: skip


@pytest.mark.parametrize("history", KEPT.values(), ids=KEPT)
def test_the_updater_still_does_as_the_reference(history: History) -> None:
    """Whatever random histories are generated by now."""
    Player(history).play(history.steps)
