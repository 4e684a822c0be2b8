"""The rules of judgement: better is told at once, anything else on complete evidence."""

from dataclasses import replace

import pytest

from services.contract.doubts import DoubtKind
from services.contract.names import HOST_TTL_S
from services.contract.open_doubts import NO_DOUBTS, Doubts
from services.contract.outcomes import Fault, ReachOutcome, Reason
from services.network.judge.doubting import ANSWER_MS, REPEATED_MS, publish_due
from services.network.judge.judging import judge
from services.network.parse.intent import Intent
from tests.unit.network.builders import CIDR, GATEWAY, SEGMENT, dhcp, offer
from tests.unit.network.judged_network import BOUND_S, FRESH_S, JudgedNetwork, L, N, R, S

MANUAL = Intent(SEGMENT, "manual", gateway=GATEWAY, cidr=CIDR)
AUTO = Intent(SEGMENT, "auto")
KNOWN = replace(AUTO, known_gateway=GATEWAY, known_cidr=CIDR)
HOSTS = ("node1", "node2", "node3")


@pytest.fixture
def net() -> JudgedNetwork:
    """A network that all three hosts reach, and that is reported so."""
    return JudgedNetwork(MANUAL, *HOSTS).report(*HOSTS).stand("Active")


def test_a_worse_state_is_told_when_every_host_has_reported_since(net: JudgedNetwork) -> None:
    """The first host's silence alone changes nothing, nor does the second's."""
    assert net.report("node1", vlan=S).state() is None
    net.now += 1
    assert net.report("node2", vlan=S).state() is None
    assert net.report("node3", vlan=S).state() == "Unreachable"
    assert net.status is not None
    assert net.status.hosts == {}


def test_a_doubt_is_over_when_the_host_takes_it_back(net: JudgedNetwork) -> None:
    """Nothing is written, and the next doubt has its own time."""
    net.report("node1", vlan=S).look()
    assert net.report("node1").look(after=10) is None
    assert net.doubts is NO_DOUBTS
    assert net.report("node1", vlan=S).look(after=1) is None
    assert net.look(after=BOUND_S - 2) is None


def test_the_others_time_is_not_over_before_they_are_asked(net: JudgedNetwork) -> None:
    """The updater comes late to a report, because it had much to do."""
    assert net.report("node1", vlan=S).look(after=BOUND_S) is None
    assert net.report(*HOSTS, vlan=S).state(after=1) == "Unreachable"


def test_a_host_that_differs_is_named_when_the_others_have_reported_since(net: JudgedNetwork) -> None:
    """Their older results are no evidence: the gateway may have died for all."""
    net.report("node1", vlan=S).look()
    assert net.report("node2").look(after=1) is None
    told = net.report("node3").look(after=1)
    assert told is not None
    assert (told.state, told.hosts) == ("Partial", {"node1": "GatewaySilentOnVlan"})


def test_a_host_that_does_not_report_hides_nothing_beyond_the_bound(net: JudgedNetwork) -> None:
    """It is named as not heard, and its former result does not count until it reports again."""
    net.report("node1", "node2", vlan=S).look()
    assert net.look(after=BOUND_S - 0.1) is None
    told = net.look(after=0.1)
    assert told is not None
    assert (told.state, told.connectivity, told.hosts) == ("Unreachable", "false", {"node3": "NotHeard"})
    for _ in range(10):
        assert net.look(after=5) is None
    net.report("node3").look()
    back = net.report("node1", "node2", vlan=S).look(after=1)
    assert back is not None
    assert (back.state, set(back.hosts)) == ("Partial", {"node1", "node2"})


def test_a_host_whose_report_redis_lost_was_heard(net: JudgedNetwork) -> None:
    """node3 was not; node2 was, although Redis is emptied later and node1 reports first."""
    net.report("node1", "node2", vlan=S).look()
    net.look(after=BOUND_S)
    net.report("node1", "node2").look()
    told = net.look(after=ANSWER_MS / 1000)
    assert told is not None
    assert (told.state, told.hosts) == ("Active", {"node3": "NotHeard"})
    net.lose_verdicts()
    net.report("node1").look(after=1)
    assert net.look(after=BOUND_S) is None


def test_a_host_that_comes_back_while_nobody_probes_is_not_named(net: JudgedNetwork) -> None:
    """Time stands still meanwhile, and yet it was gone."""
    net.report("node1", "node2", vlan=S).look()
    net.look(after=BOUND_S)
    net.time_runs = False
    net.hosts.remove("node3")
    net.look(after=1)
    net.hosts.add("node3")
    net.look(after=1)
    net.resume()
    net.report("node1", "node2").look(after=1)
    told = net.look(after=ANSWER_MS / 1000)
    assert told is not None
    assert (told.state, told.hosts) == ("Active", {})


def test_a_host_that_comes_back_has_its_time_anew(net: JudgedNetwork) -> None:
    """It is named as not heard until it is gone. Its former result is void until it reports."""
    net.report("node1", "node2", vlan=S).look()
    told = net.look(after=BOUND_S)
    assert told is not None
    assert told.hosts == {"node3": "NotHeard"}
    net.hosts.remove("node3")
    told = net.look(after=1)
    assert told is not None
    assert told.hosts == {}
    net.hosts.add("node3")
    assert net.look(after=BOUND_S) is None
    assert net.look(after=BOUND_S) is None


def test_asking_again_does_not_prolong_a_doubt(net: JudgedNetwork) -> None:
    """A host that reports its silence every five seconds while another crash-loops."""
    for _ in range(5):
        assert net.report("node1", "node2", vlan=S).look() is None
        net.now += BOUND_S / 5
    assert net.state() == "Unreachable"


def test_a_slow_pace_that_a_host_announces_is_waited_for(net: JudgedNetwork) -> None:
    """Its bound counts in place of the usual one."""
    net.bound_s = 100.0
    net.report("node1", "node2", vlan=S).look()
    assert net.look(after=99) is None
    assert net.state(after=1) == "Unreachable"


def test_a_lost_host_puts_the_others_results_in_doubt() -> None:
    """Only node3 reached the gateway. When it is gone, the others look again before the worst is told."""
    net = JudgedNetwork(MANUAL, *HOSTS)
    net.report("node3").report("node1", "node2", vlan=S, routed=N).stand("Partial")
    net.hosts.remove("node3")
    assert net.look(after=100) is None
    assert net.look(after=1) is None
    net.report("node1", "node2", vlan=S, routed=S)
    assert net.state() == "Unreachable"


def test_once_a_result_is_reported_the_next_difference_needs_its_own_evidence() -> None:
    """What was complete is over: a host that is heard at last does not make an old silence news."""
    net = JudgedNetwork(MANUAL, "node1", "node2").report("node1", "node2").stand("Active")
    net.report("node2", vlan=S, routed=R).look()
    told = net.look(after=BOUND_S)
    assert told is not None
    assert (told.state, told.hosts) == ("OffVlan", {"node1": "NotHeard"})
    net.now += 60
    assert net.report("node1").look() is None
    assert net.report("node2", vlan=S, routed=R).state(after=1) == "Partial"


def test_a_doubt_that_ends_with_a_detail_is_no_evidence_for_the_next_difference() -> None:
    """A fault of one host is over before the others had their time; then another host is silent."""
    net = JudgedNetwork(MANUAL, *HOSTS).report(*HOSTS).stand("Active")
    net.report("node2", fault=Fault.UPLINK_DOWN).look()
    net.report("node2", vlan=L, routed=R).look(after=1)
    net.look(after=BOUND_S)
    assert net.report("node3", vlan=S, routed=R).look(after=1) is None


def test_a_result_that_has_aged_was_heard_nevertheless() -> None:
    """Only hosts that had their time and did not report are named so."""
    net = JudgedNetwork(MANUAL, "node1", "node2").report("node1", "node2").stand("Active")
    net.report("node2", vlan=S).look()
    assert net.state(after=BOUND_S) == "Unreachable"
    net.look(after=FRESH_S)
    assert net.state(after=HOST_TTL_S) == "Unknown"
    told = net.report("node1").look(after=1)
    assert told is not None
    assert (told.state, told.hosts) == ("Active", {})


def test_a_host_that_comes_back_does_not_revive_its_former_result() -> None:
    """It was not heard while the others found the gateway silent, and had gone before it could report."""
    net = JudgedNetwork(MANUAL, "node1", "node2").report("node1", "node2").stand("Active")
    net.report("node2", vlan=S).look()
    assert net.state(after=BOUND_S) == "Unreachable"
    net.hosts = {"node2"}
    net.look(after=1)
    net.look(after=1)
    net.hosts = {"node1", "node2"}
    assert net.look(after=1) is None
    net.report("node1").look()
    assert net.report("node2", vlan=S).state(after=1) == "Partial"


def test_a_doubt_that_ends_well_does_not_begin_anew() -> None:
    """Once it is over, a former result of a host that was not heard raises no other."""
    net = JudgedNetwork(MANUAL, *HOSTS).report("node3").report("node1", "node2", vlan=S)
    net.stand("Partial").hosts.remove("node3")
    assert net.look(after=1) is None
    assert net.doubts.reach is not None
    net.report("node1").look(after=1)
    told = net.look(after=BOUND_S)
    assert told is not None
    assert (told.state, told.hosts) == ("Active", {})
    assert net.look(after=1) is None
    assert net.doubts.reach is None


def test_an_offer_and_an_answer_after_dhcp_failed_are_told_at_once() -> None:
    """The first host that is answered decides: VMs are waiting."""
    net = JudgedNetwork(KNOWN, *HOSTS).report(*HOSTS, vlan=S, dhcp=dhcp(offer())).stand("Unreachable")
    assert net.status is not None
    net.status = replace(net.status, state="DHCPFailed")
    assert net.report("node2", routed=S).state() == "Partial"


def test_an_answer_after_silence_is_told_once_every_host_has_looked_again() -> None:
    """Their silence from before accuses none of them."""
    net = JudgedNetwork(MANUAL, *HOSTS).report(*HOSTS, vlan=S).stand("Unreachable")
    assert net.report("node2").look() is None
    assert net.report("node1").look(after=0.1) is None
    told = net.report("node3").look(after=0.1)
    assert told is not None
    assert (told.state, told.connectivity, told.hosts) == ("Active", "true", {})
    net.look(after=0.1)
    assert net.doubts is NO_DOUBTS


def test_an_answer_after_silence_waits_only_a_moment_for_the_others() -> None:
    """They may be gone, or still find silence."""
    net = JudgedNetwork(MANUAL, *HOSTS).report(*HOSTS, vlan=S).stand("Unreachable")
    assert net.report("node2").look() is None
    assert net.report("node3").look(after=0.1) is None
    assert net.look(after=ANSWER_MS / 1000 - 0.2) is None
    told = net.look(after=0.1)
    assert told is not None
    assert (told.state, told.connectivity, told.hosts) == ("Active", "true", {})
    assert net.look(after=BOUND_S) is None
    assert net.report("node1", vlan=S).look(after=1) is None
    told = net.report(*HOSTS[1:]).look(after=1)
    assert told is not None
    assert (told.state, told.hosts) == ("Partial", {"node1": "GatewaySilentOnVlan"})


def test_only_what_was_found_before_the_first_answer_is_void() -> None:
    """The first look comes late: node3 found silence after node2 was answered, and before node4 was."""
    hosts = (*HOSTS, "node4")
    net = JudgedNetwork(MANUAL, *hosts).report(*hosts, vlan=S).stand("Unreachable")
    net.report("node2").now += 1
    net.report("node3", vlan=S).now += 1
    net.report("node4")
    assert net.look(after=1) is None
    told = net.look(after=ANSWER_MS / 1000)
    assert told is not None
    assert (told.state, told.hosts) == ("Partial", {"node3": "GatewaySilentOnVlan"})


def test_a_fault_that_was_told_is_not_forgotten_by_an_answer_elsewhere() -> None:
    """Before it is told that the gateway answers, the host has its time to say whether it still has it."""
    net = JudgedNetwork(MANUAL, *HOSTS).report("node3", fault=Fault.UPLINK_DOWN, routed=S)
    net.report("node1", "node2", vlan=S).stand("Unreachable")
    net.report("node1", "node2").look(after=1)
    assert net.look(after=ANSWER_MS / 1000) is None
    told = net.report("node3", fault=Fault.UPLINK_DOWN).look(after=1)
    assert told is not None
    assert (told.state, told.hosts) == ("Partial", {"node3": Fault.UPLINK_DOWN})


def test_routing_that_works_again_is_told_at_once() -> None:
    """ "true" needs one host."""
    net = JudgedNetwork(MANUAL, *HOSTS).report(*HOSTS, routed=S).stand("Isolated")
    told = net.report("node1").look()
    assert told is not None
    assert (told.state, told.connectivity) == ("Active", "true")


def test_after_an_answer_the_others_are_asked() -> None:
    """Once they have reported, nothing is remembered."""
    net = JudgedNetwork(MANUAL, *HOSTS).report(*HOSTS, vlan=S).stand("Unreachable")
    net.report("node1").look()
    reach = net.doubts.reach
    assert reach is not None
    assert (reach.kind, reach.is_complete) == (DoubtKind.ANSWERED, False)
    assert net.state(after=ANSWER_MS / 1000) == "Active"
    net.look(after=1)
    assert net.doubts is not NO_DOUBTS
    net.report("node2", "node3").look(after=1)
    net.look(after=1)
    assert net.doubts is NO_DOUBTS


def test_the_first_active_is_told_at_once_and_the_first_silence_is_not() -> None:
    """A new network becomes Active by one host."""
    new = JudgedNetwork(MANUAL, *HOSTS)
    assert new.look() is None
    assert new.report("node1").state(after=1) == "Active"
    dead = JudgedNetwork(MANUAL, *HOSTS)
    dead.look()
    assert dead.report("node1", vlan=S).look(after=1) is None
    assert dead.report("node2", "node3", vlan=S).state(after=1) == "Unreachable"


def test_a_new_gateway_that_answers_is_told_at_once() -> None:
    """Other hosts can check it only when it is written."""
    net = JudgedNetwork(AUTO, *HOSTS)
    net.look()
    told = net.report("node1", routed=S, dhcp=dhcp(offer())).look()
    assert told is not None
    assert (told.state, told.gateway) == ("Isolated", str(GATEWAY))


def test_a_new_gateway_that_answers_by_routing_alone_is_told_on_complete_evidence() -> None:
    """It accuses every host: one that lacks the VLAN must not speak for those that have not looked yet."""
    net = JudgedNetwork(AUTO, *HOSTS)
    net.look()
    assert net.report("node2", vlan=S, routed=R, dhcp=dhcp(offer())).look() is None
    assert net.look(after=1) is None
    assert net.report("node1", dhcp=dhcp(offer())).state(after=1) == "Partial"


def test_routing_that_works_again_accuses_no_host_that_has_not_looked() -> None:
    """ "true" needs one host, but OffVlan needs the word of all."""
    net = JudgedNetwork(MANUAL, *HOSTS).report(*HOSTS, routed=S).stand("Isolated")
    net.lose_verdicts()
    assert net.report("node2", vlan=S, routed=R).look() is None
    told = net.report("node1", "node3").look(after=1)
    assert told is not None
    assert (told.state, told.connectivity, set(told.hosts)) == ("Partial", "true", {"node2"})


def test_a_new_gateway_that_is_silent_is_confirmed_by_hosts_that_ask_dhcp() -> None:
    """They know of no gateway to check: three hosts are enough."""
    net = JudgedNetwork(AUTO, *HOSTS, "node4")
    net.look()
    assert net.report("node1", vlan=S, dhcp=dhcp(offer())).look() is None
    assert net.doubts.offer is not None
    net.report("node2", vlan=S, dhcp=dhcp(offer()))
    assert net.look(after=1) is None
    told = net.report("node3", vlan=S, dhcp=dhcp(offer())).look(after=1)
    assert told is not None
    assert (told.state, told.hosts) == ("Unreachable", {})


def test_another_gateway_takes_the_known_ones_place_on_complete_evidence() -> None:
    """A stranger's offer and one host's silence must not hand the network over.

    Even where the server itself has moved the gateway, every host looks at the former one first.
    """
    net = JudgedNetwork(KNOWN, *HOSTS).report(*HOSTS, dhcp=dhcp(offer())).stand("Active")
    net.intent = replace(KNOWN, known_gateway=GATEWAY + 7)
    assert net.status is not None
    net.status = replace(net.status, gateway=str(GATEWAY + 7))
    assert net.report("node1", dhcp=dhcp(offer())).look(after=1) is None
    assert net.doubts.reach is not None
    told = net.report("node2", "node3", dhcp=dhcp(offer())).look(after=1)
    assert told is not None
    assert (told.state, told.gateway) == ("Active", str(GATEWAY))


@pytest.mark.parametrize("why", ["servers", "findings"])
def test_a_detail_is_told_when_every_host_has_a_result(why: str) -> None:
    """It accuses nobody, so no host is asked again; a host that never reports does not hide it."""
    net = JudgedNetwork(KNOWN, *HOSTS).report(*HOSTS, dhcp=dhcp(offer())).stand("Active")
    net.lose_verdicts()
    offers = (
        [offer(), offer(server="10.0.112.66")]
        if why == "servers"
        else [offer(), offer("10.0.112.3", server="10.0.112.66")]
    )
    assert net.report("node1", dhcp=dhcp(*offers)).look(after=1) is None
    assert net.doubts.reach is None
    assert net.report("node2").look(after=1) is None
    assert net.look(after=BOUND_S - 2) is None
    told = net.look(after=1)
    assert told is not None
    assert len(told.servers) == 2


def test_a_host_that_could_not_tell_is_waited_for() -> None:
    """The one host that the gateway answers through routing has lost its frames; it is asked again."""
    net = JudgedNetwork(MANUAL, *HOSTS).report("node1").report("node2", "node3", routed=S).stand("Active")
    assert net.report("node1", routed=L).look() is None
    assert net.report("node2", "node3", routed=S).look(after=1) is None
    _, asked = publish_due(net.case, judge(net.case, net.doubts).found, net.doubts)
    assert [(doubt.heard, doubt.ask) for doubt in asked] == [(("node2", "node3"), 1)]
    assert net.report("node1").look(after=1) is None
    assert net.doubts.reach is None


def test_a_host_that_could_not_tell_in_its_time_is_named() -> None:
    """Then the others decide."""
    net = JudgedNetwork(MANUAL, *HOSTS).report("node1").report("node2", "node3", routed=S).stand("Active")
    net.report("node1", routed=L).look()
    assert net.report("node2", "node3", routed=S).look(after=BOUND_S - 1) is None
    told = net.look(after=1)
    assert told is not None
    assert (told.state, told.hosts) == ("Isolated", {"node1": "Inconclusive"})


@pytest.mark.parametrize("others", [R, S])
def test_a_host_that_could_not_tell_is_not_acquitted(others: ReachOutcome) -> None:
    """It was silent, and had its time to say whether it still is."""
    net = JudgedNetwork(MANUAL, *HOSTS).report("node1").report("node2", vlan=S)
    net.report("node3", vlan=others).stand("Partial")
    assert net.report("node2", vlan=L).look() is None
    assert net.look(after=BOUND_S - 1) is None
    told = net.look(after=1)
    assert told is not None
    assert told.hosts["node2"] == "Inconclusive"
    assert told.state == ("Active" if others is R else "Partial")


def test_an_inconclusive_host_accuses_nobody(net: JudgedNetwork) -> None:
    """It is named, without any host being asked."""
    told = net.report("node1", vlan=L).look()
    assert told is not None
    assert (told.state, told.hosts) == ("Active", {"node1": "Inconclusive"})
    assert net.doubts.reach is None


def test_losing_the_verdict_of_an_accused_host_acquits_nobody() -> None:
    """Redis was emptied, and node1 reports first: node3 has not been heard."""
    net = JudgedNetwork(MANUAL, *HOSTS).report("node1", "node2").report("node3", vlan=S, routed=N)
    net.stand("Partial")
    net.lose_verdicts()
    assert net.look(after=1) is None
    assert net.report("node1", "node2").look(after=1) is None
    assert net.report("node3", vlan=S, routed=N).look(after=1) is None
    net.hosts.remove("node3")
    assert net.state(after=1) == "Active"


def test_emptied_redis_is_no_news_about_a_healthy_network(net: JudgedNetwork) -> None:
    """Hosts report one after another; nothing is written."""
    net.lose_verdicts()
    for host in HOSTS:
        assert net.look(after=3) is None
        assert net.report(host).look(after=3) is None
    assert net.doubts is NO_DOUBTS


def test_what_dhcp_said_stands_until_it_is_asked_again() -> None:
    """After data loss the hosts check the gateway first; nothing was learned about the servers."""
    net = JudgedNetwork(KNOWN, "node1").report("node1", dhcp=dhcp(offer(), offer(server="10.0.112.66")))
    net.stand("Active")
    net.lose_verdicts()
    assert net.report("node1").look(after=1) is None
    told = net.report("node1", dhcp=dhcp(offer())).look(after=1)
    assert told is not None
    assert len(told.servers) == 1


def test_before_hosts_are_settled_only_better_is_told(net: JudgedNetwork) -> None:
    """After the updater's start a host that is missing may be about to announce itself."""
    net.is_settled = False
    net.hosts = {"node1"}
    assert net.report("node1", vlan=S).look(after=1) is None
    assert net.look(after=BOUND_S) is None
    net.is_settled = True
    assert net.state() == "Unreachable"
    net.is_settled = False
    assert net.report("node1").look() is None
    assert net.state(after=ANSWER_MS / 1000) == "Active"


def test_what_could_not_be_written_before_time_stood_still_is_not_told_while_it_does() -> None:
    """The evidence was complete, but the API server was away; meanwhile the gateway may answer again."""
    net = JudgedNetwork(MANUAL, *HOSTS).report(*HOSTS).stand("Active")
    net.report("node1", vlan=S).look()
    net.report(*HOSTS, vlan=S)
    net.now += 1
    judgement = judge(net.case, net.doubts)
    assert judgement.told is not None
    net.doubts, net.time_runs = judgement.doubts, False
    assert net.look(after=1) is None


def test_a_recovery_that_could_not_be_written_accuses_nobody_while_time_stands_still() -> None:
    """Its evidence was complete, but the API server was away; meanwhile node2 may be answered too."""
    net = JudgedNetwork(MANUAL, "node1", "node2").report("node1", "node2", vlan=S).stand("Unreachable")
    net.report("node1").look()
    net.report("node2", vlan=S)
    net.now += 1
    judgement = judge(net.case, net.doubts)
    assert judgement.told is not None
    assert judgement.told.state == "Partial"
    net.doubts, net.time_runs = judgement.doubts, False
    assert net.look(after=1) is None
    net.resume()
    assert net.look() is None
    told = net.report("node1", "node2").look(after=1)
    assert told is not None
    assert (told.state, told.hosts) == ("Active", {})


def test_before_hosts_are_settled_a_host_that_is_missing_acquits_nobody() -> None:
    """A host that differs does not vanish with the updater's restart."""
    net = JudgedNetwork(MANUAL, *HOSTS).report("node1", "node2").report("node3", vlan=S, routed=N)
    net.stand("Partial")
    net.hosts, net.is_settled = {"node1", "node2"}, False
    assert net.look(after=1) is None


def test_before_hosts_are_settled_nobody_is_missing() -> None:
    """After the updater's start, the host whose result stands may be restarting."""
    net = JudgedNetwork(MANUAL, "node1", "node2").report("node2").stand("Active")
    net.hosts, net.is_settled = {"node1"}, False
    net.look()
    assert net.look(after=HOST_TTL_S) is None
    net.is_settled = True
    assert net.look(after=HOST_TTL_S - 1) is None
    assert net.state(after=HOST_TTL_S) == "Unknown"


def test_before_hosts_are_settled_no_doubt_is_begun_that_a_new_network_is_unknown() -> None:
    """Else it would be over long before any host is missed."""
    net = JudgedNetwork(MANUAL).report("node1", vlan=L)
    net.is_settled = False
    net.look()
    assert net.doubts is NO_DOUBTS


def test_evidence_that_gives_no_state_voids_nothing(net: JudgedNetwork) -> None:
    """All that was heard is that node1 cannot probe: the others' results still count when it is gone."""
    net.report("node1", fault=Fault.UPLINK_DOWN).look()
    assert net.look(after=BOUND_S) is None
    net.hosts.remove("node1")
    assert net.look(after=1) is None
    assert net.doubts is NO_DOUBTS


def test_no_offer_is_told_when_three_hosts_were_asked_in_vain() -> None:
    """They are asked at once; the fourth need not be."""
    net = JudgedNetwork(AUTO, *HOSTS, "node4")
    net.look()
    assert net.no_offer("node1").look() is None
    assert net.doubts.no_offer is not None
    assert net.no_offer("node2").look(after=12) is None
    assert net.no_offer("node3").state() == "DHCPFailed"


def test_a_host_that_is_not_answered_about_dhcp_hides_nothing_beyond_the_bound() -> None:
    """The time begins with the first host without an offer, and does not begin anew when it asks again."""
    net = JudgedNetwork(AUTO, *HOSTS)
    net.look()
    net.no_offer("node1").look()
    net.now += BOUND_S - 1
    assert net.no_offer("node1").look() is None
    assert net.state(after=1) == "DHCPFailed"
    assert net.look(after=1) is None
    assert net.no_offer("node1").look() is None
    assert net.doubts.no_offer is None, "what is reported needs no confirmation again"


def test_a_host_that_reports_nothing_at_all_delays_a_missing_offer_once() -> None:
    """It is waited for as one that may confirm it, and not once more as one without a result."""
    net = JudgedNetwork(KNOWN, "node1", "node2").report("node1", "node2", dhcp=dhcp(offer())).stand("Active")
    net.now += FRESH_S
    net.report("node1", dhcp=dhcp(offer())).look()
    net.look(after=BOUND_S)
    assert net.report("node1", dhcp=dhcp()).look(after=1) is None
    told = net.look(after=BOUND_S)
    assert told is not None
    assert (told.state, told.dhcp_out) == ("Active", True)


def test_a_missing_offer_that_is_old_at_the_first_look_counts_at_once() -> None:
    """A network was created again, or the updater restarted: the older offer is not believed for a moment."""
    net = JudgedNetwork(AUTO, "node1", "node2").report("node2", dhcp=dhcp(offer()))
    net.now += 1
    net.no_offer("node1")
    assert net.state(after=BOUND_S + 1) == "DHCPFailed"


def test_a_newer_offer_ends_the_doubt_about_dhcp() -> None:
    """Another one begins with the next host without an offer."""
    net = JudgedNetwork(KNOWN, *HOSTS).report(*HOSTS, dhcp=dhcp(offer())).stand("Active")
    net.report("node1", dhcp=dhcp()).look(after=1)
    first = net.doubts.no_offer
    net.report("node2", dhcp=dhcp(offer())).look(after=2)
    assert net.doubts is NO_DOUBTS
    net.report("node3", dhcp=dhcp()).look(after=2)
    second = net.doubts.no_offer
    assert first is not None
    assert second is not None
    assert second.since_ms > first.since_ms


def test_a_doubt_older_than_the_newest_offer_says_nothing_about_a_later_missing_one() -> None:
    """The offer came with a fault, so that no state followed from it."""
    net = JudgedNetwork(AUTO, *HOSTS)
    net.look()
    net.no_offer("node3").look()
    net.now += 4
    net.report("node1", dhcp=dhcp(offer()), fault=Fault.UPLINK_DOWN).look()
    net.now += BOUND_S
    assert net.no_offer("node3").look() is None
    assert net.look(after=BOUND_S - 1) is None
    assert net.state(after=1) == "DHCPFailed"


def test_an_offer_that_came_before_time_went_on_still_refutes_an_earlier_missing_one() -> None:
    """A doubt begins anew then, but this one was over; the offer came with a fault, so no state followed."""
    net = JudgedNetwork(AUTO, *HOSTS)
    net.look()
    net.no_offer("node3").look()
    net.now += 4
    net.report("node1", dhcp=dhcp(offer()), fault=Fault.UPLINK_DOWN).look()
    net.resume()
    net.look()
    net.now += BOUND_S
    assert net.no_offer("node2").look() is None


def test_dhcp_that_is_out_stays_out_until_a_newer_offer() -> None:
    """It does not come back because the host without an offer is gone."""
    net = JudgedNetwork(KNOWN, *HOSTS).report(*HOSTS, dhcp=dhcp(offer())).stand("Active")
    net.report("node1", dhcp=dhcp()).look(after=1)
    told = net.look(after=BOUND_S)
    assert told is not None
    assert (told.state, told.dhcp_out) == ("Active", True)
    assert net.look(after=1) is None
    assert net.report("node1", dhcp=dhcp()).look() is None
    net.hosts.remove("node1")
    assert net.look(after=1) is None
    back = net.report("node2", dhcp=dhcp(offer())).look(after=1)
    assert back is not None
    assert not back.dhcp_out


def test_an_offer_from_before_dhcp_was_out_does_not_count_after_a_time_without_any_host() -> None:
    """Meanwhile nothing was known, but nothing took it back."""
    net = JudgedNetwork(KNOWN, *HOSTS).report(*HOSTS, dhcp=dhcp(offer())).stand("Active")
    net.report("node1", dhcp=dhcp()).look(after=1)
    assert net.state(after=BOUND_S) == "Active"
    net.hosts.clear()
    assert net.state(after=1) == "Unknown"
    net.look(after=1)
    net.hosts.add("node2")
    told = net.report("node2").look(after=1)
    assert told is not None
    assert (told.state, told.servers) == ("Active", ())
    net.look(after=1)
    net.hosts.add("node3")
    assert net.report("node3").look(after=1) is None


def test_before_hosts_are_settled_a_missing_offer_voids_no_other() -> None:
    """It is not told, so another host's offer still counts."""
    net = JudgedNetwork(KNOWN, "node1", "node2").report("node1", "node2", dhcp=dhcp(offer())).stand("Active")
    net.is_settled = False
    net.report("node1", dhcp=dhcp()).look(after=1)
    net.look(after=BOUND_S)
    assert net.doubts.offers_after_ms == 0


def test_the_first_missing_offer_begins_the_doubt_even_where_no_other_host_could_ask() -> None:
    """node1's fault is gone before all hosts are known: node2 has the rest of the time to ask."""
    net = JudgedNetwork(AUTO, "node1", "node2")
    net.is_settled = False
    net.report("node1", vlan=N, dhcp=dhcp(), fault=Fault.UPLINK_DOWN).report("node2", vlan=N).look()
    net.look(after=3)
    net.no_offer("node1").look()
    net.is_settled = True
    assert net.state(after=BOUND_S - 4) is None
    assert net.state(after=1) == "DHCPFailed"


def test_a_missing_offer_stays_refuted_when_the_host_that_received_one_is_gone() -> None:
    """node1 asked before node2 was answered. That node2 crashes takes no DHCP server away."""
    net = JudgedNetwork(KNOWN, *HOSTS).report(*HOSTS, dhcp=dhcp(offer())).stand("Active")
    net.report("node1", dhcp=dhcp()).look(after=1)
    net.report("node2", dhcp=dhcp(offer())).look(after=1)
    del net.asked["node3"]
    net.hosts.remove("node2")
    assert net.look(after=BOUND_S) is None
    assert net.look(after=BOUND_S) is None


def test_an_unusable_offer_is_confirmed_too() -> None:
    """The first server to answer need not be the one that counts."""
    net = JudgedNetwork(AUTO, "node1", "node2")
    net.look()
    unusable = dhcp(offer(gateway=None))
    assert net.report("node1", vlan=N, dhcp=unusable).look() is None
    assert net.report("node2", vlan=N, dhcp=unusable).state(after=1) == "DHCPFailed"


def test_hosts_that_cannot_probe_make_no_new_network_unknown_before_all_have_reported() -> None:
    """Until then it is pending."""
    net = JudgedNetwork(MANUAL, "node1", "node2")
    net.look()
    assert net.report("node1", fault=Fault.UPLINK_DOWN).look() is None
    assert net.report("node2", fault=Fault.UPLINK_DOWN).state() == "Unknown"


def test_a_report_on_another_intent_gives_way_to_pending() -> None:
    """Even while the first result on the present one is in doubt."""
    net = JudgedNetwork(MANUAL, *HOSTS).report(*HOSTS).stand("Active")
    net.intent = replace(MANUAL, gateway=GATEWAY + 1)
    assert net.state() == "Pending"
    net.report("node1", vlan=S)
    assert net.look() is None
    net.status = replace(net.status, digest="0" * 16)  # type: ignore[type-var]
    told = net.report("node2", fault=Fault.UPLINK_DOWN).look()
    assert told is not None
    assert (told.state, told.reason) == ("Pending", "NotProbedYet")


@pytest.mark.parametrize(
    ("what", "held_s", "reason"),
    [
        ("lost", FRESH_S, Reason.NO_FRESH_VERDICT),
        ("inconclusive", FRESH_S, Reason.INCONCLUSIVE),
        ("faulty", HOST_TTL_S, Reason.CANNOT_PROBE),
    ],
)
def test_a_state_without_evidence_is_held_for_a_while(what: str, held_s: float, reason: Reason) -> None:
    """Then it is unknown, with the reason."""
    net = JudgedNetwork(MANUAL, "node1").report("node1").stand("Active")
    if what == "lost":
        net.lose_verdicts()
    else:
        net.report("node1", vlan=L, fault=Fault.UPLINK_DOWN if what == "faulty" else None)
    assert net.look(after=1) is None
    net.now += held_s - 1
    if what == "inconclusive":
        net.report("node1", vlan=L)
    assert net.look() is None
    told = net.look(after=1)
    assert told is not None
    assert (told.state, told.reason) == ("Unknown", reason)
    assert net.look(after=1) is None


def test_a_fault_alone_waits_for_hosts_that_have_not_reported_as_long_as_any_doubt() -> None:
    """Redis was emptied while the only host that can probe restarts."""
    net = JudgedNetwork(MANUAL, "node1", "node2").report("node1", fault=Fault.UPLINK_DOWN)
    net.report("node2").stand("Partial")
    net.lose_verdicts()
    assert net.report("node1", fault=Fault.UPLINK_DOWN).look(after=1) is None
    assert net.look(after=BOUND_S - 1) is None
    assert net.state(after=1) == "Unknown"


def test_without_any_host_the_state_is_unknown_at_once(net: JudgedNetwork) -> None:
    """W6: the hosts were waited for already, while they might have restarted."""
    net.hosts.clear()
    told = net.look()
    assert told is not None
    assert (told.state, told.reason) == ("Unknown", "NoHost")


def test_a_crowd_of_doubts_is_confirmed_by_two_hosts() -> None:
    """Asking every host would burden a router. The others are neither asked nor named."""
    net = JudgedNetwork(MANUAL, *HOSTS).report(*HOSTS).stand("Active")
    net.open_doubts = 1_000
    net.report("node1", vlan=S).look()
    _, (asked,) = publish_due(net.case, net.judgement.found, net.doubts)  # type: ignore[union-attr]
    assert (asked.heard, asked.ask) == (("node1",), 1)
    net.open_doubts = 0
    told = net.report("node2", vlan=S).look(after=1)
    assert told is not None
    assert (told.state, told.hosts) == ("Unreachable", {})
    assert net.look(after=BOUND_S) is None


def test_a_doubt_is_published_when_it_opens_and_again_while_it_is_open(net: JudgedNetwork) -> None:
    """It names who need not be asked, and how many are to be."""
    net.report("node1", vlan=S).look()
    found = net.judgement.found  # type: ignore[union-attr]
    doubts, (asked,) = publish_due(net.case, found, net.doubts)
    assert (asked.kind, asked.heard, asked.ask) == (DoubtKind.SILENT, ("node1",), 2)
    assert publish_due(net.case, found, doubts) == (doubts, [])
    net.now += REPEATED_MS / 1000
    _, (again,) = publish_due(net.case, found, doubts)
    assert again.ask == 2


def test_a_missing_offer_is_published_with_the_number_of_hosts_to_ask() -> None:
    """Two further ones, whoever asked already."""
    net = JudgedNetwork(AUTO, *HOSTS, "node4")
    net.look()
    net.no_offer("node2").look()
    _, (asked,) = publish_due(net.case, net.judgement.found, net.doubts)  # type: ignore[union-attr]
    assert (asked.kind, asked.heard, asked.ask) == (DoubtKind.NO_OFFER, ("node2",), 2)


def test_who_got_no_offer_asks_again_while_nobody_confirms_it() -> None:
    """The others are not heard, and DHCP may answer again by the time that they have had theirs."""
    net = JudgedNetwork(AUTO, *HOSTS)
    net.look()
    net.no_offer("node2").look()
    found = net.judgement.found  # type: ignore[union-attr]
    net.now += 1
    doubts, _ = publish_due(net.case, found, net.doubts)
    net.now += REPEATED_MS / 1000
    doubts, (again,) = publish_due(net.case, found, doubts)
    assert (again.heard, again.ask) == ((), 3)
    net.no_offer("node2")
    net.now += REPEATED_MS / 1000
    _, (once_more,) = publish_due(net.case, found, doubts)
    assert (once_more.heard, once_more.ask) == (("node2",), 2)


def test_a_doubt_begins_anew_after_time_stood_still(net: JudgedNetwork) -> None:
    """W14: the gateway may be well again since the API server went away; every host looks once more."""
    net.report("node1", "node2", vlan=S).look()
    net.report("node3", vlan=S)
    net.time_runs = False
    for _ in range(3):
        assert net.look(after=1) is None
    net.resume()
    assert net.look() is None
    assert net.look(after=BOUND_S - 1) is None
    assert net.report(*HOSTS).look() is None
    assert net.look() is None
    assert net.doubts is NO_DOUBTS


def test_evidence_from_before_time_stood_still_is_not_enough(net: JudgedNetwork) -> None:
    """W14: all hosts had reported, and nothing could be written."""
    net.report(*HOSTS, vlan=S)
    net.resume()
    assert net.look() is None
    assert net.report(*HOSTS, vlan=S).state(after=1) == "Unreachable"


def test_missing_offers_from_before_time_stood_still_are_not_enough() -> None:
    """W14: the DHCP server may be back."""
    net = JudgedNetwork(AUTO, *HOSTS)
    net.look()
    net.no_offer(*HOSTS)
    net.resume()
    assert net.look() is None
    assert net.no_offer(*HOSTS).state(after=1) == "DHCPFailed"


def test_doubts_survive_a_restart(net: JudgedNetwork) -> None:
    """What is stored is read back as it was; a doubt does not begin anew."""
    net.report("node1", "node2", vlan=S).look()
    net.doubts = Doubts.from_wire(net.doubts.to_wire())
    assert net.look(after=BOUND_S - 1) is None
    told = net.look(after=1)
    assert told is not None
    assert told.hosts == {"node3": "NotHeard"}


def test_a_dhcp_answer_counts_by_its_own_age() -> None:
    """A doubt about the gateway does not touch what a host that was not heard learned from DHCP."""
    net = JudgedNetwork(KNOWN, *HOSTS).report("node3", dhcp=dhcp(offer())).report("node1", "node2")
    net.stand("Active")
    net.report("node1", "node2", vlan=S).look(after=1)
    told = net.look(after=BOUND_S)
    assert told is not None
    assert (told.state, len(told.servers)) == ("Unreachable", 1)


def test_a_doubt_about_an_offer_is_none_about_a_missing_one() -> None:
    """One host was offered a gateway that is silent, and time stood still: that another receives no offer has
    its own time."""
    net = JudgedNetwork(AUTO, *HOSTS)
    net.look()
    assert net.report("node1", vlan=S, dhcp=dhcp(offer())).look() is None
    net.now += 30
    net.resume()
    net.look()
    net.now += BOUND_S - 1
    assert net.no_offer("node2").look() is None
    assert net.state(after=1) == "Unreachable"


def test_judging_again_what_is_better_changes_nothing() -> None:
    """A review judges it, and so does the write that follows, before anything else is known."""
    net = JudgedNetwork(MANUAL, "node1", "node2").report("node1", "node2").stand("Active")
    net.report("node1", vlan=S).look()
    assert net.state(after=BOUND_S) == "Unreachable"
    net.hosts.remove("node2")
    net.report("node1")
    first = judge(net.case, net.doubts)
    assert first.told is not None
    assert judge(net.case, first.doubts) == first
