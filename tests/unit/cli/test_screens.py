"""The screens of the commands at 80x24, at 120x40 and on an ASCII terminal, recorded in screens/.

`PYTEST_UPDATE_SCREENS=1 .venv/bin/pytest tests/unit/cli/test_screens.py` records them anew; look at the diff.
"""

import io
import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import datetime
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest

from services.cli.doctor import doctor_command
from services.cli.explain import explain_command
from services.cli.failures import run_to_exit_code
from services.cli.main import cli
from services.cli.networks import dead_letters_command, diff_command, hosts_command, status_command
from services.cli.scan import scan_command
from services.cli.terminal import use_ascii_where_needed
from services.cluster.surroundings import Node
from services.contract.causes import AlternativeRecord, CauseRecord
from services.contract.conclusions import ConclusionRecord, Hindrance, Unwritten
from services.contract.host_claims import HostClaim
from services.contract.member_nics import LLDPState, MemberNIC, SwitchPort
from services.contract.messages import (
    DHCPVerdict,
    HostAnnouncement,
    Offer,
    ReachVerdict,
    Segment,
    TargetVerdict,
    Verdict,
)
from services.contract.outcomes import DHCPOutcome, Fault, ReachOutcome, Reason, State
from services.contract.verdicts import AgedVerdict, SegmentVerdicts
from services.network.parse.intent import Intent, read_intent
from services.network.parse.nad import Network, NetworkRef
from services.network.parse.status import Status
from services.prober.scan import scanning
from services.prober.scan.results import (
    NOT_TRIED,
    ScannedDHCP,
    ScannedOffer,
    ScannedReach,
    ScanResult,
)
from services.view.doctor.facts import QueueFact
from services.view.doctor.findings import Unknown
from services.view.host_checks import RedisView
from services.view.hosts import HostRow
from tests.support.manual_clock import ManualClock
from tests.support.seen_networks import record_of
from tests.unit.cli.running import clear_environment
from tests.unit.network.builders import config, network
from tests.unit.view.doctor.healthy import CLUSTER, HEALTHY, REDIS

SCREENS = Path(__file__).parent / "screens"
TERMINALS = {"80x24": (80, 24, "utf-8"), "120x40": (120, 40, "utf-8"), "ascii": (80, 24, "ascii")}
COMMANDS = {
    "explain-site": ["explain"],
    "status": ["status"],
    "status-problems": ["status", "--problems", "-n", "production"],
    "status-host": ["status", "--host", "node2"],
    "status-observed": ["status"],
    "diff": ["diff"],
    "diff-equal": ["diff", "-n", "lab"],
    "explain": ["explain", "default/annex"],
    "explain-observed": ["explain", "default/attic"],
    "explain-invalid": ["explain", "default/typo"],
    "hosts": ["hosts"],
    "doctor": ["doctor"],
    "dead-letters": ["dead-letters"],
    "config": ["config", "watcher"],
    "scan": ["scan", "--interface", "bond0"],
    "help": ["--help"],
    "status-help": ["status", "--help"],
    "diff-help": ["diff", "--help"],
    "explain-help": ["explain", "--help"],
    "hosts-help": ["hosts", "--help"],
    "doctor-help": ["doctor", "--help"],
    "dead-letters-help": ["dead-letters", "--help"],
    "config-help": ["config", "--help"],
    "scan-help": ["scan", "--help"],
    "watcher-help": ["watcher", "--help"],
    "wrong-option": ["status", "--wide"],
    "wrong-network": ["explain", "default/anex"],
}
OBSERVED = {"status-observed", "diff", "diff-equal", "explain-observed"}
"""Commands at a site whose updater may not write."""
LETTERS = [
    json.dumps({"at_ms": 1_795_407_449_968, "where": where, "reason": reason, "body": body})
    for where, reason, body in (
        ("report", "envelope: (whole): Input should be an object, got '5'", "5"),
        (
            "probe.node-with-a-long-name.example.com",
            "headers.task: unknown, got 'celery.chain'",
            '{"body": "W1tdLA"}',
        ),
        (
            "prober@node1",
            "too old: sent 61230 ms ago, expected at most 60000",
            "\x1b[2J\x07\r\n" + "漢字" * 200,
        ),
    )
]
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
NOW = datetime.fromisoformat("2026-11-23T03:07:05+00:00")
SINCE = "2026-11-23T02:47:05Z"
UP, SILENT = ReachOutcome.REACHABLE, ReachOutcome.SILENT
LAST = IPv4Address("10.70.0.140")


def owned(name: str, vlan: int, *, gateway: str | None = None, namespace: str = "default") -> Network:
    """Return a network in mode auto with a known gateway, if any."""
    route = f'{{"mode":"auto","cidr":"10.{vlan % 250}.0.0/24","gateway":"{gateway}","connectivity":"true"}}'
    return network(route if gateway else None, config=config(vlan), ref=NetworkRef(namespace, name), uid=name)


def with_status(given: Network, state: State, reason: Reason, **more: Any) -> Network:
    """Return the network with a status of its present intent."""
    intent = read_intent(given)
    assert isinstance(intent, Intent)
    status = Status(state, reason, since=SINCE, digest=intent.digest, **more).dump()
    return network(
        given.annotations.get("network.harvesterhci.io/route"),
        status=status,
        config=given.config,
        ref=given.ref,
        uid=given.uid,
    )


ANNEX = with_status(
    owned("annex", 70, gateway="10.70.0.1"),
    State.PARTIAL,
    Reason.GATEWAY_SILENT_ON_SOME_HOSTS,
    gateway="10.70.0.1",
    hosts={"node2": "GatewaySilentOnVlan"},
)
BASEMENT = with_status(owned("basement", 40), State.DHCP_FAILED, Reason.NO_DHCP_OFFER)
NETWORKS = [
    ANNEX,
    BASEMENT,
    network(config=config(0), ref=NetworkRef("default", "flat")),
    network("{", ref=NetworkRef("default", "relic")),
    network(
        '{"mode":"manual","cidr":"10.30.0.0/24","gateway":"10.31.0.1"}', ref=NetworkRef("default", "typo")
    ),
    with_status(
        owned("storefront-of-the-second-floor", 7, gateway="10.7.0.1", namespace="production"),
        State.UNREACHABLE,
        Reason.GATEWAY_SILENT,
        gateway="10.7.0.1",
    ),
    *(
        with_status(
            owned(f"vm-network-{vlan}", vlan, gateway=f"10.{vlan}.0.1"),
            State.ACTIVE,
            Reason.GATEWAY_ANSWERS,
            gateway=f"10.{vlan}.0.1",
            findings={"DHCPServersDisagree": "two"} if vlan == 101 else {},
        )
        for vlan in range(100, 116)
    ),
]


def observed_networks() -> dict[str, tuple[Network, ConclusionRecord]]:
    """Return networks that are not written: a new one, one that was refused, one that would not change."""
    attic = owned("attic", 8)
    denied = owned("storefront-of-a-floor", 7, gateway="10.7.0.1", namespace="production")
    active = Status(State.ACTIVE, Reason.GATEWAY_ANSWERS, since=SINCE, gateway="10.8.0.1")
    route = {"mode": "auto", "cidr": "10.8.0.0/24", "gateway": "10.8.0.1", "connectivity": "true"}
    only = Hindrance.OBSERVE_ONLY
    refused = Unwritten(
        why=Hindrance.DENIED,
        detail="HTTP 500: denied the request",
        route={"connectivity": "false"},
        status=True,
    )
    gone = Status(State.UNREACHABLE, Reason.GATEWAY_SILENT, since=SINCE, gateway="10.7.0.1")
    same = with_status(
        owned("shop", 9, gateway="10.9.0.1", namespace="lab"),
        State.ACTIVE,
        Reason.GATEWAY_ANSWERS,
        gateway="10.9.0.1",
    )
    assert same.status is not None
    return {
        "attic": (attic, record(attic, active, Unwritten(why=only, route=route, status=True))),
        "denied": (denied, record(denied, gone, refused)),
        "shop": (same, record(same, same.status, Unwritten(why=only))),
    }


def record(given: Network, status: Status, unwritten: Unwritten | None = None) -> ConclusionRecord:
    """Return the record of a conclusion about the network's present intent."""
    intent = read_intent(given)
    digest = intent.digest if isinstance(intent, Intent) else ""
    return record_of(given, replace(status, digest=digest), unwritten)


def verdict_of(given: Network, host: str, vlan: ReachOutcome, routed: ReachOutcome, **more: Any) -> Verdict:
    """Return this host's verdict on the network."""
    intent = read_intent(given)
    assert isinstance(intent, Intent)
    target = TargetVerdict(
        digest=intent.digest,
        gateway=intent.known_gateway,
        vlan=reach(vlan, 0.4, mac="02:00:00:00:00:01"),
        routed=reach(routed, 0.6),
    )
    return Verdict(
        segment=intent.segment,
        host=host,
        request_id="r",
        incarnation=1,
        counter=1,
        targets=(target,),
        **more,
    )


def reach(outcome: ReachOutcome, rtt_ms: float, *, mac: str | None = None) -> ReachVerdict:
    answered = outcome is UP
    return ReachVerdict(
        outcome=outcome, attempts=3, rtt_ms=rtt_ms if answered else None, mac=mac if answered else None
    )


OFFER = Offer(
    server=IPv4Address("10.70.0.1"),
    mac="52:54:00:70:00:01",
    address=LAST,
    cidr=IPv4Network("10.70.0.0/24"),
    gateway=IPv4Address("10.70.0.1"),
    routers=(IPv4Address("10.70.0.1"),),
    after_ms=1.2,
)
SCANNED = ScannedOffer(
    server=OFFER.server, mac=OFFER.mac, address=LAST, cidr=OFFER.cidr, gateway=OFFER.gateway, after_ms=1.2
)
ROGUE = SCANNED._replace(server=IPv4Address("10.70.0.66"), mac="02:fe:00:00:00:66", rogue=True)


def redis_view(networks: Sequence[Network]) -> RedisView:
    """Return verdicts: node2 does not reach the annex's gateway, no host that of the storefront."""
    verdicts: dict[Segment, SegmentVerdicts] = {}
    for each in networks:
        intent = read_intent(each)
        if not isinstance(intent, Intent):
            continue
        bad = each.ref.namespace == "production"
        answers = {"node1": SILENT if bad else UP, "node2": SILENT if bad or each is ANNEX else UP}
        found = [
            verdict_of(each, host, vlan, SILENT if bad else UP)
            if each is not BASEMENT
            else verdict_of(each, host, ReachOutcome.NOT_TRIED, ReachOutcome.NOT_TRIED)
            for host, vlan in answers.items()
        ]
        asked = [
            verdict_of(each, "node1", UP, UP, dhcp=DHCPVerdict(outcome=DHCPOutcome.OFFERED, servers=(OFFER,)))
        ]
        verdicts[intent.segment] = SegmentVerdicts(
            tuple(AgedVerdict(one, 4.0) for one in found),
            tuple(AgedVerdict(one, 64.0) for one in asked if each is ANNEX),
        )
    records = [record(each, each.status) for each in networks if each.status]
    records += [each for observed, each in observed_networks().values() if observed in networks]
    hosts = {host.host: host for host in ANNOUNCED}
    return RedisView(verdicts, hosts, {r.uid: r for r in records}, causes=CAUSES)


CAUSES = (
    CauseRecord(
        id="1a2b3c4d5e6f",
        kind="VlansReachNoHost",
        subject="VLAN 7 of extra",
        since="2026-11-23T10:00:00Z",
        networks=("production/storefront-of-the-second-floor",),
        vlans=(7,),
        cluster_network="extra",
        alternatives=(AlternativeRecord(kind="GatewayDown", subject="10.7.0.1 on VLAN 7 of extra"),),
    ),
    CauseRecord(
        id="2b3c4d5e6f1a",
        kind="VlansMissingOnHosts",
        subject="node2: VLAN 70 of extra",
        since="2026-11-23T11:00:00Z",
        networks=("default/annex", "default/annex-2"),
        hosts=("node2",),
        vlans=(70,),
        cluster_network="extra",
    ),
)


def nics_of(number: int) -> tuple[MemberNIC, ...]:
    """Return the NICs of a host: two in a bond, and one that hears no LLDP."""
    ports = [
        SwitchPort(switch=f"sw-rack{3 + nic}", port=f"Gi1/0/{13 + number}", native_vlan=1, vlans=((5, 60),))
        for nic in (0, 1)
    ]
    bonded = [
        MemberNIC(interface=f"eno{1 + nic}", cluster_networks=("extra",), lldp=LLDPState.HEARD, port=port)
        for nic, port in enumerate(ports)
    ]
    return (*bonded, MemberNIC(interface="eno3", cluster_networks=("mgmt",), lldp=LLDPState.SILENT))


ANNOUNCED = [
    HostAnnouncement(
        host=f"node{number}",
        uplinks={"extra": "extra-bo", "mgmt": "mgmt-bo"},
        version="0.1.0",
        incarnation=1_795_407_449_968,
        members=nics_of(number),
    )
    for number in (1, 2)
]


def holder_of(host: str) -> HostClaim:
    """Return the claim of the prober that has this host's name."""
    return HostClaim(host=host, process="a", machine=host, pid=4711, since_ms=ANNOUNCED[0].incarnation)


def scan_results() -> list[ScanResult]:
    """Return an offer, two of them, silence, and a VLAN with a fault."""

    def result(
        vlan: int,
        *offers: ScannedOffer,
        gateway: ScannedReach = NOT_TRIED,
        fault: Fault | None = None,
    ) -> ScanResult:
        outcome = DHCPOutcome.OFFERED if offers else DHCPOutcome.NO_OFFER
        return ScanResult(
            vlan=vlan,
            dhcp=ScannedDHCP(outcome=outcome, servers=offers),
            gateway=gateway,
            fault=fault,
            dropped_frames=0,
        )

    return [
        result(7, SCANNED, gateway=ScannedReach(UP, 0.2)),
        result(8, SCANNED, ROGUE, gateway=ScannedReach(SILENT)),
        result(9),
        result(10, fault=Fault.UPLINK_DOWN),
        *(result(vlan) for vlan in range(11, 41)),
    ]


TROUBLED = replace(
    HEALTHY,
    redis=replace(
        REDIS,
        paused="paused for 5m by ada\x1b[31m@desk: switch upgrade",
        queues=(QueueFact("report", 12, 5.0),),
        sends=Unknown("NOPERM: no permission"),
    ),
    cluster=replace(CLUSTER, nodes=(Node("node1"), Node("node2"), Node("node3"))),
)
"""A site with a warning, a failure, and something that cannot be told."""


class FakeCluster:
    """An API server with these networks."""

    networks: Sequence[Network] = NETWORKS

    def list_networks(self) -> tuple[list[Network], str]:
        return list(self.networks), "1"


class FakeReader:
    """Redis with the view above."""

    def __init__(self, url: str) -> None:
        self.url = url

    def read(self, networks: Sequence[Network], _: object) -> RedisView:
        return redis_view(networks)

    def close(self) -> None:
        """Nothing is open."""


class Terminal(io.TextIOWrapper):
    """A terminal that takes this encoding."""

    def __init__(self, encoding: str) -> None:
        self.bytes = io.BytesIO()
        super().__init__(self.bytes, encoding=encoding, write_through=True)

    def isatty(self) -> bool:
        return True


@contextmanager
def nothing(*_: object) -> Iterator[FakeCluster]:
    """A client of the fake cluster."""
    yield FakeCluster()


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace Kubernetes, Redis, the scan and the clock."""
    for module in (status_command, explain_command, diff_command):
        monkeypatch.setattr(module, "cluster_client", nothing)
        monkeypatch.setattr(module, "RedisReader", FakeReader)
    for module in (status_command, explain_command):
        monkeypatch.setattr(module, "SystemClock", lambda: ManualClock(0.0, wall=NOW))
    rows = [HostRow(host.host, host, 0, 14_000, holder_of(host.host)) for host in ANNOUNCED]
    rows.append(HostRow("node3", None, 12))
    monkeypatch.setattr(hosts_command, "redis_client", nothing)
    monkeypatch.setattr(hosts_command, "host_rows", lambda _: rows)
    monkeypatch.setattr(hosts_command, "time_ms", lambda _: ANNOUNCED[0].incarnation + 3_725_000)
    monkeypatch.setattr(hosts_command, "describe_pause", lambda _: None)
    monkeypatch.setattr(hosts_command, "describe_windows", lambda _: [])
    monkeypatch.setattr(hosts_command, "describe_sweeps", lambda *_: [])
    monkeypatch.setattr(doctor_command, "gather", lambda *_, **__: TROUBLED)
    monkeypatch.setattr(dead_letters_command, "redis_client", nothing)
    monkeypatch.setattr(dead_letters_command, "read_raw", lambda *_: LETTERS)
    monkeypatch.setattr(scanning, "scan", lambda *_, **__: scan_results())
    monkeypatch.setattr(scan_command, "_progress", lambda *_, **__: nullcontext())


def drawn(monkeypatch: pytest.MonkeyPatch, arguments: list[str], terminal: str) -> str:
    """Return standard output and standard error as this terminal shows them, without colours."""
    width, height, encoding = TERMINALS[terminal]
    out, err = Terminal(encoding), Terminal(encoding)
    with monkeypatch.context() as patch:
        clear_environment(patch)
        patch.setenv("COLUMNS", str(width))
        patch.setenv("LINES", str(height))
        patch.setenv("TERM", "xterm")
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        use_ascii_where_needed()
        code = run_to_exit_code(lambda: cli.main(arguments, prog_name="nadroute", standalone_mode=False))
    shown = [ESCAPE.sub("", stream.bytes.getvalue().decode(encoding)) for stream in (out, err)]
    lines = [line.rstrip() for text in shown for line in text.replace("\r", "\n").splitlines()]
    return f"$ nadroute {' '.join(arguments)}\n" + "\n".join([*lines, f"exit code {code}", ""])


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize("terminal", TERMINALS)
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_looks_as_recorded(name: str, terminal: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No line is wider than the terminal; a difference names the line."""
    if name in OBSERVED:
        observed = [each for each, _ in observed_networks().values()]
        monkeypatch.setattr(FakeCluster, "networks", observed)
    path = SCREENS / f"{name}-{terminal}.txt"
    found = drawn(monkeypatch, COMMANDS[name], terminal)
    if os.environ.get("PYTEST_UPDATE_SCREENS"):
        path.write_text(found, encoding="utf-8")
    assert found.splitlines() == path.read_text(encoding="utf-8").splitlines()
    assert found.isascii() or terminal != "ascii"
    width, _, _ = TERMINALS[terminal]
    longest = max(found.splitlines()[1:], key=len)
    assert len(longest) <= width, longest


def test_no_recorded_screen_is_left_over() -> None:
    """Each file belongs to a command and a terminal."""
    assert {path.stem for path in SCREENS.glob("*")} == {
        f"{name}-{terminal}" for name in COMMANDS for terminal in TERMINALS
    }
