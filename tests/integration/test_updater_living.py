"""An updater beside Harvester: its webhook, its UI, its controller and operators."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.kube.harvester import HarvesterAdmission
from lab.kube.resources import NADS
from services.contract.names import PAUSED_KEY
from services.contract.outcomes import ReachOutcome
from services.network.parse import nad
from services.network.parse.nad import Network
from tests.integration.test_updater_process import ACTIVE, LEASED, segment, settle
from tests.support.redis_server import running_redis
from tests.support.updater_site import UpdaterSite, digest_of, route_of, state_of, updater_site
from tests.unit.network.builders import dhcp, offer, verdict


@contextmanager
def running(**environment: str) -> Iterator[UpdaterSite]:
    """Run an updater with these settings behind Harvester's webhook."""
    with (
        tempfile.TemporaryDirectory(prefix="nr-", dir="/tmp") as folder,
        running_redis(Path(folder)) as redis_server,
        updater_site(Path(folder), redis_server, admission=HarvesterAdmission(), **environment) as site,
    ):
        site.announce("node1", "node2")
        yield site


@pytest.fixture(scope="module")
def site() -> Iterator[UpdaterSite]:
    with running() as site:
        yield site


def _seed(site: UpdaterSite, name: str, *, vlan: int, route: str) -> Network:
    """Create a network from before the webhook, which would deny it."""
    admission = site.server.store.admission
    assert isinstance(admission, HarvesterAdmission)
    with admission.bypassed():
        return site.create(name, vlan=vlan, route=route)


def test_a_broken_annotation_is_one_event_and_no_write(site: UpdaterSite) -> None:
    """The webhook denies every repair, so no write is ever tried."""
    _seed(site, "broken", vlan=201, route='{"mode":"auto","connectivity":true}')
    site.wait(lambda: len(site.events("broken")) == 1)
    settle(site, 201)
    settle(site, 202)
    assert site.writes("broken") == []
    (event,) = site.events("broken")
    assert (event["type"], event["reason"]) == ("Warning", "Invalid")
    assert "connectivity: expected a string" in event["message"]


def test_a_gateway_outside_its_cidr_is_reported_in_the_status(site: UpdaterSite) -> None:
    """Harvester does not check it; the route annotation stays as its owner wrote it."""
    route = '{"mode":"manual","cidr":"10.0.112.0/24","gateway":"10.9.0.1"}'
    site.create("outside", vlan=203, route=route)
    after = site.wait_for("outside", lambda n: state_of(n) == "Invalid")
    status = json.loads(after.annotations[nad.STATUS])
    assert status["reason"] == "GatewayOutsideCIDR"
    assert after.annotations[nad.ROUTE] == route


def test_a_save_in_the_ui_is_completed_from_known_verdicts(site: UpdaterSite) -> None:
    """It drops connectivity, which is back within a moment without another probe."""
    network = site.create("saved", vlan=204)
    site.send(verdict(digest_of(network), segment=segment(204), dhcp=dhcp(offer())))
    after = site.wait_for("saved", lambda n: route_of(n) == ACTIVE)
    kept = {key: route_of(after).get(key, "") for key in ("mode", "serverIPAddr", "cidr", "gateway")}
    before = site.server.writes[-1].sequence
    site.edit("saved", nad.ROUTE, json.dumps(kept))
    site.wait_for("saved", lambda n: route_of(n).get("connectivity") == "true", after=before)
    site.wait(lambda: bool(site.events("saved")))
    assert [event["reason"] for event in site.events("saved")] == ["Active"]


def test_a_wrong_false_is_corrected_four_times_and_then_left(site: UpdaterSite) -> None:
    """Harvester's controller repeats it; there is no endless war of writes, and conflict and limit are posted
    once each."""
    network = site.create("disputed", vlan=205)
    site.send(verdict(digest_of(network), segment=segment(205), dhcp=dhcp(offer())))
    site.wait_for("disputed", lambda n: route_of(n) == ACTIVE)
    theirs = json.dumps({**ACTIVE, "connectivity": "false"})
    for _ in range(4):
        before = site.server.writes[-1].sequence
        site.edit("disputed", nad.ROUTE, theirs)
        site.wait_for("disputed", lambda n: route_of(n) == ACTIVE, after=before)
    site.edit("disputed", nad.ROUTE, theirs)
    settle(site, 205)
    assert route_of(site.get("disputed"))["connectivity"] == "false"
    assert "4 times" in site.get("disputed").annotations[nad.STATUS]
    assert len(site.writes("disputed")) == 5
    site.wait(lambda: len(site.events("disputed")) >= 3)
    reasons = [event["reason"] for event in site.events("disputed")]
    assert reasons == ["Active", "OtherWriter", "CorrectionLimitReached"]


def test_another_vlan_is_pending_until_its_own_verdict(site: UpdaterSite) -> None:
    """The webhook marks the route as outdated; a verdict of the new VLAN clears that."""
    network = site.create("moved", vlan=206, route='{"mode":"auto"}')
    site.send(verdict(digest_of(network), segment=segment(206), dhcp=dhcp(offer())))
    site.wait_for("moved", lambda n: route_of(n) == ACTIVE)

    def move(body: dict[str, object]) -> dict[str, object]:
        spec = body["spec"]
        assert isinstance(spec, dict)
        spec["config"] = str(spec["config"]).replace("206", "207")
        return body

    site.server.store.change(NADS, "default", "moved", move)  # type: ignore[arg-type]
    pending = site.wait_for("moved", lambda n: state_of(n) == "Pending")
    assert route_of(pending) == {**ACTIVE, "outdated": True}
    before = site.server.writes[-1].sequence
    site.send(verdict(digest_of(pending), segment=segment(207), dhcp=dhcp(offer())))
    after = site.wait_for("moved", lambda n: state_of(n) == "Active", after=before)
    assert route_of(after) == ACTIVE


def test_a_network_that_is_not_a_vlan_gets_a_status_at_most(site: UpdaterSite) -> None:
    """Untagged ones get the status; types that the webhook denies and Harvester's own get nothing."""
    site.create("untagged", vlan=0)
    after = site.wait_for("untagged", lambda n: state_of(n) == "Ignored")
    assert nad.ROUTE not in after.annotations
    site.create("storagenetwork-x", vlan=208)
    settle(site, 208)
    assert site.writes("storagenetwork-x") == []
    assert site.events("untagged") == site.events("storagenetwork-x") == []


def test_nothing_is_written_while_paused(site: UpdaterSite) -> None:
    """No annotation and no Event; on resume they follow, from the reports received meanwhile."""
    site.redis.set(PAUSED_KEY, json.dumps({"since_ms": 1, "by": "test"}))
    try:
        site.wait(lambda: "paused by an operator" in site.log.read_text())
        network = site.create("paused", vlan=209, route=f'{{"mode":"manual",{LEASED}}}')
        site.send(verdict(digest_of(network), segment=segment(209)))
        site.wait(lambda: site.stored(segment(209), "node1") == 1)
        sequence = site.server.writes[-1].sequence
        assert site.writes("paused") == []
    finally:
        site.redis.delete(PAUSED_KEY)
    site.wait_for("paused", lambda n: state_of(n) == "Active", after=sequence)


def test_observe_only_reports_by_events_alone() -> None:
    """Each transition is posted once, even across a restart, and nothing is written."""
    with running(NADROUTE_OBSERVE_ONLY="true", NADROUTE_NAMESPACES='["default"]') as site:
        network = site.create("watched", vlan=101)
        site.send(verdict(digest_of(network), segment=segment(101), dhcp=dhcp(offer())))
        site.wait(lambda: len(site.events("watched")) == 1)
        silent = ReachOutcome.SILENT
        # From both hosts: a missing one would be waited for.
        for host in ("node1", "node2"):
            site.send(
                verdict(
                    digest_of(network), host=host, segment=segment(101), dhcp=dhcp(offer()), counter=2,
                    vlan=silent, routed=silent,
                )
            )  # fmt: skip
        site.wait(lambda: len(site.events("watched")) == 2)
        assert [event["reason"] for event in site.events("watched")] == ["Active", "Unreachable"]
        assert site.writes("watched") == []
