"""Reading and writing networks through the adapter, against an API server over HTTPS."""

import base64
import contextlib
import gc
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme

from lab.kube import ApiServer, Match
from services.cluster.client import Cluster
from services.cluster.errors import (
    ClusterError,
    Conflict,
    Denied,
    Forbidden,
    NotFound,
    Throttled,
    Unauthorized,
    Unavailable,
)
from services.cluster.events.event_bodies import event_body
from services.cluster.settings import ClusterSettings
from services.contract.errors import ConfigurationError
from services.network.parse.nad import Network, NetworkRef
from services.network.reasons.events import Event
from services.version import __version__
from tests.support.clusters import connect
from tests.support.kube_api import ROUTE, Networks
from tests.support.updater_site import wait_until

KEY = "nadroute.io/status"
NADS = "network-attachment-definitions"


@pytest.fixture
def cluster(networks: Networks) -> Iterator[Cluster]:
    found = connect(networks.kubeconfig)
    yield found
    found.close()


def read(cluster: Cluster, networks: Networks, name: str = "a") -> Network:
    return cluster.get_network(NetworkRef(networks.namespace, name))


def test_a_network_is_read_as_it_was_written(cluster: Cluster, networks: Networks) -> None:
    """get and list return the same network, with uid, version, config and annotations."""
    made = networks.create(
        {"metadata": {"name": "a", "annotations": {"k": "v"}}, "spec": {"config": "{}"}}
        | {
            "apiVersion": "k8s.cni.cncf.io/v1",
            "kind": "NetworkAttachmentDefinition",
        }
    )
    network = read(cluster, networks)
    listed, version = cluster.list_networks()
    assert (network.uid, network.config, dict(network.annotations)) == (
        made["metadata"]["uid"],
        "{}",
        {"k": "v"},
    )
    assert network in listed
    assert int(version) >= int(network.resource_version)


def test_a_long_list_is_read_in_pages(
    cluster: Cluster, networks: Networks, server: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list of several pages has every network once."""
    monkeypatch.setattr("services.cluster.client.PAGE", 3)
    names = [f"n{number}" for number in range(8)]
    for name in names:
        networks.create(name)
    listed, _ = cluster.list_networks()
    assert sorted(n.ref.name for n in listed if n.ref.namespace == networks.namespace) == names
    assert sum(r.verb == "list" and r.resource == NADS for r in server.requests) >= 3


@pytest.mark.parametrize("present", [{}, {"other": "kept"}, {KEY: "old", "other": "kept"}])
def test_annotate_sets_ours_and_keeps_the_rest(
    cluster: Cluster, networks: Networks, present: dict[str, str]
) -> None:
    """One patch does so, whether or not there were annotations before."""
    networks.create("a")
    if present:
        networks.annotate("a", **present)
    after = cluster.annotate(read(cluster, networks), {KEY: "new", "example.com/key": "1"})
    expected = {**present, KEY: "new", "example.com/key": "1"}
    assert dict(after.annotations) == expected
    assert dict(read(cluster, networks).annotations) == expected


def test_who_else_wrote_the_route_is_read(cluster: Cluster, networks: Networks, server: ApiServer) -> None:
    """By managedFields, in which our own writes name their field manager and others' their user agent."""
    networks.create("a")
    assert read(cluster, networks).route_writer == ""
    networks.annotate("a", **{ROUTE: "{}"})
    assert read(cluster, networks).route_writer == "OpenAPI-Generator"
    ours = cluster.annotate(read(cluster, networks), {ROUTE: '{"mode":"auto"}', KEY: "1"})
    assert ours.route_writer == ""
    assert server.requests[-1].query == "fieldManager=nadroute"
    entries = networks.get("a")["metadata"]["managedFields"]
    (mine,) = [entry for entry in entries if entry["manager"] == "nadroute"]
    assert set(mine["fieldsV1"]["f:metadata"]["f:annotations"]) == {f"f:{ROUTE}", f"f:{KEY}"}
    theirs = {"metadata": {"annotations": {ROUTE: '{"mode":"manual"}'}}}
    networks.patch("a", theirs, field_manager="argocd-controller")
    assert read(cluster, networks).route_writer == "argocd-controller"


def test_annotate_removes(cluster: Cluster, networks: Networks) -> None:
    """None removes an annotation; a missing one is no error."""
    networks.create("a")
    networks.annotate("a", **{KEY: "old", "other": "kept"})
    after = cluster.annotate(read(cluster, networks), {KEY: None, "absent": None})
    assert dict(after.annotations) == {"other": "kept"}


def test_an_unchanged_annotation_is_not_written(
    cluster: Cluster, networks: Networks, server: ApiServer
) -> None:
    """Nothing is sent."""
    networks.create("a")
    network = cluster.annotate(read(cluster, networks), {KEY: "x"})
    before = len(server.writes)
    assert cluster.annotate(network, {KEY: "x", "absent": None}) == network
    assert len(server.writes) == before


def test_a_stale_version_is_a_conflict(cluster: Cluster, networks: Networks) -> None:
    """A patch computed from an older version is refused, and the newer version stands."""
    networks.create("a")
    stale = read(cluster, networks)
    networks.annotate("a", step="1")
    with pytest.raises(Conflict):
        cluster.annotate(stale, {KEY: "x"})
    assert KEY not in read(cluster, networks).annotations


def test_another_object_with_the_name_is_not_found(cluster: Cluster, networks: Networks) -> None:
    """After deletion and re-creation nothing is written to the successor."""
    networks.create("a")
    stale = read(cluster, networks)
    networks.delete("a")
    networks.create("a")
    with pytest.raises(NotFound, match=stale.uid):
        cluster.annotate(stale, {KEY: "x"})
    assert KEY not in read(cluster, networks).annotations


def test_a_network_that_is_gone_is_not_found(cluster: Cluster, networks: Networks) -> None:
    """Both get and annotate raise NotFound."""
    networks.create("a")
    stale = read(cluster, networks)
    networks.delete("a")
    with pytest.raises(NotFound):
        read(cluster, networks)
    with pytest.raises(NotFound):
        cluster.annotate(stale, {KEY: "x"})


def test_a_violated_schema_is_denied(cluster: Cluster, networks: Networks, server: ApiServer) -> None:
    """422 on an unchanged object is no conflict: the same patch would fail forever."""
    networks.create("a")
    network = read(cluster, networks)
    server.faults.respond(422, match=Match(verb="patch"), message="metadata.annotations: Too long")
    with pytest.raises(Denied, match="Too long"):
        cluster.annotate(network, {KEY: "x"})


@pytest.mark.parametrize(
    ("status", "expected"),
    [(403, Forbidden), (429, Throttled), (500, Unavailable), (503, Unavailable), (504, Unavailable)],
)
def test_each_refusal_is_an_error_of_ours(
    cluster: Cluster, networks: Networks, server: ApiServer, status: int, expected: type[ClusterError]
) -> None:
    """Its text contains the status code."""
    networks.create("a")
    network = read(cluster, networks)
    server.faults.respond(status, match=Match(verb="patch"))
    with pytest.raises(expected, match=str(status)):
        cluster.annotate(network, {KEY: "x"})


def test_a_denying_and_an_unreachable_webhook_differ(
    cluster: Cluster, networks: Networks, server: ApiServer
) -> None:
    """Both are HTTP 500: the first is Denied, the second Unavailable."""
    networks.create("a")
    network = read(cluster, networks)
    server.faults.deny("gateway is not an IP")
    with pytest.raises(Denied, match="gateway is not an IP"):
        cluster.annotate(network, {KEY: "x"})
    server.faults.webhook_down()
    with pytest.raises(Unavailable):
        cluster.annotate(network, {KEY: "x"})


def test_throttled_has_the_servers_pause(cluster: Cluster, networks: Networks, server: ApiServer) -> None:
    """It comes from Retry-After, and the client has not retried by itself."""
    fault = server.faults.respond(429, match=Match(verb="list"), retry_after=7)
    with pytest.raises(Throttled) as caught:
        cluster.list_networks()
    assert (caught.value.retry_after_s, fault.hits) == (7.0, 1)


def test_a_write_with_a_lost_response_is_not_sent_twice(
    cluster: Cluster, networks: Networks, server: ApiServer
) -> None:
    """It was committed and then cut: the caller gets Unavailable, and there is one write."""
    networks.create("a")
    network = read(cluster, networks)
    server.faults.drop_response(match=Match(verb="patch"))
    with pytest.raises(Unavailable):
        cluster.annotate(network, {KEY: "x"})
    assert read(cluster, networks).annotations[KEY] == "x"
    assert sum(r.verb == "patch" for r in server.requests) == 1


def test_a_refused_connection_is_unavailable(cluster: Cluster, networks: Networks, server: ApiServer) -> None:
    """It is an error of ours too."""
    server.stop()
    try:
        with pytest.raises(Unavailable):
            cluster.list_networks()
    finally:
        server.start()
    assert cluster.list_networks()


def test_a_frozen_server_is_unavailable(networks: Networks, server: ApiServer) -> None:
    """It is, after silence longer than the read timeout."""
    settings = ClusterSettings(kubeconfig=networks.kubeconfig, api_read_timeout_s=0.2)
    cluster = Cluster(settings)
    server.faults.freeze(Match(resource=NADS))
    with pytest.raises(Unavailable):
        cluster.list_networks()
    server.faults.thaw()
    cluster.close()


def test_a_rotated_token_is_read_again(server: ApiServer, tmp_path: Path) -> None:
    """Requests succeed after the token file was rewritten and the old token revoked."""
    cluster = connect(server.kubeconfig(tmp_path / "file.yaml", token_file=True))
    cluster.list_networks()
    server.tokens.rotate()
    cluster.list_networks()
    cluster.close()


@pytest.mark.parametrize("by_file", [False, True], ids=["in-the-kubeconfig", "in-a-file"])
def test_a_rotated_ca_is_read_again(server: ApiServer, tmp_path: Path, by_file: bool) -> None:
    """The API server has a certificate of another CA than at the start; the next request trusts it."""
    path, ca = server.kubeconfig(tmp_path / "file.yaml"), tmp_path / "ca.crt"
    right = path.read_text()
    data = base64.b64encode(trustme.CA().cert_pem.bytes()).decode()
    wrong = re.sub(r"(?<=certificate-authority-data: ).*", data, right)
    if by_file:
        (kept,) = re.findall(r"certificate-authority-data: (.*)", right)
        ca.write_bytes(base64.b64decode(data))
        wrong = re.sub(r"certificate-authority-data: .*", f"certificate-authority: {ca}", right)
    path.write_text(wrong)
    cluster = connect(path)
    with pytest.raises(Unavailable, match="CERTIFICATE_VERIFY_FAILED"):
        cluster.list_networks()
    if by_file:
        ca.write_bytes(base64.b64decode(kept))
    else:
        path.write_text(right)
    cluster.list_networks()
    cluster.close()


def test_a_rejected_token_is_unauthorized(server: ApiServer, tmp_path: Path) -> None:
    """Reading the same token again does not help, and is not repeated forever."""
    cluster = connect(server.kubeconfig(tmp_path / "someone.yaml", user="someone"))
    cluster.list_networks()
    server.tokens.revoke(token_of(tmp_path / "someone.yaml"))
    with pytest.raises(Unauthorized):
        cluster.list_networks()
    cluster.close()


def test_rejected_tokens_leave_no_connection_open(server: ApiServer, tmp_path: Path) -> None:
    """However often the credentials are read again; Python's collector of cycles does not help."""
    cluster = connect(server.kubeconfig(tmp_path / "someone.yaml", user="someone"))
    server.tokens.revoke(token_of(tmp_path / "someone.yaml"))
    gc.disable()
    try:
        for _ in range(2):
            with pytest.raises(Unauthorized):
                cluster.list_networks()
        few = sockets()
        for _ in range(10):
            with pytest.raises(Unauthorized):
                cluster.list_networks()
        # The server, in this process, closes its own ends a moment later.
        wait_until(lambda: sockets() <= few)
    finally:
        gc.enable()
    cluster.close()


def sockets() -> int:
    """Return how many sockets this process has open."""
    count = 0
    for each in Path("/proc/self/fd").iterdir():
        # The descriptor of this reading is gone already.
        with contextlib.suppress(FileNotFoundError):
            count += str(each.readlink()).startswith("socket:")
    return count


def token_of(kubeconfig: Path) -> str:
    import yaml

    return str(yaml.safe_load(kubeconfig.read_text())["users"][0]["user"]["token"])


def test_an_event_is_posted_on_the_network(cluster: Cluster, networks: Networks) -> None:
    """It names the network by uid and has type, reason, message and component."""
    networks.create("a")
    network = read(cluster, networks)
    event = Event("Warning", "DHCPFailed", "x" * 2_000, component="nadroute-updater")
    cluster.post_event(event_body(network, event, now=datetime(2026, 11, 23, 8, 30, tzinfo=UTC)))
    page = cluster.transport.request(
        "GET", f"/api/v1/namespaces/{networks.namespace}/events", timeout_s=(5, 5)
    )
    items = page["items"]
    assert isinstance(items, list)
    (posted,) = items
    assert posted["involvedObject"]["uid"] == network.uid
    assert posted["firstTimestamp"] == "2026-11-23T08:30:00Z"
    assert (posted["type"], posted["reason"], posted["reportingComponent"]) == (
        "Warning",
        "DHCPFailed",
        "nadroute-updater",
    )
    assert len(posted["message"]) == 1_024


def test_requests_have_a_user_agent(cluster: Cluster, server: ApiServer) -> None:
    """It is nadroute and its version."""
    cluster.list_networks()
    assert server.requests[-1].user_agent == f"nadroute/{__version__}"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "cannot be used"),
        ("{", "cannot be used"),
        ("{}", "cannot be used"),
        ("apiVersion: v1\nclusters: 7\n", "cannot be used"),
        ("", "cannot be used"),
    ],
)
def test_a_broken_kubeconfig_is_named(tmp_path: Path, content: str, message: str) -> None:
    """The error names the file, whatever is wrong, and the loader's exceptions do not escape."""
    path = tmp_path / "config"
    path.write_text(content)
    with pytest.raises(ConfigurationError, match=message) as caught:
        connect(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "call",
    [
        lambda cluster: cluster.list_networks(),
        lambda cluster: cluster.get_network(NetworkRef("a", "b")),
        lambda cluster: cluster.annotate(Network(NetworkRef("a", "b"), "u", "1", "{}"), {"k": "v"}),
        lambda cluster: list(cluster.watch_networks("1", server_timeout_s=1, silence_s=1)),
    ],
)
@pytest.mark.parametrize("body", [b"", b"[]", b"5", b"\xff", b"<html>", b"[" * 5_000])
def test_a_response_that_is_not_from_kubernetes_is_an_error_of_ours(
    http_server: Callable[[bytes], Path], call: Callable[[Cluster], object], body: bytes
) -> None:
    """A proxy's page with status 200 or junk raises our errors only, or nothing."""
    cluster = connect(http_server(body))
    try:
        call(cluster)
    except ClusterError:
        pass
    finally:
        cluster.close()


@pytest.fixture
def http_server(tmp_path: Path) -> Iterator[Callable[[bytes], Path]]:
    """Start a server that sends these bytes in every response; return a kubeconfig for it."""
    import threading
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    import yaml

    answer = b""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def do_PATCH(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class'
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()

    def start(body: bytes) -> Path:
        nonlocal answer
        answer = body
        path = tmp_path / "plain.yaml"
        path.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "c",
                    "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
                    "clusters": [
                        {"name": "c", "cluster": {"server": f"http://127.0.0.1:{running.server_port}"}}
                    ],
                    "users": [{"name": "u", "user": {"token": "t"}}],
                }
            )
        )
        return path

    yield start
    running.shutdown()
    thread.join()
    running.server_close()
