"""The updater as a process: reports through Celery become annotations, whatever happens in between."""

import itertools
import json
import signal
from collections.abc import Iterator

import pytest

from lab.kube import Match
from lab.kube.requests import Request
from lab.kube.resources import NADS
from services.contract.messages import Segment
from services.contract.names import DEAD_LETTERS_KEY, verdicts_key
from services.contract.outcomes import ReachOutcome
from services.network.parse import nad
from services.network.parse.nad import Network
from tests.support.updater_site import (
    NAMESPACE,
    UpdaterSite,
    digest_of,
    own_updater_site,
    route_of,
    state_of,
)
from tests.unit.network.builders import CIDR, GATEWAY, dhcp, offer, verdict

ACTIVE = {"mode": "auto", "cidr": str(CIDR), "gateway": str(GATEWAY), "connectivity": "true"}
LEASED = f'"cidr":"{CIDR}","gateway":"{GATEWAY}"'


@pytest.fixture(scope="module")
def site() -> Iterator[UpdaterSite]:
    """Run one updater for all tests of this file; each has its own network and VLAN."""
    with own_updater_site("node1", "node2") as running:
        yield running


def segment(vlan: int) -> Segment:
    return Segment(cluster_network="extra", vlan=vlan)


def settle(site: UpdaterSite, vlan: int) -> None:
    """Wait until everything sent before is written, by sending one more report."""
    name = f"settle-{vlan}-{len(site.server.writes)}"
    network = site.create(name, vlan=4000)
    site.send(verdict(digest_of(network), segment=segment(4000), dhcp=dhcp(offer()),
                      counter=int(network.resource_version)))  # fmt: skip
    site.wait_for(name, lambda n: state_of(n) == "Active")


def test_a_report_makes_a_network_without_annotation_active(site: UpdaterSite) -> None:
    """cidr, gateway and connectivity come in one patch with our own annotation, and one Event."""
    network = site.create("bare", vlan=101)
    site.send(verdict(digest_of(network), segment=segment(101), dhcp=dhcp(offer())))
    after = site.wait_for("bare", lambda n: state_of(n) == "Active")
    assert route_of(after) == ACTIVE
    site.wait(lambda: len(site.events("bare")) == 1)
    (event,) = site.events("bare")
    assert (event["type"], event["reason"]) == ("Normal", "Active")
    assert event["message"] == "gateway 10.0.112.1 answers on extra/101 from node1"
    assert event["involvedObject"]["uid"] == network.uid


def test_a_network_reduced_to_its_mode_is_filled_in_again(site: UpdaterSite) -> None:
    """It is written again at once, without another probe."""
    network = site.create("cut", vlan=102, route='{"mode":"auto"}')
    site.send(verdict(digest_of(network), segment=segment(102), dhcp=dhcp(offer())))
    site.wait_for("cut", lambda n: route_of(n) == ACTIVE)
    before = site.server.writes[-1].sequence
    site.edit("cut", nad.ROUTE, '{"mode":"auto"}')
    site.wait_for("cut", lambda n: route_of(n) == ACTIVE, after=before)


def test_a_repeat_makes_a_verdict_young_and_an_unknown_one_is_asked_for(site: UpdaterSite) -> None:
    """On the host's own queue; what it sends in full then is stored like any other."""
    network = site.create("repeated", vlan=131)
    said = verdict(digest_of(network), segment=segment(131), dhcp=dhcp(offer()))
    said = said.model_copy(update={"fingerprint": "a" * 16})
    site.send(said)
    site.wait_for("repeated", lambda n: state_of(n) == "Active")
    site.send_repeat(segment(131), "node1", counter=2, fingerprint="a" * 16, asked=True)
    site.wait(lambda: site.stored(segment(131), "node1") == 2)
    assert site.asked_in_full("node1") == []
    site.redis.delete(verdicts_key(segment(131)))
    site.send_repeat(segment(131), "node1", counter=3, fingerprint="a" * 16, asked=True)
    site.wait(lambda: site.asked_in_full("node1") == [segment(131)])
    assert site.stored(segment(131), "node1") is None
    site.send(said.model_copy(update={"counter": 3}))
    site.wait(lambda: site.stored(segment(131), "node1") == 3)


def test_without_dhcp_no_route_annotation_is_written(site: UpdaterSite) -> None:
    """A bare mode would make Harvester start a Job, so only our own annotation and an Event report it.

    The first host's result is a doubt, of which the watcher hears and the network does not.
    """
    network = site.create("nodhcp", vlan=103)
    silent = verdict(digest_of(network), segment=segment(103), dhcp=dhcp(), gateway=None,
                     vlan=ReachOutcome.NOT_TRIED, routed=ReachOutcome.NOT_TRIED)  # fmt: skip
    site.send(silent)
    site.wait(lambda: ("no_offer", "node1") in site.doubts(segment(103)))
    assert site.writes("nodhcp") == []
    site.send(silent.model_copy(update={"host": "node2"}))
    after = site.wait_for("nodhcp", lambda n: state_of(n) != "")
    assert state_of(after) == "DHCPFailed"
    assert nad.ROUTE not in after.annotations
    site.wait(lambda: len(site.events("nodhcp")) == 1)
    (event,) = site.events("nodhcp")
    assert (event["type"], event["reason"]) == ("Warning", "DHCPFailed")
    assert event["message"] == "no DHCP server answered on extra/103 (asked from node1, node2)"


def test_only_transitions_are_written(site: UpdaterSite) -> None:
    """The same verdict a hundred times is one write; each change that all have confirmed is one more."""
    network = site.create("count", vlan=104, route=f'{{"mode":"manual",{LEASED}}}')
    digest = digest_of(network)
    for counter in range(1, 51):
        for host in ("node1", "node2"):
            site.send(verdict(digest, host=host, segment=segment(104), counter=counter))
    site.wait_for("count", lambda n: state_of(n) == "Active")
    # node2's last report, taken in the same round as the silence, would close the doubt as it opens.
    settle(site, 104)
    silent = ReachOutcome.SILENT
    site.send(verdict(digest, segment=segment(104), counter=51, vlan=silent))
    site.wait(lambda: ("silent", "node1") in site.doubts(segment(104)))
    site.send(verdict(digest, host="node2", segment=segment(104), counter=51))
    site.wait_for("count", lambda n: state_of(n) == "Partial")
    partial = site.server.writes[-1].sequence
    site.send(verdict(digest, segment=segment(104), counter=52))
    site.wait_for("count", lambda n: state_of(n) == "Active", after=partial)
    settle(site, 104)
    assert [write.changed for write in site.writes("count")] == [True] * 3
    # An Event follows its write, perhaps after another network's.
    site.wait(lambda: len(site.events("count")) >= 3)
    assert [event["reason"] for event in site.events("count")] == ["Active", "Partial", "Active"]


def test_a_late_verdict_changes_nothing(site: UpdaterSite) -> None:
    """The newer one by the host's own counter stands, however often the older one comes."""
    network = site.create("late", vlan=105, route=f'{{"mode":"manual",{LEASED}}}')
    digest = digest_of(network)
    site.send(verdict(digest, segment=segment(105), counter=7))
    site.wait_for("late", lambda n: state_of(n) == "Active")
    for _ in range(3):
        site.send(verdict(digest, segment=segment(105), counter=6, vlan=ReachOutcome.SILENT,
                          routed=ReachOutcome.SILENT))  # fmt: skip
    settle(site, 105)
    assert site.stored(segment(105), "node1") == 7
    assert len(site.writes("late")) == 1


def test_a_verdict_of_another_intent_is_dropped(site: UpdaterSite) -> None:
    """Its digest is not the network's present one."""
    network = site.create("stale", vlan=106, route=f'{{"mode":"manual",{LEASED}}}')
    old = digest_of(network)
    site.edit("stale", nad.ROUTE, '{"mode":"manual","cidr":"10.0.112.0/20","gateway":"10.0.112.9"}')
    site.send(verdict(old, segment=segment(106)))
    site.wait(lambda: site.stored(segment(106), "node1") == 1)
    settle(site, 106)
    assert site.writes("stale") == []


def test_an_edit_during_a_write_is_never_reverted(site: UpdaterSite) -> None:
    """K10: the patch is refused, the decision repeated on the fresh object, and every version keeps the
    owner's fields."""
    network = site.create("edited", vlan=107, route=f'{{"mode":"manual",{LEASED}}}')
    users = {"mode": "manual", "cidr": "10.0.112.0/20", "gateway": "10.0.112.77", "serverIPAddr": "10.0.0.3"}

    def edit(request: Request) -> None:
        site.edit("edited", nad.ROUTE, json.dumps(users))

    fault = site.server.faults.hook(
        before=edit, match=Match(verb="patch", resource=NADS.plural, name="edited")
    )
    site.send(verdict(digest_of(network), segment=segment(107)))
    fault.wait(hits=1, seconds=60)
    site.wait(lambda: [w.status for w in site.writes("edited")][:1] == [409])
    changed = digest_of(site.get("edited"))
    site.send(verdict(changed, segment=segment(107), counter=2, gateway=GATEWAY + 76))
    after = site.wait_for("edited", lambda n: state_of(n) == "Active")
    assert route_of(after) == {**users, "connectivity": "true"}
    written = [Network.from_object(w.after) for w in site.server.writes if w.name == "edited" and w.after]
    since_edit = [route_of(version) for version in written[1:]]
    assert [{key: route.get(key) for key in users} for route in since_edit] == [users] * len(since_edit)


def test_an_edit_with_the_same_intent_is_decided_again_at_once(site: UpdaterSite) -> None:
    """After the 409 the verdict still holds for the fresh object, so it is written without another report."""
    network = site.create("touched", vlan=108, route=f'{{"mode":"manual",{LEASED}}}')

    def edit(request: Request) -> None:
        site.edit("touched", "example.com/owner", "me")

    site.server.faults.hook(before=edit, match=Match(verb="patch", resource=NADS.plural, name="touched"))
    site.send(verdict(digest_of(network), segment=segment(108)))
    after = site.wait_for("touched", lambda n: state_of(n) == "Active")
    assert after.annotations["example.com/owner"] == "me"
    assert [write.status for write in site.writes("touched")] == [409, 200]


def test_nothing_is_written_to_another_object_of_the_same_name(site: UpdaterSite) -> None:
    """K9: deleted and re-created with another intent between the decision and the write."""
    network = site.create("again", vlan=109, route=f'{{"mode":"manual",{LEASED}}}')

    def replace_it(request: Request) -> None:
        site.server.store.delete(NADS, NAMESPACE, "again")
        site.create("again", vlan=110, route=f'{{"mode":"manual",{LEASED}}}')

    fault = site.server.faults.hook(
        before=replace_it, match=Match(verb="patch", resource=NADS.plural, name="again")
    )
    site.send(verdict(digest_of(network), segment=segment(109)))
    fault.wait(hits=1, seconds=60)
    site.wait(lambda: bool(site.writes("again")))
    settle(site, 109)
    assert [write.changed for write in site.writes("again")] == [False]
    assert site.get("again").annotations == {nad.ROUTE: f'{{"mode":"manual",{LEASED}}}'}


def test_a_denied_write_is_posted_once_and_not_repeated(site: UpdaterSite) -> None:
    """K8: one Event says what could not be written, and the same change is not tried again."""
    match = Match(verb="patch", resource=NADS.plural, name="denied")
    fault = site.server.faults.deny("it does not like it", match=match, count=None)
    network = site.create("denied", vlan=111, route=f'{{"mode":"manual",{LEASED}}}')
    site.send(verdict(digest_of(network), segment=segment(111)))
    site.wait(lambda: len(site.events("denied")) == 1)
    settle(site, 111)
    settle(site, 112)
    assert fault.hits == 1
    (event,) = site.events("denied")
    assert (event["type"], event["reason"]) == ("Warning", "WriteDenied")
    assert "it does not like it" in event["message"]
    fault.cancel()


@pytest.mark.long
def test_all_is_written_within_a_minute_of_a_webhook_that_lets_go(site: UpdaterSite) -> None:
    """K8: one network is tried for all that it denied, and is the first to be written."""
    names = [f"held{number}" for number in range(20)]
    match = Match(verb="patch", resource=NADS.plural)
    fault = site.server.faults.deny("it does not like any", match=match, count=None)
    for number, name in enumerate(names):
        network = site.create(name, vlan=300 + number, route=f'{{"mode":"manual",{LEASED}}}')
        site.send(verdict(digest_of(network), segment=segment(300 + number)))
    site.wait(lambda: fault.hits >= len(names))
    assert fault.hits <= len(names) + 2
    fault.cancel()
    for name in names:
        site.wait_for(name, lambda written: state_of(written) == "Active")


def test_an_unreachable_webhook_is_retried(site: UpdaterSite) -> None:
    """K8: it is no denial."""
    match = Match(verb="patch", resource=NADS.plural, name="webhook")
    site.server.faults.webhook_down(match=match, count=3)
    network = site.create("webhook", vlan=113, route=f'{{"mode":"manual",{LEASED}}}')
    site.send(verdict(digest_of(network), segment=segment(113)))
    site.wait_for("webhook", lambda n: state_of(n) == "Active")


def test_a_committed_write_with_a_lost_response_is_not_repeated(site: UpdaterSite) -> None:
    """K6: the object is read before the write is repeated."""
    match = Match(verb="patch", resource=NADS.plural, name="cutoff")
    fault = site.server.faults.drop_response(match=match)
    network = site.create("cutoff", vlan=114, route=f'{{"mode":"manual",{LEASED}}}')
    site.send(verdict(digest_of(network), segment=segment(114)))
    fault.wait(hits=1, seconds=60)
    site.wait_for("cutoff", lambda n: state_of(n) == "Active")
    settle(site, 114)
    assert [write.changed for write in site.writes("cutoff")].count(True) == 1


def test_a_storm_of_other_writes_delays_but_does_not_prevent_ours(site: UpdaterSite) -> None:
    """K7: it is decided again on the fresh object until it fits between two of theirs."""
    network = site.create("storm", vlan=115, route=f'{{"mode":"manual",{LEASED}}}')
    with site.server.rival(NAMESPACE, "storm").storm(per_second=50):
        site.send(verdict(digest_of(network), segment=segment(115)))
        site.wait_for("storm", lambda n: state_of(n) == "Active")


def test_a_slow_write_does_not_delay_others(site: UpdaterSite) -> None:
    """A frozen webhook holds one write for twenty seconds; every other network is written meanwhile."""
    match = Match(verb="patch", resource=NADS.plural, name="frozen")
    site.server.faults.freeze(match)
    frozen = site.create("frozen", vlan=116, route=f'{{"mode":"manual",{LEASED}}}')
    other = site.create("free", vlan=117, route=f'{{"mode":"manual",{LEASED}}}')
    site.send(verdict(digest_of(frozen), segment=segment(116)))
    site.send(verdict(digest_of(other), segment=segment(117)))
    site.wait_for("free", lambda n: state_of(n) == "Active")
    assert site.writes("frozen") == []
    site.server.faults.thaw()
    site.wait_for("frozen", lambda n: state_of(n) == "Active")


def test_more_frozen_writes_than_concurrent_ones_do_not_delay_others(site: UpdaterSite) -> None:
    """Each gives its turn to another network after a second."""
    for n in range(10):
        name = f"stuck-{n}"
        site.server.faults.freeze(Match(verb="patch", resource=NADS.plural, name=name))
        network = site.create(name, vlan=200 + n, route=f'{{"mode":"manual",{LEASED}}}')
        site.send(verdict(digest_of(network), segment=segment(200 + n)))
    other = site.create("passing", vlan=210, route=f'{{"mode":"manual",{LEASED}}}')
    site.send(verdict(digest_of(other), segment=segment(210)))
    site.wait_for("passing", lambda n: state_of(n) == "Active")
    assert [site.writes(f"stuck-{n}") for n in range(10)] == [[]] * 10
    site.server.faults.thaw()
    site.wait_for("stuck-9", lambda n: state_of(n) == "Active")


def test_a_throttled_write_does_not_delay_others(site: UpdaterSite) -> None:
    """It alone waits as long as the server asks."""
    match = Match(verb="patch", resource=NADS.plural, name="throttled")
    fault = site.server.faults.respond(429, match=match, retry_after=5)
    throttled = site.create("throttled", vlan=211, route=f'{{"mode":"manual",{LEASED}}}')
    site.send(verdict(digest_of(throttled), segment=segment(211)))
    fault.wait(hits=1, seconds=60)
    settle(site, 211)
    assert [write.changed for write in site.writes("throttled") if write.changed] == []
    site.wait_for("throttled", lambda n: state_of(n) == "Active")


def test_a_terminating_network_is_not_written(site: UpdaterSite) -> None:
    """With a finalizer it still exists and would accept patches."""
    network = site.create("going", vlan=118, route=f'{{"mode":"manual",{LEASED}}}')

    def hold(body: dict[str, object]) -> dict[str, object]:
        body["metadata"]["finalizers"] = ["example.com/hold"]  # type: ignore[index]
        return body

    site.server.store.change(NADS, NAMESPACE, "going", hold)  # type: ignore[arg-type]
    site.server.store.delete(NADS, NAMESPACE, "going")
    settle(site, 118)
    site.send(verdict(digest_of(network), segment=segment(118)))
    site.wait(lambda: site.stored(segment(118), "node1") == 1)
    settle(site, 119)
    assert site.writes("going") == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (None, "expected an object"),
        ("not json", "Invalid JSON"),
        ({"schema_version": 2, "host": "node1", "verdicts": []}, "schema_version"),
        ({"host": "node1", "verdicts": [], "surprise": 1}, "surprise"),
        ({"host": "node1", "verdicts": [{"segment": {"cluster_network": "extra", "vlan": 5000}}]}, "vlan"),
        (
            {"host": "node2", "verdicts": [verdict("0" * 16).to_wire()]},
            "another host",
        ),
    ],
)
def test_a_malformed_report_becomes_a_dead_letter(site: UpdaterSite, body: object, reason: str) -> None:
    """It is recorded with its reason, and the next report is processed."""
    before = site.redis.llen(DEAD_LETTERS_KEY)
    site.send_raw(body)
    site.wait(lambda: site.redis.llen(DEAD_LETTERS_KEY) == before + 1)
    letter = json.loads(str(site.redis.lindex(DEAD_LETTERS_KEY, 0)))
    assert reason in letter["reason"]
    assert letter["where"] == "nadroute.report.v1"
    settle(site, 120)
    assert site.process.poll() is None


def test_a_task_with_other_arguments_becomes_a_dead_letter(site: UpdaterSite) -> None:
    """Two arguments, or one with another name."""
    before = site.redis.llen(DEAD_LETTERS_KEY)
    site.app.send_task("nadroute.report.v1", args=[1, 2], kwargs={"x": 3}, queue="report", ignore_result=True)
    site.wait(lambda: site.redis.llen(DEAD_LETTERS_KEY) == before + 1)
    assert site.process.poll() is None


def test_old_verdicts_lead_to_unknown() -> None:
    """The timer finds it without any event; connectivity stays as it was."""
    with own_updater_site("node1", NADROUTE_SWEEP_INTERVAL_S="0.5") as site:
        network, counters = site.create("old", vlan=101), itertools.count(1)

        def is_active_after_a_report() -> bool:
            # A busy machine may take longer to review than a verdict is fresh: 1 s.
            found = verdict(
                digest_of(network), counter=next(counters), segment=segment(101), dhcp=dhcp(offer())
            )
            site.send(found)
            return state_of(site.get("old")) == "Active"

        site.wait(is_active_after_a_report)
        after = site.wait_for("old", lambda n: state_of(n) == "Unknown")
        assert route_of(after) == ACTIVE


def test_sigterm_stops_it_cleanly() -> None:
    """It exits with code 0 within its grace period, without a traceback and with nothing half-written."""
    with own_updater_site("node1") as site:
        network = site.create("last", vlan=101)
        site.send(verdict(digest_of(network), segment=segment(101), dhcp=dhcp(offer())))
        site.wait_for("last", lambda n: state_of(n) == "Active")
        site.process.send_signal(signal.SIGTERM)
        assert site.process.wait(60) == 0, site.log.read_text()
        assert "Traceback" not in site.log.read_text()
