"""K9: a network that is deleted and created again under its name, at any step of any write."""

from collections.abc import Callable
from dataclasses import replace

from hypothesis import example, given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from services.cluster.errors import Conflict, Unavailable
from services.cluster.metrics import WatchMetrics
from services.cluster.tracking import Tracker
from services.network.parse.nad import Network
from services.network.reasons.events import Event
from tests.unit.network.builders import config, dhcp, network, offer
from tests.unit.updater.fakes import FakeCluster
from tests.unit.updater.test_service import Bench

RETRIES_S = 20.0
"""Longer than any pause after a failure."""


class SteppedCluster(FakeCluster):
    """Counts the steps of all requests: each has one before its effect, and one before its response."""

    def __init__(self) -> None:
        super().__init__()
        self.step: Callable[[], None] = lambda: None

    def get_network(self, ref):  # type: ignore[no-untyped-def]
        self.step()
        found = super().get_network(ref)
        self.step()
        return found

    def annotate(self, network, annotations):  # type: ignore[no-untyped-def]
        self.step()
        written = super().annotate(network, annotations)
        self.step()
        return written

    def post_event(self, network: Network, event: Event) -> None:
        self.step()
        super().post_event(network, event)
        self.step()


class History:
    """A network and its successors under one name, and the watch, which sees what has the name some steps
    later."""

    def __init__(self, *, at: int, again: int, unseen: int, vlan: int) -> None:
        """at: the step of the re-creation. again: steps until there is one more, or 0. unseen: steps until
        the watch sees the last one. vlan: the successors'."""
        self.cluster = SteppedCluster()
        self.bench = Bench(cluster=self.cluster)
        self.tracker = Tracker(self.bench.updater, metrics=WatchMetrics(CollectorRegistry()))
        self.first = network()
        self.cluster.objects[self.first.ref] = self.first
        self.tracker.changed(self.first)
        self._births = {
            step: network(uid=f"uid-{number}", version=str(1000 * number), config=config(vlan))
            for number, step in enumerate(sorted({at, at + again}), start=2)
        }
        self._seen_at, self._steps = max(self._births) + unseen, 0
        self.cluster.step = self._step

    @property
    def last(self) -> str:
        """The uid of the last successor."""
        return list(self._births.values())[-1].uid

    def _step(self) -> None:
        self._steps += 1
        if self._steps in self._births:
            self.cluster.objects[self.first.ref] = self._births[self._steps]
        if self._steps == self._seen_at:
            self.tracker.removed(replace(self.first, resource_version="999"))
            self.tracker.changed(self.cluster.objects[self.first.ref])

    def finish(self) -> Network:
        """Let everything end that is under way; return what has the name."""
        while self._steps < self._seen_at:
            self._step()
        for _ in range(3):
            self.bench.work()
            self.bench.clock.seconds += RETRIES_S
        return self.cluster.objects[self.first.ref]


FAILURES = st.lists(st.sampled_from([Conflict("409"), Unavailable("503")]), max_size=3)


@given(
    at=st.integers(1, 10),
    again=st.integers(0, 3),
    unseen=st.integers(0, 4),
    failures=FAILURES,
    vlan=st.sampled_from([100, 101]),
)
@example(at=1, again=0, unseen=0, failures=[], vlan=100)
@example(at=3, again=0, unseen=0, failures=[Conflict("409")], vlan=100)
@example(at=2, again=2, unseen=1, failures=[Conflict("409")], vlan=100)
def test_the_successor_is_never_lost_and_gets_nothing_of_its_predecessor(
    at: int, again: int, unseen: int, failures: list[Conflict | Unavailable], vlan: int
) -> None:
    """Wherever in a write it takes the name, once or twice, and however late the watch sees it: with the same
    intent it becomes Active, with another one nothing is written to it, and nothing is remembered of the
    others."""
    history = History(at=at, again=again, unseen=unseen, vlan=vlan)
    history.cluster.failures = list(failures)
    history.bench.report(dhcp=dhcp(offer()))
    history.bench.work()
    present = history.finish()
    assert present.uid == history.last
    state = present.status.state if present.status is not None else None
    assert state == ("Active" if vlan == 100 else None)
    assert [known.uid for known in history.bench.updater.networks()] == [history.last]
    assert history.bench.updater._reconciler._failures == {}
