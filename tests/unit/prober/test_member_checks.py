"""Each VLAN through each member of a bond: when it is asked for, and what is known then."""

from collections.abc import Iterator, Mapping, Sequence

from services.contract.outcomes import Fault, ReachOutcome
from services.prober.engine.results import NOT_TRIED, ReachResult, SegmentResult, TargetResult
from services.prober.fingerprints import fingerprint
from services.prober.frames import arp
from services.prober.members.asking import ATTEMPTS, MemberQuestions
from services.prober.members.checking import CONFIRM_S, HOT_S, SILENT_AGAIN_S, MemberChecks
from tests.support.manual_clock import ManualClock

GATEWAY, ROUTER_MAC = 0x0A000701, b"\x02\0\0\0\0\x01"
DAY_S = 86_400.0
UP = ReachResult(ReachOutcome.REACHABLE, 0.001, 1, ROUTER_MAC)
SILENT = ReachResult(ReachOutcome.SILENT, None, 3, None)


def result(vlan: int = 7, reach: ReachResult = UP) -> SegmentResult:
    target = TargetResult("0" * 16, None, GATEWAY, reach, NOT_TRIED)
    return SegmentResult("extra", vlan, None, (target,), None, 0)


class Host:
    """A host with a bond of two NICs, by which what the test says answers."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.nics, self.down, self.silent = ("nic1", "nic2"), set[str](), set[str]()
        self.falling = set[str]()
        """What goes down while it is asked."""
        self.asked: list[tuple[int, tuple[str, ...]]] = []
        self.uplinks = {"extra": "extra-bo"}
        self.checks = MemberChecks(
            uplinks=lambda: self.uplinks, members=self._members, is_up=lambda nic: nic not in self.down,
            ask=self._ask, interval_s=DAY_S, clock=self.clock,
        )  # fmt: skip

    def probe(self, after: float = 0.0, *, vlan: int = 7, reach: ReachResult = UP) -> SegmentResult:
        """Probe by way of the bond, then let the thread have its turn; return the completed result."""
        self.clock.seconds += after
        completed = self.checks.complete(result(vlan, reach))
        self.checks.check_next()
        return completed

    def members(self, after: float = 0.0) -> tuple[tuple[str, bool | None], ...]:
        """Return what the next result says of the members; nothing is asked."""
        self.clock.seconds += after
        return self.checks.complete(result(reach=SILENT)).members

    def _members(self, _: str) -> Sequence[str]:
        if not self.nics:
            raise OSError("gone")
        return self.nics

    def _ask(
        self, cluster_network: str, nics: Sequence[str], *, vlan: int, gateway: int, every: Sequence[str]
    ) -> Mapping[str, bool]:
        assert (cluster_network, gateway, tuple(every)) == ("extra", GATEWAY, self.nics)
        self.asked.append((vlan, tuple(nics)))
        self.down |= self.falling
        return {nic: nic not in self.silent for nic in nics}


def test_each_vlan_is_asked_for_once_a_day() -> None:
    """After its gateway has answered by way of the bond; until then it is untested."""
    host = Host()
    assert host.probe(reach=SILENT).members_untested
    assert host.asked == []
    assert host.probe().members_untested
    assert host.asked == [(7, ("nic1", "nic2"))]
    assert host.members() == (("nic1", True), ("nic2", True))
    for _ in range(10):
        assert not host.probe(300).members_untested
    host.probe(vlan=8)
    assert [vlan for vlan, _ in host.asked] == [7, 8]
    host.probe(DAY_S)
    assert [vlan for vlan, _ in host.asked] == [7, 8, 7]


def test_silence_of_one_member_is_told_when_it_repeats() -> None:
    """A minute later; then it is asked about often, so that a repair is noticed."""
    host = Host()
    host.silent = {"nic2"}
    host.probe()
    assert host.members() == (("nic1", True), ("nic2", None))
    host.probe(CONFIRM_S - 1)
    assert len(host.asked) == 1
    host.probe(1)
    assert host.members() == (("nic1", True), ("nic2", False))
    host.silent = set()
    host.probe(SILENT_AGAIN_S - 1)
    assert host.members() == (("nic1", True), ("nic2", False))
    host.probe(1)
    assert host.members() == (("nic1", True), ("nic2", True))


def test_a_single_loss_accuses_no_member() -> None:
    """Nor do two members that are silent in turn."""
    host = Host()
    for silent in ("nic2", "nic1", "nic2"):
        host.silent = {silent}
        host.probe(CONFIRM_S)
        assert False not in dict(host.members()).values()


def test_a_gateway_that_answers_no_member_accuses_none() -> None:
    """It may not answer ARP probes from an address that nobody has; the bond may ask otherwise."""
    host = Host()
    host.silent = {"nic1", "nic2"}
    host.probe()
    host.probe(DAY_S)
    assert host.members() == (("nic1", None), ("nic2", None))


def test_with_one_member_up_it_is_said_that_one_was_tested() -> None:
    """What answered by way of the bond came through it, so no question is needed."""
    host = Host()
    host.down = {"nic2"}
    host.probe()
    assert host.members() == (("nic1", True), ("nic2", None))
    assert host.asked == []


def test_a_member_that_goes_down_is_not_acquitted() -> None:
    """What was told of it stands until it can be asked again; one that goes down meanwhile is not accused."""
    host = Host()
    host.silent = {"nic2"}
    host.probe()
    host.probe(CONFIRM_S)
    host.down = {"nic2"}
    host.probe(SILENT_AGAIN_S)
    assert host.members() == (("nic1", True), ("nic2", False))
    other = Host()
    other.silent = other.falling = {"nic2"}
    for _ in range(3):
        other.down = set()
        other.probe(DAY_S)
    assert other.members() == (("nic1", True), ("nic2", None))


def test_a_single_nic_has_no_members() -> None:
    """There is nothing to say of it, and nothing to ask."""
    host = Host()
    host.nics = ("extra-bo",)  # type: ignore[assignment]
    host.probe()
    assert (host.members(), host.asked) == ((), [])
    assert not host.probe().members_untested


def test_nothing_is_asked_while_nobody_probes() -> None:
    """A pause ends the questions within a minute, also those that wait."""
    host = Host()
    host.checks.complete(result(7))
    host.checks.complete(result(8))
    host.clock.seconds += HOT_S + 1
    host.checks.check_next()
    host.checks.check_next()
    assert host.asked == []


def test_an_uplink_that_is_gone_tells_nothing() -> None:
    """Neither the cluster network nor the interface need exist any more."""
    host = Host()
    host.nics = ()  # type: ignore[assignment]
    assert host.probe().members_untested
    assert host.probe().members_untested
    host.uplinks = {}
    assert host.probe().members_untested


def test_the_members_are_part_of_what_a_result_says() -> None:
    """Whether they are tested yet is not: of a host with one NIC nothing more is to come."""
    prints = [fingerprint(result()._replace(members=m)) for m in ((), (("a", True),), (("a", False),))]
    assert len(set(prints)) == 3
    assert fingerprint(result()._replace(members_untested=True)) == prints[0]
    assert fingerprint(result()._replace(fault=Fault.UPLINK_DOWN)) is None


class Wire:
    """The NICs of a host: which of them a question reaches the gateway by, and which the answer comes by."""

    def __init__(self, answers: Mapping[str, str]) -> None:
        self.answers, self.clock = answers, ManualClock()
        self.sent: list[tuple[str, bytes]] = []
        self.arrived: dict[str, list[tuple[int, bytes]]] = {"nic1": [], "nic2": []}
        self.broken = set[str]()
        self.spoil: dict[str, object] = {}

    def ask(self, nics: Sequence[str] = ("nic1", "nic2")) -> Mapping[str, bool]:
        questions = MemberQuestions("node1", clock=self.clock, open_link=self._open, wait=self._wait)
        return questions.ask("extra", nics, vlan=7, gateway=GATEWAY, every=("nic1", "nic2"))

    def _open(self, nic: str, mac_prefix: bytes) -> "WiredLink":
        if nic in self.broken:
            raise OSError("broken")
        assert len(mac_prefix) == 4
        return WiredLink(self, nic)

    def _wait(self, _: object, timeout_s: float) -> None:
        if not any(self.arrived.values()):
            self.clock.seconds += timeout_s


class WiredLink:
    def __init__(self, wire: Wire, nic: str) -> None:
        self.wire, self.nic = wire, nic

    def send(self, frame: bytes) -> None:
        wire = self.wire
        wire.sent.append((self.nic, frame))
        mac, back = frame[6:12], wire.answers.get(self.nic)
        if back is None:
            return
        said = {"vlan": 7, "operation": arp.REPLY, "sender": GATEWAY, "to": mac} | wire.spoil
        body = b"\x00\x01\x08\x00\x06\x04" + int(str(said["operation"])).to_bytes(2, "big")
        body += ROUTER_MAC + int(str(said["sender"])).to_bytes(4, "big") + bytes(said["to"]) + bytes(4)  # type: ignore[call-overload]
        wire.arrived[back].append((int(str(said["vlan"])), mac + ROUTER_MAC + b"\x08\x06" + body))

    def receive(self) -> Iterator[tuple[int, bytes]]:
        arrived, self.wire.arrived[self.nic] = self.wire.arrived[self.nic], []
        yield 7, b"short"
        yield from arrived

    def close(self) -> None:
        self.wire.broken.discard(self.nic)


def test_an_answer_counts_for_the_member_that_asked() -> None:
    """By whichever NIC it comes: a bundle's switch hashes it to any of them."""
    wire = Wire({"nic1": "nic2", "nic2": "nic2"})
    assert wire.ask() == {"nic1": True, "nic2": True}
    assert len(wire.sent) == 2
    assert wire.ask(("nic2",)) == {"nic2": True}


def test_a_silent_member_is_asked_three_times() -> None:
    """With its own MAC address each time, and from no IP address, which claims none."""
    wire = Wire({"nic1": "nic1"})
    assert wire.ask() == {"nic1": True, "nic2": False}
    assert [nic for nic, _ in wire.sent] == ["nic1", *["nic2"] * ATTEMPTS]
    macs = {nic: {frame[6:12] for each, frame in wire.sent if each == nic} for nic in ("nic1", "nic2")}
    assert len(macs["nic1"]) == len(macs["nic2"]) == 1
    assert macs["nic1"] != macs["nic2"]
    for _, frame in wire.sent:
        message = arp.parse(frame[:12] + frame[16:])
        assert message is not None
        assert (message.operation, message.sender, message.target) == (arp.REQUEST, 0, GATEWAY)
        assert frame[12:16] == b"\x81\x00\x00\x07"


def test_a_member_that_cannot_be_opened_is_left_out() -> None:
    """Nothing is known of it then."""
    wire = Wire({"nic1": "nic1", "nic2": "nic2"})
    wire.broken = {"nic2"}
    assert wire.ask() == {"nic1": True}


def test_other_frames_are_no_answer() -> None:
    """Of another VLAN, from another address, to another MAC address, and questions."""
    spoilt: tuple[dict[str, object], ...] = (
        {"vlan": 8}, {"sender": GATEWAY + 1}, {"to": bytes(6)}, {"operation": arp.REQUEST},
    )  # fmt: skip
    for spoil in spoilt:
        wire = Wire({"nic1": "nic1", "nic2": "nic2"})
        wire.spoil = spoil
        assert wire.ask() == {"nic1": False, "nic2": False}, spoil
