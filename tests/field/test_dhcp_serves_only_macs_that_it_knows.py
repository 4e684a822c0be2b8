"""A DHCP server that answers only MAC addresses that it knows offers the hosts nothing, and serves its VMs.

Harvester's VM DHCP add-on does (its agent looks the VM's MAC address up in an IPPool), and so do scopes with
static entries alone, and filters.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from kubernetes.client import CustomObjectsApi

from lab.kube import ApiServer
from lab.kube.errors import ApiError, unknown_path
from lab.kube.faults import Action
from lab.kube.requests import Match
from services.cluster.ip_pools import IPPool
from services.contract.messages import HostAnnouncement, Segment
from services.contract.outcomes import DHCPOutcome, Reason, State
from services.network.parse import nad
from services.network.parse.intent import Intent
from services.network.parse.nad import NetworkRef
from services.network.parse.status import Status
from services.network.policy import DEFAULT_POLICY
from services.prober.engine.identity import Identity
from services.view.explained_network import ExplainedNetwork, explain_network
from services.view.ip_pools import NOT_LOOKED_UP, with_pools
from services.view.rows import network_row
from tests.support.kube_api import Networks, api_client
from tests.support.kube_api import network as made_network
from tests.support.seen_networks import DOWN, found, network_with_status, view
from tests.unit.cli.running import Ran, run
from tests.unit.network.builders import dhcp
from tests.unit.prober.world import World

SERVED = NetworkRef("default", "office")
POOL = {
    "apiVersion": "network.harvesterhci.io/v1alpha1",
    "kind": "IPPool",
    "metadata": {"name": "office", "namespace": "default"},
    "spec": {
        "networkName": "default/office",
        "ipv4Config": {
            "serverIP": "10.0.112.2", "cidr": "10.0.112.0/20", "router": "10.0.112.1",
            "pool": {"start": "10.0.112.10", "end": "10.0.112.99"},
        },
    },
}  # fmt: skip


def explained(
    reason: Reason = Reason.NO_DHCP_OFFER, *, state: State = State.DHCP_FAILED, one_mac: bool = False
) -> ExplainedNetwork:
    """Explain a network on which node1 asked in vain."""
    asked = found("node1", DOWN, DOWN).model_copy(update={"dhcp": dhcp(outcome=DHCPOutcome.NO_OFFER)})
    seen = view(asked)
    hosts = {
        name: HostAnnouncement.model_validate({**host.model_dump(), "one_mac": one_mac})
        for name, host in seen.hosts.items()
    }
    given = network_with_status(state, reason)
    row = network_row(given, DEFAULT_POLICY)
    seen = type(seen)(**{**vars(seen), "hosts": hosts})
    return explain_network(given, row, [given], DEFAULT_POLICY, seen)


def test_it_is_named_among_the_causes_with_the_addresses_to_enter() -> None:
    """Those that the prober sends from, as a server sees them; the text does not claim to know all causes."""
    result = explained()
    said, steps = " ".join(result.meaning), " ".join(result.steps)
    assert "Common causes: " in said
    assert "the server answers only MAC addresses that it knows" in said
    vlan = result.row.vlan
    assert vlan is not None
    world = World()
    world.probe(vlan)
    world.only()
    assert world.engine.trunk("extra") is world.trunk
    sent = next(sent for _, sent in world.sent if sent.dhcp is not None)
    assert sent.source.hex(":") == Identity(host="node1", cluster_network="extra").mac(vlan).hex(":")
    named = dict(one.rstrip(")").split(" (")[::-1] for one in result.facts.probe_macs.split(", "))
    assert named["node1"] == sent.source.hex(":") != named["node2"]
    assert f"enter those of the probes: {result.facts.probe_macs}" in steps


def test_one_mac_address_for_all_vlans_is_named_so() -> None:
    """Where the prober is set to it, the entry is another one."""
    mac = Identity(host="node1", cluster_network="extra", one_mac=True).mac(100).hex(":")
    assert f"{mac} (node1)" in " ".join(explained(one_mac=True).steps)


def test_a_configured_server_that_is_silent_may_not_know_the_host_either() -> None:
    """The same kind, with another server that answers."""
    steps = " ".join(explained(Reason.CONFIGURED_SERVER_SILENT).steps)
    assert "enter those of the probes: 62:" in steps


def pool(network: str, *, namespace: str = "default", cidr: str = "10.0.112.0/20", router: str = "10.0.112.1",
         paused: bool = False) -> IPPool:  # fmt: skip
    return IPPool(NetworkRef(namespace, "pool"), network, cidr, router, paused)


@pytest.mark.parametrize(
    ("pools", "serves"),
    [
        ([], False),
        ([pool("default/office")], True),
        ([pool("office")], True),
        ([pool("office", namespace="other")], False),
        ([pool("default/attic"), pool("other/office")], False),
        ([pool("default/attic"), pool("default/office", namespace="harvester-system")], True),
    ],
)
def test_only_the_networks_own_pool_counts(pools: list[IPPool], serves: bool) -> None:
    """By spec.networkName; then cidr and gateway by hand are the first step, with the pool's values."""
    result = with_pools(explained(), pools)
    assert ("serves this network" in " ".join(result.meaning)) == serves
    by_hand = '"mode":"manual","cidr":"10.0.112.0/20","gateway":"10.0.112.1"'
    assert (by_hand in result.steps[0]) == serves


@pytest.mark.parametrize("junk", ["", "::1", "'; rm -rf ~; '", "0.0.0.0/0"])
def test_a_pools_values_are_used_only_where_they_are_addresses(junk: str) -> None:
    """Anyone may write a pool, and the reader types the command."""
    step = with_pools(explained(), [pool("default/office", cidr=junk, router=junk)]).steps[0]
    assert '"cidr":"CIDR","gateway":"GATEWAY"' in step
    assert not junk or junk not in step


def test_a_paused_pool_and_one_that_cannot_be_read_are_told_as_such() -> None:
    """Nothing is claimed about what could not be looked up."""
    assert "It is paused." in with_pools(explained(), [pool("default/office", paused=True)]).meaning[-1]
    before = explained()
    unknown = with_pools(before, None)
    assert unknown.meaning == (*before.meaning, NOT_LOOKED_UP)
    assert unknown.steps == before.steps


@pytest.fixture(scope="module")
def server() -> Iterator[ApiServer]:
    """Yield the lab's API server."""
    with ApiServer() as started:
        yield started


@pytest.fixture
def networks(server: ApiServer, tmp_path: Path) -> Iterator[Networks]:
    """Create the network that the status says DHCP fails on."""
    with api_client(server.kubeconfig(tmp_path / "kubeconfig")) as api:
        made = Networks(api, "default", tmp_path / "kubeconfig")
        intent = Intent(Segment(cluster_network="mgmt", vlan=100), "auto")
        status = Status(State.DHCP_FAILED, Reason.NO_DHCP_OFFER, digest=intent.digest).dump()
        made.create(made_network("office", vlan=100, annotations={nad.STATUS: status}))
        yield made
        server.faults.clear()


def explain(networks: Networks, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run `nadroute explain` with this kubeconfig, without Redis."""
    ran: Ran = run(
        monkeypatch, "explain", "default/office", "-o", "json",
        KUBECONFIG=str(networks.kubeconfig), REDIS_URL="unix:///nowhere",
    )  # fmt: skip
    assert ran.code == 0, ran
    return " ".join([*json.loads(ran.out)["meaning"], *json.loads(ran.out)["steps"]])


def test_explain_looks_for_the_pool_with_the_users_own_rights(
    networks: Networks, server: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the API server; nothing where none is this network's, or the add-on is not installed; without the
    right to list pools it says that it could not look."""
    silent = explain(networks, monkeypatch)
    assert "serves this network" not in silent
    assert NOT_LOOKED_UP not in silent
    CustomObjectsApi(networks.api).create_namespaced_custom_object(
        "network.harvesterhci.io", "v1alpha1", "default", "ippools", POOL
    )
    told = explain(networks, monkeypatch)
    assert "The IPPool default/office of Harvester's VM DHCP add-on serves this network." in told
    assert '"mode":"manual","cidr":"10.0.112.0/20","gateway":"10.0.112.1"' in told
    pools = Match(resource="ippools")
    with_error = server.faults.add(
        Action(error=ApiError(403, "ippools is forbidden")), match=pools, count=None
    )
    assert NOT_LOOKED_UP in explain(networks, monkeypatch)
    with_error.cancel()
    with_error = server.faults.add(Action(error=unknown_path()), match=pools, count=None)
    assert explain(networks, monkeypatch) == silent
    with_error.cancel()
