"""A host without an offer is written at once, by name, so that the watcher makes another host ask."""

from dataclasses import replace

import pytest

from services.contract.messages import DHCPVerdict
from services.contract.outcomes import ReachOutcome, Reason, State
from services.contract.verdicts import AgedVerdict
from services.network.judge.reduction import Conclusion, reduce
from services.network.parse import nad
from services.network.parse.intent import Intent
from services.network.parse.status import Status
from services.network.write.writing import decide
from tests.unit.network.builders import CIDR, GATEWAY, NOW, SEGMENT, dhcp, network, offer, seen, verdict

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
    """All there are, or three; until then the state is Pending and names the hosts without an offer."""
    hosts = HOSTS[:count]
    for silent in range(1, count + 1):
        conclusion = found(AUTO, *(asked(host, 5.0, dhcp()) for host in hosts[:silent]), hosts=hosts)
        if silent >= min(3, count):
            assert conclusion.state is State.DHCP_FAILED
        else:
            assert (conclusion.state, conclusion.reason) == (State.PENDING, Reason.CONFIRMING_NO_OFFER)
            assert conclusion.hosts == dict.fromkeys(hosts[:silent], Reason.NO_DHCP_OFFER)
            assert conclusion.connectivity is None


def test_a_host_without_an_offer_is_written_to_a_new_network() -> None:
    """Pending otherwise is not written; the route annotation stays."""
    conclusion = found(AUTO, asked("node1", 1.0, dhcp()))
    change = decide(network(), AUTO, conclusion, now=NOW)
    assert change is not None
    assert set(change.annotations) == {nad.STATUS}
    told = Status.parse(change.annotations[nad.STATUS])
    assert told is not None
    assert (told.reason, told.hosts) == (Reason.CONFIRMING_NO_OFFER, {"node1": Reason.NO_DHCP_OFFER})
    pending = Conclusion(State.PENDING, Reason.NOT_PROBED_YET)
    assert decide(network(), AUTO, pending, now=NOW) is None


def test_each_further_host_is_written_too() -> None:
    """Otherwise the watcher would wait for its ask window before the third host asks."""
    first = decide(network(), AUTO, found(AUTO, asked("node1", 9.0, dhcp())), now=NOW)
    assert first is not None
    after = network(status=first.annotations[nad.STATUS])
    both = found(AUTO, asked("node1", 20.0, dhcp()), asked("node2", 1.0, dhcp()))
    second = decide(after, AUTO, both, now=NOW)
    assert second is not None
    assert set(second.after.hosts) == {"node1", "node2"}


def test_with_a_known_gateway_the_host_is_named_beside_the_state() -> None:
    """Active holds, the host is named until it receives an offer, and DHCP is not out yet."""
    heard = asked("node1", 100.0, dhcp(offer()))
    conclusion = found(KNOWN, heard, asked("node2", 5.0, dhcp()))
    assert (conclusion.state, conclusion.dhcp_out) == (State.ACTIVE, False)
    assert conclusion.hosts == {"node2": Reason.NO_DHCP_OFFER}
    assert found(KNOWN, heard, asked("node2", 1.0, dhcp(offer()))).hosts == {}
    silent = [asked(host, 5.0, dhcp()) for host in HOSTS[1:]]
    assert found(KNOWN, heard, *silent).dhcp_out is True


def test_a_silent_gateway_takes_precedence_over_a_missing_offer() -> None:
    """A host that is cut off from the VLAN gets neither; its reason is the gateway."""
    latest = [seen(verdict(AUTO.digest)), seen(verdict(AUTO.digest, host="node2", vlan=ReachOutcome.SILENT))]
    said = [asked("node1", 9.0, dhcp(offer())), asked("node2", 1.0, dhcp())]
    conclusion = reduce(KNOWN, latest, said, hosts=frozenset(HOSTS[:2]), fresh_s=600.0)
    assert conclusion.hosts == {"node2": Reason.GATEWAY_SILENT_ON_VLAN}
