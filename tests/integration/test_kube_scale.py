"""The lab's API server with every VLAN's network in it, and with many watchers."""

import threading
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from lab.kube import ApiServer
from lab.kube.resources import NADS
from tests.support.kube_api import Networks, api_client, lab_networks, network

NETWORKS = 4_094
WATCHERS = 10


@pytest.fixture(scope="module")
def server() -> Iterator[ApiServer]:
    """A server."""
    with ApiServer() as running:
        yield running


@pytest.fixture(scope="module")
def networks(server: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Networks]:
    """A namespace with a network for every VLAN."""
    with lab_networks(server, Path(tmp_path_factory.mktemp("kube"))) as found:
        for vlan in range(1, NETWORKS + 1):
            server.store.create(NADS, found.namespace, network(f"vlan{vlan}", vlan=vlan))
        yield found


def test_all_networks_are_listed_at_once(networks: Networks) -> None:
    """One request lists all 4,094 networks: without a limit there are no pages."""
    listed = networks.list()
    assert len(listed["items"]) == NETWORKS
    assert "continue" not in listed["metadata"]


def test_many_watchers_hear_everything(server: ApiServer, networks: Networks) -> None:
    """Ten watchers each hear 500 changes in order, whoever is slower than the others."""
    version = networks.version()
    heard: list[list[int]] = [[] for _ in range(WATCHERS)]

    def hear(number: int) -> None:
        with api_client(networks.kubeconfig) as api:
            mine = Networks(api, networks.namespace, networks.kubeconfig)
            for event in islice(mine.events(version, timeout_seconds=60), 500):
                heard[number].append(int(event["object"]["metadata"]["annotations"]["lab.example/rival"]))

    threads = [threading.Thread(target=hear, args=(number,)) for number in range(WATCHERS)]
    for thread in threads:
        thread.start()
    rival = server.rival(networks.namespace, "vlan1")
    for _ in range(500):
        rival.touch()
    for thread in threads:
        thread.join(60)
    assert heard == [list(range(1, 501))] * WATCHERS
