"""What a person is shown of a network."""

import json

import pytest

from services.cli.failures import CommandFailed
from services.cli.outputs import cell, plain
from services.cli.state_style import LOOKS, state_text
from services.contract.outcomes import Reason, State
from services.network.parse.intent import Intent, read_intent
from services.network.parse.nad import NetworkRef
from services.network.parse.status import ServerOffer, Status
from services.network.policy import Policy
from services.view.rows import NetworkRow, network_row, parse_refs, select
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


def test_a_network_is_shown_with_its_route_and_its_status() -> None:
    """The JSON has every documented key, and what both annotations say."""
    row = network_row(network(ROUTE, status=_status(_digest())))
    assert row.to_json() == {
        "namespace": "default",
        "name": "net",
        "clusterNetwork": "extra",
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
        "dhcpOut": False,
        "hostsOmitted": 0,
        "findings": {},
    }


def test_an_outcome_of_another_asking_is_not_shown_as_one_of_this() -> None:
    """Somebody changed the VLAN: what was found on the old one says nothing of the new one."""
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
def test_a_network_that_is_not_probed_says_why(given: object, state: str, reason: str) -> None:
    """Whatever stands in the status annotation, or nothing: the reason comes from the network itself."""
    from services.network.parse.nad import Network

    assert isinstance(given, Network)
    row = network_row(given)
    assert (row.state, row.reason) == (state, reason)


def test_the_default_mode_decides_about_a_network_without_a_route() -> None:
    """off leaves it alone, as the watcher does."""
    assert network_row(network()).state == "Pending"
    assert network_row(network(), Policy(default_mode="off")).reason == "NoRouteAnnotation"


def test_a_network_that_does_not_exist_is_told_with_near_ones() -> None:
    """Exit 2; one of another namespace with that very name is near too."""
    present = [network(ref=NetworkRef("default", "office")), network(ref=NetworkRef("lab", "bench"))]
    for typed, near in [("default/ofice", "did you mean default/office"), ("default/bench", "lab/bench")]:
        with pytest.raises(CommandFailed, match=near) as caught:
            select(present, parse_refs([typed]))
        assert caught.value.exit_code == 2
    with pytest.raises(CommandFailed, match="not found; `nadroute status` lists all 2"):
        select(present, parse_refs(["nowhere/nothing"]))


def test_networks_come_in_the_order_they_were_named_or_sorted() -> None:
    """Each once."""
    b, a = network(ref=NetworkRef("b", "b")), network(ref=NetworkRef("a", "a"))
    assert select([b, a], []) == [a, b]
    assert select([a, b], parse_refs(["b/b", "a/a", "b/b"])) == [b, a]


def test_what_tenants_write_cannot_drive_a_terminal() -> None:
    """Control characters and markup are shown, and do nothing."""
    nasty = "\x1b[2J\x07\u202e\x9b[red]x[/red]\n"
    assert plain(nasty).isprintable()
    assert "[red]x[/red]" in cell(nasty).plain
    row = network_row(network(json.dumps({"gateway": nasty, "mode": "auto"})))
    assert isinstance(row, NetworkRow)


def test_every_state_has_a_symbol_that_needs_no_colour() -> None:
    """Good, bad and undecided differ by symbol as well, in Unicode and in ASCII."""
    assert set(LOOKS) == set(State)
    assert all(look.ascii.isascii() for look in LOOKS.values())
    symbols = {look.symbol for state, look in LOOKS.items() if state is not State.ACTIVE}
    assert LOOKS[State.ACTIVE].symbol not in symbols
    assert "Partial" in state_text("Partial").plain
    assert state_text("SomethingNew\x1b").plain == "SomethingNew�"
