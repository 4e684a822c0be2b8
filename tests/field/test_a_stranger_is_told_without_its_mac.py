"""A strange DHCP server or gateway is told by its address, and nobody knows which machine that is.

Every text that names a DHCP server, a gateway or a stranger has its MAC address beside it where it is known,
and the step that sends someone to look for it has the commands of the switches.
"""

from dataclasses import fields, replace
from ipaddress import IPv4Address

import pytest

from services.cli.explain.answers import answers_of
from services.cli.scan.table import scan_columns
from services.cli.tables import table_lines
from services.contract.macs import dotted
from services.contract.outcomes import DHCPOutcome, LeaseOutcome, Reason, State
from services.network.causes.kinds import CauseKind
from services.network.causes.texts import describe
from services.network.judge.dhcp import summarize_dhcp
from services.network.parse.intent import Intent
from services.network.parse.status import ServerOffer, Status
from services.network.policy import DEFAULT_POLICY
from services.network.reasons.catalog import REASONS
from services.network.reasons.events import describe_finding, describe_transition
from services.network.reasons.texts import Facts
from services.prober.scan.results import ScannedDHCP, ScannedOffer, ScannedReach, ScanResult
from services.view.documents import checked_document
from services.view.host_checks import HostCheck
from services.view.rows import network_row
from tests.support.seen_networks import DOWN, UP, found, network_with_status, view
from tests.unit.network.builders import GATEWAY, SEGMENT, dhcp, offer, seen, verdict
from tests.unit.view.test_explained_network import explained
from tests.unit.view.test_site_causes import cause

ROUTER, STRANGER, RELAY = "02:00:00:00:00:01", "52:54:00:aa:bb:cc", "02:00:00:00:00:09"
AUTO = Intent(SEGMENT, "auto")
SERVER, OTHER = "10.0.112.1", "10.0.112.66"


@pytest.mark.parametrize("state", [State.ACTIVE, State.UNREACHABLE])
def test_an_event_names_the_gateway_with_its_mac(state: State) -> None:
    """Also when it falls silent: then it is the address that it had."""
    reason = Reason.GATEWAY_ANSWERS if state is State.ACTIVE else Reason.GATEWAY_SILENT
    status = Status(state, reason, gateway=str(GATEWAY), gateway_mac=ROUTER)
    assert f"{GATEWAY} ({ROUTER})" in describe_transition(status, AUTO).message
    status = replace(status, findings={Reason.DUPLICATE_GATEWAY: ""})
    assert f"{GATEWAY} ({ROUTER})" in describe_finding(Reason.DUPLICATE_GATEWAY, status, AUTO).message


DETAILS = {
    "no router": (offer(None, mac=STRANGER), AUTO, Reason.NO_ROUTER_OPTION),
    "no mask": (offer(cidr=None, mac=STRANGER), AUTO, Reason.NO_SUBNET_MASK),
    "outside": (offer("10.9.9.9", mac=STRANGER), AUTO, Reason.ROUTER_OUTSIDE_SUBNET),
    "another server": (
        offer(mac=STRANGER), replace(AUTO, server=IPv4Address("10.0.112.3")), Reason.CONFIGURED_SERVER_SILENT,
    ),
    "relayed": (offer(None, mac=STRANGER, relay="10.0.112.4"), AUTO, Reason.NO_ROUTER_OPTION),
}  # fmt: skip


@pytest.mark.parametrize(("made", "intent", "reason"), DETAILS.values(), ids=DETAILS)
def test_the_values_behind_a_reason_name_the_server_with_its_mac(
    made: object, intent: Intent, reason: Reason
) -> None:
    """Whoever's offer is unusable; of a relayed one, the relay's."""
    said = verdict(intent.digest, dhcp=dhcp(made))  # type: ignore[arg-type]
    summary = summarize_dhcp(intent, [seen(said)], confirmations=0, policy=DEFAULT_POLICY)
    assert summary is not None
    assert (summary.reason, STRANGER in summary.detail) == (reason, True)


def test_several_routers_are_named_with_the_server() -> None:
    """Of the offer that names them."""
    made = offer(mac=STRANGER).model_copy(update={"routers": (GATEWAY, GATEWAY + 1)})
    said = verdict(AUTO.digest, dhcp=dhcp(made))
    summary = summarize_dhcp(AUTO, [seen(said)], confirmations=0, policy=DEFAULT_POLICY)
    assert summary is not None
    assert STRANGER in summary.findings[Reason.SEVERAL_ROUTERS]


LOOK_FOR = [reason for reason, text in REASONS.items() if any("mac address-table" in s for s in text.steps)]


def test_every_reason_that_accuses_a_machine_says_how_to_find_it() -> None:
    """Strange servers, twins of the gateway, and whoever offers what cannot be right."""
    assert set(LOOK_FOR) >= {
        Reason.DUPLICATE_GATEWAY,
        Reason.DHCP_SERVERS_DISAGREE,
        Reason.OTHER_SERVER_ANSWERED,
        Reason.SERVER_ID_SHARED,
        Reason.TOO_MANY_DHCP_SERVERS,
        Reason.ROUTER_REFUSED,
        Reason.ROUTER_NOT_ON_VLAN,
        Reason.SUBNET_REFUSED,
        Reason.SUBNET_TOO_WIDE,
    }


@pytest.mark.parametrize("reason", LOOK_FOR)
def test_the_commands_look_for_the_stranger(reason: Reason) -> None:
    """Not for the gateway that is known beside it, as it is written on each switch."""
    text = f"{SERVER} ({ROUTER}) and {OTHER} ({STRANGER})"
    given = network_with_status(State.ACTIVE, Reason.GATEWAY_ANSWERS, findings={reason: text})
    status = given.status
    assert status is not None
    given = replace(
        given,
        annotations={**given.annotations, "nadroute.io/status": replace(status, gateway_mac=ROUTER).dump()},
    )
    (step,) = [step for step in explained(given).steps if "mac address-table" in step]
    assert f"`show mac address-table address {dotted(STRANGER)}`" in step
    assert f"`bridge fdb show | grep {STRANGER}`" in step
    assert ROUTER not in step


def test_a_rogue_that_answered_is_looked_for() -> None:
    """Its offer is known, although the finding names nobody."""
    asked = found("node1").model_copy(
        update={
            "dhcp": dhcp(
                offer(mac=ROUTER), offer(server=OTHER, mac=STRANGER).model_copy(update={"rogue": True})
            )
        }
    )
    given = network_with_status(
        State.ACTIVE, Reason.GATEWAY_ANSWERS, findings={Reason.TOO_MANY_DHCP_SERVERS: "many"}
    )
    steps = explained(given, view(asked, asked=(asked,))).steps
    assert any(dotted(STRANGER) in step for step in steps)


def test_explain_names_gateway_and_servers_with_their_macs() -> None:
    """In what the reason means, and in what each host was answered; a command has the bare address."""
    given = network_with_status(State.UNREACHABLE, Reason.GATEWAY_SILENT)
    status = given.status
    assert status is not None
    told = replace(status, gateway=str(GATEWAY), gateway_mac=ROUTER).dump()
    given = replace(given, annotations={**given.annotations, "nadroute.io/status": told})
    asked = found("node1", DOWN, DOWN).model_copy(update={"dhcp": dhcp(offer(mac=STRANGER))})
    result = explained(given, view(asked, asked=(asked,)))
    assert any(f"The gateway {GATEWAY} ({ROUTER})" in text for text in result.meaning)
    assert any(f"The DHCP server {SERVER} ({STRANGER}) answered node1" in text for text in result.meaning)
    assert checked_document(result.row, result.checks)["gateway_mac"] == ROUTER
    given = network_with_status(State.ISOLATED, Reason.GATEWAY_NOT_ROUTED)
    assert any(f"`ip route get {GATEWAY}`" in step for step in explained(given).steps)


def test_a_hosts_answers_name_all_that_answered() -> None:
    """ARP, DHCP and a lease."""
    facts = Facts(**{field.name: field.name for field in fields(Facts)})
    target = found("node1").targets[0]
    lease = {"outcome": LeaseOutcome.HELD, "server": SERVER, "address": "10.0.112.50"}
    answered = dhcp(offer(mac=STRANGER))
    answered = type(answered).model_validate({**answered.model_dump(), "lease": lease})
    check = HostCheck(
        "node1", age_s=1.0, gateway=GATEWAY, dhcp=answered,
        vlan=target.vlan.model_copy(update={"macs": (ROUTER, STRANGER)}), routed=target.routed,
    )  # fmt: skip
    texts = [answer.text for answer in answers_of(check, facts)]
    assert any(f"answered by {ROUTER} and {STRANGER}" in text for text in texts)
    assert any(f"from {SERVER} ({STRANGER})" in text for text in texts)
    assert any(f"{SERVER} ({STRANGER}) offered" in text for text in texts)


def test_a_scan_names_servers_and_gateways_with_their_macs() -> None:
    """Where the terminal is wide enough, and a rogue's in any case."""
    plain = ScannedOffer(IPv4Address(SERVER), IPv4Address("10.0.112.50"), mac=RELAY, gateway=GATEWAY)
    rogue = ScannedOffer(IPv4Address(OTHER), IPv4Address("10.0.112.60"), mac=STRANGER, rogue=True)
    result = ScanResult(
        vlan=7, dhcp=ScannedDHCP(DHCPOutcome.OFFERED, (plain, rogue)), fault=None, dropped_frames=0,
        gateway=ScannedReach(UP, 0.2, ROUTER, (ROUTER, STRANGER)),
    )  # fmt: skip
    wide = table_lines(scan_columns([result]), 200)[2].plain
    assert f"{OTHER} rogue ({STRANGER})" in wide
    assert RELAY in wide
    assert f"{ROUTER}, {STRANGER}" in wide
    assert f"{OTHER} rogue ({STRANGER})" in table_lines(scan_columns([result]), 80)[2].plain


def test_a_stranger_on_many_vlans_has_its_command_too() -> None:
    """It is one cause of the whole site."""
    subject = f"DHCP server {OTHER} ({STRANGER})"
    record = cause("default/a", "default/b", kind=CauseKind.STRANGER, subject=subject)
    assert any(dotted(STRANGER) in step for step in describe(record).steps)


def test_the_record_of_a_servers_offer_keeps_its_mac() -> None:
    """`status -o json` lists it beside each server."""
    status = Status(State.ACTIVE, Reason.GATEWAY_ANSWERS, servers=(ServerOffer(OTHER, mac=STRANGER),))
    given = network_with_status(State.ACTIVE, Reason.GATEWAY_ANSWERS)
    told = replace(status, digest=AUTO.digest).dump()
    given = replace(given, annotations={**given.annotations, "nadroute.io/status": told})
    row = network_row(given)
    assert checked_document(row, None)["dhcp"] == [
        {"server": OTHER, "cidr": None, "gateway": None, "mac": STRANGER}
    ]
