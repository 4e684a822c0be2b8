"""Every reason has words, whatever a tenant wrote into them."""

import pytest

from services.contract.outcomes import Reason, State
from services.network.parse.intent import Intent
from services.network.parse.status import Status
from services.network.reasons.events import Event
from services.network.write.writing import Change
from services.updater.assessing import Assessment
from services.updater.event_text import describe, describe_finding, listed
from tests.unit.network.builders import GATEWAY, SEGMENT, network


def event(after: Status, **more: tuple[str, ...]) -> Event:
    return describe(Assessment(network(), Intent(SEGMENT, "auto"), Change({}, None, after), **more))


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_a_sentence(reason: Reason) -> None:
    """Plain words, no code."""
    message = event(Status(State.UNREACHABLE, reason, gateway=str(GATEWAY))).message
    assert reason not in message
    assert "{" not in message


@pytest.mark.parametrize("state", list(State))
def test_a_warning_is_what_somebody_should_look_at(state: State) -> None:
    """Active, pending, and what the owner chose, are not."""
    described = event(Status(state, Reason.GATEWAY_ANSWERS))
    calm = state in (State.ACTIVE, State.PENDING, State.IGNORED, State.DISABLED)
    assert (described.type, described.reason) == ("Normal" if calm else "Warning", state)


def test_who_differs_and_why_is_named() -> None:
    """With the gateway, the segment and the DHCP that is out."""
    after = Status(
        State.PARTIAL, Reason.GATEWAY_SILENT_ON_SOME_HOSTS, gateway="10.0.112.1",
        hosts={"node2": "GatewaySilentOnVlan"}, dhcp_out=True, findings={"NoDHCPOffer": ""},
    )  # fmt: skip
    assert event(after).message == (
        "gateway 10.0.112.1 is silent on extra/100 for node2 (GatewaySilentOnVlan); DHCP no longer answers"
    )


def test_a_tenants_braces_are_text() -> None:
    """The detail holds what somebody wrote."""
    message = event(Status(State.INVALID, Reason.BAD_ROUTE, detail="got '{0.__class__}'")).message
    assert message.endswith("'{0.__class__}'")


def test_values_are_named() -> None:
    """What DHCP said, where it is of no use."""
    after = Status(State.DHCP_FAILED, Reason.NO_ROUTER_OPTION, detail="10.0.112.2 offered 10.0.112.9")
    assert event(after).message == "DHCP on extra/100 names no gateway: 10.0.112.2 offered 10.0.112.9"


def test_a_finding_is_told_in_a_sentence_of_its_own() -> None:
    """With its values."""
    after = Status(State.ACTIVE, Reason.GATEWAY_ANSWERS, findings={Reason.SEVERAL_ROUTERS: "a, b"})
    assessment = Assessment(network(), Intent(SEGMENT, "auto"), Change({}, None, after))
    described = describe_finding(assessment, Reason.SEVERAL_ROUTERS, "a, b")
    assert described.message == "DHCP on extra/100 names several gateways: a, b"


def test_a_long_list_is_cut() -> None:
    """An Event's message is bounded."""
    assert listed([f"n{i}" for i in range(10)]) == "n0, n1, n2, n3, n4, n5, n6, n7 and 2 more"
    assert listed([]) == "none"
