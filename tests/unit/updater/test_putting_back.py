"""What was told stands, whatever others do to the annotation, also while it is in doubt or not verifiable."""

import json
from dataclasses import replace

import pytest

from services.cluster.errors import Denied
from services.contract.conclusions import Hindrance
from services.contract.outcomes import Reason, State
from services.network.parse import nad
from services.network.write.disputes import MAX_CORRECTIONS
from services.network.write.supposing import as_if_written
from tests.reference.playing import History, Player
from tests.reference.site import Site

SETTLED_S = 40
UI, BARE = "ui", "bare"


def site_with(kind: str, hosts: int = 2, networks: int = 1) -> Site:
    """Return a site whose networks are Active, by the report of every host."""
    site = Site(hosts, ((100, kind),) * networks)
    look(site)
    site.wait(SETTLED_S)
    for number in range(hosts):
        probe(site, f"node{number + 1}", ask=number == 0)
    assert state(site) == State.ACTIVE
    return site


def probe(site: Site, host: str, *, ask: bool = False) -> None:
    site.probe(host, 100, ask, "good", "now")
    look(site)


def look(site: Site) -> None:
    site.wait(1)
    site.look()


def state(site: Site) -> str:
    status = site.network_at(0).status
    assert status is not None
    return status.state


def fields(site: Site) -> dict[str, str]:
    """Return what nadroute writes into the route annotation, as it stands."""
    return {name: value for name, value in site.network_at(0).route.written.items() if value}


def open_doubt(site: Site) -> None:
    """Have the gateway silent on one host, which the other has not seen yet."""
    site.truth(100, "vlan node2")
    probe(site, "node2")


@pytest.mark.parametrize("kind", ["new", "auto", "manual"])
@pytest.mark.parametrize("how", [UI, BARE, "false"])
def test_what_stood_is_put_back_at_once_while_something_is_in_doubt(kind: str, how: str) -> None:
    """Within the next look; the doubt is told when it would have been, not later."""
    site = site_with(kind)
    open_doubt(site)
    before, began = fields(site), site.clock.seconds
    site.edit(0, how)
    look(site)
    assert (fields(site), state(site)) == (before, State.ACTIVE)
    while state(site) == State.ACTIVE:
        look(site)
    assert state(site) == State.OFF_VLAN
    assert 22 <= site.clock.seconds - began <= 25


@pytest.mark.parametrize("kind", ["auto", "manual"])
def test_a_fifth_save_within_the_hour_is_left_while_something_is_in_doubt(kind: str) -> None:
    """The limit holds for it as for any other; no doubt is prolonged."""
    site = site_with(kind)
    open_doubt(site)
    before, found = fields(site), []
    for _ in range(MAX_CORRECTIONS + 1):
        site.edit(0, UI)
        look(site)
        found.append(fields(site) == before)
    assert found == [True] * MAX_CORRECTIONS + [False]
    assert state(site) == State.ACTIVE


@pytest.mark.parametrize("lost", [False, True])
def test_what_stood_is_put_back_without_evidence(*, lost: bool) -> None:
    """Redis is empty, and no host has reported yet; or its reports are no longer fresh."""
    site = site_with("auto")
    before = fields(site)
    if lost:
        site.fault("flush")
    else:
        site.wait(121)
        site.look()
    site.edit(0, BARE)
    look(site)
    assert (fields(site), state(site)) == (before, State.ACTIVE)


def test_what_was_written_counts_without_its_record() -> None:
    """Redis lost the conclusion alone, and the updater restarts: another value is still corrected as such."""
    site = site_with("manual")
    uid = site.network_at(0).uid
    site.memories.records.clear()
    site.fault("updater")
    for expected in range(1, MAX_CORRECTIONS + 2):
        site.edit(0, "false")
        probe(site, "node1")
        assert site.memories.written([uid])[uid].corrections == min(expected, MAX_CORRECTIONS)
    assert fields(site)["connectivity"] == "false"


def test_another_writer_is_named_with_what_is_new_since() -> None:
    """For as long as one was corrected within the hour."""
    site = site_with("manual")
    site.edit(0, "false")
    look(site)
    open_doubt(site)
    while state(site) == State.ACTIVE:
        look(site)
    status = site.network_at(0).status
    assert status is not None
    assert (status.state, list(status.findings)) == (State.OFF_VLAN, [Reason.OTHER_WRITER])


def test_all_annotations_that_were_removed_are_put_back_without_evidence() -> None:
    """The status too."""
    site = site_with("auto")
    site.fault("flush")
    before = site.network_at(0)
    empty = replace(before, annotations={}, resource_version=str(int(before.resource_version) + 1))
    site.cluster.objects[before.ref] = empty
    site.updater.upserted(empty)
    look(site)
    after = site.network_at(0)
    assert json.loads(after.annotations[nad.ROUTE]) == json.loads(before.annotations[nad.ROUTE])
    assert state(site) == State.ACTIVE


def test_nothing_outdated_is_put_back_once_nothing_is_known() -> None:
    """Harvester checks the gateway then: its result stands, and only then is Unknown told."""
    site = site_with("manual", hosts=1)
    site.prober("node1", "stop")
    look(site)
    site.wait(25)
    site.edit(0, BARE)
    look(site)
    assert (fields(site).get("connectivity"), state(site)) == (None, State.ACTIVE)
    site.updater.upserted(
        site.cluster.edit(
            site.refs[0],
            **{nad.ROUTE: site.network_at(0).route.with_fields({"connectivity": "false"})},
        )
    )
    look(site)
    assert (fields(site)["connectivity"], state(site)) == ("false", State.UNKNOWN)


def test_a_network_that_is_enabled_again_begins_as_a_new_one() -> None:
    """What was found while it was disabled makes nothing worse: the host checks again."""
    site = Site(1, ((100, "manual"), (100, "manual")))
    look(site)
    site.wait(SETTLED_S)
    probe(site, "node1")
    site.truth(100, "routed")
    site.edit(1, "disabled")
    probe(site, "node1")
    site.edit(1, "disabled")
    look(site)
    status = site.network_at(1).status
    assert status is not None
    assert status.state == State.PENDING
    probe(site, "node1")
    status = site.network_at(1).status
    assert status is not None
    assert status.state == State.ISOLATED


def test_another_intent_is_not_reverted_while_something_is_in_doubt() -> None:
    """Neither its values nor a connectivity that is about another gateway."""
    site = site_with("manual")
    open_doubt(site)
    wanted = '{"mode":"manual","cidr":"10.0.100.0/24","gateway":"10.0.100.2","connectivity":"x"}'
    site.updater.upserted(site.cluster.edit(site.refs[0], **{nad.ROUTE: wanted}))
    look(site)
    assert site.network_at(0).annotations[nad.ROUTE] == wanted
    assert state(site) == State.PENDING


def test_another_intent_is_not_reverted_after_a_restart() -> None:
    """Before it is known which hosts there are, nothing is told of the new one, and nothing put back."""
    site = site_with("manual")
    site.start()
    look(site)
    wanted = '{"mode":"manual","cidr":"10.0.100.0/24","gateway":"10.0.100.2","connectivity":"x"}'
    site.updater.upserted(site.cluster.edit(site.refs[0], **{nad.ROUTE: wanted}))
    look(site)
    assert site.network_at(0).annotations[nad.ROUTE] == wanted


def test_a_gateway_that_was_only_offered_is_not_supposed() -> None:
    """It was not written while it was not checked; its first answer is told at once."""
    player = Player(History(3, ((100, "manual"), (100, "new")), ()))
    player.play(
        [
            ("probe", "node2", 100, True, "good", "now"),
            ("truth", 100, "gateway"),
            ("probe", "node1", 100, True, "good", "now"),
            ("wait", 14),
            ("probe", "node1", 100, False, "good", "now"),
            ("probe", "node3", 100, False, "broken", "now"),
            ("edit", 0, "auto"),
        ]
    )
    assert state(player.site) == State.PENDING
    probe(player.site, "node1", ask=True)
    assert state(player.site) == State.PARTIAL


def test_putting_back_does_not_prolong_what_is_held() -> None:
    """Without a fresh result the state is Unknown after 15 s, whatever others write meanwhile."""
    site = site_with("manual")
    site.wait(119)
    look(site)
    began = site.clock.seconds
    for _ in range(10):
        look(site)
    site.edit(0, UI)
    while state(site) == State.ACTIVE:
        look(site)
    assert state(site) == State.UNKNOWN
    assert site.clock.seconds - began <= 17


def dhcp_is_out(site: Site) -> None:
    """Let DHCP answer nobody, and have that told."""
    site.truth(100, "dhcp")
    for number in range(len(site.hosts)):
        probe(site, f"node{number + 1}", ask=True)
    site.wait(30)
    site.look()


@pytest.mark.parametrize("edits", [1, MAX_CORRECTIONS + 1])
def test_a_known_gateway_stays_known_when_the_annotation_is_emptied(edits: int) -> None:
    """An edit is no news about DHCP: the state stays, also where the fifth edit is left as it is. Hosts go on
    checking the gateway."""
    site = site_with("auto")
    dhcp_is_out(site)
    before = fields(site)
    for _ in range(edits):
        site.edit(0, BARE)
        look(site)
    for _ in range(4):
        site.wait(40)
        probe(site, "node1", ask=True)
        probe(site, "node2", ask=True)
    assert state(site) == State.ACTIVE
    assert (fields(site) == before) == (edits <= MAX_CORRECTIONS)


def test_a_denied_network_is_judged_as_if_it_was_written() -> None:
    """The gateway that DHCP named stays known when DHCP is out, to the updater and to the watcher."""
    site = Site(2, ((100, "new"),))
    site.cluster.failures = [Denied("denied")] * 1_000
    look(site)
    site.wait(SETTLED_S)
    for ask in (True, False):
        probe(site, "node1", ask=ask)
        probe(site, "node2")
    uid = site.network_at(0).uid
    assert site.memories.records[uid].status["state"] == State.ACTIVE
    dhcp_is_out(site)
    record = site.memories.records[uid]
    assert record.unwritten is not None
    assert record.unwritten.why is Hindrance.DENIED
    assert (record.status["state"], record.status["dhcpOut"]) == (State.ACTIVE, True)
    supposed = as_if_written(site.network_at(0), record)
    assert (supposed.route.gateway, supposed.route.connectivity) == ("10.0.100.1", "true")
    assert site.cluster.written == []


def test_a_gateway_is_known_at_the_first_look_after_a_route_that_nothing_was_told_of() -> None:
    """An owner makes it manual and auto again: the gateway, silent by now, is in doubt at once."""
    site = site_with("auto", networks=2)
    site.edit(0, "manual")
    look(site)
    site.truth(100, "gateway")
    probe(site, "node2")
    site.edit(0, "auto")
    look(site)
    (record,) = site.memories.conclusions([site.network_at(0).uid]).values()
    assert record.doubts.reach is not None
