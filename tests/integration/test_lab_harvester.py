"""The doubles over HTTP and on a real clock: the controller's threads, and the webhook in trouble."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.harvester import (
    ControllerDouble,
    Fabric,
    HttpNetworks,
    Lease,
    Networks,
    Pace,
    StoreNetworks,
    Webhook,
)
from lab.kube import ApiServer, HarvesterAdmission
from lab.kube.harvester import route_text
from lab.kube.resources import NADS
from lab.kube.writes import WriteRecord
from tests.support.kube_api import ROUTE, lab_networks, network, refused
from tests.support.kube_api import Networks as Clients

PACE = Pace(tick_s=1e9).scaled(0.02)
AUTO = '{"mode":"auto"}'


@pytest.fixture
def server() -> Iterator[ApiServer]:
    with ApiServer(admission=HarvesterAdmission()) as running:
        yield running


@pytest.fixture
def clients(server: ApiServer, tmp_path: Path) -> Iterator[Clients]:
    with lab_networks(server, tmp_path) as found:
        yield found
        server.faults.clear()


@pytest.fixture
def fabric() -> Fabric:
    """DHCP and a gateway on VLAN 7."""
    fabric = Fabric()
    fabric.offer(("mgmt", 7), Lease.of("10.7.0.50/24", "10.7.0.1"))
    fabric.route("10.7.0.1")
    return fabric


@pytest.fixture(params=["http", "store"])
def harvester(request: pytest.FixtureRequest, server: ApiServer, tmp_path: Path) -> Networks:
    """Harvester's way to the networks."""
    if request.param == "store":
        return StoreNetworks(server.store)
    return HttpNetworks(server.kubeconfig(tmp_path / "harvester", user="harvester-manager"))


def until_route(server: ApiServer, name: str, fragment: str) -> WriteRecord:
    """The first write that leaves this in the route."""
    return server.store.writes.wait(
        lambda r: r.name == name and r.after is not None and fragment in route_text(r.after), seconds=20
    )


def test_an_auto_network_becomes_active(
    server: ApiServer, clients: Clients, fabric: Fabric, harvester: Networks
) -> None:
    """Job, ping, verdict; told apart in the record by its user."""
    with ControllerDouble(harvester, fabric, pace=PACE) as double:
        clients.create(network("a", annotations={ROUTE: AUTO}))
        last = until_route(server, "a", '"connectivity":"true"')
    assert (last.user, double.counters.jobs, double.counters.pings) == ("harvester-manager", 1, 1)


def test_a_tick_by_hand_overwrites(
    server: ApiServer, clients: Clients, fabric: Fabric, harvester: Networks
) -> None:
    """What is otherwise by its own ping, as after fifteen minutes."""
    route = '{"mode":"manual","cidr":"10.7.0.0/24","gateway":"10.7.0.1","connectivity":"false"}'
    with ControllerDouble(harvester, fabric, pace=PACE) as double:
        clients.create(network("a", annotations={ROUTE: AUTO}))
        until_route(server, "a", '"connectivity":"true"')
        clients.annotate("a", **{ROUTE: route})
        sequence = until_route(server, "a", '"manual"').sequence
        # A network that it looks at later: then it has looked at this one.
        clients.create(network("b", annotations={ROUTE: AUTO}))
        until_route(server, "b", '"connectivity":"true"')
        double.tick()
        server.store.writes.wait(
            lambda r: r.name == "a" and r.after is not None and '"true"' in route_text(r.after),
            seconds=60,
            after=sequence,
        )


def test_a_deleted_network_goes_with_its_finalizer(
    server: ApiServer, clients: Clients, fabric: Fabric, harvester: Networks
) -> None:
    """The controller takes its finalizer off; without it the network would stay for ever."""
    with ControllerDouble(harvester, fabric, pace=PACE):
        clients.create(network("a", annotations={ROUTE: AUTO}))
        until_route(server, "a", '"connectivity":"true"')
        clients.delete("a")
        server.store.writes.wait(lambda r: r.name == "a" and r.changed and r.after is None, seconds=60)
    assert server.store.find(NADS, clients.namespace, "a") is None


def test_a_controller_outlives_the_api_server(
    server: ApiServer, clients: Clients, fabric: Fabric, tmp_path: Path
) -> None:
    """Over HTTP: after a restart it sees what came and what went meanwhile."""
    harvester = HttpNetworks(server.kubeconfig(tmp_path / "harvester", user="harvester-manager"))
    with ControllerDouble(harvester, fabric, pace=PACE):
        clients.create(network("a", annotations={ROUTE: AUTO}))
        until_route(server, "a", '"connectivity":"true"')
        server.stop()
        server.store.create(NADS, clients.namespace, network("b", annotations={ROUTE: AUTO}))
        server.start()
        until_route(server, "b", '"connectivity":"true"')


def test_a_webhook_that_is_frozen_answers_late(server: ApiServer, clients: Clients) -> None:
    """500 after its twenty seconds (scaled), transient by its words; nothing is written."""
    webhook = Webhook(server.faults, factor=0.01)
    clients.create("a")
    fault = webhook.freeze(name="a")
    error = refused(lambda: clients.annotate("a", x="1"))
    assert error.status == 500
    assert "failed calling webhook" in str(json.loads(error.body)["message"])
    fault.cancel()
    clients.annotate("a", x="1")


def test_a_webhook_that_is_down_or_denies(server: ApiServer, clients: Clients) -> None:
    """Both are 500: the words tell them apart; another network is not concerned."""
    webhook = Webhook(server.faults)
    clients.create("a")
    clients.create("b")
    webhook.down(name="a", count=1)
    assert "failed calling webhook" in str(refused(lambda: clients.annotate("a", x="1")).body)
    webhook.deny("because", name="a", count=1)
    denied = refused(lambda: clients.annotate("a", x="1"))
    assert "denied the request" in str(denied.body)
    assert "because" in str(denied.body)
    clients.annotate("b", x="1")
