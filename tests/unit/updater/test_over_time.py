"""What the updater writes over simulated hours, whoever else writes.

Which state it reports, and when, is held against a plain reference: test_against_reference.
"""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.contract.messages import Verdict
from services.network.parse import nad
from tests.unit.updater.world import FRESH_S, HOSTS, S, World

LOOK_S = 5
"""Between the two reviews of each step."""


class Work:
    """Lets a world's updater work, and counts its writes."""

    def __init__(self, world: World) -> None:
        self.world = world

    def finish(self) -> None:
        """Review and write until nothing is due, then check that one more review finds nothing."""
        before = len(self.world.cluster.written)
        self.world.review()
        writes = len(self.world.cluster.written) - before
        assert writes <= 2, "one change of what is known is one write, or two where it fills the gateway in"
        self.world.clock.seconds += LOOK_S
        quiet = len(self.world.cluster.written)
        self.world.review()
        assert len(self.world.cluster.written) <= quiet + 1

    def said(self) -> dict[str, Verdict]:
        """Return the verdicts that count: fresh, of announced hosts, of the present intent."""
        intent, now = self.world.intent, self.world.clock.seconds
        return {
            host: said
            for (_, host), (at, said) in self.world.store.latest.items()
            if host in self.world.announced
            and now - at < FRESH_S
            and said.segment == intent.segment
            and (said.fault or said.targets[0].digest == intent.digest)
        }


STEPS = st.one_of(
    st.tuples(st.just("probe_everywhere")),
    st.tuples(st.just("wait"), st.sampled_from([1, 20, 100, 300, 700])),
    st.tuples(
        st.just("probe"), st.sampled_from(HOSTS), st.booleans(),
        st.sampled_from(["good", "good", "good", "hasty", "lossy", "broken"]),
    ),
    st.tuples(st.just("flip"), st.sampled_from(["routed", "offers", *HOSTS])),
    st.tuples(st.just("come_or_go"), st.sampled_from(HOSTS)),
    st.tuples(
        st.just("others_write"),
        st.sampled_from(
            ["true", "false", "ping failed", "ui", "ui gateway", "terraform", "gateway", "cidr", "vlan"]
        ),
    ),
)  # fmt: skip
ALL_PROBE = [("probe", host, host == "node1", "good") for host in HOSTS]
TICK = [("others_write", "false"), ("wait", 700), *ALL_PROBE]


@given(
    st.sampled_from(["auto", "manual"]),
    st.sampled_from(["routed", "vlan"]),
    st.tuples(st.sampled_from([[], ALL_PROBE]), st.lists(STEPS, min_size=5, max_size=40)).map(
        lambda parts: [*parts[0], *parts[1]]
    ),
)
@example("manual", "routed", [*ALL_PROBE, ("flip", "node2"), ("probe", "node2", False, "hasty")])
@example("auto", "routed", [("flip", "offers"), ("probe", "node1", True, "good")])
@example("auto", "routed", [*ALL_PROBE, ("others_write", "vlan"), *ALL_PROBE])
@example("manual", "routed", [*ALL_PROBE, ("others_write", "ui gateway"), ("wait", 100), *ALL_PROBE])
@example("auto", "routed", [*ALL_PROBE, *(TICK * 12)])
@example("manual", "vlan", [*ALL_PROBE, ("flip", "routed"), *(TICK * 12)])
@example("auto", "routed", [*ALL_PROBE, ("others_write", "vlan"), ("others_write", "ui"), *ALL_PROBE])
@example(
    "auto",
    "routed",
    [
        ("probe", "node1", True, "good"),
        ("flip", "node1"),
        ("probe", "node2", False, "broken"),
        ("flip", "routed"),
        ("probe", "node1", False, "good"),
    ],
)
@settings(max_examples=120)
def test_every_write_is_allowed(mode: str, active_when: str, steps: list[tuple[object, ...]]) -> None:
    """The owner's fields are never changed, three probes failed before "false", and no two writers fight."""
    world = World(mode, active_when)
    work = Work(world)
    for name, *arguments in steps:
        connectivity = world.route().get("connectivity")
        wrote = len(world.cluster.written)
        getattr(world, str(name))(*arguments)
        work.finish()
        ours = world.cluster.written[wrote:]
        if connectivity == "true" and any('"false"' in str(w.get(nad.ROUTE)) for w in ours):
            _check_that_three_probes_failed(work)
    times = world.memories.times
    for start in times:
        assert sum(start <= at < start + 3_600 for at in times) <= 4


def _check_that_three_probes_failed(work: Work) -> None:
    """No flap without three failures."""
    reaches = [r for said in work.said().values() for t in said.targets for r in (t.vlan, t.routed)]
    assert any(r.outcome is S and r.attempts >= 3 for r in reaches) or any(
        said.fault for said in work.said().values()
    )
