"""Networks and verdicts as `status` and `explain` read them from Redis."""

from ipaddress import IPv4Address

from services.contract.conclusions import ConclusionRecord, Unwritten
from services.contract.messages import HostAnnouncement, ReachVerdict, TargetVerdict, Verdict
from services.contract.outcomes import Fault, ReachOutcome, Reason, State
from services.contract.verdicts import AgedVerdict, SegmentVerdicts
from services.network.parse.intent import Intent, read_intent
from services.network.parse.nad import Network, NetworkRef
from services.network.parse.status import Status
from services.view.host_checks import RedisView
from tests.unit.network.builders import GATEWAY, SEGMENT, network

ROUTE = '{"mode":"auto","cidr":"10.0.112.0/20","gateway":"10.0.112.1","connectivity":"true"}'
SINCE = "2026-11-23T03:04:05Z"
UP, DOWN = ReachOutcome.REACHABLE, ReachOutcome.SILENT


def digest() -> str:
    """Return the digest of the network's intent."""
    intent = read_intent(network(ROUTE))
    assert isinstance(intent, Intent)
    return intent.digest


def network_with_status(
    state: State,
    reason: Reason,
    *,
    hosts: dict[str, str] | None = None,
    findings: dict[str, str] | None = None,
    name: str = "office",
) -> Network:
    """Build a network with this status."""
    status = Status(state, reason, since=SINCE, digest=digest(), hosts=hosts or {}, findings=findings or {})
    return network(ROUTE, status=status.dump(), ref=NetworkRef("default", name), uid=f"uid-{name}")


def found(
    host: str,
    vlan: ReachOutcome = UP,
    routed: ReachOutcome = UP,
    *,
    fault: Fault | None = None,
    mac: str | None = "02:00:00:00:00:01",
    gateway: IPv4Address = GATEWAY,
) -> Verdict:
    """Build one host's verdict of the network."""
    target = TargetVerdict(
        digest=digest(),
        gateway=gateway,
        vlan=ReachVerdict(
            outcome=vlan, attempts=3, mac=mac if vlan is UP else None, rtt_ms=0.4 if vlan is UP else None
        ),
        routed=ReachVerdict(outcome=routed, attempts=3, rtt_ms=0.6 if routed is UP else None),
    )
    return Verdict(
        segment=SEGMENT,
        host=host,
        request_id="r",
        incarnation=1,
        counter=1,
        targets=() if fault else (target,),
        fault=fault,
    )


def record_of(given: Network, status: Status, unwritten: Unwritten | None = None) -> ConclusionRecord:
    """Build the record of a conclusion about the network."""
    return ConclusionRecord(
        namespace=given.ref.namespace,
        name=given.ref.name,
        uid=given.uid,
        status=status.to_fields(),
        unwritten=unwritten,
    )


def view(
    *verdicts: Verdict,
    asked: tuple[Verdict, ...] = (),
    hosts: int = 2,
    conclusions: tuple[ConclusionRecord, ...] = (),
) -> RedisView:
    """Build a Redis with these verdicts and conclusions; hosts node1 … are announced."""
    announced = {
        f"node{n}": HostAnnouncement(
            host=f"node{n}", uplinks={"extra": "extra-bo"}, version="1", incarnation=1
        )
        for n in range(1, hosts + 1)
    }
    known = SegmentVerdicts(
        tuple(AgedVerdict(v, 4.0) for v in verdicts), tuple(AgedVerdict(v, 4.0) for v in asked)
    )
    return RedisView({SEGMENT: known}, announced, {record.uid: record for record in conclusions})
