"""What the updater reports over simulated hours, checked by a judge of its own.

Active is reported at once, and so is what all hosts have just reported. Anything else must be what the hosts
say that have reported since some moment.
"""

from collections.abc import Mapping

from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.contract.limits import REPORT_WITHIN_S
from services.contract.messages import Verdict
from services.contract.names import HOST_TTL_S
from services.network.parse import nad
from services.network.parse.intent import Intent
from tests.unit.network.builders import GATEWAY
from tests.unit.updater.world import FRESH_S, HOSTS, R, S, World

LOOK_S = 5
"""Between the two reviews of each step."""


class Judge:
    """Lets a world's updater work and computes what it may report, and what it must."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.undecided_since: float | None = None
        self.partly_since: float | None = None
        """Since when the hosts that have reported since some moment give no state."""
        self.reported: tuple[object, object] = (None, None)
        """State and digest of the previous step."""

    def work(self, *, everyone: bool = False) -> None:
        """Review and write until nothing is due, then check that one more review finds nothing.

        everyone: whether every announced host has just reported, so that the evidence is complete.
        """
        before = len(self.world.cluster.written)
        self.world.review()
        writes = len(self.world.cluster.written) - before
        assert writes <= 2, "one change of what is known is one write, or two where it fills the gateway in"
        self._judge(must=everyone)
        self.world.clock.seconds += LOOK_S
        quiet = len(self.world.cluster.written)
        self.world.review()
        assert len(self.world.cluster.written) <= quiet + 1
        self._judge(must=False)

    def _judge(self, *, must: bool) -> None:
        expected = self._expected(self.said())
        now = self.world.clock.seconds
        self.undecided_since = None if expected else self.undecided_since or now
        self.partly_since = (self.partly_since or now) if None in self._by_moment() else None
        reported, digest = self.world.status(), self.world.intent.digest
        before, self.reported = self.reported, (reported.get("state"), reported.get("digest"))
        if expected is None:
            self._judge_undecided(before, reported, digest)
            return
        state, connectivity = expected
        news = self._expected(self.said(since=self.world.clock.seconds))
        if not must and not (state == "Active" and news is not None and news[0] == "Active"):
            self._judge_doubt(before, reported, digest)
            return
        assert (reported.get("state"), reported.get("digest")) == (state, digest), (reported, self.said())
        if connectivity == "DHCP failed" and nad.ROUTE not in self.world.present.annotations:
            return
        if len([at for at in self.world.memories.times if now - at < 3_600]) < 4:
            assert self.world.route().get("connectivity") == connectivity
            assert not self.world.route().get("outdated")

    def _judge_doubt(
        self, before: tuple[object, object], reported: Mapping[str, object], digest: str
    ) -> None:
        """Check that a new state is what the hosts say that have reported since some moment."""
        state = reported.get("state")
        if (state, reported.get("digest")) == before or state in (None, "Pending"):
            return
        found = self._by_moment()
        assert state in {each[0] for each in found if each is not None} | {"Unknown"}, (reported, found)

    def _by_moment(self) -> list[tuple[str, str] | None]:
        """Return what the hosts say that have reported since each moment of a report."""
        moments = sorted(at for at, _ in self.world.store.latest.values())
        return [self._expected(self.said(since=moment)) for moment in [0.0, *moments]]

    def _judge_undecided(
        self, before: tuple[object, object], reported: Mapping[str, object], digest: str
    ) -> None:
        """Check that a state without a conclusion is held back for a while and then Unknown."""
        now = self.world.clock.seconds
        since, partly_since = self.undecided_since or now, self.partly_since or now
        if reported and reported["digest"] != digest:
            # Harvester is pinging it: any write of ours would make it start again.
            assert not self.world.route().get("connectivity"), (reported, self.world.route())
            return
        state = reported.get("state")
        if before[1] != digest or before[0] in (None, "Pending", "Unknown"):
            waited = now - since > REPORT_WITHIN_S - LOOK_S and self.world.intent.mode == "auto"
            assert state in (None, "Pending", "Unknown") or (state == "DHCPFailed" and waited), reported
        elif now - partly_since < HOST_TTL_S and self.world.announced:
            assert state == before[0], reported
        elif now - since > FRESH_S + 120 and self.world.route().get("connectivity"):
            assert state in ("Pending", "Unknown", "DHCPFailed"), reported
        else:
            assert state in (before[0], "Pending", "Unknown", "DHCPFailed"), reported

    def said(self, *, since: float = 0.0) -> dict[str, Verdict]:
        """Return the verdicts that count: fresh, of announced hosts, of the present intent."""
        intent, now = self.world.intent, self.world.clock.seconds
        return {
            host: said
            for (_, host), (at, said) in self.world.store.latest.items()
            if host in self.world.announced
            and now - at < FRESH_S
            and at >= since
            and said.segment == intent.segment
            and (said.fault or said.targets[0].digest == intent.digest)
        }

    def _expected(self, said: Mapping[str, Verdict]) -> tuple[str, str] | None:
        """Return the state that the table gives for these verdicts; None where it gives none."""
        intent = self.world.intent
        faulty = {host for host, each in said.items() if each.fault}
        if not said or faulty == set(said):
            return None
        gateway = intent.gateway
        if intent.mode == "auto":
            failed = self._dhcp_failed(intent, faulty)
            if failed and intent.known_gateway is None:
                return "DHCPFailed", "DHCP failed"
            gateway = GATEWAY if failed is False else intent.known_gateway
        if gateway is None:
            return None
        # A host with a broken uplink has still probed through routing.
        of_intent = {h: t for h, each in said.items() for t in each.targets if t.digest == intent.digest}
        checked = {h: t for h, t in of_intent.items() if t.gateway == gateway}
        seeing = {h: t for h, t in checked.items() if h not in faulty}
        up = [h for h, t in seeing.items() if t.vlan.outcome is R]
        down = [h for h, t in seeing.items() if t.vlan.outcome is S and t.vlan.attempts >= 3]
        routed = any(t.routed.outcome is R for t in checked.values())
        unrouted = any(t.routed.outcome is S and t.routed.attempts >= 3 for t in checked.values())
        if not (up or down) or not (routed or unrouted):
            return None
        blind = faulty | set(down)
        if up and blind:
            state = "Partial"
        elif up:
            state = "Active" if routed else "Isolated"
        else:
            state = "OffVlan" if routed else "Unreachable"
        fine = routed if self.world.active_when == "routed" else bool(up and not blind)
        return state, "true" if fine else "false"

    def _dhcp_failed(self, intent: Intent, faulty: set[str]) -> bool | None:
        """Return whether all hosts that had to ask did so in vain; False after an offer, None while open."""
        now = self.world.clock.seconds
        asked = [
            (at, each)
            for (_, host), (at, each) in self.world.store.asked.items()
            if host in self.world.announced
            and now - at < 2 * FRESH_S
            and each.segment == intent.segment
            and each.targets[0].digest == intent.digest
        ]
        offered = [at for at, each in asked if each.dhcp and each.dhcp.servers]
        in_vain = [at for at, each in asked if each.dhcp and not each.dhcp.servers]
        if offered:
            in_vain = [at for at in in_vain if at > max(offered)]
        needed = 1 + max(0, min(2, len(self.world.announced) - len(faulty) - 1))
        if len(in_vain) >= needed:
            return True
        return False if offered else None


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
def test_reported_states_follow_the_table(
    mode: str, active_when: str, steps: list[tuple[object, ...]]
) -> None:
    """This holds at every moment, whoever else writes, and the owner's fields are never changed."""
    world = World(mode, active_when)
    judge = Judge(world)
    for name, *arguments in steps:
        connectivity = world.route().get("connectivity")
        wrote = len(world.cluster.written)
        getattr(world, str(name))(*arguments)
        judge.work(everyone=name == "probe_everywhere")
        ours = world.cluster.written[wrote:]
        if connectivity == "true" and any('"false"' in str(w.get(nad.ROUTE)) for w in ours):
            _check_that_three_probes_failed(judge)
    times = world.memories.times
    for start in times:
        assert sum(start <= at < start + 3_600 for at in times) <= 4


def _check_that_three_probes_failed(judge: Judge) -> None:
    """No flap without three failures."""
    reaches = [r for said in judge.said().values() for t in said.targets for r in (t.vlan, t.routed)]
    assert any(r.outcome is S and r.attempts >= 3 for r in reaches) or any(
        said.fault for said in judge.said().values()
    )
