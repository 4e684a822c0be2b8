"""The explanation of a network: what is asked and tried, its meaning, and the steps."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from services.cli.explain.answers import answers_of
from services.contract.conclusions import Hindrance, Unwritten
from services.contract.messages import Verdict
from services.contract.outcomes import DHCPOutcome, Fault, Reason, State
from services.contract.verdicts import SegmentVerdicts
from services.network.parse import nad
from services.network.parse.intent import Intent, read_intent
from services.network.parse.nad import Network, NetworkRef
from services.network.parse.status import Status
from services.network.policy import DEFAULT_POLICY, Policy
from services.view.documents import explained_document
from services.view.durations import describe_age
from services.view.explained_network import ExplainedNetwork, explain_network
from services.view.host_checks import RedisView
from services.view.maintenance import Window
from services.view.rows import network_row
from tests.support.seen_networks import DOWN, ROUTE, found, network_with_status, record_of, view
from tests.unit.network.builders import SEGMENT, config, dhcp, network, offer


def explained(given: Network, seen: RedisView | None = None, *others: Network) -> ExplainedNetwork:
    row = network_row(given, DEFAULT_POLICY)
    return explain_network(given, row, [given, *others], DEFAULT_POLICY, seen or view())


def asking(host: str, *, outcome: DHCPOutcome | None = None, vlan_answers: bool = False) -> Verdict:
    """Return a verdict that asked DHCP."""
    offers = [] if outcome else [offer()]
    base = found(host) if vlan_answers else found(host, DOWN, DOWN)
    return base.model_copy(update={"dhcp": dhcp(*offers, outcome=outcome)})


def test_a_partial_network_names_the_host_and_the_commands_to_try() -> None:
    """The steps name the host, the VLAN and how to observe it."""
    given = network_with_status(
        State.PARTIAL, Reason.GATEWAY_SILENT_ON_SOME_HOSTS, hosts={"node2": "GatewaySilentOnVlan"}
    )
    result = explained(given, view(found("node1"), found("node2", DOWN)))
    assert "VLAN 100 is missing on the switch port of node2" in " ".join(result.meaning)
    assert result.steps[0].startswith("On the switch port of node2, check that the port is a trunk")
    assert any("`tcpdump -eni extra-bo 'vlan 100 and arp'`" in step for step in result.steps)
    assert result.steps[-1].endswith("`nadroute probe default/office --wait`")


def test_the_repair_of_a_hosts_own_fault_is_the_first_step() -> None:
    """Before those for the switch; not of a host that the status does not name for it."""
    given = network_with_status(
        State.PARTIAL,
        Reason.GATEWAY_SILENT_ON_SOME_HOSTS,
        hosts={"node2": "UplinkDown", "node3": "UplinkDown", "node4": "GatewaySilentOnVlan"},
    )
    down = [found(f"node{n}", DOWN, fault=Fault.UPLINK_DOWN) for n in (2, 3)]
    stopped = found("node1", fault=Fault.STOPPED)
    result = explained(given, view(stopped, *down, found("node4", DOWN)))
    said = (
        "On node2, node3 (UplinkDown): uplink extra-bo is down; check the cable, the bond and the switch "
        "port of node2, node3"
    )
    assert result.steps[0] == said
    assert result.steps[1].startswith("On the switch port of")


def test_each_hosts_checks_are_described() -> None:
    """With the MAC address, the times, or the fault."""
    seen = view(found("node1"), found("node2", DOWN, fault=Fault.UPLINK_DOWN))
    result = explained(network_with_status(State.PARTIAL, Reason.GATEWAY_SILENT_ON_SOME_HOSTS), seen)
    assert result.checks is not None
    first, second = ([a.text for a in answers_of(check, result.facts)] for check in result.checks)
    assert first == [
        "ARP for 10.0.112.1 on the VLAN: answered by 02:00:00:00:00:01 after 0.4 ms",
        "ICMP echo to 10.0.112.1 through the host's routing: answered after 0.6 ms",
    ]
    assert second == ["UplinkDown: uplink extra-bo is down; check the cable, the bond and the switch port"]


def test_a_measured_time_has_its_age() -> None:
    """The answer was repeated since, and its times were not sent again."""
    offered = asking("node1", vlan_answers=True)
    seen = view(offered, asked=(offered,))
    known = seen.verdicts[SEGMENT]
    latest, asked = (
        tuple(replace(aged, full_age_s=aged.age_s + 600) for aged in of)
        for of in (known.latest, known.asked_dhcp)
    )
    older = replace(seen, verdicts={SEGMENT: SegmentVerdicts(latest, asked)})
    given = network_with_status(State.ACTIVE, Reason.GATEWAY_ANSWERS)
    result = explained(given, older)
    assert result.checks is not None
    check = result.checks[0]
    texts = [a.text for a in answers_of(check, result.facts)]
    assert check.age_s is not None
    assert len(texts) == 3
    assert all(text.endswith(f"ms (measured {describe_age(check.age_s + 600)} ago)") for text in texts)
    document: Any = explained_document(result)
    shown = document["checks"][0]
    assert shown["measured_age_s"] == shown["age_s"] + 600


def test_a_maintenance_is_told_where_it_concerns_the_network() -> None:
    """Of a host, or of the network's own cluster network; not of another one."""
    names = (("node2", ""), ("", SEGMENT.cluster_network), ("", "other"))
    windows = tuple(Window(host, name, left_ms=60_000) for host, name in names)
    seen = replace(view(found("node1")), windows=windows)
    told = [text for text in explained(network(ROUTE), seen).meaning if "in maintenance" in text]
    assert told == [
        "node2 is in maintenance for another 1m.",
        f"cluster network {SEGMENT.cluster_network} is in maintenance for another 1m.",
    ]


def test_a_prober_that_waits_for_a_hosts_name_is_told() -> None:
    """Of the hosts of this network only."""
    seen = replace(view(found("node1")), conflicts={"node1": "node1: another waits", "node9": "node9: other"})
    result = explained(network_with_status(State.ACTIVE, Reason.GATEWAY_ANSWERS), seen)
    assert [text for text in result.meaning if "node1: " in text] == ["node1: another waits."]
    assert not [text for text in result.meaning if "node9" in text]


def test_an_active_network_names_the_hosts_that_the_gateway_answers() -> None:
    """A host that cannot probe, or has not reported yet, is not one of them; without Redis none is named."""
    given = network_with_status(State.ACTIVE, Reason.GATEWAY_ANSWERS)
    seen = view(found("node1"), found("node2", fault=Fault.STOPPED), hosts=3)
    assert any(
        "answers on VLAN 100 from node1, and through" in text for text in explained(given, seen).meaning
    )
    away = explained(given, RedisView(trouble="away"))
    assert any("answers on VLAN 100 from the hosts that could ask" in text for text in away.meaning)


def test_each_dhcp_offer_is_described() -> None:
    """With subnet and router, or with the time waited."""
    offered = asking("node1", vlan_answers=True)
    refused = asking("node2", outcome=DHCPOutcome.NO_OFFER)
    result = explained(
        network_with_status(State.ACTIVE, Reason.GATEWAY_ANSWERS),
        view(offered, refused, asked=(offered, refused)),
    )
    assert result.checks is not None
    first, second = (answers_of(check, result.facts)[0].text for check in result.checks)
    assert first.startswith("DISCOVER: 10.0.112.1 offered 10.0.112.50 in 10.0.112.0/20, router 10.0.112.1")
    assert "no offer" in second


def test_each_value_has_its_source() -> None:
    """The mode, the gateway and the cluster network each have more than one source."""
    sources = {a.what: (a.value, a.source) for a in explained(network()).asked}
    assert sources["mode"] == ("auto", "setting default_mode: there is no route annotation")
    assert sources["gateway"] == ("unknown", "DHCP has not named it yet")
    manual = '{"mode":"manual","cidr":"10.0.112.0/20","gateway":"10.0.112.1"}'
    sources = {a.what: (a.value, a.source) for a in explained(network(manual)).asked}
    assert sources["gateway"] == ("10.0.112.1", "annotation network.harvesterhci.io/route: gateway")
    assert sources["mode"] == ("manual", "annotation network.harvesterhci.io/route: mode")
    assert sources["cluster network"] == ("extra", "spec.config: bridge")
    own = '{"cidr":"10.0.112.0/20","gateway":"10.0.112.1"}'
    labels = {nad.CLUSTER_NETWORK_LABEL: "extra"}
    labelled = replace(network(own, config=config(bridge="br0", name="not-the-bridge-br")), labels=labels)
    sources = {a.what: (a.value, a.source) for a in explained(labelled).asked}
    assert sources["cluster network"] == ("extra", "label network.harvesterhci.io/clusternetwork")
    assert sources["mode"][1].endswith("no mode, and a gateway that nadroute did not write")


def test_networks_on_the_same_segment_are_named() -> None:
    """They share one probe."""
    other = network(ROUTE, ref=NetworkRef("lab", "twin"))
    elsewhere = network(ROUTE, ref=NetworkRef("lab", "far"), config=config(101))
    shared = [a.value for a in explained(network(ROUTE), None, other, elsewhere).asked if "shared" in a.what]
    assert shared == ["lab/twin"]


@pytest.mark.parametrize(
    ("given", "reason", "step"),
    [
        (network("{"), "BadRoute", "network.harvesterhci.io/route-`"),
        (
            network('{"mode":"manual","cidr":"10.0.0.0/24","gateway":"10.1.0.1"}'),
            "GatewayOutsideCIDR",
            "which one is wrong?",
        ),
        (network(annotations={"nadroute.io/probe": "disabled"}), "DisabledByAnnotation", "nadroute resume"),
        (network(config=config(0)), "Untagged", ""),
    ],
)
def test_a_network_that_is_not_probed_is_explained_without_any_host(
    given: Network, reason: str, step: str
) -> None:
    """The reason comes from the network itself; the meaning names the wrong field."""
    result = explained(given)
    assert (result.row.reason, result.checks) == (reason, ())
    assert any(step in each for each in result.steps) or not (step or result.steps)
    assert not result.row.detail or any(result.row.detail in text for text in result.meaning)


def test_two_machines_that_answer_for_one_gateway_are_reported() -> None:
    """Each host by itself sees a gateway that answers."""
    seen = view(found("node1"), found("node2", mac="02:00:00:00:00:02"))
    result = explained(network_with_status(State.ACTIVE, Reason.GATEWAY_ANSWERS), seen)
    assert any("Different machines answer for 10.0.112.1" in text for text in result.meaning)
    same = explained(
        network_with_status(State.ACTIVE, Reason.GATEWAY_ANSWERS), view(found("node1"), found("node2"))
    )
    assert not any("Different machines" in text for text in same.meaning)


def test_a_dhcp_answer_shows_that_the_vlan_reaches_the_host() -> None:
    """Then the gateway is silent; without a DHCP answer, the VLAN may be at fault."""
    given = network_with_status(State.UNREACHABLE, Reason.GATEWAY_SILENT)
    offered = asking("node1")
    result = explained(given, view(offered, asked=(offered,)))
    assert any("so the VLAN does reach that host" in text for text in result.meaning)
    nothing = asking("node1", outcome=DHCPOutcome.NO_OFFER)
    result = explained(given, view(nothing, asked=(nothing,)))
    assert any("Nothing answered on this VLAN" in text for text in result.meaning)


def test_findings_and_unknown_codes_are_explained() -> None:
    """A finding with its meaning, steps and values; a code of a newer version by its name."""
    given = network_with_status(
        State.UNREACHABLE, Reason.GATEWAY_SILENT, findings={"DHCPServersDisagree": "a; b", "Brandnew": "c"}
    )
    result = explained(given)
    assert any(
        text.startswith("Besides (DHCPServersDisagree)") and "(a; b)" in text for text in result.meaning
    )
    assert any(text.startswith("Brandnew:") for text in result.meaning)
    assert any("does not belong there" in step for step in result.steps)
    assert len(set(result.steps)) == len(result.steps)


def test_without_redis_the_rest_is_explained() -> None:
    """Checks are null. A pause is part of the meaning."""
    result = explained(network_with_status(State.ACTIVE, Reason.GATEWAY_ANSWERS), RedisView(trouble="away"))
    assert result.checks is None
    assert json.loads(json.dumps(explained_document(result)))["checks"] is None
    paused = explained(
        network_with_status(State.ACTIVE, Reason.GATEWAY_ANSWERS), RedisView(paused="paused by me")
    )
    assert "nadroute is paused by me." in paused.meaning


def test_what_is_not_written_is_explained() -> None:
    """With the refusal; without a record, that the annotation was read instead."""
    given = network_with_status(State.ACTIVE, Reason.GATEWAY_ANSWERS)
    assert given.status is not None
    unwritten = Unwritten(why=Hindrance.DENIED, detail="HTTP 500: not today")
    row = network_row(given, DEFAULT_POLICY, record_of(given, given.status, unwritten))
    meaning = explain_network(given, row, [], DEFAULT_POLICY, view()).meaning
    assert "This is not written to the network: the API server refuses it: HTTP 500: not today." in meaning
    from_annotation = "This is from the annotation, as Redis has no conclusion about the network."
    assert from_annotation not in meaning
    assert from_annotation in explained(given).meaning
    assert from_annotation not in explained(given, RedisView(trouble="away")).meaning


@pytest.mark.parametrize(
    ("route", "sources"),
    [
        (None, {"gateway": "result", "cidr": "result"}),
        (ROUTE, {"gateway": "result", "cidr": "annotation"}),
    ],
)
def test_what_was_found_and_is_not_written_is_not_called_unknown(
    route: str | None, sources: Mapping[str, str]
) -> None:
    """Such as by an updater that only observes."""
    given = network(route)
    intent = read_intent(given)
    assert isinstance(intent, Intent)
    fields = {"gateway": "10.0.112.9", "cidr": "10.0.112.0/20"}
    unwritten = Unwritten(why=Hindrance.OBSERVE_ONLY, route=fields, status=True)
    status = Status(State.ACTIVE, Reason.GATEWAY_ANSWERS, digest=intent.digest)
    row = network_row(given, DEFAULT_POLICY, record_of(given, status, unwritten))
    asked = {a.what: a for a in explain_network(given, row, [], DEFAULT_POLICY, view()).asked}
    assert {what: asked[what].value for what in fields} == fields
    assert all(word in asked[what].source for what, word in sources.items())


def test_a_verdict_on_an_older_intent_is_not_shown() -> None:
    """After a change by its owner, the host has not reported yet."""
    manual = '{"mode":"manual","cidr":"10.0.112.0/20","gateway":"10.0.112.9"}'
    given = network(manual)
    result = explain_network(given, network_row(given), [], Policy(), view(found("node1"), hosts=1))
    assert result.checks is not None
    assert [check.age_s for check in result.checks] == [None]
