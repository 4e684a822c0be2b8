"""From verdicts to words: the table of the design, written a second time as an oracle."""

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
) -> Conclusion:
    return reduce(
        intent,
        latest,
        [s for s in latest if s.verdict.dhcp] if asked is None else asked,
        hosts=frozenset(hosts),
        fresh_s=FRESH_S,
        policy=Policy(active_when=active_when),
    )


@dataclass(frozen=True)
class Host:
    """What one host found of the gateway: the VLAN path, the routed path, and a fault instead."""

    vlan: ReachOutcome
    routed: ReachOutcome
    fault: Fault | None = None


def _oracle(hosts: Mapping[str, Host]) -> tuple[State, bool | None]:
    """The design's table, read literally: (state, whether routed answers), None where nobody could tell."""
    if all(host.fault for host in hosts.values()):
        return State.UNKNOWN, None
    paths = [host.routed for host in hosts.values()]
    routed = True if R in paths else False if S in paths else None
    told = [host for host in hosts.values() if host.fault or host.vlan in (R, S)]
    if routed is None or not any(not host.fault for host in told):
        return State.PENDING, None
    answers = [not host.fault and host.vlan is R for host in told]
    if all(answers):
        return (State.ACTIVE if routed else State.ISOLATED), routed
    if any(answers):
        return State.PARTIAL, routed
    return (State.OFF_VLAN if routed else State.UNREACHABLE), routed


ONE_HOST = [Host(v, r, f) for v, r, f in product((R, S, L, N), (R, S, L, N), (None, Fault.UPLINK_DOWN))]


@pytest.mark.parametrize("count", [1, 2])
def test_every_combination_agrees_with_the_table(count: int) -> None:
    """Each way in which one or two hosts can answer gives the table's state and Harvester's connectivity."""
    for found in product(ONE_HOST, repeat=count):
        hosts = {f"node{i}": host for i, host in enumerate(found)}
        _check(hosts)


@given(st.lists(st.sampled_from(ONE_HOST), min_size=3, max_size=6))
def test_many_hosts_agree_with_the_table(found: list[Host]) -> None:
    """So do any number of hosts."""
    _check({f"node{i}": host for i, host in enumerate(found)})


def _check(hosts: Mapping[str, Host]) -> None:
    verdicts = [
        seen(verdict(MANUAL.digest, host=name, vlan=h.vlan, routed=h.routed, fault=h.fault))
        for name, h in hosts.items()
    ]
    state, routed = _oracle(hosts)
    for active_when in ("routed", "vlan"):
        finding = reduce_now(MANUAL, verdicts, hosts=tuple(hosts), active_when=active_when)
        assert finding.state is state, (hosts, finding)
        if state in (State.PENDING, State.UNKNOWN):
            assert finding.connectivity is None
        elif active_when == "routed":
            assert finding.connectivity == ("true" if routed else "false")
        else:
            assert finding.connectivity == ("true" if state in (State.ACTIVE, State.ISOLATED) else "false")
        assert {h for h, found in hosts.items() if found.fault} <= set(finding.hosts or {})


def test_partial_names_the_host_that_differs() -> None:
    """Who differs, and why, is what a person needs."""
    finding = reduce_now(
        MANUAL,
        [seen(verdict(MANUAL.digest)), seen(verdict(MANUAL.digest, host="node2", vlan=S))],
        hosts=("node1", "node2"),
    )
    assert (finding.state, finding.hosts) == (State.PARTIAL, {"node2": Reason.GATEWAY_SILENT_ON_VLAN})


def test_a_host_that_only_was_stopped_takes_nothing_from_the_others() -> None:
    """That a prober was told to stop is no fault of the network."""
    finding = reduce_now(
        MANUAL,
        [
            seen(verdict(MANUAL.digest)),
            seen(verdict(MANUAL.digest, host="node2", vlan=N, fault=Fault.STOPPED)),
        ],
        hosts=("node1", "node2"),
    )
    assert finding.state is State.ACTIVE


def test_a_host_that_has_not_checked_the_gateway_yet_is_not_named() -> None:
    """Hosts join in one after another; naming each would be a write for each."""
    finding = reduce_now(
        AUTO,
        [
            seen(verdict(AUTO.digest, dhcp=dhcp(offer()))),
            seen(verdict(AUTO.digest, host="node2", gateway=None, vlan=N, routed=N)),
        ],
        hosts=("node1", "node2"),
    )
    assert (finding.state, finding.hosts) == (State.ACTIVE, {})


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
def test_what_is_old_gone_or_of_another_intent_does_not_count(
    latest: list[AgedVerdict], hosts: tuple[str, ...], state: State, reason: Reason
) -> None:
    """Nothing is concluded from it, and connectivity stays as it is."""
    finding = reduce_now(MANUAL, latest, hosts=hosts)
    assert (finding.state, finding.reason, finding.connectivity) == (state, reason, None)


def test_a_host_that_cannot_probe_says_so_whatever_was_asked() -> None:
    """A fault is a fact about the host: it counts without a target of this intent."""
    broken = verdict(AUTO.digest, fault=Fault.UPLINK_MISSING).model_copy(update={"targets": ()})
    finding = reduce_now(AUTO, [seen(broken)])
    assert (finding.state, finding.reason) == (State.UNKNOWN, Reason.CANNOT_PROBE)
    assert finding.hosts == {"node1": "UplinkMissing"}


@pytest.mark.parametrize("attempts", [0, 1, 2])
def test_a_gateway_is_down_after_three_probes_and_no_fewer(attempts: int) -> None:
    """Fewer are no finding, on either path; one answer is enough."""
    silence = seen(verdict(MANUAL.digest, vlan=S, routed=S, attempts=attempts))
    finding = reduce_now(MANUAL, [silence])
    assert (finding.state, finding.reason, finding.connectivity) == (
        State.PENDING,
        Reason.INCONCLUSIVE,
        None,
    )
    assert reduce_now(MANUAL, [seen(verdict(MANUAL.digest, vlan=S, routed=S))]).state is State.UNREACHABLE
    assert reduce_now(MANUAL, [seen(verdict(MANUAL.digest, attempts=1))]).state is State.ACTIVE


@given(st.lists(st.sampled_from(ONE_HOST), min_size=1, max_size=5))
def test_an_isolated_network_is_judged_by_its_vlan_alone(found: list[Host]) -> None:
    """By annotation: what is routed changes nothing."""
    intent = replace(MANUAL, isolated=True)
    hosts = {f"node{i}": host for i, host in enumerate(found)}
    verdicts = [
        seen(verdict(intent.digest, host=name, vlan=h.vlan, routed=h.routed, fault=h.fault))
        for name, h in hosts.items()
    ]
    finding = reduce_now(intent, verdicts, hosts=tuple(hosts))
    as_if = {name: replace(h, routed=R if h.vlan is R else S) for name, h in hosts.items()}
    state, _ = _oracle(as_if)
    expected = {State.OFF_VLAN: State.UNREACHABLE, State.ISOLATED: State.ACTIVE}.get(state, state)
    assert finding.state is expected
    if finding.connectivity is not None:
        assert finding.connectivity == ("true" if state in (State.ACTIVE, State.ISOLATED) else "false")


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
        lambda host, vlan, routed, gateway, finding, fault, age: seen(
            verdict(digest, host=host, vlan=vlan, routed=routed, gateway=gateway, dhcp=finding, fault=fault),
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
def test_what_is_found_of_an_auto_network_is_whole(latest: list[AgedVerdict], intent: Intent) -> None:
    """cidr and gateway come together and are usable; connectivity is Harvester's word or left alone."""
    finding = reduce_now(intent, latest, hosts=("node1", "node2"))
    assert (finding.cidr is None) == (finding.gateway is None)
    assert finding.gateway in (None, GATEWAY, IPv4Address("10.0.112.254"))
    assert finding.cidr in (None, CIDR, IPv4Network("10.9.0.0/16"))
    assert finding.connectivity in (None, "true", "false", "DHCP failed")
    assert (finding.connectivity == "DHCP failed") == (finding.state is State.DHCP_FAILED)
    assert (finding.connectivity is None) == (finding.state in (State.PENDING, State.UNKNOWN))
    if intent is KNOWN and finding.state is State.DHCP_FAILED:
        asked = [one.verdict.dhcp for one in latest if one.verdict.dhcp is not None]
        named = [(found.gateway, found.cidr) for of_host in asked for found in of_host.servers]
        assert (GATEWAY, IPv4Network("10.9.0.0/16")) in named, "an offer that rules the known gateway out"
