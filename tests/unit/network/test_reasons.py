"""Every state, reason and fault has its texts."""

from dataclasses import replace

import pytest

from services.contract.outcomes import Fault, Reason, State
from services.network.reasons.catalog import GROUPS, REASONS
from services.network.reasons.states import FAULTS, STATES
from services.network.reasons.texts import SHARED_STEPS, Facts

NOTHING_TO_DO = frozenset(
    {
        Reason.GATEWAY_ANSWERS,
        Reason.UNTAGGED,
        Reason.TRUNK,
        Reason.OVERLAY,
        Reason.SYSTEM_NETWORK,
        Reason.NOT_A_BRIDGE,
    }
)
FACTS = Facts(
    namespace="default",
    name="office",
    vlan="100",
    cluster_network="extra",
    gateway="10.0.112.1",
    cidr="10.0.112.0/20",
    server="10.0.112.2",
    hosts="node1, node2",
    ports="the switch port of node1, node2",
    answering="node1, node2",
    host="node1",
    interface="extra-bo",
    route="network.harvesterhci.io/route",
    probe_macs="62:12:34:56:70:64 (node1), 62:65:43:21:00:64 (node2)",
)


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_says_what_it_means_and_what_to_do(reason: Reason) -> None:
    """A new Reason without a text, or with a template of an unknown fact, fails here."""
    text = REASONS[reason]
    filled = [FACTS.fill(template) for template in (text.meaning, *text.steps)]
    assert all(len(each) > 20 for each in filled), filled
    assert bool(text.steps) is (reason not in NOTHING_TO_DO)
    assert all(step not in SHARED_STEPS for step in text.steps)
    assert all(each.count("`") % 2 == 0 and "\n" not in each for each in filled)


def test_reasons_are_grouped_in_their_own_order() -> None:
    """Each once."""
    assert [reason for group in GROUPS for reason in group.texts] == list(Reason)


@pytest.mark.parametrize("fault", Fault)
def test_every_fault_says_what_to_check(fault: Fault) -> None:
    """The interface and the switch ports are the only facts of such a text."""
    assert len(FAULTS[fault].format(interface="extra-bo", ports="the switch port")) > 20


def test_every_state_has_a_meaning_of_its_own() -> None:
    """In the order of the enum."""
    assert list(STATES) == list(State)
    assert len({text.meaning for text in STATES.values()}) == len(State)


def test_no_two_reasons_have_the_same_text() -> None:
    """A text that was copied and not adapted."""
    assert len({text.meaning for text in REASONS.values()}) == len(Reason)


def test_what_a_tenant_wrote_is_no_template() -> None:
    """Braces in a value stay as they are."""
    nasty = replace(FACTS, gateway="{name.__class__}")
    assert "{name.__class__}" in nasty.fill("the gateway {gateway}")
