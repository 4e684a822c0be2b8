"""The messages of Events: every reason has one, and none claims more than the verdicts say."""

import pytest

from services.contract.outcomes import Reason, State
from services.network.judge.reduction import Conclusion
from services.network.parse.intent import Intent
from services.network.parse.status import Status
from services.network.reasons.events import Event, describe_finding, describe_transition, list_hosts
from tests.unit.network.builders import GATEWAY, SEGMENT
from tests.unit.network.test_switch_ports import announced, member

INTENT = Intent(SEGMENT, "auto")


def event(
    status: Status,
    *,
    answering: tuple[str, ...] = (),
    silent: tuple[str, ...] = (),
    unoffered: tuple[str, ...] = (),
) -> Event:
    conclusion = Conclusion(
        State(status.state), Reason(status.reason), answering=answering, silent=silent, unoffered=unoffered
    )
    return describe_transition(status, INTENT, conclusion)


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_a_message(reason: Reason) -> None:
    """In words, without the code, and also without a conclusion."""
    status = Status(State.UNREACHABLE, reason, gateway=str(GATEWAY))
    for message in (event(status).message, describe_transition(status, INTENT).message):
        assert reason not in message
        assert "{" not in message


@pytest.mark.parametrize("state", list(State))
def test_a_warning_needs_attention(state: State) -> None:
    """Active, Pending and what the owner chose are Normal."""
    described = event(Status(state, Reason.GATEWAY_ANSWERS))
    normal = state in (State.ACTIVE, State.PENDING, State.IGNORED, State.DISABLED)
    assert (described.type, described.reason) == ("Normal" if normal else "Warning", state)


def test_hosts_that_differ_are_named_with_their_reason() -> None:
    """With the gateway, the segment, the hosts that agree, and DHCP that is out."""
    after = Status(
        State.PARTIAL, Reason.GATEWAY_SILENT_ON_SOME_HOSTS, gateway="10.0.112.1",
        hosts={"node2": "GatewaySilentOnVlan"}, dhcp_out=True, findings={"NoDHCPOffer": ""},
    )  # fmt: skip
    assert event(after, answering=("node1",), silent=("node2",)).message == (
        "gateway 10.0.112.1 answers on extra/100 from node1, but not from node2 (GatewaySilentOnVlan); "
        "DHCP no longer answers"
    )


def test_an_active_network_names_only_the_hosts_on_which_the_gateway_answers() -> None:
    """A host whose uplink is down, or that has not reported yet, is not among them."""
    after = Status(State.ACTIVE, Reason.GATEWAY_ANSWERS, gateway="10.0.112.1", hosts={"node2": "UplinkDown"})
    message = event(after, answering=("node1", "node3")).message
    assert message == "gateway 10.0.112.1 answers on extra/100 from node1, node3"


def test_only_off_vlan_claims_that_the_gateway_is_routed() -> None:
    """An isolated network has the same reason, and its routing is not known to work."""
    off_vlan = event(Status(State.OFF_VLAN, Reason.GATEWAY_SILENT_ON_VLAN, gateway="g"), silent=("node1",))
    assert off_vlan.message == (
        "gateway g does not answer on extra/100 from any host (probed from node1); "
        "it answers through the hosts' routing"
    )
    isolated = event(Status(State.UNREACHABLE, Reason.GATEWAY_SILENT_ON_VLAN, gateway="g"), silent=("node1",))
    assert "routing" not in isolated.message


def test_a_failure_of_dhcp_names_the_hosts_without_an_offer() -> None:
    """A host that received one is not among them."""
    after = Status(State.DHCP_FAILED, Reason.NO_DHCP_OFFER)
    message = event(after, unoffered=("node1", "node2")).message
    assert message == "no DHCP server answered on extra/100 (asked from node1, node2)"


def test_a_tenants_braces_are_text() -> None:
    """The detail quotes what somebody wrote."""
    after = Status(State.INVALID, Reason.BAD_ROUTE, detail="got '{0.__class__}'")
    assert event(after).message.endswith("'{0.__class__}'")


def test_the_values_behind_a_reason_follow_it() -> None:
    """What DHCP offered, if it is unusable."""
    after = Status(State.DHCP_FAILED, Reason.NO_ROUTER_OPTION, detail="10.0.112.2 offered 10.0.112.9")
    assert event(after).message == "DHCP on extra/100 names no gateway: 10.0.112.2 offered 10.0.112.9"


def test_a_finding_has_an_event_of_its_own() -> None:
    """A Warning with its values."""
    after = Status(State.ACTIVE, Reason.GATEWAY_ANSWERS, findings={Reason.SEVERAL_ROUTERS: "a, b"})
    described = describe_finding(Reason.SEVERAL_ROUTERS, after, INTENT)
    assert described == Event("Warning", "SeveralRouters", "DHCP on extra/100 names several gateways: a, b")


def test_a_long_list_of_hosts_is_cut() -> None:
    """The message of an Event is bounded."""
    assert list_hosts([f"n{i}" for i in range(10)]) == "n0, n1, n2, n3, n4, n5, n6, n7 and 2 more"
    assert list_hosts([]) == "none"


def test_the_switch_port_of_a_silent_host_is_named() -> None:
    """As far as LLDP tells it; not of a host whose trouble is its own, and nothing where none is known."""
    hosts = {"node1": "UplinkDown", "node2": "GatewaySilentOnVlan", "node3": "GatewaySilentOnVlan"}
    status = Status(
        State.PARTIAL, Reason.GATEWAY_SILENT_ON_SOME_HOSTS, gateway=str(GATEWAY), hosts=hosts, detail="more"
    )
    known = announced(node1=(member("eno1"),), node2=(member("eno1"), member("eno2")), node3=())
    message = describe_transition(status, INTENT, announced=known).message
    assert message.endswith(
        "; its switch port: Gi1/0/14 of sw-rack3 (node2, eno1) and Gi1/0/14 of sw-rack3 (node2, eno2): more"
    )
    without = describe_transition(status, INTENT, announced=announced(node2=())).message
    assert "switch port" not in without
