"""A network as a row."""

from ipaddress import IPv4Address

import pytest

from services.contract.conclusions import Hindrance, Unwritten
from services.contract.messages import HostAnnouncement
from services.contract.outcomes import Reason, State
from services.network.parse.intent import Intent, read_intent
from services.network.parse.nad import NetworkRef
from services.network.parse.status import ServerOffer, Status
from services.network.policy import DEFAULT_POLICY, Policy
from services.view.documents import network_document
from services.view.host_checks import RedisView
from services.view.rows import Source, network_row, rows_of
from tests.support.seen_networks import record_of
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
        "gateway_mac": None,
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
        "source": "annotation",
        "not_written": None,
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


def test_the_record_counts_before_the_annotation() -> None:
    """The annotation may be older, and where nothing may be written there is none."""
    given = network(ROUTE, status=_status(_digest()))
    told = Status(State.ACTIVE, Reason.GATEWAY_ANSWERS, since=SINCE, digest=_digest())
    unwritten = Unwritten(why=Hindrance.DENIED, detail="no")
    row = network_row(given, DEFAULT_POLICY, record_of(given, told, unwritten))
    assert (row.state, row.hosts, row.source, row.unwritten) == ("Active", {}, Source.CONCLUSION, unwritten)
    assert network_row(given).source is Source.ANNOTATION
    assert network_document(row)["not_written"] == {"why": "denied", "detail": "no"}


def test_a_record_of_a_former_intent_is_not_shown() -> None:
    """The annotation counts if it is of the present one; the refusal belonged to the former one."""
    given = network(ROUTE, status=_status(_digest()))
    former = Status(State.ACTIVE, Reason.GATEWAY_ANSWERS, digest="0" * 16)
    record = record_of(given, former, Unwritten(why=Hindrance.DENIED))
    row = network_row(given, DEFAULT_POLICY, record)
    assert (row.state, row.source, row.unwritten) == ("Partial", Source.ANNOTATION, None)
    bare = network_row(network(ROUTE), DEFAULT_POLICY, record)
    assert (bare.state, bare.source, bare.unwritten) == ("Pending", Source.NETWORK, None)


def test_a_forged_record_is_shown_without_harm() -> None:
    """Anyone may write Redis: an unknown state counts as no record, other values are only shown."""
    given = network(ROUTE)
    forged = record_of(given, Status("\x1b[2J", "x", digest=_digest()))
    assert network_row(given, DEFAULT_POLICY, forged).state == "Pending"
    odd = record_of(given, Status(State.ACTIVE, "\x1b[2J", digest=_digest(), hosts={"\n": "\x07"}))
    assert network_row(given, DEFAULT_POLICY, odd).reason == "\x1b[2J"


def test_a_network_that_is_not_probed_takes_since_and_refusal_from_its_record() -> None:
    """Its state follows from the network itself. Nobody writes an unreadable one, whatever Redis says."""
    untagged = network(config=config(0))
    told = Status(State.IGNORED, Reason.UNTAGGED, since=SINCE)
    record = record_of(untagged, told, Unwritten(why=Hindrance.OBSERVE_ONLY))
    row = network_row(untagged, DEFAULT_POLICY, record)
    assert (row.since, row.source, row.unwritten) == (SINCE, Source.CONCLUSION, record.unwritten)
    other = network_row(network("{"), DEFAULT_POLICY, record)
    assert (other.state, other.since, other.source) == ("Invalid", "", Source.NETWORK)
    assert other.unwritten == Unwritten(why=Hindrance.UNREADABLE)


MANUAL = '{"mode":"manual","cidr":"10.0.112.0/20","gateway":"10.0.112.1"}'
REFUSED = Status(State.INVALID, Reason.GATEWAY_REFUSED, since=SINCE, gateway="10.0.112.1")


def test_a_hosts_own_address_is_refused_as_the_record_says() -> None:
    """The updater alone knows which addresses it believes, also where only its record has the status."""
    given, why = network(MANUAL), Unwritten(why=Hindrance.OBSERVE_ONLY, status=True)
    row = network_row(given, DEFAULT_POLICY, record_of(given, REFUSED, why))
    assert (row.state, row.reason, row.since) == ("Invalid", "GatewayRefused", SINCE)
    assert (row.source, row.unwritten) == (Source.CONCLUSION, why)
    assert "10.0.112.1 is a host's own address" in row.detail


def test_an_announced_address_refuses_nothing_by_itself() -> None:
    """Anyone who reaches Redis can announce one: without a record the network is as the annotation says."""
    host = HostAnnouncement(
        host="node1", uplinks={}, version="1", incarnation=1, addresses=(IPv4Address("10.0.112.1"),)
    )
    seen = RedisView(hosts={"node1": host})
    (row,) = rows_of([network(MANUAL)], DEFAULT_POLICY, seen)
    assert (row.state, row.source) == ("Pending", Source.NETWORK)
    (row,) = rows_of([network(MANUAL, status=REFUSED.dump())], DEFAULT_POLICY, seen)
    assert (row.state, row.reason, row.source) == ("Invalid", "GatewayRefused", Source.ANNOTATION)


def test_a_refusal_counts_for_the_gateway_that_was_refused() -> None:
    """Once the owner has named another one, or the record says something newer, it does not."""
    refused, other = network(MANUAL), network(MANUAL.replace("112.1", "112.2"))
    assert network_row(other, DEFAULT_POLICY, record_of(other, REFUSED)).state == "Pending"
    intent = read_intent(refused)
    assert isinstance(intent, Intent)
    newer = record_of(refused, Status(State.ACTIVE, Reason.GATEWAY_ANSWERS, digest=intent.digest))
    assert network_row(network(MANUAL, status=REFUSED.dump()), DEFAULT_POLICY, newer).state == "Active"
