"""Every code has its explanation: what it means, and what to do."""

from pathlib import Path

import pytest

from services.contract.outcomes import Fault, Reason, State
from services.network.reasons.catalog import BY_REASON
from services.network.reasons.explanation import SHARED, STATES, Facts
from services.network.reasons.probing import FAULTS

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
    answering="node1, node2",
    host="node1",
    interface="extra-bo",
    route="network.harvesterhci.io/route",
)


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_says_what_it_means_and_what_to_do(reason: Reason) -> None:
    """A new Reason without an explanation, or with a template of an unknown fact, fails here."""
    explanation = BY_REASON[reason]
    texts = [FACTS.fill(text) for text in (explanation.means, *explanation.steps)]
    assert all(len(text) > 20 for text in texts), texts
    assert bool(explanation.steps) is (reason not in NOTHING_TO_DO)
    assert all(step not in SHARED for step in explanation.steps)
    assert all(text.count("`") % 2 == 0 and "\n" not in text for text in texts)


@pytest.mark.parametrize("fault", Fault)
def test_every_fault_says_what_to_look_at(fault: Fault) -> None:
    """The interface is all that such a text may name."""
    assert len(FAULTS[fault].format(interface="extra-bo")) > 20


def test_every_state_has_a_sentence() -> None:
    """One for each, and each its own."""
    assert set(STATES) == set(State)
    assert len(set(STATES.values())) == len(State)


def test_no_two_reasons_mean_the_same() -> None:
    """A text that was copied and never made its own."""
    assert len({BY_REASON[reason].means for reason in Reason}) == len(Reason)


def test_the_page_of_states_knows_every_reason() -> None:
    """`explain` and docs/states.md are about the same list."""
    page = (Path(__file__).parents[3] / "docs/states.md").read_text()
    assert [reason for reason in Reason if f"`{reason}`" not in page] == []


def test_what_a_tenant_wrote_is_no_template() -> None:
    """Braces in a value stay as they are."""
    from dataclasses import replace

    nasty = replace(FACTS, gateway="{name.__class__}")
    assert "{name.__class__}" in nasty.fill("the gateway {gateway}")
