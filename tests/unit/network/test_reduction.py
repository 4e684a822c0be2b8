"""The reduction of verdicts to a state, held against a second reading of the table of states."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contract.outcomes import DHCPOutcome, Fault, ReachOutcome, Reason, State
from services.contract.verdicts import AgedVerdict
from services.network.judge.reduction import Conclusion, reduce
from services.network.parse.intent import Intent
from services.network.policy import ActiveWhen, Policy
from tests.unit.network.builders import CIDR, GATEWAY, SEGMENT, dhcp, offer, seen, verdict

AUTO = Intent(SEGMENT, "auto")
KNOWN = replace(AUTO, known_gateway=GATEWAY, known_cidr=CIDR)
MANUAL = Intent(SEGMENT, "manual", gateway=GATEWAY, cidr=CIDR)
FRESH_S = 600.0
R, S, L, N = ReachOutcome.REACHABLE, ReachOutcome.SILENT, ReachOutcome.INCONCLUSIVE, ReachOutcome.NOT_TRIED


def reduce_now(
    intent: Intent,
    latest: list[AgedVerdict],
    asked: list[AgedVerdict] | None = None,
    *,
    hosts: tuple[str, ...] = ("node1",),
    active_when: ActiveWhen = "routed",
    unconfirmed_s: float = 0.0,
) -> Conclusion:
    return reduce(
        intent,
        latest,
        [s for s in latest if s.verdict.dhcp] if asked is None else asked,
        hosts=frozenset(hosts),
        fresh_s=FRESH_S,
        policy=Policy(active_when=active_when),
        unconfirmed_s=unconfirmed_s,
    )


@dataclass(frozen=True)
class Host:
    """One host's results for the gateway, on the VLAN and through routing, or its fault."""

    vlan: ReachOutcome
    routed: ReachOutcome
    fault: Fault | None = None


def _oracle(hosts: Mapping[str, Host]) -> tuple[State, bool | None]:
    """Return state and whether it is routed, None if no host could tell, as the table of states says."""
    if all(host.fault for host in hosts.values()):
        return State.UNKNOWN, None
    paths = [host.routed for host in hosts.values()]
    routed = True if R in paths else False if S in paths else None
    decided = [host for host in hosts.values() if host.fault or host.vlan in (R, S)]
    if routed is None or not any(not host.fault for host in decided):
        return State.PENDING, None
    answers = [not host.fault and host.vlan is R for host in decided]
    if all(answers):
        return (State.ACTIVE if routed else State.ISOLATED), routed
    if any(answers):
        return State.PARTIAL, routed
    return (State.OFF_VLAN if routed else State.UNREACHABLE), routed


ONE_HOST = [Host(v, r, f) for v, r, f in product((R, S, L, N), (R, S, L, N), (None, Fault.UPLINK_DOWN))]


@pytest.mark.parametrize("count", [1, 2])
def test_every_combination_agrees_with_the_table(count: int) -> None:
    """All results of one or two hosts give the table's state and connectivity."""
    for found in product(ONE_HOST, repeat=count):
        hosts = {f"node{i}": host for i, host in enumerate(found)}
        _check(hosts)


@given(st.lists(st.sampled_from(ONE_HOST), min_size=3, max_size=6))
def test_many_hosts_agree_with_the_table(found: list[Host]) -> None:
    """Any number of hosts does too."""
    _check({f"node{i}": host for i, host in enumerate(found)})


def _check(hosts: Mapping[str, Host]) -> None:
    verdicts = [
        seen(verdict(MANUAL.digest, host=name, vlan=h.vlan, routed=h.routed, fault=h.fault))
        for name, h in hosts.items()
    ]
    state, routed = _oracle(hosts)
    for active_when in ("routed", "vlan"):
        conclusion = reduce_now(MANUAL, verdicts, hosts=tuple(hosts), active_when=active_when)
        assert conclusion.state is state, (hosts, conclusion)
        if state in (State.PENDING, State.UNKNOWN):
            assert conclusion.connectivity is None
        elif active_when == "routed":
            assert conclusion.connectivity == ("true" if routed else "false")
        else:
            assert conclusion.connectivity == ("true" if state in (State.ACTIVE, State.ISOLATED) else "false")
        assert {h for h, found in hosts.items() if found.fault} <= set(conclusion.hosts or {})
        if state not in (State.PENDING, State.UNKNOWN):
            able = {name: host for name, host in hosts.items() if not host.fault}
            assert set(conclusion.answering) == {name for name, host in able.items() if host.vlan is R}
            assert set(conclusion.silent) == {name for name, host in able.items() if host.vlan is S}


def test_partial_names_the_host_that_differs() -> None:
    """With its reason."""
    conclusion = reduce_now(
        MANUAL,
        [seen(verdict(MANUAL.digest)), seen(verdict(MANUAL.digest, host="node2", vlan=S))],
        hosts=("node1", "node2"),
    )
    assert (conclusion.state, conclusion.hosts) == (State.PARTIAL, {"node2": Reason.GATEWAY_SILENT_ON_VLAN})


def test_a_prober_that_stopped_does_not_change_the_state() -> None:
    """It says nothing about the network."""
    conclusion = reduce_now(
        MANUAL,
        [
            seen(verdict(MANUAL.digest)),
            seen(verdict(MANUAL.digest, host="node2", vlan=N, fault=Fault.STOPPED)),
        ],
        hosts=("node1", "node2"),
    )
    assert conclusion.state is State.ACTIVE


def test_a_host_that_has_not_checked_the_gateway_yet_is_not_named() -> None:
    """Hosts join one after another; naming each would be a write for each."""
    conclusion = reduce_now(
        AUTO,
        [
            seen(verdict(AUTO.digest, dhcp=dhcp(offer()))),
            seen(verdict(AUTO.digest, host="node2", gateway=None, vlan=N, routed=N)),
        ],
        hosts=("node1", "node2"),
    )
    assert (conclusion.state, conclusion.hosts) == (State.ACTIVE, {})


@pytest.mark.parametrize(
    ("latest", "hosts", "state", "reason"),
    [
        ([], ("node1",), State.PENDING, Reason.NOT_PROBED_YET),
        ([], (), State.PENDING, Reason.NO_HOST),
        ([seen(verdict(MANUAL.digest))], (), State.UNKNOWN, Reason.NO_HOST),
        ([seen(verdict(MANUAL.digest))], ("node2",), State.UNKNOWN, Reason.NO_FRESH_VERDICT),
        ([seen(verdict(MANUAL.digest), FRESH_S)], ("node1",), State.UNKNOWN, Reason.NO_FRESH_VERDICT),
        ([seen(verdict(AUTO.digest))], ("node1",), State.PENDING, Reason.NOT_PROBED_YET),
        ([seen(verdict(MANUAL.digest, gateway=IPv4Address("10.0.112.9")))], ("node1",), State.PENDING,
         Reason.NOT_PROBED_YET),
    ],
)  # fmt: skip
def test_verdicts_that_are_old_or_of_a_gone_host_or_another_intent_do_not_count(
    latest: list[AgedVerdict], hosts: tuple[str, ...], state: State, reason: Reason
) -> None:
    """Nothing is concluded from them, and connectivity stays."""
    conclusion = reduce_now(MANUAL, latest, hosts=hosts)
    assert (conclusion.state, conclusion.reason, conclusion.connectivity) == (state, reason, None)


def test_a_fault_counts_for_every_intent() -> None:
    """A fault is about the host, so the verdict needs no target of this intent."""
    broken = verdict(AUTO.digest, fault=Fault.UPLINK_MISSING).model_copy(update={"targets": ()})
    conclusion = reduce_now(AUTO, [seen(broken)])
    assert (conclusion.state, conclusion.reason) == (State.UNKNOWN, Reason.CANNOT_PROBE)
    assert conclusion.hosts == {"node1": "UplinkMissing"}


@pytest.mark.parametrize("attempts", [0, 1, 2])
def test_a_gateway_is_silent_after_three_probes_and_no_fewer(attempts: int) -> None:
    """Fewer are inconclusive, on either path; one answer is enough."""
    silence = seen(verdict(MANUAL.digest, vlan=S, routed=S, attempts=attempts))
    conclusion = reduce_now(MANUAL, [silence])
    assert (conclusion.state, conclusion.reason, conclusion.connectivity) == (
        State.PENDING,
        Reason.INCONCLUSIVE,
        None,
    )
    assert reduce_now(MANUAL, [seen(verdict(MANUAL.digest, vlan=S, routed=S))]).state is State.UNREACHABLE
    assert reduce_now(MANUAL, [seen(verdict(MANUAL.digest, attempts=1))]).state is State.ACTIVE


@given(st.lists(st.sampled_from(ONE_HOST), min_size=1, max_size=5))
def test_an_isolated_network_is_judged_by_its_vlan_alone(found: list[Host]) -> None:
    """Routing changes nothing."""
    intent = replace(MANUAL, isolated=True)
    hosts = {f"node{i}": host for i, host in enumerate(found)}
    verdicts = [
        seen(verdict(intent.digest, host=name, vlan=h.vlan, routed=h.routed, fault=h.fault))
        for name, h in hosts.items()
    ]
    conclusion = reduce_now(intent, verdicts, hosts=tuple(hosts))
    as_if = {name: replace(h, routed=R if h.vlan is R else S) for name, h in hosts.items()}
    state, _ = _oracle(as_if)
    expected = {State.OFF_VLAN: State.UNREACHABLE, State.ISOLATED: State.ACTIVE}.get(state, state)
    assert conclusion.state is expected
    if conclusion.connectivity is not None:
        assert conclusion.connectivity == ("true" if state in (State.ACTIVE, State.ISOLATED) else "false")


OUTCOMES = st.sampled_from([R, S, L, N])
ANY_OFFER = st.builds(
    offer,
    st.sampled_from([None, GATEWAY, "10.0.112.254", "0.0.0.0"]),
    server=st.sampled_from(["10.0.112.1", "10.0.112.66"]),
    cidr=st.sampled_from([None, CIDR, "0.0.0.0/0", "10.9.0.0/16"]),
)
ANY_DHCP = st.none() | st.builds(
    lambda offers, outcome: dhcp(*offers) if offers else dhcp(outcome=outcome),
    st.lists(ANY_OFFER, max_size=3),
    st.sampled_from([DHCPOutcome.NO_OFFER, DHCPOutcome.INCONCLUSIVE, DHCPOutcome.NOT_TRIED]),
)


def any_seen(digest: str) -> st.SearchStrategy[list[AgedVerdict]]:
    """Verdicts of up to three hosts on one intent."""
    one = st.builds(
        lambda host, vlan, routed, gateway, answer, fault, age: seen(
            verdict(digest, host=host, vlan=vlan, routed=routed, gateway=gateway, dhcp=answer, fault=fault),
            age,
        ),
        st.sampled_from(["node1", "node2", "node3"]),
        OUTCOMES,
        OUTCOMES,
        st.sampled_from([None, GATEWAY, IPv4Address("10.0.112.254")]),
        ANY_DHCP,
        st.sampled_from([None, None, None, Fault.UPLINK_DOWN]),
        st.sampled_from([0.0, 10.0, 45.0, FRESH_S - 1, FRESH_S]),
    )
    return st.lists(one, max_size=3, unique_by=lambda s: s.verdict.host)


@given(any_seen(AUTO.digest), st.sampled_from([AUTO, KNOWN]))
def test_a_conclusion_on_an_auto_network_is_complete(latest: list[AgedVerdict], intent: Intent) -> None:
    """cidr and gateway come together and are usable; connectivity is one of Harvester's values or None."""
    conclusion = reduce_now(intent, latest, hosts=("node1", "node2"))
    assert (conclusion.cidr is None) == (conclusion.gateway is None)
    assert conclusion.gateway in (None, GATEWAY, IPv4Address("10.0.112.254"))
    assert conclusion.cidr in (None, CIDR, IPv4Network("10.9.0.0/16"))
    assert conclusion.connectivity in (None, "true", "false", "DHCP failed")
    assert (conclusion.connectivity == "DHCP failed") == (conclusion.state is State.DHCP_FAILED)
    assert (conclusion.connectivity is None) == (conclusion.state in (State.PENDING, State.UNKNOWN))
    if intent is KNOWN and conclusion.state is State.DHCP_FAILED:
        asked = [one.verdict.dhcp for one in latest if one.verdict.dhcp is not None]
        named = [(found.gateway, found.cidr) for of_host in asked for found in of_host.servers]
        assert (GATEWAY, IPv4Network("10.9.0.0/16")) in named, "an offer that rules the known gateway out"
