"""The faults that tests script: each does to a client what the real thing does."""

import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
import urllib3
from kubernetes import client

from lab.kube import ApiServer, Match
from lab.kube.requests import Request
from tests.support.kube_api import Networks, Object, network, reason, refused

WAIT = 60.0
BOOKMARK_S = 0.1
NADS = "network-attachment-definitions"


@pytest.fixture
def server() -> Iterator[ApiServer]:
    """A server of the test's own, with a window of 50 changes."""
    with ApiServer(window=50, bookmark_seconds=BOOKMARK_S) as running:
        yield running


def names(events: Iterator[Object], count: int) -> list[str]:
    """The names in the next events."""
    return [event["object"]["metadata"]["name"] for event in islice(events, count)]


def test_a_compacted_version_is_gone_in_the_stream(server: ApiServer, networks: Networks) -> None:
    """A watch from before a compaction is answered 200 with one ERROR event 410, which the client raises."""
    version = networks.version()
    networks.create("a")
    server.faults.compact()
    with pytest.raises(client.ApiException) as caught:
        next(networks.events(version))
    assert caught.value.status == 410
    assert caught.value.body is None  # raised from the event, not from the HTTP status


def test_a_compacted_version_is_gone_at_once(server: ApiServer, networks: Networks) -> None:
    """With gone_style "status" the same is HTTP 410 with a Status."""
    version = networks.version()
    networks.create("a")
    server.faults.gone_style = "status"
    server.faults.compact()
    error = refused(lambda: next(networks.events(version)))
    assert (error.status, reason(error)) == (410, "Expired")


def test_a_limit_refuses_what_is_beyond_it_each_second(server: ApiServer, networks: Networks) -> None:
    """Nobody who waits is starved: whoever asks once the second has passed is served."""
    now = [0.0]
    limit = server.faults.limit(10, match=Match(verb="create", resource=NADS), clock=lambda: now[0])
    networks.create("a")
    error = refused(lambda: networks.create("b"))
    assert (error.status, error.headers["Retry-After"], limit.hits) == (429, "1", 1)
    now[0] += 0.1
    networks.create("b")
    now[0] += 60
    networks.create("c")
    assert refused(lambda: networks.create("d")).status == 429


def test_the_window_moves_on_by_itself(networks: Networks) -> None:
    """Only the last changes can be watched from: a version before them is 410, one among them is not."""
    networks.create("a")
    old = networks.version()
    for step in range(60):
        networks.annotate("a", step=str(step))
        if step == 30:
            recent = networks.version()
    with pytest.raises(client.ApiException) as caught:
        next(networks.events(old))
    assert caught.value.status == 410
    assert len(list(islice(networks.events(recent), 29))) == 29


def test_a_page_does_not_outlive_a_compaction(server: ApiServer, networks: Networks) -> None:
    """A continue token from before a compaction is 410."""
    for name in ("a", "b"):
        networks.create(name)
    page = networks.list(limit=1)["metadata"]["continue"]
    networks.create("c")
    server.faults.compact()
    assert refused(lambda: networks.list(limit=1, _continue=page)).status == 410


def test_open_watches_expire(server: ApiServer, networks: Networks) -> None:
    """expire_watches ends an open stream with an ERROR event 410."""
    stream = networks.events()
    networks.create("a")
    assert names(stream, 1) == ["a"]
    assert server.faults.expire_watches() == 1
    with pytest.raises(client.ApiException) as caught:
        next(stream)
    assert caught.value.status == 410


def test_cut_watches_break(server: ApiServer, networks: Networks) -> None:
    """cut_watches breaks the connection in the middle of the stream."""
    networks.create("a")
    stream = networks.events()
    assert names(stream, 1) == ["a"]
    assert server.faults.cut_watches() == 1
    with pytest.raises(urllib3.exceptions.ProtocolError):
        next(stream)


def test_ended_watches_end_properly(server: ApiServer, networks: Networks) -> None:
    """end_watches ends the stream as a timeout does: no error, no event."""
    networks.create("a")
    stream = networks.events()
    assert names(stream, 1) == ["a"]
    assert server.faults.end_watches() == 1
    assert list(stream) == []


def test_a_frozen_server_answers_nothing_and_then_goes_on(server: ApiServer, networks: Networks) -> None:
    """While frozen, a request gets no answer and is not refused; thawed, it is done."""
    server.faults.freeze()
    answers: list[Object] = []
    thread = threading.Thread(target=lambda: answers.append(networks.create("late")), daemon=True)
    thread.start()
    server.request_log.wait(lambda each: each.verb == "create" and each.resource == NADS, seconds=WAIT)
    assert server.store.writes.all()[-1].resource == "namespaces"
    assert not answers
    server.faults.thaw()
    thread.join(WAIT)
    assert answers[0]["metadata"]["name"] == "late"


def test_a_frozen_watch_is_silent(server: ApiServer, networks: Networks) -> None:
    """While frozen, an open watch tells nothing, bookmarks included; thawed, it tells what it missed."""
    networks.create("a")
    stream = networks.events(allow_watch_bookmarks=True)
    assert names(stream, 1) == ["a"]
    server.faults.freeze(Match(verb="watch"))
    networks.create("b")
    told: list[Object] = []
    thread = threading.Thread(target=lambda: told.append(next(e for e in stream if e["type"] == "ADDED")))
    thread.start()
    thread.join(0.5)
    assert thread.is_alive()
    server.faults.thaw()
    thread.join(WAIT)
    assert told[0]["object"]["metadata"]["name"] == "b"


def test_a_scripted_answer_strikes_as_often_as_it_says(server: ApiServer, networks: Networks) -> None:
    """The next two matching requests get 429 with Retry-After, the third is done; others are not touched."""
    fault = server.faults.respond(429, count=2, retry_after=7, match=Match(verb="create", resource=NADS))
    assert networks.list()["items"] == []
    for _ in range(2):
        error = refused(lambda: networks.create("a"))
        assert (error.status, error.headers["Retry-After"]) == (429, "7")
    networks.create("a")
    assert (fault.hits, fault.remaining) == (2, 0)
    assert [write.name for write in server.writes if write.resource == NADS] == ["a"]


@pytest.mark.parametrize(
    ("match", "struck"),
    [
        (Match(verb="write"), True),
        (Match(verb="read"), False),
        (Match(name="a"), True),
        (Match(name="b"), False),
        (Match(namespace="default"), False),
        (Match(resource="leases"), False),
        (Match(user_agent="OpenAPI-Generator"), True),
        (Match(user_agent="kubectl"), False),
    ],
)
def test_a_fault_strikes_whom_it_is_for(
    server: ApiServer, networks: Networks, match: Match, struck: bool
) -> None:
    """verb, resource, namespace, name and user agent each select."""
    networks.create("a")
    fault = server.faults.respond(503, match=match)
    if struck:
        assert refused(lambda: networks.annotate("a", b="c")).status == 503
    else:
        networks.annotate("a", b="c")
    assert fault.hits == int(struck)


def test_a_fault_that_can_never_strike_is_refused() -> None:
    """A verb or resource that no request has is an error where it is scripted."""
    for wrong in ({"verb": "pach"}, {"resource": "nads"}):
        with pytest.raises(ValueError, match="no request has"):
            Match(**wrong)


def test_one_request_takes_one_answer(server: ApiServer, networks: Networks) -> None:
    """Of two scripted answers the first strikes the first request, and the second is kept for the next."""
    first = server.faults.respond(429, match=Match(verb="create"))
    second = server.faults.respond(503, match=Match(verb="create"))
    assert refused(lambda: networks.create("a")).status == 429
    assert (first.hits, second.hits) == (1, 0)
    assert refused(lambda: networks.create("a")).status == 503
    second.wait(seconds=WAIT)
    networks.create("a")


def test_a_denial_and_a_webhook_that_is_down_differ(server: ApiServer, networks: Networks) -> None:
    """Both are 500 InternalError; the text tells permanent from transient."""
    networks.create("a")
    server.faults.deny("because")
    denial = refused(lambda: networks.annotate("a", b="c"))
    server.faults.webhook_down()
    down = refused(lambda: networks.annotate("a", b="c"))
    assert [denial.status, down.status, reason(denial), reason(down)] == [500, 500] + ["InternalError"] * 2
    said = (
        'admission webhook "validator.harvesterhci.io" denied the request: Internal error occurred: because'
    )
    assert json.loads(denial.body)["message"] == said
    assert "failed calling webhook" in json.loads(down.body)["message"]


def test_a_response_is_lost_after_the_write(server: ApiServer, networks: Networks) -> None:
    """drop_response: the client sees a broken connection, the object is there."""
    networks.create("a")
    server.faults.drop_response()
    with pytest.raises(urllib3.exceptions.HTTPError):
        networks.annotate("a", b="c")
    assert networks.get("a")["metadata"]["annotations"] == {"b": "c"}


def test_a_delay_comes_before_the_effect(server: ApiServer, networks: Networks) -> None:
    """A delayed write outlasts its client's patience, holds up nobody else, and is done all the same."""
    networks.create("a")
    server.faults.delay(0.3, match=Match(verb="patch"))
    custom = client.CustomObjectsApi(networks.api)
    with pytest.raises(urllib3.exceptions.HTTPError):
        custom.patch_namespaced_custom_object(
            "k8s.cni.cncf.io",
            "v1",
            networks.namespace,
            NADS,
            "a",
            {"metadata": {"annotations": {"b": "c"}}},
            _content_type="application/merge-patch+json",
            _request_timeout=(1, 0.1),
        )
    assert "annotations" not in networks.get("a")["metadata"]
    write = server.store.writes.wait(lambda each: each.verb == "patch" and each.name == "a", seconds=WAIT)
    assert write.changed


def test_somebody_edits_between_read_and_write(server: ApiServer, networks: Networks) -> None:
    """A hook before the write edits the object: the guarded write conflicts and the edit stands."""
    stale = networks.create("a")
    rival = server.rival(networks.namespace, "a")

    def edit(request: Request) -> None:
        assert request.name == "a"
        rival.annotate("who", "rival")

    server.faults.hook(before=edit, match=Match(verb="update"))
    stale["metadata"]["annotations"] = {"who": "me"}
    assert refused(lambda: networks.replace("a", stale)).status == 409
    assert networks.get("a")["metadata"]["annotations"] == {"who": "rival"}


def test_somebody_edits_right_after_the_write(server: ApiServer, networks: Networks) -> None:
    """A hook after the write runs before its answer arrives."""
    networks.create("a")
    rival = server.rival(networks.namespace, "a")
    server.faults.hook(after=lambda _: rival.touch(), match=Match(verb="patch"))
    assert networks.annotate("a", who="me")["metadata"]["annotations"] == {"who": "me"}
    assert networks.get("a")["metadata"]["annotations"] == {"who": "me", "lab.example/rival": "1"}


def test_a_rival_writes_all_the_time(server: ApiServer, networks: Networks) -> None:
    """A storm makes the version move on; its writes are told apart in the record; it ends with the block."""
    networks.create("a")
    with server.rival(networks.namespace, "a").storm(per_second=200):
        server.store.writes.wait(lambda each: each.user == "rival" and each.sequence > 3, seconds=WAIT)
    version = networks.version()
    assert networks.version() == version
    assert {each.user_agent for each in server.writes if each.user == "rival"} == {"lab-rival"}


def test_a_lagging_replica_lists_the_past(server: ApiServer, networks: Networks) -> None:
    """stale_reads: the next list is the one of then, with its version; the one after it is the present."""
    networks.create("a")
    before = networks.list()
    server.faults.stale_reads()
    networks.create("b")
    assert networks.list() == before
    assert len(networks.list()["items"]) == 2


def test_every_write_is_recorded(server: ApiServer, networks: Networks) -> None:
    """The record has each write with who, what, before and after, also the refused and the void ones."""
    networks.create("a")
    networks.annotate("a", b="c")
    networks.annotate("a", b="c")
    refused(lambda: networks.patch("a", {"metadata": {"resourceVersion": "1"}}))
    networks.delete("a")
    records = [each for each in server.writes if each.resource == NADS]
    assert [(each.verb, each.status, each.changed) for each in records] == [
        ("create", 201, True),
        ("patch", 200, True),
        ("patch", 200, False),
        ("patch", 409, False),
        ("delete", 200, True),
    ]
    assert records[0].before is None
    assert records[1].before == records[0].after
    assert records[1].after is not None
    assert records[1].after["metadata"]["annotations"] == {"b": "c"}  # type: ignore[index,call-overload]
    assert records[4].after is None
    assert {each.uid for each in records} == {records[0].uid}
    assert {each.user for each in records} == {"admin"}
    assert all("OpenAPI-Generator" in each.user_agent for each in records)
    assert [each.at for each in records] == sorted(each.at for each in records)


def test_a_client_that_leaves_is_noticed(server: ApiServer, networks: Networks) -> None:
    """A watch whose client has closed the connection is let go, though nothing was to be told on it."""
    networks.create("a")
    stream = networks.events(timeout_seconds=600)
    assert names(stream, 1) == ["a"]
    assert len(server.watches) == 1
    stream.close()
    until = time.monotonic() + WAIT
    while len(server.watches):
        assert time.monotonic() < until
        server.store.changed.notify()


def test_bookmarks_come_at_their_interval(networks: Networks) -> None:
    """A silent watch has one bookmark after another, none of them before its time."""
    began = time.monotonic()
    stream = networks.events(networks.version(), allow_watch_bookmarks=True, timeout_seconds=60)
    assert [event["type"] for event in islice(stream, 3)] == ["BOOKMARK"] * 3
    assert time.monotonic() - began >= 3 * BOOKMARK_S
    stream.close()


def test_a_client_that_breaks_off_is_no_fault_of_the_server(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A body that ends with its connection is not logged as an error."""
    with ApiServer(tls=False) as server:
        head = f"POST /apis/k8s.cni.cncf.io/v1/namespaces/default/{NADS} HTTP/1.1\r\nHost: lab\r\n"
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(f"{head}Content-Length: 100\r\n\r\n{{".encode())
            server.request_log.wait(lambda each: each.verb == "create", seconds=WAIT)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def raw(networks: Networks, method: str, path: str, body: object = None) -> int:
    """The status of a request that the typed client would not make."""
    host = networks.api.configuration.host
    headers = {
        "Authorization": networks.api.configuration.auth_settings()["BearerToken"]["value"],
        "Content-Type": "application/json",
    }
    url = f"{host}/apis/k8s.cni.cncf.io/v1/namespaces/{networks.namespace}/{NADS}{path}"
    pool = networks.api.rest_client.pool_manager
    answer = pool.request(method, url, headers=headers, body=body, timeout=WAIT, retries=False)
    return int(answer.status)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("resourceVersion=1&timeoutSeconds=1", 200),
        ("resourceVersion=999999&timeoutSeconds=1", 504),
        ("resourceVersion=rubbish&timeoutSeconds=1", 400),
        ("resourceVersion=" + "9" * 5_000, 400),
        ("sendInitialEvents=true&timeoutSeconds=1", 422),
    ],
)
def test_watches_that_are_refused(networks: Networks, query: str, status: int) -> None:
    """A watch from the future, from rubbish, or with initial events is refused before a stream begins."""
    assert raw(networks, "GET", f"?watch=true&{query}") == status


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b'{"metadata":[]}', b'{"metadata":5}'])
def test_bodies_that_are_none(networks: Networks, body: bytes) -> None:
    """What is no JSON object is 400, never a crash."""
    assert raw(networks, "POST", "", body) in (400, 422)


@pytest.mark.parametrize("depth", [300, 700, 100_000])
def test_a_body_nested_too_deeply(networks: Networks, depth: int) -> None:
    """A body may be nested as deep as it likes: it is pruned or refused."""
    body = b'{"metadata":{"name":"deep"},"x":' + b"[" * depth + b"]" * depth + b"}"
    assert raw(networks, "POST", "?dryRun=All", body) in (201, 400)


@pytest.mark.parametrize(
    "metadata",
    [
        {"annotations": {"a": 1}},
        {"annotations": []},
        {"labels": {"a": 1}},
        {"finalizers": {}},
        {"finalizers": [1]},
    ],
)
def test_metadata_of_a_wrong_type(networks: Networks, metadata: Object) -> None:
    """Annotations and labels are maps of strings, finalizers a list of strings: else 400."""
    assert refused(lambda: networks.create(network("typed", **metadata))).status == 400


def test_a_restart_keeps_objects_and_forgets_history(server: ApiServer, networks: Networks) -> None:
    """A restart on the same port keeps the objects, breaks open watches, and old versions are 410."""
    networks.create("a")
    version = networks.version()
    networks.create("b")
    stream = networks.events()
    assert sorted(names(stream, 2)) == ["a", "b"]
    url = server.url
    server.restart()
    assert server.url == url
    with pytest.raises(urllib3.exceptions.ProtocolError):
        next(stream)
    assert len(networks.list()["items"]) == 2
    with pytest.raises(client.ApiException) as caught:
        next(networks.events(version))
    assert caught.value.status == 410


def test_cleared_faults_strike_no_more(server: ApiServer, networks: Networks) -> None:
    """clear ends scripted answers, freezes and the gone style."""
    server.faults.respond(503, count=None)
    server.faults.freeze(Match(verb="create"))
    server.faults.gone_style = "status"
    server.faults.clear()
    assert server.faults.active() == []
    version = networks.version()
    networks.create(network("a"))
    server.faults.compact()
    with pytest.raises(client.ApiException) as caught:
        next(networks.events(version))
    assert caught.value.body is None
