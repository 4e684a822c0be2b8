"""The switch carries the VLAN to every host, and the VMs of one host have no network.

Harvester's network controller adds each network's VLAN to the uplink's port of the bridge; where it stopped
at another network, or somebody removed it, the host itself still reaches the gateway on the bond.
"""

from dataclasses import replace

import pytest

from services.cli.explain.answers import answers_of
from services.cli.terminal import BAD, UNCERTAIN
from services.contract.outcomes import BridgeFault, Fault, Reason, State
from services.network.judge.reduction import Conclusion, reduce
from services.network.parse.intent import Intent
from services.network.policy import Policy
from services.view.explained_network import explain_network
from services.view.rows import network_row
from tests.support.seen_networks import DOWN, found, network_with_status, view
from tests.unit.network.builders import CIDR, GATEWAY, SEGMENT, seen, verdict
from tests.unit.network.judged_network import BOUND_S, JudgedNetwork, R, S

MANUAL = Intent(SEGMENT, "manual", gateway=GATEWAY, cidr=CIDR)
KNOWN = Intent(SEGMENT, "auto", known_gateway=GATEWAY, known_cidr=CIDR)
MISSING, BLOCKED, UNSETTLED = BridgeFault.NOT_IN_BRIDGE, BridgeFault.PORT_BLOCKED, BridgeFault.UNSETTLED
HOSTS = ("node1", "node2", "node3")


def reduced(
    *bridges: BridgeFault | None, intent: Intent = MANUAL, policy: Policy | None = None, silent: str = ""
) -> Conclusion:
    """Reduce the verdicts of node1, …, with these bridges; the gateway answers all but the silent one."""
    names = HOSTS[: len(bridges)]
    verdicts = [
        seen(verdict(intent.digest, host=host, bridge=bridge, vlan=S if host == silent else R))
        for host, bridge in zip(names, bridges, strict=True)
    ]
    return reduce(
        intent,
        verdicts,
        [],
        hosts=frozenset(names),
        fresh_s=600,
        policy=policy or Policy(),
        unconfirmed_s=1e6,
    )


def test_the_vms_of_one_host_do_not_reach_the_network() -> None:
    """It is Partial, by its own reason, with that host; Harvester's own check would succeed all the same."""
    conclusion = reduced(None, MISSING)
    assert (conclusion.state, conclusion.reason) == (State.PARTIAL, Reason.NOT_IN_BRIDGE)
    assert conclusion.hosts == {"node2": "NotInBridge"}
    assert conclusion.connectivity == "true"
    assert reduced(None, MISSING, policy=Policy(active_when="vlan")).connectivity == "false"
    assert reduced(None, MISSING, intent=replace(MANUAL, isolated=True)).connectivity == "false"


def test_a_network_that_no_vm_reaches_is_not_active() -> None:
    """Nor is the gateway silent: every host reaches it, so a gateway that DHCP once named is kept."""
    for intent in (MANUAL, KNOWN):
        conclusion = reduced(MISSING, MISSING, intent=intent)
        assert (conclusion.state, conclusion.reason) == (State.PARTIAL, Reason.NOT_IN_BRIDGE)
        assert conclusion.hosts == dict.fromkeys(("node1", "node2"), "NotInBridge")
        assert not conclusion.forgotten


def test_a_port_that_is_blocked_has_its_own_words() -> None:
    """It explains more than a VLAN that is missing, so it is the reason where both occur."""
    assert reduced(BLOCKED, None).reason is Reason.BRIDGE_PORT_BLOCKED
    both = reduced(BLOCKED, MISSING)
    assert (both.reason, both.hosts) == (
        Reason.BRIDGE_PORT_BLOCKED,
        {"node1": "BridgePortBlocked", "node2": "NotInBridge"},
    )


def test_a_silent_gateway_is_told_before_the_bridge() -> None:
    """Where the VLAN does not even reach the host, the bridge is not the first thing to look at."""
    conclusion = reduced(MISSING, MISSING, None, silent="node2")
    assert conclusion.reason is Reason.GATEWAY_SILENT_ON_SOME_HOSTS
    assert conclusion.hosts == {"node1": "NotInBridge", "node2": "GatewaySilentOnVlan"}


def test_a_new_network_is_active_before_harvester_has_added_it_everywhere() -> None:
    """What is seen for a moment accuses no host; what stays is told once the others have reported."""
    net = JudgedNetwork(MANUAL, *HOSTS)
    net.report("node1", "node2").report("node3", bridge=UNSETTLED)
    assert net.state() == "Active"
    assert net.status is not None
    assert net.status.hosts == {}
    net.now += 15
    assert net.report("node3", bridge=MISSING).state() is None
    net.now += 1
    assert net.report("node1", "node2").state() == "Partial"
    assert net.status.hosts == {"node3": "NotInBridge"}


def test_a_prober_that_restarts_acquits_no_bridge() -> None:
    """Its first result after a start is not settled; it says the same again within the time of any host."""
    net = (
        JudgedNetwork(MANUAL, *HOSTS)
        .report("node1", "node2")
        .report("node3", bridge=MISSING)
        .stand("Partial")
    )
    assert net.report("node3", bridge=UNSETTLED).look(after=1) is None
    assert net.report("node1", "node2").look(after=BOUND_S - 5) is None
    assert net.report("node3", bridge=MISSING).look(after=2) is None
    assert net.look(after=BOUND_S) is None
    assert net.report("node3").state(after=1) == "Active"


def test_a_hosts_own_fault_says_more_than_its_bridge() -> None:
    """A host that could not send tells nothing of its bridge."""
    verdicts = [
        seen(verdict(MANUAL.digest, host="node1")),
        seen(verdict(MANUAL.digest, host="node2", bridge=MISSING, fault=Fault.UPLINK_DOWN)),
    ]
    found = reduce(MANUAL, verdicts, [], hosts=frozenset({"node1", "node2"}), fresh_s=600)
    assert (found.state, found.hosts) == (State.PARTIAL, {"node2": "UplinkDown"})
    assert found.reason is Reason.GATEWAY_SILENT_ON_SOME_HOSTS


@pytest.mark.parametrize(("bridge", "sign"), [(MISSING, BAD), (BLOCKED, BAD), (UNSETTLED, UNCERTAIN)])
def test_explain_says_that_the_vms_do_not_reach_it(bridge: BridgeFault, sign: str) -> None:
    """With the commands to look at the table, and to have Harvester add the VLAN again."""
    given = network_with_status(State.PARTIAL, Reason.NOT_IN_BRIDGE, hosts={"node2": "NotInBridge"})
    cut_off = found("node2").model_copy(update={"bridge": bridge})
    row = network_row(given, Policy())
    explained = explain_network(given, row, [given], Policy(), view(found("node1"), cut_off))
    assert "VMs on node2 do not reach the network" in " ".join(explained.meaning)
    assert "On node2, check that VLAN 100 is listed: `bridge vlan show dev extra-bo`" in explained.steps
    assert explained.checks is not None
    (said,) = [a for a in answers_of(explained.checks[1], explained.facts) if a.path == "VMs"]
    assert said.sign == sign
    assert "VLAN" in said.text or "bridge link show dev extra-bo" in said.text


def test_the_bridge_of_one_host_is_repaired_beside_the_switch_of_another() -> None:
    """Where the reason is another host's silence, the step for the bridge is named all the same."""
    hosts = {"node1": "NotInBridge", "node2": "GatewaySilentOnVlan"}
    given = network_with_status(State.PARTIAL, Reason.GATEWAY_SILENT_ON_SOME_HOSTS, hosts=hosts)
    cut_off = found("node1").model_copy(update={"bridge": MISSING})
    row = network_row(given, Policy())
    explained = explain_network(given, row, [given], Policy(), view(cut_off, found("node2", DOWN)))
    assert explained.steps[0].startswith("On node1 (NotInBridge): the bridge behind extra-bo")
