"""A missing DHCP offer is reported once other hosts have confirmed it; until then it changes nothing."""

from dataclasses import replace

import pytest

from services.contract.messages import DHCPVerdict
from services.contract.outcomes import ReachOutcome, Reason, State
from services.contract.verdicts import AgedVerdict
from services.network.judge.reduction import Conclusion, reduce
from services.network.parse.intent import Intent
from services.network.write.writing import decide
from tests.unit.network.builders import CIDR, GATEWAY, NOW, SEGMENT, dhcp, due, network, offer, seen, verdict

AUTO = Intent(SEGMENT, "auto")
KNOWN = replace(AUTO, known_gateway=GATEWAY, known_cidr=CIDR)
HOSTS = ("node1", "node2", "node3", "node4")
NOTHING, R = ReachOutcome.NOT_TRIED, ReachOutcome.REACHABLE


def asked(host: str, age_s: float, said: DHCPVerdict) -> AgedVerdict:
    """The result of a host that asked DHCP; without an offer it had no gateway to check."""
    if said.servers:
        return seen(verdict(AUTO.digest, host=host, dhcp=said), age_s)
    return seen(verdict(AUTO.digest, host=host, dhcp=said, gateway=None, vlan=NOTHING, routed=NOTHING), age_s)


def found(intent: Intent, *verdicts: AgedVerdict, hosts: tuple[str, ...] = HOSTS) -> Conclusion:
    latest = [seen(verdict(intent.digest, host=host)) for host in hosts] if intent is KNOWN else verdicts
    return reduce(intent, latest, verdicts, hosts=frozenset(hosts), fresh_s=600.0)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_it_takes_up_to_three_hosts_to_call_dhcp_failed(count: int) -> None:
    """All there are, or three; until then the state is Pending."""
    hosts = HOSTS[:count]
    for silent in range(1, count + 1):
        conclusion = found(AUTO, *(asked(host, 5.0, dhcp()) for host in hosts[:silent]), hosts=hosts)
        if silent >= min(3, count):
            assert conclusion.state is State.DHCP_FAILED
        else:
            assert (conclusion.state, conclusion.reason) == (State.PENDING, Reason.CONFIRMING_NO_OFFER)
            assert conclusion.unoffered == hosts[:silent]
            assert conclusion.connectivity is None


def test_a_host_without_an_offer_is_not_written() -> None:
    """It is a doubt, which other hosts settle; the annotation says what is known."""
    conclusion = found(AUTO, asked("node1", 1.0, dhcp()))
    assert conclusion.is_confirming
    assert due(decide(network(), AUTO, conclusion, now=NOW)) is None


def test_with_a_known_gateway_the_state_holds_meanwhile() -> None:
    """Active holds, DHCP is not out yet, and nobody is named."""
    heard = asked("node1", 100.0, dhcp(offer()))
    conclusion = found(KNOWN, heard, asked("node2", 5.0, dhcp()))
    assert (conclusion.state, conclusion.dhcp_out, conclusion.hosts) == (State.ACTIVE, False, {})
    assert (conclusion.is_confirming, conclusion.unoffered) == (True, ("node2",))
    assert not found(KNOWN, heard, asked("node2", 1.0, dhcp(offer()))).is_confirming
    silent = [asked(host, 5.0, dhcp()) for host in HOSTS[1:]]
    assert found(KNOWN, heard, *silent).dhcp_out is True


@pytest.mark.parametrize(
    ("answers", "expected"),
    [([], False), ([("node1", dhcp())], False), ([("node1", dhcp(offer()))], True)],
)
def test_without_an_offer_nothing_is_learned_about_servers(
    answers: list[tuple[str, DHCPVerdict]], expected: bool
) -> None:
    """Neither before the first answer nor while a missing one is confirmed."""
    assert found(KNOWN, *(asked(host, 1.0, said) for host, said in answers)).has_dhcp_news is expected


def test_a_silent_gateway_takes_precedence_over_a_missing_offer() -> None:
    """A host that is cut off from the VLAN gets neither; its reason is the gateway."""
    latest = [seen(verdict(AUTO.digest)), seen(verdict(AUTO.digest, host="node2", vlan=ReachOutcome.SILENT))]
    said = [asked("node1", 9.0, dhcp(offer())), asked("node2", 1.0, dhcp())]
    conclusion = reduce(KNOWN, latest, said, hosts=frozenset(HOSTS[:2]), fresh_s=600.0)
    assert conclusion.hosts == {"node2": Reason.GATEWAY_SILENT_ON_VLAN}
