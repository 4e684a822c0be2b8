"""`status`, `explain` and `diff` where nothing may be written: a real updater, Redis and API server."""

import itertools
import json
import re
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest

from lab.kube import Match
from lab.kube.harvester import HarvesterAdmission
from lab.kube.resources import NADS
from services.contract.conclusions import Hindrance, Unwritten
from services.contract.messages import HostAnnouncement, Segment
from services.contract.names import conclusion_key, host_key
from services.contract.outcomes import ReachOutcome
from services.network.parse import nad
from services.network.parse.nad import Network
from services.network.parse.status import Status
from services.runtime.stored.conclusion_store import ConclusionStore
from tests.integration.test_updater_process import LEASED, segment
from tests.support.announcing import announced
from tests.support.redis_server import running_redis
from tests.support.seen_networks import record_of
from tests.support.updater_site import UpdaterSite, digest_of, state_of, updater_site
from tests.unit.cli.running import Ran, run
from tests.unit.network.builders import CIDR, GATEWAY, dhcp, offer, verdict

SILENT = ReachOutcome.SILENT


class Watched:
    """An updater, and the commands of someone who looks at what it does."""

    def __init__(self, site: UpdaterSite, folder: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.site = site
        self.environment = {"KUBECONFIG": str(folder / "kubeconfig"), "REDIS_URL": url}
        self._monkeypatch = monkeypatch
        self._counter = itertools.count(1)

    def __call__(self, *arguments: str, **environment: str) -> Ran:
        return run(self._monkeypatch, *arguments, **{**self.environment, **environment})

    def row(self, command: str, name: str) -> dict[str, Any]:
        """Return the network's JSON as status, explain or diff print it."""
        found = json.loads(self(command, f"default/{name}", "-o", "json").out)
        row = found if isinstance(found, dict) else found[0]
        assert isinstance(row, dict)
        return row

    def wait_for_row(self, name: str, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Return the network's JSON of status once it is as wanted."""
        self.site.wait(lambda: wanted(self.row("status", name)))
        return self.row("status", name)

    def report(self, network: Network, where: Segment, **found: Any) -> None:
        """Send what both hosts found."""
        counter = next(self._counter)
        for host in ("node1", "node2"):
            said = verdict(digest_of(network), host=host, segment=where, counter=counter, **found)
            self.site.send(said)

    def report_until(self, state: str, network: Network, where: Segment, **found: Any) -> dict[str, Any]:
        """Have both hosts report again and again, as probers do, until this is the state; return its JSON."""

        def is_reached() -> bool:
            self.report(network, where, **found)
            return bool(self.row("status", network.ref.name)["state"] == state)

        self.site.wait(is_reached)
        return self.row("status", network.ref.name)


@contextmanager
def watching(**environment: str) -> Iterator[Callable[[pytest.MonkeyPatch], Watched]]:
    """Run an updater behind Harvester's webhook."""
    with (
        tempfile.TemporaryDirectory(prefix="nr-", dir="/tmp") as folder,
        running_redis(Path(folder)) as redis,
        updater_site(Path(folder), redis, admission=HarvesterAdmission(), **environment) as site,
    ):
        site.announce("node1", "node2")
        yield partial(Watched, site, Path(folder), redis.url)


@pytest.fixture(scope="module")
def _writing() -> Iterator[Callable[[pytest.MonkeyPatch], Watched]]:
    with watching() as made:
        yield made


@pytest.fixture
def watched(
    _writing: Callable[[pytest.MonkeyPatch], Watched], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Watched]:
    """An updater that may write; each test has its own network and VLAN."""
    made = _writing(monkeypatch)
    yield made
    made.site.server.faults.clear()


def without_age(text: str) -> str:
    return re.sub(r" for \d+m?s?( \d+s)?", "", text)


def test_observe_only_shows_the_truth_and_what_would_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """State, reason and since are as if the network were written; diff names each field."""
    with watching(NADROUTE_OBSERVE_ONLY="true") as made:
        watched = made(monkeypatch)
        network = watched.site.create("trial", vlan=101)
        watched.report(network, segment(101), dhcp=dhcp(offer()))
        row = watched.wait_for_row("trial", lambda row: row["state"] == "Active")
        assert (row["reason"], row["source"], row["connectivity"]) == ("GatewayAnswers", "conclusion", None)
        assert row["not_written"] == {"why": "observe_only", "detail": None}
        shown = watched("status")
        assert shown.code == 0, "the exit code follows the true state"
        assert "observe only: nothing is written to the networks" in shown.err
        explained = watched("explain", "default/trial").out
        assert without_age(explained).startswith("default/trial is ✔ Active (GatewayAnswers)")
        assert "the updater only observes (observe_only)" in explained
        assert f"not written: mode auto  cidr {CIDR}  gateway {GATEWAY}  connectivity true" in explained

        found = watched("diff", "-o", "json")
        assert found.code == 1
        (difference,) = json.loads(found.out)
        assert {c["field"]: (c["present"], c["would_be"]) for c in difference["changes"]} == {
            "mode": (None, "auto"),
            "cidr": (None, str(CIDR)),
            "gateway": (None, str(GATEWAY)),
            "connectivity": (None, "true"),
            "state": (None, "Active"),
            "reason": (None, "GatewayAnswers"),
        }
        assert watched.site.writes("trial") == []

        since = row["since"]
        silent = {"dhcp": dhcp(offer()), "vlan": SILENT, "routed": SILENT}
        assert watched.report_until("Unreachable", network, segment(101), **silent)["since"] >= since
        assert watched("status").code == 1


def test_an_updater_let_loose_writes_what_diff_showed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Field by field; afterwards nothing would change."""
    with watching(NADROUTE_OBSERVE_ONLY="true") as made:
        watched = made(monkeypatch)
        network = watched.site.create("trial", vlan=101)
        watched.report(network, segment(101), dhcp=dhcp(offer()))
        since = watched.wait_for_row("trial", lambda row: row["state"] == "Active")["since"]
        changes = watched.row("diff", "trial")["changes"]
        would_be = {c["field"]: c["would_be"] for c in changes if c["annotation"] == nad.ROUTE}
        watched.site.restart(NADROUTE_OBSERVE_ONLY="false")
        written = watched.site.wait_for("trial", lambda n: state_of(n) == "Active")
        assert json.loads(written.annotations[nad.ROUTE]) == would_be
        assert written.status is not None
        assert written.status.since == since, "a restart is no transition"
        row = watched.wait_for_row("trial", lambda row: row["not_written"] is None)
        assert (row["state"], row["since"]) == ("Active", since)
        assert watched("diff").out == "1 network: 0 would change, 1 would not\n"


def test_a_denied_write_is_shown_with_the_refusal(watched: Watched) -> None:
    """Until a write succeeds; then the annotation says the same."""
    site = watched.site
    site.server.faults.deny("not on my watch", match=Match(verb="patch", name="denied"), count=None)
    network = site.create("denied", vlan=102, route=f'{{"mode":"manual",{LEASED}}}')
    watched.report(network, segment(102))
    row = watched.wait_for_row("denied", lambda row: bool(row["not_written"]))
    assert (row["state"], row["reason"]) == ("Active", "GatewayAnswers")
    assert row["not_written"]["why"] == "denied"
    assert "not on my watch" in row["not_written"]["detail"]
    shown = watched("status", "default/denied")
    assert shown.code == 0
    assert "not written, the API server refuses it: default/denied" in shown.err
    assert "not on my watch" in watched("explain", "default/denied").out
    found = watched.row("diff", "denied")["changes"]
    assert [(c["field"], c["would_be"]) for c in found] == [
        ("connectivity", "true"),
        ("state", "Active"),
        ("reason", "GatewayAnswers"),
    ]

    site.server.faults.clear()
    watched.report_until("Unreachable", network, segment(102), vlan=SILENT, routed=SILENT)
    site.wait_for("denied", lambda n: state_of(n) == "Unreachable")
    row = watched.wait_for_row("denied", lambda row: row["not_written"] is None)
    assert row["state"] == "Unreachable"
    assert watched("diff", "default/denied").code == 0


def test_missing_rights_are_shown_like_a_denial(watched: Watched) -> None:
    """RBAC refuses the write; it is tried again, and the state is shown meanwhile."""
    watched.site.server.faults.respond(
        403, message="no rights", match=Match(verb="patch", name="forbidden"), count=None
    )
    network = watched.site.create("forbidden", vlan=103, route=f'{{"mode":"manual",{LEASED}}}')
    watched.report(network, segment(103))
    row = watched.wait_for_row("forbidden", lambda row: bool(row["not_written"]))
    assert (row["state"], row["not_written"]["why"]) == ("Active", "denied")
    assert "403" in row["not_written"]["detail"]


def test_a_broken_annotation_is_shown_as_not_written(watched: Watched) -> None:
    """Harvester's webhook refuses every write to it, so nothing would be written by anyone."""
    admission = watched.site.server.store.admission
    assert isinstance(admission, HarvesterAdmission)
    with admission.bypassed():
        # From before the webhook, which would deny it.
        watched.site.create("broken", vlan=104, route="{")
    watched.site.wait(lambda: len(watched.site.events("broken")) == 1)
    row = watched.row("status", "broken")
    assert (row["state"], row["reason"]) == ("Invalid", "BadRoute")
    assert row["not_written"]["why"] == "unreadable"
    assert row["since"]
    shown = watched("status", "default/broken")
    assert shown.code == 1
    assert "not written, the configuration cannot be read: default/broken" in shown.err
    explained = " ".join(watched("explain", "default/broken").out.split())
    assert "webhook refuses every write while the configuration cannot be read" in explained
    compared = watched("diff", "default/broken", "-o", "json")
    assert (compared.code, json.loads(compared.out)[0]["changes"]) == (0, [])


def test_without_redis_the_annotation_is_shown_and_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """diff, which has nothing else to compare with, is an error."""
    with watching() as made:
        watched = made(monkeypatch)
        network = watched.site.create("fallback", vlan=105, route=f'{{"mode":"manual",{LEASED}}}')
        watched.report(network, segment(105))
        watched.site.wait_for("fallback", lambda n: state_of(n) == "Active")
        away = {"REDIS_URL": "unix:///nonexistent/redis.sock"}
        shown = watched("status", "-o", "json", **away)
        (row,) = json.loads(shown.out)
        assert (row["state"], row["source"], shown.code) == ("Active", "annotation", 0)
        said = "from the annotation, without hosts: Redis at unix:///nonexistent/redis.sock cannot be read"
        assert said in shown.err
        assert said in watched("explain", "default/fallback", **away).err
        compared = watched("diff", **away)
        assert (compared.code, compared.out) == (3, "")
        assert "Redis at unix:///nonexistent/redis.sock cannot be read" in compared.err

        # Without an updater, the records are not made again.
        watched.site.process.kill()
        watched.site.process.wait()
        watched.site.redis.flushall()
        shown = watched("status")
        assert "from the annotation, as Redis has no conclusion: default/fallback" in shown.err
        assert watched("diff").code == 1, "what is not known may differ"


@contextmanager
def claiming(site: UpdaterSite, address: IPv4Address) -> Iterator[None]:
    """Announce this address as a host's own, as a stranger in Redis can."""
    forged = HostAnnouncement(
        host="thief",
        uplinks={},
        version="1",
        incarnation=1,
        addresses=(address,),
        own_networks=(IPv4Network((address, 24), strict=False),),
    )
    with announced(site.redis, forged):
        yield
    site.redis.delete(host_key("thief"))


def test_a_forged_announcement_refuses_nothing_that_the_commands_show(watched: Watched) -> None:
    """R20: they show what the updater decided, of a written network, of one that is not, and of a new one."""
    site, claimed = watched.site, GATEWAY + 8
    route = f'{{"mode":"manual","cidr":"{CIDR}","gateway":"{claimed}"}}'
    site.server.faults.deny("not on my watch", match=Match(verb="patch", name="kept"), count=None)
    for name, vlan in (("stolen", 107), ("kept", 108)):
        watched.report(site.create(name, vlan=vlan, route=route), segment(vlan), gateway=claimed)
    site.wait_for("stolen", lambda n: state_of(n) == "Active")
    assert watched.wait_for_row("kept", lambda row: bool(row["not_written"]))["state"] == "Active"
    expected = {"stolen": "Active", "kept": "Active", "newcomer": "Pending"}
    with claiming(site, claimed):
        newcomer = site.create("newcomer", vlan=109, route=route)
        site.wait(lambda: "a host announces a gateway that answers" in site.log.read_text())
        site.wait(lambda: bool(site.redis.exists(conclusion_key(newcomer.uid))))
        for command in ("status", "explain"):
            assert {name: watched.row(command, name)["state"] for name in expected} == expected
        assert watched("explain", "default/stolen").out.startswith("default/stolen is ✔ Active")
        assert "own address" not in watched("explain", "default/newcomer").out
        assert watched("status", "default/stolen", "default/kept").code == 0
        assert watched("diff", "default/stolen").out == "1 network: 0 would change, 1 would not\n"
        assert [c["would_be"] for c in watched.row("diff", "kept")["changes"] if c["field"] == "state"] == [
            "Active"
        ]


def test_a_refusal_that_only_the_record_has_is_shown(watched: Watched) -> None:
    """Without an updater or a host that announces the address: what was decided last is shown, by each."""
    site = watched.site
    network = site.create("refused", vlan=110, route=f'{{"mode":"manual",{LEASED}}}')
    site.wait(lambda: bool(site.redis.exists(conclusion_key(network.uid))))
    refused = Status("Invalid", "GatewayRefused", since="2026-11-23T03:04:05Z", gateway=str(GATEWAY))
    with stopped(site):
        unwritten = Unwritten(why=Hindrance.OBSERVE_ONLY, status=True)
        ConclusionStore(site.redis).put([record_of(network, refused, unwritten)])
        row = watched.row("status", "refused")
        assert (row["state"], row["reason"], row["source"]) == ("Invalid", "GatewayRefused", "conclusion")
        assert (row["since"], row["not_written"]["why"]) == (refused.since, "observe_only")
        assert watched("status", "default/refused").code == 1
        explained = " ".join(watched("explain", "default/refused").out.split())
        assert explained.startswith("default/refused is ! Invalid")
        assert f"{GATEWAY} is a host's own address" in explained
        changes = {c["field"]: c["would_be"] for c in watched.row("diff", "refused")["changes"]}
        assert (changes["state"], changes["reason"]) == ("Invalid", "GatewayRefused")


@contextmanager
def stopped(site: UpdaterSite) -> Iterator[None]:
    """Stop the updater's process for the block."""
    site.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        site.process.send_signal(signal.SIGCONT)


def test_a_record_goes_with_its_network(watched: Watched) -> None:
    """It would be shown for nobody, and grow in number."""
    network = watched.site.create("brief", vlan=106)
    key = conclusion_key(network.uid)
    watched.site.wait(lambda: bool(watched.site.redis.exists(key)))
    watched.site.server.store.delete(NADS, "default", "brief")
    watched.site.wait(lambda: not watched.site.redis.exists(key))
