"""Harvester's webhook as the lab plays it, seen by the official client."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from kubernetes import client

from lab.kube import ApiServer, HarvesterAdmission
from tests.support.kube_api import ROUTE, Networks, lab_networks, network, reason, refused

PREFIX = "network.harvesterhci.io/"
GOOD = '{"mode":"manual","cidr":"10.0.0.0/24","gateway":"10.0.0.1","connectivity":"true"}'


@pytest.fixture(scope="module")
def admission() -> HarvesterAdmission:
    """The webhook; the cluster network `extra` does not exist."""
    return HarvesterAdmission(cluster_networks=frozenset({"mgmt"}))


@pytest.fixture(scope="module")
def networks(admission: HarvesterAdmission, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Networks]:
    """A namespace behind it."""
    folder = Path(tmp_path_factory.mktemp("kube"))
    with ApiServer(admission=admission) as server, lab_networks(server, folder) as found:
        yield found


def said(error: client.ApiException) -> str:
    """The text of a denial."""
    return str(json.loads(error.body)["message"])


def test_a_denial_is_an_internal_error(networks: Networks) -> None:
    """A denial is HTTP 500 InternalError that names the webhook, and nothing is written."""
    made = networks.create("denied")
    error = refused(lambda: networks.annotate("denied", **{ROUTE: '{"mode":"nonsense"}'}))
    assert (error.status, reason(error)) == (500, "InternalError")
    assert said(error).startswith('admission webhook "validator.harvesterhci.io" denied the request: ')
    assert networks.get("denied") == made


def test_labels_come_with_the_first_update(networks: Networks) -> None:
    """A new network has the labels that it was given; any update adds Harvester's and keeps the others."""
    made = networks.create(network("labelled", vlan=12, labels={"mine": "1"}))
    assert made["metadata"]["labels"] == {"mine": "1"}
    updated = networks.annotate("labelled", a="b")
    assert updated["metadata"]["labels"] == {
        "mine": "1",
        PREFIX + "type": "L2VlanNetwork",
        PREFIX + "vlan-id": "12",
        PREFIX + "clusternetwork": "mgmt",
        PREFIX + "ready": "true",
    }
    assert updated["metadata"]["generation"] == 1


def test_another_vlan_makes_a_route_outdated(networks: Networks) -> None:
    """A changed VLAN marks an auto route as outdated, without keys that Harvester does not know."""
    route = json.dumps({**json.loads(GOOD), "mode": "auto", "ours": 1})
    made = networks.create(network("moved", vlan=12, annotations={ROUTE: route}))
    made["spec"]["config"] = network("moved", vlan=13)["spec"]["config"]
    moved = networks.replace("moved", made)["metadata"]
    wanted = {**json.loads(GOOD), "mode": "auto", "outdated": True}
    assert json.loads(moved["annotations"][ROUTE]) == wanted
    assert moved["labels"][PREFIX + "vlan-id"] == "13"


def test_a_broken_route_refuses_every_update_but_its_removal(
    networks: Networks, admission: HarvesterAdmission
) -> None:
    """With a broken route in place only removing it works; putting a good one in its place does not."""
    with admission.bypassed():
        networks.create(network("broken", annotations={ROUTE: '{"connectivity":true}'}))
    assert refused(lambda: networks.annotate("broken", other="x")).status == 500
    assert refused(lambda: networks.annotate("broken", **{ROUTE: GOOD})).status == 500
    networks.annotate("broken", **{ROUTE: None})
    assert networks.annotate("broken", **{ROUTE: GOOD})["metadata"]["annotations"] == {ROUTE: GOOD}


@pytest.mark.parametrize("config", ['{"type":"macvlan"}', "{}", "", '{"plugins":[{"type":"bridge"}]}', "{"])
def test_other_networks_refuse_every_update(
    networks: Networks, admission: HarvesterAdmission, config: str
) -> None:
    """A network that is neither bridge nor kube-ovn refuses even an annotation of our own."""
    body = network("x")
    del body["metadata"]["name"]
    body["metadata"]["generateName"] = "other-"
    body["spec"]["config"] = config
    with admission.bypassed():
        name = networks.create(body)["metadata"]["name"]
    assert refused(lambda: networks.annotate(name, a="b")).status == 500


def test_an_unknown_cluster_network_refuses(networks: Networks) -> None:
    """A bridge of a cluster network that does not exist is refused."""
    body = network("elsewhere")
    body["spec"]["config"] = body["spec"]["config"].replace("mgmt-br", "extra-br")
    assert 'clusternetworks.network.harvesterhci.io "extra" not found' in said(
        refused(lambda: networks.create(body))
    )


def test_a_terminating_network_is_let_through(networks: Networks, admission: HarvesterAdmission) -> None:
    """Once it is being deleted, a network takes any patch, so that finalizers can go."""
    with admission.bypassed():
        networks.create(network("going", annotations={ROUTE: "{"}, finalizers=["example.com/hold"]))
        networks.delete("going")
    networks.annotate("going", a="b")
    networks.patch("going", {"metadata": {"finalizers": None}})
    assert refused(lambda: networks.get("going")).status == 404


def test_a_finalizer_is_put_on_every_network(tmp_path: Path) -> None:
    """With a finalizer, as Harvester's controller has one, a deleted network stays terminating."""
    with (
        ApiServer(admission=HarvesterAdmission(finalizer="example.com/manager")) as server,
        lab_networks(server, tmp_path) as networks,
    ):
        assert networks.create("a")["metadata"]["finalizers"] == ["example.com/manager"]
        assert "deletionTimestamp" in networks.delete("a")["metadata"]
