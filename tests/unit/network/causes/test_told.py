"""What the search for causes is told of a network."""

from dataclasses import replace
from typing import Any

from services.contract.messages import Offer, Verdict
from services.contract.outcomes import DHCPOutcome, Fault, Reason, State, Untagged
from services.contract.verdicts import AgedVerdict, SegmentVerdicts
from services.network.causes.evidence import Evidence, Half, Server
from services.network.causes.finding import explain_site
from services.network.causes.told import evidence_of
from services.network.parse.intent import Intent, read_intent
from services.network.parse.status import ServerIdentity, Status
from tests.support.seen_networks import DOWN, ROUTE, digest, found
from tests.unit.network.builders import GATEWAY, dhcp, network

HOSTS = frozenset({"node1", "node2", "node3"})
FRESH_S = 60.0
ROUTER = "02:00:00:00:00:09"
SILENT = Reason.GATEWAY_SILENT_ON_VLAN.value


def told(state: State, *verdicts: Verdict, age_s: float = 1.0, **fields: Any) -> Evidence:
    """Return the evidence of a network that is told so, by these verdicts."""
    intent = read_intent(network(ROUTE))
    assert isinstance(intent, Intent)
    reason = fields.pop("reason", Reason.GATEWAY_ANSWERS)
    status = Status(state, reason, digest=digest(), gateway=str(GATEWAY), **fields)
    aged = tuple(AgedVerdict(verdict, age_s) for verdict in verdicts)
    asked = tuple(each for each in aged if each.verdict.dhcp is not None)
    seen = SegmentVerdicts(aged, asked)
    return evidence_of("default/office", intent, status, seen, hosts=HOSTS, fresh_s=FRESH_S)


def asked(host: str, *servers: Offer, outcome: DHCPOutcome = DHCPOutcome.OFFERED) -> Verdict:
    return found(host).model_copy(update={"dhcp": dhcp(*servers, outcome=outcome)})


def offer(**fields: Any) -> Offer:
    default: dict[str, Any] = {"server": "10.0.0.10", "address": "10.0.112.40", "mac": ROUTER}
    return Offer(**{**default, **fields})


def test_a_silence_counts_once_it_is_told() -> None:
    """In doubt, the same verdicts accuse nobody."""
    verdicts = found("node1"), found("node2", DOWN)
    assert told(State.ACTIVE, *verdicts).is_clean
    partial = told(State.PARTIAL, *verdicts, hosts={"node2": SILENT})
    assert (partial.silent, partial.answering) == (frozenset({"node2"}), frozenset({"node1"}))


def test_hosts_that_all_agree_are_taken_from_their_verdicts() -> None:
    """A status names none of them then."""
    verdicts = [found(host, DOWN, DOWN) for host in ("node1", "node2")]
    unreachable = told(State.UNREACHABLE, *verdicts, hosts={"node3": Fault.UPLINK_DOWN.value})
    assert unreachable.silent == {"node1", "node2"}
    assert dict(unreachable.faults) == {"node3": Fault.UPLINK_DOWN}
    assert (unreachable.is_unrouted, unreachable.is_routed) == (True, False)


def test_hosts_that_a_status_leaves_out_are_taken_from_their_verdicts() -> None:
    """It names some of many hosts."""
    verdicts = found("node1"), found("node2", DOWN), found("node3", DOWN)
    cut = told(State.PARTIAL, *verdicts, hosts={"node2": SILENT}, hosts_omitted=1)
    assert cut.silent == {"node2", "node3"}


def test_a_host_that_does_not_carry_the_network_accuses_nobody() -> None:
    """Nor does a verdict that is too old, or on another gateway."""
    gone = told(State.PARTIAL, found("node9", DOWN), hosts={"node9": SILENT}, reason=Reason.GATEWAY_SILENT)
    assert gone.is_clean
    assert told(State.UNREACHABLE, found("node1", DOWN), age_s=FRESH_S + 1).silent == frozenset()
    assert told(State.ACTIVE, found("node1"), age_s=FRESH_S + 1).answering == frozenset()


def test_an_offer_from_before_does_not_speak_against_what_is_told() -> None:
    """Where it is told that DHCP is out, an older offer of another host names the server that is gone."""
    verdicts = asked("node1", outcome=DHCPOutcome.NO_OFFER), asked("node2", offer())
    out = told(State.ACTIVE, *verdicts, findings={Reason.NO_DHCP_OFFER.value: ""})
    assert out.is_unoffered
    assert not out.offered
    assert out.servers == {Server("10.0.0.10", ROUTER)}
    well = told(State.ACTIVE, *verdicts)
    assert (well.is_unoffered, well.offered) == (False, frozenset({"node2"}))


def test_an_offer_from_before_its_trouble_does_not_speak_for_a_host() -> None:
    """One that came with its silence does: the VLAN reaches it."""
    intent = read_intent(network(ROUTE))
    assert isinstance(intent, Intent)
    status = Status(State.PARTIAL, Reason.GATEWAY_SILENT_ON_SOME_HOSTS, digest=digest(), gateway=str(GATEWAY))
    before = asked("node2", offer())
    for now, hosts, offered in (
        (found("node2", DOWN), {"node2": SILENT}, False),
        (found("node2", fault=Fault.UPLINK_DOWN), {"node2": "UplinkDown"}, False),
        (asked("node2", offer()), {"node2": SILENT}, True),
    ):
        after = now.model_copy(update={"counter": before.counter + (not offered)})
        seen = SegmentVerdicts((AgedVerdict(after, 1.0),), (AgedVerdict(before, 9.0),))
        told_so = replace(status, hosts=hosts)
        evidence = evidence_of("default/x", intent, told_so, seen, hosts=HOSTS, fresh_s=FRESH_S)
        assert evidence.offered == (HOSTS & {"node2"} if offered else frozenset()), now


def test_the_servers_that_named_the_gateway_are_remembered() -> None:
    """They are in the status once all offers are too old."""
    before = frozenset({ServerIdentity("10.0.0.10", ROUTER)})
    assert told(State.ACTIVE, found("node1"), named_by=before).servers == {Server("10.0.0.10", ROUTER)}


def test_the_routers_mac_is_known_while_it_is_silent() -> None:
    """It answered before, or made or relayed offers."""
    silent = found("node1", DOWN)
    assert told(State.UNREACHABLE, silent, gateway_mac=ROUTER).gateway_mac == ROUTER
    assert told(State.UNREACHABLE, silent).gateway_mac == ""
    relaying = silent.model_copy(update={"dhcp": dhcp(offer(relay=GATEWAY))})
    assert told(State.UNREACHABLE, relaying).gateway_mac == ROUTER
    named = frozenset({ServerIdentity(str(GATEWAY), ROUTER)})
    assert told(State.UNREACHABLE, silent, named_by=named).gateway_mac == ROUTER
    assert told(State.ACTIVE, found("node2"), named_by=named).gateway_mac == "02:00:00:00:00:01"


def test_what_is_behind_an_uplink_is_taken_from_the_status() -> None:
    """Bridges and NICs of hosts that carry the cluster network."""
    seen = told(
        State.PARTIAL, hosts={"node2": "NotInBridge", "node3": "BridgePortBlocked", "gone": "NotInBridge"},
        findings={"HalfTrunk": "gone: eno1; node1: eno2, eno3"},
    )  # fmt: skip
    assert seen.behind == {"node2", "node3"}
    assert seen.halves == {Half("node1", "eno2"), Half("node1", "eno3")}
    assert not seen.is_clean
    assert told(State.ACTIVE, found("node1")).is_clean


def test_a_host_that_hears_the_vlan_untagged_is_not_silent() -> None:
    """It is named where others differ, and taken from the verdicts where all hear it so."""
    untagged = [found(h, DOWN).model_copy(update={"untagged": Untagged.ONE}) for h in ("node1", "node2")]
    alone = told(State.PARTIAL, found("node1"), untagged[1], hosts={"node2": Reason.NATIVE_VLAN.value})
    assert (alone.native, alone.silent) == (frozenset({"node2"}), frozenset())
    every = told(State.OFF_VLAN, *untagged, reason=Reason.NATIVE_VLAN)
    assert (every.native, every.silent) == (frozenset({"node1", "node2"}), frozenset())
    assert [cause.hosts for cause in explain_site([alone, every])] == [("node1", "node2"), ("node2",)]


def test_a_stranger_is_no_server_of_the_network() -> None:
    """It is told apart from those that serve it."""
    seen = told(State.ACTIVE, asked("node1", offer(), offer(server="192.168.1.1", rogue=True)))
    assert seen.strangers == {Server("192.168.1.1", ROUTER)}
    assert seen.servers == {Server("10.0.0.10", ROUTER)}


def test_an_isolated_network_needs_no_route() -> None:
    """Its owner says so."""
    intent = read_intent(network(ROUTE))
    assert isinstance(intent, Intent)
    status = Status(State.UNREACHABLE, Reason.GATEWAY_SILENT_ON_VLAN, digest=digest(), gateway=str(GATEWAY))
    seen = SegmentVerdicts((AgedVerdict(found("node1", DOWN, DOWN), 1.0),))
    isolated = evidence_of(
        "default/office", replace(intent, isolated=True), status, seen, hosts=HOSTS, fresh_s=FRESH_S
    )
    assert not isolated.is_unrouted
