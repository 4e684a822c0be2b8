"""What the search for causes is told of the networks, and how its causes are shown."""

from dataclasses import replace

from services.contract.outcomes import DHCPOutcome, Reason, State
from services.network.causes.candidates import CauseKind
from services.network.causes.finding import Cause
from services.network.policy import DEFAULT_POLICY
from services.view.documents import explained_document, site_document
from services.view.explained_network import explain_network
from services.view.host_checks import RedisView
from services.view.maintenance import Window
from services.view.rows import NetworkRow, rows_of, with_checks
from services.view.site_causes import cause_of, causes_of, causes_remarks, left_alone
from tests.support.seen_networks import DOWN, found, network_with_status, view
from tests.unit.network.builders import dhcp

SILENT = {"node2": Reason.GATEWAY_SILENT_ON_VLAN.value}
PARTIAL = network_with_status(State.PARTIAL, Reason.GATEWAY_SILENT_ON_SOME_HOSTS, hosts=SILENT)
DOUBTED = network_with_status(State.ACTIVE, Reason.GATEWAY_ANSWERS)
SEEN = view(found("node1"), found("node2", DOWN))


def causes(network: object, seen: RedisView) -> tuple[tuple[Cause, ...], list[NetworkRow]]:
    rows = rows_of([network], DEFAULT_POLICY, seen)  # type: ignore[list-item]
    return causes_of(with_checks(rows, seen), seen), rows


def test_a_silence_that_is_told_has_a_cause() -> None:
    """node2 misses a VLAN that node1 hears."""
    (cause,), _ = causes(PARTIAL, SEEN)
    assert (cause.kind, cause.hosts) == (CauseKind.VLANS_MISSING, ("node2",))
    assert causes_remarks([cause]) == [
        "1 cause, 1 network; `nadroute explain` says more:",
        f"  VLAN {cause.vlans[0]} of {cause.cluster_network} missing on node2 (1)",
    ]


def test_a_silence_in_doubt_has_none_yet() -> None:
    """The same verdicts while the network is still told as Active."""
    assert causes(DOUBTED, SEEN) == ((), rows_of([DOUBTED], DEFAULT_POLICY, SEEN))


def test_a_host_in_maintenance_is_no_cause() -> None:
    """Nor is one whose cluster network is."""
    for window in (Window("node2", ""), Window("", "extra"), Window("node2", "extra")):
        assert causes(PARTIAL, replace(SEEN, windows=(window,)))[0] == ()
    assert causes(PARTIAL, replace(SEEN, windows=(Window("node1", ""),)))[0] != ()


def test_a_gateway_that_answers_nobody_is_silent_on_all_hosts() -> None:
    """The status names none of them, since they agree."""
    network = network_with_status(State.UNREACHABLE, Reason.GATEWAY_SILENT)
    silent = [found(host, DOWN, DOWN) for host in ("node1", "node2")]
    (cause,), _ = causes(network, view(*silent))
    assert {cause.kind, *(other.kind for other in cause.alternatives)} == {
        CauseKind.GATEWAY,
        CauseKind.VLANS_GONE,
    }
    asked = silent[0].model_copy(update={"dhcp": dhcp(outcome=DHCPOutcome.OFFERED)})
    (cause,), _ = causes(network, view(asked, silent[1], asked=(asked,)))
    assert (cause.kind, cause.alternatives) == (CauseKind.GATEWAY, ())


def test_what_no_cause_explains_stays_alone() -> None:
    """A network without any offer, whose server nobody knows, is listed by itself."""
    network = network_with_status(State.DHCP_FAILED, Reason.NO_DHCP_OFFER)
    found_causes, rows = causes(network, view(found("node1")))
    assert (found_causes, left_alone(found_causes, rows)) == ((), rows)
    assert site_document(found_causes, rows) == {
        "causes": [],
        "unexplained": [{"namespace": "default", "name": "office"}],
    }


def test_explain_names_the_cause_that_other_networks_share() -> None:
    """A cause of one network alone says nothing that its own reason does not."""
    (cause,), (row,) = causes(PARTIAL, SEEN)
    alone = explain_network(PARTIAL, row, [], DEFAULT_POLICY, SEEN, cause_of(row, [cause]))
    assert not any("One cause explains" in text for text in alone.meaning)
    shared = replace(cause, networks=(*cause.networks, "default/other"))
    told = explain_network(PARTIAL, row, [], DEFAULT_POLICY, SEEN, cause_of(row, [shared]))
    assert any(text.startswith("One cause explains it and another network: ") for text in told.meaning)
    document = explained_document(told)
    assert isinstance(document["cause"], dict)
    assert document["cause"]["kind"] == "VlansMissingOnHosts"
    assert cause_of(row, [replace(cause, networks=("default/other",))]) is None
