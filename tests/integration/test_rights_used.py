"""The rights that the chart grants are those that the services use: each verb, and no other."""

import dataclasses
import signal
from collections.abc import Iterable
from pathlib import Path

import pytest

from lab.kube import ApiServer
from lab.kube.requests import RequestRecord
from lab.kube.resources import BY_PLURAL
from services.cluster.client import Cluster
from services.cluster.errors import NotFound
from services.cluster.settings import ClusterSettings
from services.contract.messages import Segment
from tests.integration.test_cli_redis import program
from tests.support.kube_api import Networks, network
from tests.support.redis_server import RedisServer
from tests.support.updater_site import digest_of, own_updater_site, state_of
from tests.support.watcher_site import Site, names_vlan, watching
from tests.unit.deploy.reading import rights_of
from tests.unit.network.builders import dhcp, offer, verdict

REVIEWS = ("authorization.k8s.io", "subjectaccessreviews", "create")


def used(records: Iterable[RequestRecord]) -> set[tuple[str, str, str]]:
    """Return (API group, resource, verb) of what was asked with the agent of nadroute."""
    return {
        (BY_PLURAL[each.resource].group, each.resource, each.verb)
        for each in records
        if each.user_agent.startswith("nadroute/")
    }


def is_renewal(record: RequestRecord) -> bool:
    """Return whether this renews a Lease, which comes some seconds after it was taken."""
    return (record.resource, record.verb) == ("leases", "update")


def granted(account: str) -> set[tuple[str, str, str]]:
    return {(group, resource, verb) for _, group, resource, verb in rights_of(account)}


def test_the_watcher_uses_each_of_its_rights_and_no_other(
    redis_server: RedisServer, server: ApiServer, networks: Networks
) -> None:
    """It lists and watches, and makes, reads and renews its Lease."""
    site = Site(redis_server)
    site.announce("node1")
    with watching(site, networks):
        networks.create(network("a", vlan=7))
        site.wait("node1", names_vlan(7))
    with watching(site, networks):
        server.request_log.wait(is_renewal, seconds=60)
    assert used(server.requests) == granted("watcher")


def test_the_updater_uses_each_of_its_rights_and_no_other(tmp_path: Path) -> None:
    """It gets a network when its patch is refused, since another one may have the name by now."""
    with own_updater_site("node1", NADROUTE_LEADER_ELECTION="true") as site:
        made = site.create("a", vlan=7)
        site.send(
            verdict(digest_of(made), segment=Segment(cluster_network="extra", vlan=7), dhcp=dhcp(offer()))
        )
        site.wait_for("a", lambda one: state_of(one) == "Active")
        site.wait(lambda: len(site.events("a")) == 1)
        cluster = Cluster(ClusterSettings(kubeconfig=site.server.kubeconfig(tmp_path / "kubeconfig")))
        another = dataclasses.replace(site.get("a"), uid="of-another")
        with pytest.raises(NotFound):
            cluster.annotate(another, {"nadroute.io/status": "x"})
        site.server.request_log.wait(is_renewal, seconds=60)
        assert used(site.server.requests) == granted("updater")


def test_the_commands_use_each_of_their_rights_and_no_other(
    redis_server: RedisServer, server: ApiServer, networks: Networks
) -> None:
    """Those that read: status, also with --watch, explain, diff and doctor."""
    networks.create(network("a", vlan=7))
    where = ("--kubeconfig", str(networks.kubeconfig), "--redis-url", redis_server.url)
    name = f"{networks.namespace}/a"
    with program("status", "--watch", *where) as watching_status:
        server.request_log.wait(lambda each: each.verb == "watch", seconds=60)
        watching_status.send_signal(signal.SIGINT)
        watching_status.wait(60)
    doctor = ("doctor", "--namespace", networks.namespace)
    for command in (("status",), ("explain", name), ("diff",), doctor):
        with program(*command, *where) as process:
            assert process.wait(60) in (0, 1)
    # The lab answers reviews of rights, and keeps no record of them.
    assert used(server.requests) == granted("cli") - {REVIEWS}
