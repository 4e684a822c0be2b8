"""What would be written to a network: the record of its conclusion against the network as it is."""

from collections.abc import Mapping

from services.contract.conclusions import ConclusionRecord, Hindrance, Unwritten
from services.contract.outcomes import Reason, State
from services.network.parse import nad
from services.network.parse.intent import Intent, read_intent
from services.network.parse.nad import Network, NetworkRef
from services.network.parse.status import Status
from services.network.policy import DEFAULT_POLICY
from services.view.differences import NetworkDifference, network_difference
from services.view.documents import difference_document
from tests.support.seen_networks import record_of, view
from tests.unit.network.builders import SEGMENT, config, network

SINCE = "2026-11-23T03:04:05Z"
ROUTE = '{"mode":"auto","cidr":"10.0.112.0/20","gateway":"10.0.112.1","connectivity":"true","outdated":true}'
ACTIVE = Status(State.ACTIVE, Reason.GATEWAY_ANSWERS, since=SINCE, digest=Intent(SEGMENT, "auto").digest)


def observed(given: Network, route: Mapping[str, str | None], status: Status = ACTIVE) -> ConclusionRecord:
    """Return the record of an updater that only observes."""
    is_news = status != given.status
    return record_of(given, status, Unwritten(why=Hindrance.OBSERVE_ONLY, route=dict(route), status=is_news))


def compared(given: Network, *records: ConclusionRecord) -> NetworkDifference:
    return network_difference(given, DEFAULT_POLICY, view(conclusions=records))


def changes(difference: NetworkDifference) -> dict[str, tuple[str, str]]:
    return {change.field: (change.present, change.would_be) for change in difference.changes}


def test_each_field_that_would_change_is_named() -> None:
    """With its present value and the one it would have; an absent one is empty."""
    given = network(ROUTE)
    wanted = {"cidr": "10.0.112.0/20", "gateway": "10.0.112.9", "connectivity": "false", "outdated": None}
    found = compared(given, observed(given, wanted))
    assert changes(found) == {
        "gateway": ("10.0.112.1", "10.0.112.9"),
        "connectivity": ("true", "false"),
        "outdated": ("true", ""),
        "state": ("", "Active"),
        "reason": ("", "GatewayAnswers"),
    }
    assert difference_document(found)["changes"] == [
        {"annotation": nad.ROUTE, "field": "gateway", "present": "10.0.112.1", "would_be": "10.0.112.9"},
        {"annotation": nad.ROUTE, "field": "connectivity", "present": "true", "would_be": "false"},
        {"annotation": nad.ROUTE, "field": "outdated", "present": "true", "would_be": None},
        {"annotation": nad.STATUS, "field": "state", "present": None, "would_be": "Active"},
        {"annotation": nad.STATUS, "field": "reason", "present": None, "would_be": "GatewayAnswers"},
    ]


def test_what_somebody_has_changed_meanwhile_is_no_difference() -> None:
    """The network as it is now counts, not as it was when the updater concluded."""
    given = network(ROUTE, status=ACTIVE.dump())
    assert changes(compared(given, observed(given, {"connectivity": "true"}))) == {}


def test_a_status_with_the_same_state_names_what_differs_in_it() -> None:
    """Such as a finding."""
    given = network(ROUTE, status=ACTIVE.dump())
    told = Status(ACTIVE.state, ACTIVE.reason, SINCE, ACTIVE.digest, findings={"SeveralRouters": "two"})
    assert changes(compared(given, observed(given, {}, told))) == {"details": ("", "findings")}


def test_what_an_updater_writes_by_itself_is_no_difference() -> None:
    """It is being written."""
    given = network(ROUTE)
    found = compared(given, record_of(given, ACTIVE))
    assert (found.changes, found.is_concluded) == ((), True)


def test_a_network_without_a_conclusion_is_not_called_equal() -> None:
    """Nobody knows what would be written to its present configuration."""
    given = network(ROUTE)
    assert not compared(given).is_concluded
    moved = network(ROUTE, config=config(vlan=7))
    assert not compared(moved, observed(moved, {})).is_concluded
    untagged = network(config=config(vlan=0))
    assert not compared(untagged).is_concluded
    ignored = Status(State.IGNORED, Reason.UNTAGGED, since=SINCE)
    found = compared(untagged, observed(untagged, {}, ignored))
    assert changes(found) == {"state": ("", "Ignored"), "reason": ("", "Untagged")}


def test_a_network_that_nobody_would_write_has_no_difference() -> None:
    """It is Harvester's own, unreadable, or being deleted."""
    for given in (
        network("{"),
        network(ref=NetworkRef("harvester-system", "x")),
        network(deleting=True),
    ):
        found = compared(given)
        assert (found.changes, found.is_concluded) == ((), True)


def test_fields_that_nadroute_never_writes_are_shown_as_text() -> None:
    """Anyone may write the record; nothing is looked up by such a name."""
    given = network(ROUTE)
    found = compared(given, observed(given, {"__class__": "\x1b[2J"}))
    assert changes(found)["__class__"] == ("", "\x1b[2J")


def test_the_digest_of_these_tests_is_that_of_the_network() -> None:
    """Otherwise no record would count."""
    intent = read_intent(network(ROUTE))
    assert isinstance(intent, Intent)
    assert intent.digest == ACTIVE.digest
