"""At depth lease, behind a gateway that answers ARP only to senders in the subnet, a network flapped.

Active, Partial, OffVlan: 13 Events in five minutes, since only the host that asked DHCP held an address.
"""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest

from services.contract.messages import SegmentProbe
from services.contract.outcomes import DHCPOutcome, Reason, State
from services.contract.vlan_addresses import SourceConflict
from services.network.judge.doubting import publish_due
from services.network.judge.evidence import as_asked
from services.network.parse import nad
from services.network.parse.intent import Intent, read_intent
from services.network.parse.probe_addresses import read_probe_addresses
from services.watcher.limits.workload import Demand, plan_work
from services.watcher.plan.host_probe import HostProbe
from services.watcher.requests import build_requests
from tests.unit.network.builders import CIDR, GATEWAY, SEGMENT, dhcp, network, offer
from tests.unit.network.judged_network import FRESH_S, JudgedNetwork, R, S

HOSTS = ("node1", "node2", "node3")
AUTO = Intent(SEGMENT, "auto", known_gateway=GATEWAY, known_cidr=CIDR)
MANUAL = '{"mode":"manual","cidr":"10.0.112.0/20","gateway":"10.0.112.1"}'
LEASED = dhcp(offer())
CODE = Reason.ARP_NEEDS_ADDRESS


def leases(site: JudgedNetwork, host: str, *, answers: bool = True, routed: bool = True) -> JudgedNetwork:
    """Let this host ask DHCP, and probe from the lease."""
    vlan = R if answers else S
    return site.report(host, vlan=vlan, routed=R if routed else S, dhcp=LEASED, from_address=True)


def checks(site: JudgedNetwork, *hosts: str, routed: bool = True, unproven: bool = True) -> JudgedNetwork:
    """Let these hosts ask from 0.0.0.0, in vain."""
    return site.report(*hosts, vlan=S, routed=R if routed else S, unproven=unproven)


def guarded() -> JudgedNetwork:
    """Return a site on which it is told that 0.0.0.0 is not answered."""
    site = JudgedNetwork(AUTO, *HOSTS)
    leases(site, "node1").look()
    checks(site, "node2", "node3").look(after=2)
    checks(site, "node1").look(after=3)
    assert site.status is not None
    assert CODE in site.status.findings
    return site


@pytest.mark.parametrize("hosts", [1, 2, 3])
def test_it_is_active_through_an_hour_of_turns(hosts: int) -> None:
    """Each host leases in turn and asks from 0.0.0.0 meanwhile: one state, one finding, nobody accused."""
    names, site = HOSTS[:hosts], JudgedNetwork(AUTO, *HOSTS[:hosts])
    told = []
    for turn in range(12):
        leases(site, names[turn % hosts])
        told.append(site.look(after=4))
        checks(site, *names)
        told += [site.look(after=seconds) for seconds in (0.1, 26, 100, 100, 70)]
    states = [
        (status.state, dict(status.hosts), set(status.findings)) for status in told if status is not None
    ]
    assert states == [(State.ACTIVE, {}, set()), (State.ACTIVE, {}, {CODE})]
    assert site.status is not None
    assert site.status.connectivity == "true"


def test_silence_of_a_gateway_that_has_answered_0_0_0_0_counts() -> None:
    """The VLAN is missing at one host, or the gateway is down: a lease elsewhere excuses nobody."""
    site = JudgedNetwork(AUTO, *HOSTS).report("node1", "node2")
    leases(site, "node1").look()
    checks(site, "node3")
    site.report("node1", "node2", vlan=R)
    assert site.look(after=1) is not None
    assert site.status is not None
    assert (site.status.state, site.status.hosts) == (State.PARTIAL, {"node3": Reason.GATEWAY_SILENT_ON_VLAN})
    site.stand()
    checks(site, *HOSTS, routed=False, unproven=False)
    site.look(after=1)
    assert site.status.state == State.UNREACHABLE
    assert CODE not in site.status.findings


def test_hosts_that_cannot_tell_make_nothing_worse() -> None:
    """No lease for hours, as with DHCP out: it becomes Unknown at last, never OffVlan or Partial."""
    site = guarded()
    states = set()
    for _ in range(40):
        checks(site, *HOSTS)
        states.add(site.state(after=100))
    assert states - {None} == {State.UNKNOWN}
    assert site.status is not None
    assert site.status.reason == CODE
    assert site.status.connectivity in ("", "true")
    leases(site, "node2")
    assert site.state(after=4) == State.ACTIVE


def test_what_a_host_found_from_its_lease_counts_for_a_while() -> None:
    """Twice as long as a check, as the answers of DHCP: hosts take turns."""
    site = guarded()
    leases(site, "node1").look(after=1)
    for _ in range(18):
        checks(site, *HOSTS)
        site.look(after=60)
    assert site.judgement is not None
    assert list(site.judgement.found.answering) == ["node1"]
    checks(site, *HOSTS)
    site.look(after=2 * FRESH_S - 18 * 60 + 1)
    assert list(site.judgement.found.answering) == []


def test_a_gateway_that_is_down_is_found_by_those_that_hold_an_address() -> None:
    """Their silence counts; meanwhile other hosts are asked to lease one, since they cannot tell else."""
    site = guarded()
    checks(site, "node2", "node3", routed=False)
    leases(site, "node1", answers=False, routed=False)
    assert site.look(after=1) is None, "others may contradict"
    case = as_asked(site.case)
    assert site.judgement is not None
    _, doubts = publish_due(case, site.judgement.found, site.doubts)
    assert {(doubt.kind.value, doubt.heard) for doubt in doubts} >= {("offer", ("node1",))}
    leases(site, "node2", answers=False, routed=False)
    checks(site, "node3", routed=False)
    told = site.look(after=26)
    assert told is not None
    assert (told.state, told.hosts) == (State.UNREACHABLE, {})


def test_what_was_learned_is_kept_and_forgotten_with_the_first_answer() -> None:
    """A restart of everything keeps it: it is in the status. An answer to 0.0.0.0 ends it."""
    site = guarded()
    site.lose_verdicts()
    checks(site, *HOSTS)
    assert site.look(after=1) is None
    assert site.judgement is not None
    assert CODE in site.judgement.found.findings
    site.report("node1", vlan=R)
    checks(site, "node2", "node3")
    site.look(after=1)
    site.look(after=26)
    assert site.status is not None
    assert CODE not in site.status.findings
    assert site.status.state == State.PARTIAL


def test_an_acknowledged_offer_is_not_contradicted_by_one_without_options() -> None:
    """The server names the router in the DHCPACK alone, and another host's lease failed after that."""
    acknowledged = offer().model_copy(update={"acknowledged": True})
    bare = offer(None)
    site = JudgedNetwork(replace(AUTO, known_gateway=None, known_cidr=None), "node1", "node2")
    site.report("node1", dhcp=dhcp(acknowledged)).look()
    site.now += 60
    site.report("node2", dhcp=dhcp(bare, outcome=DHCPOutcome.OFFERED)).look(after=1)
    site.look(after=30)
    assert site.status is not None
    assert (site.status.state, site.status.findings, site.status.dhcp_out) == (State.ACTIVE, {}, False)
    newer = offer("10.0.112.9").model_copy(update={"acknowledged": True})
    site.report("node2", dhcp=dhcp(newer)).look(after=60)
    assert site.judgement is not None
    assert str(site.judgement.found.gateway) == "10.0.112.9", "of two that were acknowledged the newer counts"


def given(text: str) -> Intent:
    found = read_intent(network(MANUAL, annotations={nad.PROBE_ADDRESSES: text}))
    assert isinstance(found, Intent)
    return found


def test_an_owner_gives_hosts_addresses() -> None:
    """They go with each request of that host, with the subnet, and do not change what is probed."""
    intent = given('{"node1":"10.0.112.250","node2":"10.0.112.251"}')
    assert intent.probe_addresses.problem == ""
    assert intent.digest == given("{}").digest
    demand = Demand(intent, is_check_failing=False, is_ask_failing=False, answers=True)
    work = plan_work([demand])
    (check,) = work.checks
    probes = [HostProbe(host, SEGMENT, check, source=work.sources.get(host)) for host in HOSTS]
    requests = build_requests(probes, sent_at_ms=0, max_age_ms=1_000, new_id=lambda: "r")
    sent: dict[str, SegmentProbe] = {request.host: request.segments[0] for request in requests}
    assert [str(sent[host].source) for host in HOSTS] == ["10.0.112.250", "10.0.112.251", "None"]
    assert [sent[host].source_prefix for host in HOSTS] == [20, 20, None]
    assert [probe.claim_frames for probe in probes] == [2, 2, 0]


def test_two_networks_do_not_give_one_address_to_two_hosts() -> None:
    """Owners do not see each other's annotations."""
    intents = given('{"node1":"10.0.112.250"}'), given('{"node2":"10.0.112.250","node1":"10.0.112.7"}')
    demands = [
        Demand(intent, is_check_failing=False, is_ask_failing=False, answers=True) for intent in intents
    ]
    for ordered in (demands, demands[::-1]):
        sources = plan_work(ordered).sources
        assert len({source.address for source in sources.values()}) == len(sources)


WRONG = {
    "[]": "expected a JSON object, got a list",
    '{"Node 1":"10.0.112.9"}': "'Node 1': expected the name of a host",
    '{"node1":7}': "'node1': expected a host's IPv4 address, got '7'",
    '{"node1":"fe80::1"}': "'node1': expected a host's IPv4 address, got 'fe80::1'",
    '{"node1":"10.9.0.1"}': "'node1': expected an address in cidr 10.0.112.0/20, got 10.9.0.1",
    '{"node1":"10.0.112.1"}': "'node1': expected an address of its own, got the gateway's, 10.0.112.1",
    '{"node1":"10.0.112.0"}': "expected a host's address in 10.0.112.0/20, got 10.0.112.0, its first or last",
    '{"node1":"10.0.127.255"}': "in 10.0.112.0/20, got 10.0.127.255, its first or last",
    '{"node3":"10.0.112.250","node1":"10.0.112.250"}': "'node1': expected an address of its own, got "
    "10.0.112.250, which node3 has",
    '{"node3":"10.0.112.250","node3":"10.0.112.251"}': "'node3': named twice; 10.0.112.250 is used",
    '{"a":1,"b":1,"c":1,"d":1,"e":1}': "and 2 more",
}


@pytest.mark.parametrize(("text", "problem"), WRONG.items())
def test_a_wrong_address_is_told_and_loses_nothing_else(text: str, problem: str) -> None:
    """The finding names the host, what was given and what was expected; other hosts keep theirs."""
    intent = given(text)
    assert problem in intent.probe_addresses.problem
    assert ("node3" in text) == (("node3", IPv4Address("10.0.112.250")) in intent.probe_addresses.given)
    site = JudgedNetwork(intent, *HOSTS).report(*HOSTS)
    told = site.look()
    assert told is not None
    assert (told.state, set(told.findings)) == (State.ACTIVE, {Reason.BAD_PROBE_ADDRESSES})
    assert problem in told.findings[Reason.BAD_PROBE_ADDRESSES]


def test_hosts_are_given_addresses_in_manual_mode_only() -> None:
    """In auto mode DHCP might lease the same address to a VM; and an endless list is refused."""
    assert "manual mode" in read_probe_addresses('{"node1":"10.0.112.9"}', None, None).problem
    many = "{" + ",".join(f'"n{at}":"10.0.112.{at}"' for at in range(9_000)) + "}"
    assert "expected at most" in read_probe_addresses(many, IPv4Network("10.0.112.0/20"), GATEWAY).problem


def test_an_address_that_somebody_else_has_is_told_with_the_mac() -> None:
    """The host asks from 0.0.0.0 then, and is judged by that."""
    site = JudgedNetwork(given('{"node1":"10.0.112.250"}'), "node1").report("node1")
    at, seen = site.latest["node1"]
    conflict = SourceConflict(address=IPv4Address("10.0.112.250"), owner="02:00:00:00:00:01")
    said = seen.verdict.model_copy(update={"source_conflict": conflict})
    site.latest["node1"] = at, replace(seen, verdict=said)
    told = site.look()
    assert told is not None
    assert told.findings == {
        Reason.PROBE_ADDRESS_IN_USE: "node1: 10.0.112.250 is in use by 02:00:00:00:00:01"
    }
