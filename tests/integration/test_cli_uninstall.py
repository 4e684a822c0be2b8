"""`nadroute uninstall --annotations` against the lab's API server and a real Redis."""

import contextlib
from collections.abc import Iterator

import pytest

from lab.kube import ApiServer
from lab.kube.errors import ApiError
from lab.kube.requests import Match, Request
from lab.kube.resources import LEASES, NAMESPACES
from services.cluster.client import Cluster
from services.cluster.leadership.lease_reading import Holding, watch_lease
from services.cluster.settings import ClusterSettings
from services.contract.names import OBSERVED_TIME_KEY
from services.runtime.connection.redis_client import time_ms
from tests.integration.test_cli_networks import KNOWN, Nadroute, api_server, nadroute, networks
from tests.support.kube_api import Networks, Object, network
from tests.support.manual_clock import ManualClock

__all__ = ["api_server", "nadroute", "networks"]
STATUS, PROBE = "nadroute.io/status", "nadroute.io/probe"
LEASE = "nadroute-updater"


@pytest.fixture
def written(networks: Networks) -> Networks:
    """A status on two networks, one of which has settings of its owner and Harvester's route too."""
    networks.annotate("office", **{STATUS: '{"state":"Active"}', PROBE: "disabled", "other.io/x": "1"})
    networks.annotate("attic", **{STATUS: "{}"})
    return networks


def hold_lease(server: ApiServer, holder: str) -> None:
    """Make the updater's Lease with this holder."""
    with contextlib.suppress(ApiError):
        server.store.create(NAMESPACES, "", {"metadata": {"name": "nadroute"}})
    server.store.create(
        LEASES,
        "nadroute",
        {"metadata": {"name": LEASE}, "spec": {"holderIdentity": holder, "leaseDurationSeconds": 15}},
    )


def annotations(networks: Networks, name: str) -> Object:
    return dict(networks.get(name)["metadata"].get("annotations", {}))


def test_a_dry_run_changes_nothing(nadroute: Nadroute, written: Networks, api_server: ApiServer) -> None:
    """It names each network and what would be taken away, also while an updater leads."""
    before = len(api_server.writes)
    ran = nadroute("uninstall", "--annotations", "--dry-run")
    assert (ran.code, ran.out.splitlines()) == (0, [f"default/{n}: {STATUS}" for n in ("attic", "office")])
    assert "owners wrote stay: default/office" in ran.err
    assert len(api_server.writes) == before


def test_ours_goes_and_all_else_stays(nadroute: Nadroute, written: Networks, api_server: ApiServer) -> None:
    """Harvester's route, the owner's setting for nadroute and foreign annotations are as they were; each
    network is written once, and one without our annotation not at all. A second run finds nothing.
    """
    hold_lease(api_server, "")
    before = len(api_server.writes)
    ran = nadroute("uninstall", "--annotations", "--yes")
    assert (ran.code, ran.out) == (0, f"2 networks: {STATUS} taken away\n")
    assert annotations(written, "office") == {
        "network.harvesterhci.io/route": KNOWN,
        PROBE: "disabled",
        "other.io/x": "1",
    }
    assert annotations(written, "attic") == {}
    assert len(api_server.writes) == before + 2
    assert "no network has an annotation" in nadroute("uninstall", "--annotations", "--yes").out


def test_beside_an_updater_it_refuses(nadroute: Nadroute, written: Networks, api_server: ApiServer) -> None:
    """Told by Redis; with --force it goes on."""
    nadroute.server.client.hset(OBSERVED_TIME_KEY, "at_ms", str(time_ms(nadroute.server.client)))
    before = len(api_server.writes)
    ran = nadroute("uninstall", "--annotations", "--yes")
    assert (ran.code, len(api_server.writes)) == (2, before)
    assert "an updater leads, and would write the annotations again; remove nadroute first" in ran.err
    assert nadroute("uninstall", "--annotations", "--yes", "--force").code == 0
    assert STATUS not in annotations(written, "office")


def test_a_lease_that_is_renewed_is_an_updater(
    nadroute: Nadroute, written: Networks, api_server: ApiServer
) -> None:
    """Where Redis is gone, too: it was removed first, and a paused updater counts no time."""
    hold_lease(api_server, "updater-1")
    renew_at_each_look(api_server)
    ran = nadroute("uninstall", "--annotations", "--yes", "--redis-url", "redis://127.0.0.1:1/0")
    assert ran.code == 2
    assert "an updater leads" in ran.err
    assert STATUS in annotations(written, "office")


def test_what_cannot_be_told_is_refused(nadroute: Nadroute, written: Networks) -> None:
    """Neither a Lease nor Redis; a Lease that may not be read; nobody to ask."""
    away = ("--redis-url", "redis://127.0.0.1:1/0")
    ran = nadroute("uninstall", "--annotations", "--yes", *away)
    assert ran.code == 2
    assert "there is no Lease nadroute-updater in nadroute, and Redis cannot be read" in ran.err
    ran = nadroute("uninstall", "--annotations")
    assert (ran.code, ran.err.splitlines()[-1].partition(";")[0]) == (
        2,
        "nadroute: expected --yes where nobody can be asked",
    )
    assert nadroute("uninstall").code == 2
    assert STATUS in annotations(written, "office")


def test_an_edit_meanwhile_is_kept(nadroute: Nadroute, written: Networks, api_server: ApiServer) -> None:
    """The patch is of the version that was read: it is made again on the owner's."""

    def edit(request: Request) -> None:
        api_server.rival("default", request.name).annotate(PROBE, "edited")

    for name in ("office", "attic"):
        api_server.faults.hook(before=edit, match=Match(verb="patch", name=name), count=1)
    assert nadroute("uninstall", "--annotations", "--yes").code == 0
    for name in ("office", "attic"):
        assert annotations(written, name)[PROBE] == "edited"
        assert STATUS not in annotations(written, name)
        tries = [each for each in api_server.requests if (each.verb, each.name) == ("patch", name)]
        # One for `written`, one that is refused.
        assert len(tries) == 3


def test_what_the_cluster_refuses_is_named(
    nadroute: Nadroute, written: Networks, api_server: ApiServer
) -> None:
    """The others are done, and the exit code is 1; one that was deleted meanwhile is no error."""
    written.create(network("gone", vlan=9, annotations={STATUS: "{}"}))
    api_server.faults.deny("vlan 4095", match=Match(verb="patch", name="attic"), count=None)

    def delete(request: Request) -> None:
        written.delete(request.name)

    api_server.faults.hook(before=delete, match=Match(verb="patch", name="gone"), count=1)
    ran = nadroute("uninstall", "--annotations", "--yes")
    assert ran.code == 1
    assert "default/attic: not changed: the cluster refuses the write" in ran.err
    assert STATUS not in annotations(written, "office")
    assert STATUS in annotations(written, "attic")


@pytest.fixture
def cluster(networks: Networks) -> Iterator[Cluster]:
    """The lab's API server as the services see it."""
    found = Cluster(ClusterSettings.load(kubeconfig=networks.kubeconfig))
    yield found
    found.close()


def renew_at_each_look(server: ApiServer) -> None:
    """Let the holder renew its Lease just before each read."""

    def renew(_: object) -> None:
        def edit(body: Object) -> Object:
            body["spec"]["renewTime"] = f"2026-11-28T10:00:00.{len(server.requests):06}Z"
            return body

        server.store.change(LEASES, "nadroute", LEASE, edit)

    server.faults.hook(before=renew, match=Match(verb="get", resource="leases"), count=None)


def test_a_lease_is_held_while_it_is_renewed(cluster: Cluster, api_server: ApiServer) -> None:
    """Whatever its timestamps say: the holder's clock is not ours. Without a renewal within its duration,
    given back, or not there, nobody holds it.
    """
    found = {}
    for holder in (None, "", "updater-1"):
        if holder == "":
            hold_lease(api_server, holder)
        elif holder:
            api_server.store.delete(LEASES, "nadroute", LEASE)
            hold_lease(api_server, holder)
        clock = ManualClock()
        found[holder] = watch_lease(cluster.transport, namespace="nadroute", name=LEASE, clock=clock)
        assert (clock.seconds > 1_015) is (holder == "updater-1")
    assert found == {None: Holding.ABSENT, "": Holding.FREE, "updater-1": Holding.FREE}
    renew_at_each_look(api_server)
    held = watch_lease(cluster.transport, namespace="nadroute", name=LEASE, clock=ManualClock())
    assert held is Holding.HELD
