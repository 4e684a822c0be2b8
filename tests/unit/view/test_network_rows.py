"""A network as a row."""

import pytest

from services.contract.outcomes import Reason, State
from services.network.parse.intent import Intent, read_intent
from services.network.parse.nad import NetworkRef
from services.network.parse.status import ServerOffer, Status
from services.network.policy import Policy
from services.view.documents import network_document
from services.view.rows import network_row
from tests.unit.network.builders import config, network

ROUTE = '{"mode":"auto","cidr":"10.0.112.0/20","gateway":"10.0.112.1","connectivity":"true"}'
SINCE = "2026-11-23T03:04:05Z"


def _digest() -> str:
    intent = read_intent(network(ROUTE))
    assert isinstance(intent, Intent)
    return intent.digest


def _status(digest: str, state: State = State.PARTIAL) -> str:
    return Status(
        state,
        Reason.GATEWAY_SILENT_ON_SOME_HOSTS,
        since=SINCE,
        digest=digest,
        hosts={"node2": "GatewaySilentOnVlan"},
        servers=(ServerOffer("10.0.112.1", "10.0.112.0/20", "10.0.112.1"),),
    ).dump()


def test_a_row_has_the_route_and_the_status() -> None:
    """Its JSON has every documented key."""
    row = network_row(network(ROUTE, status=_status(_digest())))
    assert network_document(row) == {
        "namespace": "default",
        "name": "net",
        "cluster_network": "extra",
        "vlan": 100,
        "mode": "auto",
        "cidr": "10.0.112.0/20",
        "gateway": "10.0.112.1",
        "connectivity": "true",
        "state": "Partial",
        "reason": "GatewaySilentOnSomeHosts",
        "since": SINCE,
        "detail": None,
        "hosts": {"node2": "GatewaySilentOnVlan"},
        "dhcp": [{"server": "10.0.112.1", "cidr": "10.0.112.0/20", "gateway": "10.0.112.1"}],
        "dhcp_out": False,
        "hosts_omitted": 0,
        "findings": {},
    }


def test_a_status_of_an_older_intent_is_not_shown() -> None:
    """After a change of the VLAN, the network is Pending."""
    row = network_row(network(ROUTE, status=_status(_digest()), config=config(101)))
    assert (row.state, row.reason, row.since, dict(row.hosts)) == ("Pending", "NotProbedYet", "", {})


@pytest.mark.parametrize(
    ("given", "state", "reason"),
    [
        (network(config=config(0)), "Ignored", "Untagged"),
        (network(config=config(0, vlanTrunk=[{"minID": 1}])), "Ignored", "Trunk"),
        (network(config='{"type":"kube-ovn"}'), "Ignored", "Overlay"),
        (network(annotations={"nadroute.io/probe": "disabled"}), "Disabled", "DisabledByAnnotation"),
        (network("{"), "Invalid", "BadRoute"),
        (network(config="{"), "Invalid", "BadConfig"),
        (network(ref=NetworkRef("harvester-system", "x")), "Ignored", "SystemNetwork"),
    ],
)
def test_a_network_that_is_not_probed_has_a_reason(given: object, state: str, reason: str) -> None:
    """The reason comes from the network itself, not from its status."""
    from services.network.parse.nad import Network

    assert isinstance(given, Network)
    row = network_row(given)
    assert (row.state, row.reason) == (state, reason)


def test_default_mode_applies_to_a_network_without_a_route() -> None:
    """off ignores it."""
    assert network_row(network()).state == "Pending"
    assert network_row(network(), Policy(default_mode="off")).reason == "NoRouteAnnotation"
