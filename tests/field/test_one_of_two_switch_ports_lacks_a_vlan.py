"""A bond with two switch ports, and a VLAN that one of them does not carry: all is well until the failover.

The active port carries it, so the gateway answers and the network is Active; a test by each NIC finds it.
"""

from dataclasses import replace

import pytest

from services.cli.explain.answers import answers_of
from services.cli.terminal import BAD, GOOD, UNCERTAIN
from services.contract.member_nics import LLDPState, MemberNIC, SwitchPort
from services.contract.messages import MemberCheck
from services.contract.outcomes import OF_THE_GATEWAY, Fault, Reason, State
from services.network.parse.intent import Intent
from services.network.policy import Policy
from services.network.reasons.events import describe_finding
from services.view.explained_network import explain_network
from services.view.rows import network_row
from tests.support.seen_networks import found, network_with_status, view
from tests.unit.network.builders import CIDR, GATEWAY, SEGMENT, dhcp, offer
from tests.unit.network.judged_network import JudgedNetwork

MANUAL = Intent(SEGMENT, "manual", gateway=GATEWAY, cidr=CIDR)
KNOWN = Intent(SEGMENT, "auto", known_gateway=GATEWAY, known_cidr=CIDR)
HOSTS = ("node1", "node2")
HALF = (MemberCheck(nic="eno1", answered=True), MemberCheck(nic="eno2", answered=False))
WHOLE = (MemberCheck(nic="eno1", answered=True), MemberCheck(nic="eno2", answered=True))
ONE = (MemberCheck(nic="eno1", answered=True), MemberCheck(nic="eno2"))


class Net(JudgedNetwork):
    """A network whose hosts also report of the members of their bonds."""

    def members(self, host: str, *members: MemberCheck, untested: bool = False, **more: object) -> "Net":
        self.report(host, **more)  # type: ignore[arg-type]
        update = {"members": members, "members_untested": untested}
        for kept in (self.latest, self.asked):
            if host in kept:
                at, seen = kept[host]
                kept[host] = at, replace(seen, verdict=seen.verdict.model_copy(update=update))
        return self

    @property
    def half(self) -> str | None:
        """What is told of half trunks; None if nothing is."""
        assert self.status is not None
        return self.status.findings.get(Reason.HALF_TRUNK)


def settled(net: Net) -> Net:
    """Let the others report, until nothing is held back."""
    for _ in range(3):
        net.look(after=30)
    return net


def test_a_vlan_that_one_port_lacks_is_told_before_the_failover() -> None:
    """The network is Active all the same, and the finding names host and NIC; it goes with the repair."""
    net = Net(MANUAL, *HOSTS)
    net.members("node1", *WHOLE).members("node2", *HALF)
    settled(net)
    assert net.status is not None
    assert (net.status.state, net.half) == ("Active", "node2: eno2")
    assert Reason.HALF_TRUNK in OF_THE_GATEWAY
    event = describe_finding(Reason.HALF_TRUNK, net.status, MANUAL)
    assert (event.type, event.message.rpartition(": ")[0]) == (
        "Warning", "extra/100 reaches hosts by one NIC of their bond, and not by another: node2",
    )  # fmt: skip
    net.members("node2", *WHOLE)
    assert settled(net).half is None


def test_every_host_and_every_nic_is_named() -> None:
    """In one finding, whatever the number of ports."""
    net = Net(MANUAL, *HOSTS)
    both = (*HALF, MemberCheck(nic="eno3", answered=False))
    net.members("node1", *both).members("node2", *HALF)
    assert settled(net).half == "node1: eno2, eno3; node2: eno2"


def test_it_is_told_whatever_dhcp_says() -> None:
    """Also of an auto network whose hosts only check the known gateway, and nothing of DHCP is lost."""
    net = Net(KNOWN, *HOSTS)
    net.members("node1", *WHOLE, dhcp=dhcp(offer())).members("node2", *WHOLE)
    settled(net)
    assert net.status is not None
    servers = net.status.servers
    net.asked.clear()
    net.members("node1", *WHOLE).members("node2", *HALF)
    assert settled(net).half == "node2: eno2"
    assert net.status.servers == servers != ()
    net.members("node2", *WHOLE)
    assert settled(net).half is None


@pytest.mark.parametrize("untold", ["restarted", "gone quiet", "cannot probe"])
def test_who_cannot_tell_is_not_acquitted(untold: str) -> None:
    """A prober that restarts has not tested yet, and one with a fault, or without a report, tells nothing."""
    net = Net(MANUAL, *HOSTS)
    net.members("node1", *WHOLE).members("node2", *HALF)
    settled(net)
    if untold == "restarted":
        net.members("node1", *WHOLE).members("node2", untested=True)
    elif untold == "gone quiet":
        net.latest.pop("node2")
        net.members("node1", *WHOLE)
    else:
        net.members("node2", fault=Fault.UPLINK_DOWN).look(after=1)
        net.members("node1", *WHOLE)
    assert settled(net).half == "node2: eno2"
    net.members("node2")
    assert settled(net).half is None, "a single NIC has no other half"


def test_a_host_that_is_gone_is_not_named() -> None:
    """It carries the cluster network no more."""
    net = Net(MANUAL, *HOSTS)
    net.members("node1", *WHOLE).members("node2", *HALF)
    settled(net)
    net.hosts = {"node1"}
    net.members("node1", *WHOLE)
    assert settled(net).half is None


@pytest.mark.parametrize(
    ("members", "sign", "text"),
    [
        (HALF, BAD, "answers by eno1, does not answer by eno2"),
        (WHOLE, GOOD, "answers by eno1, answers by eno2"),
        (ONE, UNCERTAIN, "answers by eno1, eno2 was not tested"),
    ],
)
def test_explain_says_which_members_were_tested(
    members: tuple[MemberCheck, ...], sign: str, text: str
) -> None:
    """With the steps for the switch port; where one member was tested alone, that is said."""
    given = network_with_status(
        State.ACTIVE, Reason.GATEWAY_ANSWERS, findings={Reason.HALF_TRUNK: "node2: eno2"}
    )
    told = found("node2").model_copy(update={"members": members})
    row = network_row(given, Policy())
    known = view(found("node1"), told)
    ports = [
        MemberNIC(
            interface=nic, cluster_networks=("extra",), lldp=LLDPState.HEARD,
            port=SwitchPort(switch=switch, port=port),
        )
        for nic, switch, port in (("eno1", "sw-rack2", "Gi1/0/3"), ("eno2", "sw-rack3", "Gi1/0/14"))
    ]  # fmt: skip
    announced = known.hosts["node2"].model_copy(update={"members": tuple(ports)})
    known = replace(known, hosts={**known.hosts, "node2": announced})
    explained = explain_network(given, row, [given], Policy(), known)
    assert row.needs_attention
    assert not row.is_problem, "it is Active, and status says so by its exit status"
    assert "(node2: eno2)" in " ".join(explained.meaning)
    assert any(step.startswith("On the switch port of each listed NIC") for step in explained.steps)
    said_of_ports = [text for text in explained.meaning if "does not answer by" in text]
    assert said_of_ports == (
        ["The gateway does not answer by Gi1/0/14 of sw-rack3 (node2, eno2)."] if members is HALF else []
    )
    assert explained.checks is not None
    (said,) = [a for a in answers_of(explained.checks[1], explained.facts) if a.path == "members"]
    assert (said.sign, said.text) == (sign, f"ARP by each NIC of the bond: {text}")
    assert [a for a in answers_of(explained.checks[0], explained.facts) if a.path == "members"] == []
