"""One network under judgement: hosts report, time passes, and what is told is reported at once."""

from dataclasses import replace

from services.contract.limits import REPORT_WITHIN_S
from services.contract.messages import DHCPVerdict
from services.contract.open_doubts import NO_DOUBTS, Doubts
from services.contract.outcomes import BridgeFault, DHCPOutcome, Fault, ReachOutcome
from services.contract.verdicts import AgedVerdict, SegmentVerdicts
from services.network.judge.doubting import reported
from services.network.judge.evidence import Carriers, Case, as_asked
from services.network.judge.judging import Judgement, judge
from services.network.parse.intent import Intent
from services.network.parse.status import Status
from services.network.policy import DEFAULT_POLICY
from services.network.write.writing import decide
from tests.unit.network.builders import GATEWAY, NOW, due, network, verdict

BOUND_S = REPORT_WITHIN_S
FRESH_S = 600.0
R, S, L, N = ReachOutcome.REACHABLE, ReachOutcome.SILENT, ReachOutcome.INCONCLUSIVE, ReachOutcome.NOT_TRIED


class JudgedNetwork:
    """A network with one intent, and the hosts that carry it. Times are seconds of observed time."""

    def __init__(self, intent: Intent, *hosts: str) -> None:
        self.intent = intent
        self.hosts = set(hosts)
        self.now = 10_000.0
        self.latest: dict[str, tuple[float, AgedVerdict]] = {}
        self.asked: dict[str, tuple[float, AgedVerdict]] = {}
        self.status: Status | None = None
        self.doubts: Doubts = NO_DOUBTS
        self.is_settled = True
        self.bound_s = BOUND_S
        self.open_doubts = 0
        self.policy = DEFAULT_POLICY
        self.looked = 0.0
        self.resumed = 0.0
        self.time_runs = True
        self.judgement: Judgement | None = None

    def report(self, *hosts: str, vlan: ReachOutcome = R, routed: ReachOutcome | None = None,
               dhcp: DHCPVerdict | None = None, fault: Fault | None = None,
               bridge: BridgeFault | None = None,
               mac: str | None = None, macs: tuple[str, ...] = (), from_address: bool = False,
               unproven: bool = False) -> "JudgedNetwork":  # fmt: skip
        """Let these hosts report; routed is as vlan unless it is given. mac, macs: of the gateway."""
        known = self.intent.gateway or GATEWAY
        gateway = None if dhcp is not None and not dhcp.servers and vlan is N else known
        for host in hosts:
            said = verdict(
                self.intent.digest, host=host, vlan=vlan, routed=vlan if routed is None else routed,
                dhcp=dhcp, fault=fault, gateway=gateway, bridge=bridge,
            )  # fmt: skip
            if mac is not None:
                target = said.targets[0]
                by_arp = target.vlan.model_copy(update={"mac": mac, "macs": macs})
                said = said.model_copy(update={"targets": (target.model_copy(update={"vlan": by_arp}),)})
            if from_address or unproven:
                (checked,) = said.targets
                asked = {"from_address": from_address, "unproven": unproven}
                checked = checked.model_copy(update={"vlan": checked.vlan.model_copy(update=asked)})
                said = said.model_copy(update={"targets": (checked,)})
            entry = self.now, AgedVerdict(said, 0.0)
            self.latest[host] = entry
            if dhcp is not None:
                self.asked[host] = entry
        return self

    def no_offer(self, *hosts: str) -> "JudgedNetwork":
        """Let these hosts ask DHCP in vain, with no gateway to check."""
        return self.report(*hosts, vlan=N, dhcp=DHCPVerdict(outcome=DHCPOutcome.NO_OFFER))

    def lose_verdicts(self) -> None:
        """Empty Redis."""
        self.latest.clear()
        self.asked.clear()

    def resume(self) -> None:
        """Let observed time go on after it stood still."""
        self.now += 0.001
        self.resumed, self.time_runs = self.now, True

    @property
    def case(self) -> Case:
        def aged(known: dict[str, tuple[float, AgedVerdict]]) -> tuple[AgedVerdict, ...]:
            return tuple(
                replace(seen, age_s=self.now - at, full_age_s=self.now - at + seen.full_age_s)
                for at, seen in known.values()
            )

        named_by = self.intent.named_by | (self.status.named_by if self.status else frozenset())
        return Case(
            replace(self.intent, named_by=named_by),
            self.status,
            SegmentVerdicts(
                aged(self.latest),
                aged(self.asked),
                round(self.now * 1000),
                resumed_ms=round(self.resumed * 1000),
                time_runs=self.time_runs,
            ),
            Carriers(frozenset(self.hosts), round(self.bound_s * 1000), self.is_settled),
            self.policy,
            FRESH_S,
            round(self.looked * 1000),
            self.open_doubts,
        )

    def look(self, *, after: float = 0.0) -> Status | None:
        """Judge, this many seconds later; report what is told, and return it, or None if nothing new is."""
        self.now += after
        self.judgement = judge(as_asked(self.case), self.doubts)
        self.looked, self.doubts = self.now, self.judgement.doubts
        if self.judgement.told is None:
            return None
        before = None if self.status is None else self.status.dump()
        change = due(decide(network(status=before), self.case.intent, self.judgement.told, now=NOW))
        if change is None or change.after == self.status:
            return None
        self.status = change.after
        self.doubts = reported(self.doubts, change.after)
        return self.status

    def state(self, *, after: float = 0.0) -> str | None:
        """Return the state that is told now; None if nothing new is."""
        told = self.look(after=after)
        return None if told is None else told.state

    def stand(self, state: str | None = None) -> "JudgedNetwork":
        """Look until what the hosts have reported is told, and a little longer."""
        self.look()
        self.look(after=1)
        assert state is None or (self.status is not None and self.status.state == state), self.status
        self.now += 1
        return self
