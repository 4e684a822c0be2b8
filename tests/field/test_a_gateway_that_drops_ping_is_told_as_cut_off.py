"""A gateway that forwards and drops ICMP echo looks like one that is not routed: the texts allow for both.

Firewalls such as OPNsense drop echo on their VLAN interfaces by default.
"""

import pytest

from services.contract.messages import TargetVerdict
from services.contract.outcomes import ReachOutcome, Reason, State
from services.network.judge.reduction import reduce
from services.network.policy import DEFAULT_POLICY
from services.network.reasons.catalog import REASONS
from services.network.reasons.events import describe_transition
from services.network.reasons.states import STATES
from services.network.write.writing import decide
from services.prober import verdicts
from services.view.explained_network import explain_network
from services.view.rows import network_row
from tests.support.seen_networks import DOWN, UP, found, network_with_status, view
from tests.unit.network.builders import GATEWAY, NOW, network, reach, seen
from tests.unit.network.test_reduction import MANUAL
from tests.unit.prober.world import Gateway, World, target


def explained(*echoes: ReachOutcome, reason: Reason = Reason.GATEWAY_NOT_ROUTED) -> tuple[str, str]:
    """Return what explain says the state means, and what to do. echoes: on the VLAN, of a host each."""
    found_by = [found(f"node{number}", UP, DOWN) for number, _ in enumerate(echoes, 1)]
    checks = [
        verdict.model_copy(update={"targets": (verdict.targets[0].model_copy(update={"echo": reach(echo)}),)})
        for verdict, echo in zip(found_by, echoes, strict=True)
    ]
    given = network_with_status(State.ISOLATED, reason)
    row = network_row(given, DEFAULT_POLICY)
    result = explain_network(given, row, [given], DEFAULT_POLICY, view(*checks))
    return " ".join(result.meaning), " ".join(result.steps)


NOT_TRIED, SILENT, ANSWERED = ReachOutcome.NOT_TRIED, ReachOutcome.SILENT, ReachOutcome.REACHABLE


def test_what_the_probe_finds_is_told_with_both_causes() -> None:
    """ARP answers, echo does not: the Event, the state and explain name the dropped echo beside the route."""
    world = World()
    world.put(7, Gateway("10.0.7.1"))
    world.probe(7, target("10.0.7.1"), ask_dhcp=False)
    made = verdicts.verdict(world.only(), host="node1", request_id="r", incarnation=0, counter=0)
    (checked,) = made.targets
    assert (checked.vlan.outcome, checked.routed.outcome) == (ANSWERED, SILENT)
    mine = TargetVerdict(digest=MANUAL.digest, gateway=GATEWAY, vlan=checked.vlan, routed=checked.routed)
    aged = [seen(made.model_copy(update={"targets": (mine,), "segment": MANUAL.segment}))]
    found_now = reduce(MANUAL, aged, [], hosts=frozenset({"node1"}), fresh_s=600)
    assert (found_now.state, found_now.reason) == (State.ISOLATED, Reason.GATEWAY_NOT_ROUTED)
    change = decide(network(), MANUAL, found_now, now=NOW)
    assert change is not None
    event = describe_transition(change.after, MANUAL, found_now).message
    assert event.endswith("through the hosts' routing: it is not routed, or ICMP echo is dropped")
    assert "Other traffic may pass" in STATES[State.ISOLATED].meaning
    meaning, steps = explained(NOT_TRIED)
    assert "other traffic may pass all the same" in meaning
    assert "To tell the two apart" in steps
    assert "telnet://10.0.112.1:22" in steps


@pytest.mark.parametrize(
    ("echoes", "said"),
    [
        ((NOT_TRIED,), ""),
        ((ReachOutcome.INCONCLUSIVE,), ""),
        ((NOT_TRIED, SILENT), "no ICMP echo there either"),
        ((SILENT, ANSWERED), "answered an ICMP echo of node2"),
    ],
)
def test_an_echo_on_the_vlan_tells_the_two_apart(echoes: tuple[ReachOutcome, ...], said: str) -> None:
    """Where a host has an address there: silent means dropped, answered means that not all are."""
    meaning, _ = explained(*echoes)
    assert said in meaning
    assert ("there either" in meaning, "answered an ICMP echo" in meaning) == (
        "either" in said,
        "answered" in said,
    )


def test_an_echo_says_nothing_of_a_gateway_that_is_routed() -> None:
    """Nor of one that answers no ARP: then it is not the echo that is in question."""
    meaning, _ = explained(SILENT, reason=Reason.GATEWAY_ANSWERS)
    assert "there either" not in meaning
    quiet = found("node1", DOWN, DOWN)
    quiet = quiet.model_copy(
        update={"targets": (quiet.targets[0].model_copy(update={"echo": reach(SILENT)}),)}
    )
    given = network_with_status(State.ISOLATED, Reason.GATEWAY_NOT_ROUTED)
    result = explain_network(given, network_row(given, DEFAULT_POLICY), [given], DEFAULT_POLICY, view(quiet))
    assert "there either" not in " ".join(result.meaning)


def test_every_reason_that_rests_on_a_silent_echo_names_it() -> None:
    """What was silent is named, since it is all that is known."""
    for reason in (Reason.GATEWAY_NOT_ROUTED, Reason.GATEWAY_SILENT):
        text = REASONS[reason]
        assert "ICMP echo" in text.event, reason
        assert "ICMP echo" in text.meaning, reason
