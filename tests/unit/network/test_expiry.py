"""A gateway that DHCP named once counts as unknown again when nothing confirms it any more."""

import json
from dataclasses import replace
from ipaddress import IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contract.outcomes import Fault, ReachOutcome, Reason, State
from services.contract.verdicts import AgedVerdict
from services.network.judge.doubting import ANSWER_MS
from services.network.judge.expiry import KEPT_FRESHNESS
from services.network.judge.reduction import Conclusion, reduce
from services.network.parse import nad
from services.network.policy import Policy
from services.network.reasons.events import describe_transition
from services.network.write.writing import decide
from tests.unit.network.builders import CIDR, GATEWAY, NOW, dhcp, network, offer, seen, verdict
from tests.unit.network.judged_network import JudgedNetwork
from tests.unit.network.test_reduction import AUTO, FRESH_S, KNOWN, MANUAL, L, N, R, S, any_seen

KEPT_S = KEPT_FRESHNESS * FRESH_S
HOSTS = ("node1", "node2", "node3")
HOSTS_GATEWAY = Policy(host_networks=frozenset({IPv4Network(GATEWAY)}))
HOSTS_NETWORK = Policy(host_networks=frozenset({CIDR}))
CLAIMED_NETWORK = Policy(claimed_networks=frozenset({CIDR}))


def unanswered(
    vlan: ReachOutcome = S, routed: ReachOutcome = S, *, hosts: tuple[str, ...] = HOSTS
) -> list[AgedVerdict]:
    """Verdicts of hosts that got no offer, and found this of the known gateway."""
    return [seen(verdict(KNOWN.digest, host=host, vlan=vlan, routed=routed, dhcp=dhcp())) for host in hosts]


def found(
    latest: list[AgedVerdict],
    *,
    unconfirmed_s: float = KEPT_S,
    policy: Policy = HOSTS_GATEWAY,
    hosts: tuple[str, ...] = HOSTS,
) -> Conclusion:
    asked = [one for one in latest if one.verdict.dhcp is not None]
    return reduce(
        KNOWN,
        latest,
        asked,
        hosts=frozenset(hosts),
        fresh_s=FRESH_S,
        policy=policy,
        unconfirmed_s=unconfirmed_s,
    )


@pytest.mark.parametrize("routed", [R, S])
def test_a_gateway_expires_an_hour_after_the_last_confirmation(routed: ReachOutcome) -> None:
    """N19: DHCP is silent and no host reaches it on the VLAN; an answer through routing does not save it."""
    kept = found(unanswered(routed=routed), unconfirmed_s=KEPT_S - 1, policy=Policy())
    assert kept.state is (State.OFF_VLAN if routed is R else State.UNREACHABLE)
    assert (kept.dhcp_out, kept.forgotten) == (True, "")
    gone = found(unanswered(routed=routed), policy=Policy())
    assert (gone.state, gone.reason) == (State.DHCP_FAILED, Reason.NO_DHCP_OFFER)
    assert (gone.connectivity, gone.gateway, gone.cidr) == ("DHCP failed", None, None)
    assert gone.forgotten == "for 60 minutes DHCP has not named it, and it has answered no host on this VLAN"


def test_an_hour_is_longer_than_a_reboot_of_the_router() -> None:
    """With the default intervals; the state says which gateway is down."""
    assert KEPT_S == 3_600
    assert found(unanswered(), unconfirmed_s=600.0).state is State.UNREACHABLE


def test_a_gateway_that_any_host_reaches_on_the_vlan_stays() -> None:
    """However long DHCP has been out, and whatever the other hosts find."""
    others = unanswered(hosts=HOSTS[1:])
    reaching = found([*unanswered(R, R, hosts=HOSTS[:1]), *others], unconfirmed_s=100 * KEPT_S)
    assert (reaching.state, reaching.dhcp_out, reaching.forgotten) == (State.PARTIAL, True, "")
    assert Reason.NO_DHCP_OFFER in reaching.findings


def test_without_a_conclusive_check_nothing_expires() -> None:
    """Lost frames, hosts with a fault, and hosts that have not checked prove nothing."""
    broken = verdict(KNOWN.digest, host="node3", vlan=N, fault=Fault.UPLINK_DOWN)
    for vlan in (L, N):
        conclusion = found([*unanswered(vlan, hosts=HOSTS[:2]), seen(broken)])
        assert (conclusion.state, conclusion.forgotten) == (State.PENDING, "")


def test_while_dhcp_may_still_answer_nothing_expires() -> None:
    """One host without an offer is too few, and nobody has asked at first."""
    checked = [seen(verdict(KNOWN.digest, host=host, vlan=S, routed=S)) for host in HOSTS[1:]]
    for latest in (checked, [*unanswered(hosts=HOSTS[:1]), *checked]):
        conclusion = found(latest)
        assert (conclusion.state, conclusion.dhcp_out) == (State.UNREACHABLE, False)


def test_offers_that_name_no_usable_gateway_confirm_none() -> None:
    """The reason says what is wrong with them."""
    said = dhcp(offer(gateway=None))
    latest = [seen(verdict(KNOWN.digest, host=host, vlan=S, routed=S, dhcp=said)) for host in HOSTS]
    assert found(latest, unconfirmed_s=KEPT_S - 1).state is State.UNREACHABLE
    gone = found(latest)
    assert (gone.state, gone.reason) == (State.DHCP_FAILED, Reason.NO_ROUTER_OPTION)
    assert gone.forgotten


def test_what_expires_leaves_the_annotation() -> None:
    """cidr and gateway go together; connectivity is not left empty, or Harvester would start a Job."""
    route = {"mode": "auto", "cidr": str(CIDR), "gateway": str(GATEWAY), "connectivity": "false", "x": 1}
    gone = found(unanswered(), policy=Policy())
    change = decide(network(json.dumps(route)), KNOWN, gone, now=NOW)
    assert change is not None
    after = json.loads(change.annotations[nad.ROUTE])
    assert after == {"mode": "auto", "connectivity": "DHCP failed", "x": 1}
    event = describe_transition(change.after, KNOWN, gone)
    assert event.message == (
        "no DHCP server answered on extra/100 (asked from node1, node2, node3); cidr 10.0.112.0/20 and "
        "gateway 10.0.112.1 are removed: for 60 minutes DHCP has not named it, and it has answered no host "
        "on this VLAN"
    )


NO_OFFER = dhcp()


def unreachable() -> JudgedNetwork:
    """Build a network of two hosts whose gateway and DHCP have just been reported as gone."""
    net = JudgedNetwork(KNOWN, "node1", "node2")
    net.report("node1", "node2", dhcp=dhcp(offer())).stand("Active")
    net.report("node1", "node2", vlan=S, dhcp=NO_OFFER).stand("Unreachable")
    assert net.status is not None
    assert net.status.dhcp_out
    return net


def silent_for(net: JudgedNetwork, seconds: float, *, vlan: ReachOutcome = S) -> None:
    """Let both hosts ask and check in vain for this long, every five minutes; nothing new is told."""
    until = net.now + seconds
    while net.now < until:
        net.now = min(until, net.now + 300.0)
        net.report("node1", "node2", vlan=vlan, dhcp=NO_OFFER)
        assert net.state() is None


def test_both_confirmations_must_be_missing_for_an_hour() -> None:
    """N19: then all hosts are asked once more, and the report says what is removed."""
    net = unreachable()
    silent_for(net, KEPT_S - 10.0)
    net.now += 10.0
    assert net.state() is None
    assert net.doubts.reach is not None
    net.now += 2.0
    net.report("node1", vlan=S, dhcp=NO_OFFER)
    assert net.state() is None, "node2 may still contradict"
    net.report("node2", vlan=S, dhcp=NO_OFFER)
    assert net.state() == "DHCPFailed"
    assert net.judgement is not None
    assert net.judgement.told is not None
    assert net.judgement.told.forgotten
    net.intent = AUTO
    net.report("node1", "node2", vlan=N, dhcp=NO_OFFER)
    assert net.state(after=5.0) is None
    assert net.doubts.unconfirmed_since_ms == 0


def test_a_host_that_reaches_it_at_the_last_moment_saves_the_gateway() -> None:
    """And the hour begins anew after that."""
    net = unreachable()
    silent_for(net, KEPT_S - 10.0)
    net.now += 10.0
    assert net.state() is None
    net.report("node2", dhcp=NO_OFFER).look()
    assert net.state(after=ANSWER_MS / 1000) == "Active"
    assert net.doubts.unconfirmed_since_ms == 0


def test_a_gateway_that_has_long_been_without_dhcp_may_reboot() -> None:
    """Nothing would bring it back: its silence has to last an hour too."""
    net = JudgedNetwork(KNOWN, "node1", "node2")
    net.report("node1", "node2", dhcp=dhcp(offer())).stand("Active")
    net.report("node1", "node2", dhcp=NO_OFFER).stand("Active")
    silent_for(net, 3 * KEPT_S, vlan=R)
    net.report("node1", "node2", vlan=S, dhcp=NO_OFFER).stand("Unreachable")
    silent_for(net, 600.0)
    assert net.report("node1", "node2", dhcp=NO_OFFER).state() == "Active"
    assert net.doubts.unconfirmed_since_ms == 0


def test_an_offer_begins_the_hour_anew() -> None:
    """Also where the gateway itself stays silent."""
    net = unreachable()
    silent_for(net, KEPT_S - 60.0)
    net.report("node1", vlan=S, dhcp=dhcp(offer())).stand()
    assert net.doubts.unconfirmed_since_ms == 0
    net.report("node1", "node2", vlan=S, dhcp=NO_OFFER).stand()
    silent_for(net, KEPT_S - 60.0)


def test_what_is_undecided_neither_begins_nor_ends_the_hour() -> None:
    """Lost frames and faults confirm nothing."""
    net = unreachable()
    since_ms = net.doubts.unconfirmed_since_ms
    assert since_ms
    for vlan, fault in ((L, None), (N, Fault.UPLINK_DOWN)):
        net.report("node1", "node2", vlan=vlan, fault=fault).look(after=10.0)
        assert net.doubts.unconfirmed_since_ms == since_ms
    net.asked.clear()
    net.report("node1", "node2", vlan=S).look(after=10.0)
    assert net.doubts.unconfirmed_since_ms == since_ms, "nobody has asked DHCP lately"
    net = JudgedNetwork(KNOWN, "node1")
    net.report("node1", vlan=L, dhcp=NO_OFFER).look()
    assert net.doubts.unconfirmed_since_ms == 0


def test_a_gateway_on_the_hosts_network_is_not_believed_on_a_vlan_where_it_is_silent() -> None:
    """N19: it may always answer through routing, so nothing is written, and the reason tells why."""
    said = dhcp(offer())
    latest = [seen(verdict(AUTO.digest, host="node1", vlan=S, routed=R, dhcp=said))]
    policies = HOSTS_GATEWAY, HOSTS_NETWORK, CLAIMED_NETWORK, Policy()
    for intent, policy in ((AUTO, policy) for policy in policies):
        conclusion = reduce(
            intent, latest, latest, hosts=frozenset({"node1"}), fresh_s=FRESH_S, policy=policy
        )
        if policy != Policy():
            assert (conclusion.state, conclusion.reason) == (State.DHCP_FAILED, Reason.ROUTER_NOT_ON_VLAN)
            assert (conclusion.gateway, conclusion.connectivity) == (None, "DHCP failed")
            offered = "10.0.112.1 offered 10.0.112.50 (10.0.112.0/20)"
            assert conclusion.detail == f"{offered} with router 10.0.112.1"
        else:
            assert (conclusion.state, conclusion.gateway) == (State.OFF_VLAN, GATEWAY)


def test_a_vm_network_on_the_hosts_own_vlan_is_legitimate() -> None:
    """There the gateway answers, if only to one host; the hosts' own addresses are in its subnet."""
    policy = replace(HOSTS_GATEWAY, host_addresses=frozenset({GATEWAY + 10, GATEWAY + 11}))
    said = dhcp(offer())
    latest = [
        seen(verdict(AUTO.digest, host="node1", vlan=R, dhcp=said)),
        seen(verdict(AUTO.digest, host="node2", vlan=S)),
    ]
    conclusion = reduce(AUTO, latest, latest[:1], hosts=frozenset(HOSTS[:2]), fresh_s=FRESH_S, policy=policy)
    assert (conclusion.state, conclusion.gateway, conclusion.cidr) == (State.PARTIAL, GATEWAY, CIDR)


@pytest.mark.parametrize(
    ("vlan", "attempts", "fault"), [(L, 3, None), (S, 2, None), (S, 3, Fault.UPLINK_DOWN)]
)
def test_an_inconclusive_check_refuses_no_gateway(
    vlan: ReachOutcome, attempts: int, fault: Fault | None
) -> None:
    """Frames were lost, it was too hasty, or the uplink went down: neither written nor reported as wrong."""
    said = verdict(AUTO.digest, vlan=vlan, attempts=attempts, fault=fault, dhcp=dhcp(offer()))
    latest = [seen(said), seen(verdict(AUTO.digest, host="node2", gateway=None, vlan=N, routed=N))]
    conclusion = reduce(
        AUTO, latest, latest[:1], hosts=frozenset(HOSTS[:2]), fresh_s=FRESH_S, policy=HOSTS_GATEWAY
    )
    assert (conclusion.state, conclusion.connectivity) == (State.PENDING, None)


@pytest.mark.parametrize(("when_asked", "now", "believed"), [(R, S, False), (S, R, True)])
def test_the_newest_check_of_a_host_decides_whether_its_gateway_answers(
    when_asked: ReachOutcome, now: ReachOutcome, believed: bool
) -> None:
    """What it found when it asked DHCP is older than its last check."""
    asked = [seen(verdict(KNOWN.digest, vlan=when_asked, dhcp=dhcp(offer())), 300.0)]
    latest = [seen(verdict(KNOWN.digest, vlan=now))]
    conclusion = reduce(
        KNOWN, latest, asked, hosts=frozenset({"node1"}), fresh_s=FRESH_S, policy=HOSTS_GATEWAY
    )
    assert (conclusion.gateway == GATEWAY) == believed


def test_a_known_default_gateway_of_a_host_is_forgotten_where_it_answers_elsewhere() -> None:
    """N19: at once, not after an hour: "true" would be told of a VLAN that does not have it."""
    gone = found(unanswered(S, R), unconfirmed_s=0.0)
    assert (gone.state, gone.connectivity) == (State.DHCP_FAILED, "DHCP failed")
    assert gone.forgotten == "the hosts reach it by their own networks, and it does not answer on this VLAN"
    for policy in (Policy(), CLAIMED_NETWORK):
        assert found(unanswered(S, R), unconfirmed_s=0.0, policy=policy).state is State.OFF_VLAN


def test_a_known_default_gateway_of_a_host_is_forgotten_only_on_all_hosts_evidence() -> None:
    """A VM network on the hosts' own VLAN must not lose its gateway by one host's broken trunk."""
    net = JudgedNetwork(KNOWN, "node1", "node2")
    net.policy = HOSTS_GATEWAY
    net.report("node1", "node2", dhcp=dhcp(offer())).stand("Active")
    net.now += 2.0
    net.lose_verdicts()
    for _ in range(2):
        assert net.report("node1", vlan=S, routed=R, dhcp=dhcp(offer())).state(after=2.0) is None
    assert net.report("node2", vlan=S, routed=R).state(after=2.0) == "DHCPFailed"


def test_a_default_gateway_that_is_down_is_kept_as_any_other() -> None:
    """It answers nowhere, so it may be this VLAN's, and reboot."""
    assert found(unanswered(S, S), unconfirmed_s=KEPT_S - 1).state is State.UNREACHABLE
    assert found(unanswered(S, S)).state is State.DHCP_FAILED


def test_an_owner_may_name_a_hosts_default_gateway() -> None:
    """In manual mode nothing expires."""
    latest = [seen(verdict(MANUAL.digest, vlan=S, routed=R))]
    conclusion = reduce(
        MANUAL,
        latest,
        (),
        hosts=frozenset({"node1"}),
        fresh_s=FRESH_S,
        policy=HOSTS_GATEWAY,
        unconfirmed_s=KEPT_S,
    )
    assert (conclusion.state, conclusion.forgotten) == (State.OFF_VLAN, "")


@given(
    any_seen(KNOWN.digest),
    st.sampled_from([0.0, KEPT_S - 1, KEPT_S, 10 * KEPT_S]),
    st.sampled_from([Policy(), HOSTS_GATEWAY]),
)
def test_a_known_gateway_is_given_up_only_on_evidence(
    latest: list[AgedVerdict], unconfirmed_s: float, policy: Policy
) -> None:
    """Never while any host reaches it on the VLAN or a usable offer names it; always with a reason."""
    conclusion = found(latest, unconfirmed_s=unconfirmed_s, policy=policy, hosts=HOSTS)
    counting = [one.verdict for one in latest if one.age_s < FRESH_S]
    # A host with a fault may still have probed through routing.
    routed = any(t.routed.outcome is R for v in counting for t in v.targets if t.gateway == GATEWAY)
    checks = [t for v in counting if not v.fault for t in v.targets if t.gateway == GATEWAY]
    reached = any(t.vlan.outcome is R for t in checks)
    offers = [o for one in latest if one.verdict.dhcp is not None for o in one.verdict.dhcp.servers]
    ruled_out = any(o.gateway == GATEWAY and o.cidr == IPv4Network("10.9.0.0/16") for o in offers)
    if conclusion.state is State.DHCP_FAILED:
        assert conclusion.forgotten
        assert ruled_out or (not reached and any(t.vlan.outcome is S for t in checks))
        elsewhere = policy is HOSTS_GATEWAY and routed
        assert ruled_out or elsewhere or unconfirmed_s >= KEPT_S
    else:
        assert conclusion.forgotten == ""
