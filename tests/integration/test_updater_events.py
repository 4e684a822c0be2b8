"""Events behind the writes, with the updater as a process: they hold up no patch, and none is lost."""

import signal
from collections.abc import Iterator

import pytest

from lab.kube import Match
from services.contract.member_nics import LLDPState, MemberNIC, SwitchPort
from services.contract.messages import HostAnnouncement, Segment
from services.contract.outcomes import ReachOutcome
from tests.support.announcing import announced
from tests.support.updater_site import UpdaterSite, digest_of, own_updater_site, state_of
from tests.unit.network.builders import dhcp, offer, verdict

POSTS = Match(verb="create", resource="events")


@pytest.fixture
def site() -> Iterator[UpdaterSite]:
    """Run an updater of its own."""
    with own_updater_site("node1") as running:
        yield running


def activate(site: UpdaterSite, *names: str) -> None:
    """Create networks, and wait until they are written."""
    for vlan, name in enumerate(names, start=101):
        network = site.create(name, vlan=vlan)
        segment = Segment(cluster_network="extra", vlan=vlan)
        site.send(verdict(digest_of(network), segment=segment, dhcp=dhcp(offer())))
    for name in names:
        site.wait_for(name, lambda n: state_of(n) == "Active")


def test_events_that_are_not_answered_hold_up_no_patch(site: UpdaterSite) -> None:
    """More networks than there are writers are written; their Events come once the server answers."""
    site.server.faults.freeze(POSTS)
    names = [f"net-{n}" for n in range(12)]
    activate(site, *names)
    assert [site.events(name) for name in names] == [[]] * len(names)
    site.server.faults.thaw()
    site.wait(lambda: all(len(site.events(name)) == 1 for name in names))


def test_no_event_is_lost_where_the_server_throttles_them(site: UpdaterSite) -> None:
    """Each is tried again when the pause is over that the server asked for."""
    throttled = site.server.faults.respond(429, match=POSTS, count=2, retry_after=1)
    failed = site.server.faults.respond(503, match=POSTS, count=2)
    names = [f"net-{n}" for n in range(12)]
    activate(site, *names)
    site.wait(lambda: all(len(site.events(name)) == 1 for name in names))
    assert (throttled.hits, failed.hits) == (2, 2)


def test_an_event_that_waits_at_the_end_is_posted(site: UpdaterSite) -> None:
    """The process ends after it, with code 0."""
    site.server.faults.freeze(POSTS)
    activate(site, "net")
    site.process.send_signal(signal.SIGTERM)
    site.wait(lambda: "Warm shutdown" in site.log.read_text())
    assert site.events("net") == []
    site.server.faults.thaw()
    assert site.process.wait(60) == 0, site.log.read_text()
    assert [event["reason"] for event in site.events("net")] == ["Active"]


def test_an_event_names_the_switch_port_of_the_host_that_a_vlan_does_not_reach(site: UpdaterSite) -> None:
    """As the host announces it: what is to be mended is there."""
    port = SwitchPort(switch="sw-rack3", port="Gi1/0/14")
    nic = MemberNIC(interface="eno1", cluster_networks=("extra",), lldp=LLDPState.HEARD, port=port)
    said = HostAnnouncement(
        host="node2", uplinks={"extra": "extra-bo"}, version="1", incarnation=1, members=(nic,)
    )
    with announced(site.redis, said):
        network = site.create("net", vlan=101)
        segment = Segment(cluster_network="extra", vlan=101)
        digest = digest_of(network)
        silent = verdict(digest, host="node2", segment=segment, vlan=ReachOutcome.SILENT)
        site.send(silent)
        site.send(verdict(digest, segment=segment, dhcp=dhcp(offer())))
        site.wait(lambda: any(event["reason"] == "Partial" for event in site.events("net")))
        (told,) = (event for event in site.events("net") if event["reason"] == "Partial")
        assert told["message"].endswith("; its switch port: Gi1/0/14 of sw-rack3 (node2, eno1)")
