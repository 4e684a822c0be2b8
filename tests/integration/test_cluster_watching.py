"""The watch against an API server that forgets, cuts, freezes and lies."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from lab.kube import ApiServer, Match
from services.cluster.metrics import WatchMetrics
from services.cluster.watching import NetworkWatch
from services.runtime.process.clock import SystemClock
from tests.support.clusters import connect
from tests.support.kube_api import Networks, lab_networks, network
from tests.support.listening import TIMEOUT_S, Recorder

NADS = "network-attachment-definitions"
WATCHES = Match(verb="watch", resource=NADS)
LISTS = Match(verb="list", resource=NADS)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ApiServer]:
    with ApiServer(state=tmp_path / "state", bookmark_seconds=0.2) as running:
        yield running


class Watching:
    """A running watch and what it reports."""

    def __init__(self, kubeconfig: Path, *, silence_s: float = 20.0) -> None:
        self.cluster = connect(kubeconfig)
        self.seen = Recorder()
        chance = random.Random(7)
        self.watch = NetworkWatch(
            self.cluster,
            self.seen,
            random=chance.random,
            clock=SystemClock(),
            silence_s=silence_s,
            metrics=WatchMetrics(CollectorRegistry()),
        )

    def __enter__(self) -> "Watching":
        self.watch.start()
        assert self.watch.synced.wait(TIMEOUT_S)
        return self

    def __exit__(self, *_: object) -> None:
        self.watch.stop()
        self.cluster.close()


def count(server: ApiServer, verb: str) -> int:
    return sum(r.verb == verb and r.resource == NADS for r in server.requests)


def open_watch(server: ApiServer, *, after: int = 0) -> None:
    """Wait until the watch has sent a request, after the first so many requests."""
    server.request_log.wait(
        lambda r: r.verb == "watch" and "nadroute" in r.user_agent, seconds=TIMEOUT_S, after=after
    )


def test_the_list_and_each_change_are_reported(networks: Networks) -> None:
    """A list is followed by each creation, change and deletion."""
    networks.create("a")
    with Watching(networks.kubeconfig) as w:
        assert w.seen.names() == {"a"}
        uid = networks.create("b")["metadata"]["uid"]
        networks.annotate("a", step="1")
        w.seen.wait(lambda s: s.annotation("a", "step") == "1" and "b" in s.names())
        networks.delete("b")
        w.seen.wait(lambda s: ("deleted", "b", uid) in s.calls)


@pytest.mark.parametrize("style", ["event", "status"])
def test_edits_and_deletions_in_a_gap_are_seen_after_410(
    server: ApiServer, networks: Networks, style: str
) -> None:
    """The server has forgotten our version, in the stream or as a status: a new list shows the changes."""
    networks.create("edited")
    gone = networks.create("gone")["metadata"]["uid"]
    with Watching(networks.kubeconfig) as w:
        open_watch(server)
        server.faults.gone_style = "status" if style == "status" else "event"
        server.faults.freeze(WATCHES)
        lists = count(server, "list")
        networks.annotate("edited", step="1")
        networks.delete("gone")
        networks.create("new")
        server.faults.compact()
        server.faults.cut_watches(WATCHES)
        server.faults.thaw()
        w.seen.wait(lambda s: s.names() == {"edited", "new"} and s.annotation("edited", "step") == "1")
        assert ("deleted", "gone", gone) in w.seen.calls
        assert count(server, "list") > lists


def test_an_expired_watch_lists_again(server: ApiServer, networks: Networks) -> None:
    """A 410 ERROR event leads to a list, and an unchanged network is not reported again."""
    networks.create("a")
    with Watching(networks.kubeconfig) as w:
        open_watch(server)
        lists, last = count(server, "list"), server.requests[-1].sequence
        server.faults.expire_watches(WATCHES)
        open_watch(server, after=last)
        assert count(server, "list") == lists + 1
        assert [call for call in w.seen.calls if call[1] == "a"] == w.seen.calls[:1]


def test_a_cut_watch_continues_at_its_version(server: ApiServer, networks: Networks) -> None:
    """A broken connection needs no new list: the next watch reports what came meanwhile."""
    with Watching(networks.kubeconfig) as w:
        open_watch(server)
        lists, last = count(server, "list"), server.requests[-1].sequence
        server.faults.cut_watches(WATCHES)
        networks.create("a")
        open_watch(server, after=last)
        w.seen.wait(lambda s: "a" in s.names())
        assert count(server, "list") == lists


def test_a_watch_ended_by_the_server_continues(server: ApiServer, networks: Networks) -> None:
    """A regular end is no failure, and nothing is lost."""
    with Watching(networks.kubeconfig) as w:
        for name in ("a", "b", "c"):
            last = server.requests[-1].sequence
            server.faults.end_watches(WATCHES)
            networks.create(name)
            w.seen.wait(lambda s, name=name: name in s.names())  # type: ignore[misc]
            assert last


def test_silence_is_a_broken_stream(server: ApiServer, networks: Networks) -> None:
    """A frozen server sends not even a bookmark, so the watch is opened again."""
    with Watching(networks.kubeconfig, silence_s=1.0) as w:
        open_watch(server)
        server.faults.freeze(WATCHES)
        networks.create("a")
        last = server.requests[-1].sequence
        open_watch(server, after=last)
        server.faults.thaw()
        w.seen.wait(lambda s: "a" in s.names())


def test_the_watch_survives_a_server_restart(server: ApiServer, networks: Networks) -> None:
    """The server comes back without its history; the watch continues and sees what happened."""
    networks.create("a")
    with Watching(networks.kubeconfig) as w:
        open_watch(server)
        server.restart()
        networks.create("b")
        w.seen.wait(lambda s: s.names() == {"a", "b"})


def test_a_recreated_network_is_reported_as_another(server: ApiServer, networks: Networks) -> None:
    """Both happened in a gap: the old uid is reported deleted before the new one comes."""
    old = networks.create("a")["metadata"]["uid"]
    with Watching(networks.kubeconfig) as w:
        open_watch(server)
        server.faults.freeze(WATCHES)
        networks.delete("a")
        version = networks.create("a")["metadata"]["resourceVersion"]
        server.faults.compact()
        server.faults.cut_watches(WATCHES)
        server.faults.thaw()
        w.seen.wait(lambda s: ("upserted", "a", version) in s.calls)
        assert w.seen.calls[-2:] == [("deleted", "a", old), ("upserted", "a", version)]


def test_a_stale_list_reverts_nothing(server: ApiServer, networks: Networks) -> None:
    """A list older than what was seen neither deletes nor reverts anything."""
    networks.create("a")
    with Watching(networks.kubeconfig) as w:
        open_watch(server)
        stale = server.faults.stale_reads(match=LISTS, count=2)
        networks.annotate("a", step="1")
        networks.create("b")
        w.seen.wait(lambda s: s.annotation("a", "step") == "1" and "b" in s.names())
        calls, last = list(w.seen.calls), server.requests[-1].sequence
        server.faults.expire_watches(WATCHES)
        stale.wait(hits=2, seconds=TIMEOUT_S)
        open_watch(server, after=last)
        assert w.seen.calls == calls


def test_a_restored_cluster_is_accepted_eventually(server: ApiServer, networks: Networks) -> None:
    """When every list is older than what was seen, it is taken after some attempts."""
    networks.create("a")
    with Watching(networks.kubeconfig) as w:
        open_watch(server)
        server.faults.stale_reads(match=LISTS, count=6)
        networks.create("b")
        networks.annotate("a", step="1")
        w.seen.wait(lambda s: s.annotation("a", "step") == "1")
        server.faults.expire_watches(WATCHES)
        w.seen.wait(lambda s: ("deleted", "b") in [call[:2] for call in s.calls])


def test_a_refused_list_is_retried(server: ApiServer, networks: Networks) -> None:
    """500, 403, 429 and a denial at the start: synced is set when they are over."""
    networks.create("a")
    for status in (500, 403, 429):
        server.faults.respond(status, match=LISTS, retry_after=0)
    with Watching(networks.kubeconfig) as w:
        assert w.seen.names() == {"a"}


def test_a_rotated_token_does_not_end_the_watch(server: ApiServer, tmp_path: Path) -> None:
    """The token file is read again on 401, and the next watch opens."""
    kubeconfig = server.kubeconfig(tmp_path / "file.yaml", token_file=True)
    with Watching(kubeconfig):
        open_watch(server)
        server.tokens.rotate()
        last = server.requests[-1].sequence
        server.faults.cut_watches(WATCHES)
        open_watch(server, after=last)


def test_stop_ends_a_silent_watch_at_once(tmp_path: Path) -> None:
    """stop() does not wait for the server: it shuts the stream down during the read."""
    with (
        ApiServer(bookmark_seconds=3_600) as quiet,
        lab_networks(quiet, tmp_path) as networks,
        Watching(networks.kubeconfig) as w,
    ):
        networks.create("a")
        w.seen.wait(lambda s: "a" in s.names())
        w.watch.stop()
        assert not w.watch._thread.is_alive()


def test_a_failing_listener_still_receives_the_other_networks(networks: Networks) -> None:
    """A bug in a listener affects one network, not the watch."""

    class Stumbling(Recorder):
        def upserted(self, network: object) -> None:
            if network.ref.name == "bad":  # type: ignore[attr-defined]
                raise ValueError("a bug")
            super().upserted(network)  # type: ignore[arg-type]

    for name in ("a", "bad", "c"):
        networks.create(network(name))
    w = Watching(networks.kubeconfig)
    seen = Stumbling()
    w.watch = NetworkWatch(
        w.cluster,
        seen,
        random=lambda: 0.5,
        clock=SystemClock(),
        silence_s=20.0,
        metrics=WatchMetrics(CollectorRegistry()),
    )
    with w:
        assert seen.names() == {"a", "c"}
        networks.create("d")
        seen.wait(lambda s: "d" in s.names())
