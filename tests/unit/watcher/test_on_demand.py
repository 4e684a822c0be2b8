"""The probes of `nadroute probe`."""

from services.contract.messages import HostAnnouncement
from services.network.parse.intent import Intent, read_intent
from services.network.parse.nad import Network, NetworkRef
from services.watcher.plan.on_demand import OnDemandPlan, plan_on_demand
from tests.unit.network.builders import config, network

KNOWN = '{"mode":"auto","cidr":"10.0.112.0/20","gateway":"10.0.112.1","connectivity":"true"}'
MANUAL = '{"mode":"manual","cidr":"10.0.112.0/20","gateway":"10.0.112.1"}'


def _host(name: str, *cluster_networks: str) -> HostAnnouncement:
    uplinks = {cluster_network: f"{cluster_network}-bo" for cluster_network in cluster_networks}
    return HostAnnouncement(host=name, uplinks=uplinks, version="1", incarnation=1)


def _plan(*networks: Network, hosts: list[HostAnnouncement]) -> OnDemandPlan:
    intents = {}
    for number, each in enumerate(networks):
        intent = read_intent(each)
        assert isinstance(intent, Intent)
        intents[NetworkRef("default", str(number))] = intent
    return plan_on_demand(intents, hosts)


HOSTS = [_host("node1", "extra"), _host("node2", "extra", "mgmt"), _host("node3", "mgmt")]


def _asking(plan: OnDemandPlan) -> list[str]:
    return [probe.host for probe in plan.probes if probe.probe.ask_dhcp]


def test_one_host_asks_dhcp_where_a_gateway_is_known() -> None:
    """The others check the gateway; who asks differs from VLAN to VLAN, so no host asks for all."""
    for vlan, asker in [(100, "node1"), (101, "node2")]:
        plan = _plan(network(KNOWN, config=config(vlan)), hosts=HOSTS)
        assert plan.hosts == ["node1", "node2"]
        assert _asking(plan) == [asker]


def test_every_host_asks_dhcp_where_no_gateway_is_known() -> None:
    """Otherwise they would have nothing to check, and a second round would be needed."""
    assert _asking(_plan(network(), hosts=HOSTS)) == ["node1", "node2"]


def test_nobody_asks_dhcp_for_a_manual_network() -> None:
    """Its owner wrote the gateway."""
    assert _asking(_plan(network(MANUAL), hosts=HOSTS)) == []


def test_networks_on_one_segment_are_one_probe() -> None:
    """What two networks share is asked once, with both as targets where they ask differently."""
    plan = _plan(network(KNOWN), network(KNOWN), network(MANUAL), hosts=HOSTS)
    assert len(plan.probes) == 2
    assert {len(probe.probe.targets) for probe in plan.probes} == {2}


def test_a_segment_that_nobody_carries_is_named() -> None:
    """And asked of nobody, since nobody would answer."""
    plan = _plan(network(config=config(100, bridge="other-br")), network(), hosts=HOSTS)
    assert [str(segment) for segment in plan.unserved] == ["other/100"]
    assert {str(probe.segment) for probe in plan.probes} == {"extra/100"}
    assert list(plan.hosts_by_segment().values()) == [["node1", "node2"]]
