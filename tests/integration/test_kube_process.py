"""The API server as a programme: its start, its end, its state over a kill, and its control from outside."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3
from kubernetes import client

from lab.kube import ApiError
from lab.kube.process import ROOT, ServerProcess
from tests.support.kube_api import Networks, api_client, namespace_of, network, refused

NADS = "network-attachment-definitions"


@pytest.fixture
def process(tmp_path: Path) -> Iterator[ServerProcess]:
    """A running server."""
    with ServerProcess(tmp_path) as running:
        yield running


@pytest.fixture
def networks(process: ServerProcess) -> Iterator[Networks]:
    """Networks in its namespace `default`."""
    with api_client(process.kubeconfig) as api:
        yield Networks(api, "default", process.kubeconfig)


def test_a_kill_loses_nothing(process: ServerProcess, networks: Networks) -> None:
    """After kill -9 and a start port, credentials, objects and versions are the same; old watches are 410."""
    networks.create("a")
    version = networks.version()
    networks.create("gone")
    networks.delete("gone")
    kept = networks.annotate("a", b="c")
    before = networks.version()
    process.kill()
    with pytest.raises(urllib3.exceptions.HTTPError):
        networks.get("a")
    process.start()
    assert networks.get("a") == kept
    assert [item["metadata"]["name"] for item in networks.list()["items"]] == ["a"]
    assert networks.version() == before
    with pytest.raises(client.ApiException) as caught:
        next(networks.events(version))
    assert caught.value.status == 410
    assert int(networks.create("b")["metadata"]["resourceVersion"]) == int(before) + 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(process: ServerProcess, networks: Networks, number: signal.Signals) -> None:
    """SIGTERM and SIGINT end it with 0, also with a watch open and a request frozen."""
    networks.create("a")
    stream = networks.events()
    next(stream)
    process.fault("freeze", match={"verb": "get"})
    process.signal(number)
    assert process.wait() == 0
    stream.close()


def test_it_says_where_it_is(process: ServerProcess) -> None:
    """It prints its URL when the kubeconfig is there, private and complete."""
    assert process.url.startswith("https://127.0.0.1:")
    assert stat.S_IMODE(process.kubeconfig.stat().st_mode) == 0o600
    with namespace_of(process.kubeconfig) as networks:
        assert networks.create("a")["metadata"]["name"] == "a"


def test_a_taken_port_is_told(process: ServerProcess, tmp_path: Path) -> None:
    """A port that is taken ends the start with 1 and one line that names it."""
    port = process.url.rpartition(":")[2]
    command = [sys.executable, "-m", "lab.kube", "--state", str(tmp_path / "second"), "--port", port]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False)
    assert done.returncode == 1
    assert port in done.stderr
    assert done.stderr.count("\n") == 1


def test_it_dies_with_its_parent(tmp_path: Path) -> None:
    """With --die-with-parent the server ends when the process that started it is killed."""
    script = (
        "import sys; from pathlib import Path; from lab.kube.process import ServerProcess\n"
        "server = ServerProcess(Path(sys.argv[1])).start(); print(server.pid, flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as parent:
        assert parent.stdout is not None
        watched = os.pidfd_open(int(parent.stdout.readline()))
        try:
            parent.kill()
            assert _ended(watched)
        finally:
            os.close(watched)


def _ended(pidfd: int) -> bool:
    import select

    return bool(select.select([pidfd], [], [], 20)[0])


def test_faults_are_scripted_from_outside(process: ServerProcess, networks: Networks) -> None:
    """POST /_lab/faults scripts an answer, GET /_lab/faults/N counts it, DELETE forgets it."""
    fault = process.fault(
        "respond",
        status=429,
        retry_after=3,
        count=None,
        match={"verb": "create", "resource": NADS},
    )["fault"]
    error = refused(lambda: networks.create("a"))
    assert (error.status, error.headers["Retry-After"]) == (429, "3")
    assert process.get(f"faults/{fault}")["hits"] == 1
    process.clear()
    networks.create("a")


@pytest.mark.parametrize(
    ("kind", "status", "text"),
    [("deny", 500, "denied the request"), ("webhook-down", 500, "failed calling webhook")],
)
def test_webhook_faults_from_outside(
    process: ServerProcess, networks: Networks, kind: str, status: int, text: str
) -> None:
    """deny and webhook-down strike the next write, and no read."""
    process.fault(kind)
    assert networks.list()["items"] == []
    error = refused(lambda: networks.create("a"))
    assert error.status == status
    assert text in str(error.body)
    networks.create("a")


def test_streams_are_ended_from_outside(process: ServerProcess, networks: Networks) -> None:
    """expire-watches, end-watches and cut-watches each end an open stream in their own way."""
    networks.create("a")
    for kind, expected in (
        ("expire-watches", client.ApiException),
        ("end-watches", StopIteration),
        ("cut-watches", urllib3.exceptions.ProtocolError),
    ):
        stream = networks.events()
        next(stream)
        assert process.fault(kind) == {"watches": 1}
        with pytest.raises(expected):
            next(stream)


def test_history_is_compacted_from_outside(process: ServerProcess, networks: Networks) -> None:
    """compact with gone-style status makes the next resumption HTTP 410."""
    version = networks.version()
    networks.create("a")
    process.fault("gone-style", style="status")
    process.fault("compact")
    assert refused(lambda: next(networks.events(version))).status == 410


def test_a_response_is_dropped_from_outside(process: ServerProcess, networks: Networks) -> None:
    """drop-response: the connection breaks, the write is there, and /_lab/writes has it."""
    networks.create("a")
    process.fault("drop-response")
    with pytest.raises(urllib3.exceptions.HTTPError):
        networks.annotate("a", b="c")
    writes = process.get("writes")["writes"]
    assert isinstance(writes, list)
    assert [each["verb"] for each in writes if isinstance(each, dict)] == ["create", "patch"]
    assert networks.get("a")["metadata"]["annotations"] == {"b": "c"}


def test_stale_reads_and_a_rival_from_outside(process: ServerProcess, networks: Networks) -> None:
    """stale-reads answers the next list from the past; rival edits an object."""
    networks.create(network("a"))
    process.fault("stale-reads")
    process.post("rival", {"namespace": "default", "name": "a"})
    assert "annotations" not in networks.list()["items"][0]["metadata"]
    assert "annotations" in networks.list()["items"][0]["metadata"]


def test_a_token_is_rotated_from_outside(process: ServerProcess, networks: Networks) -> None:
    """token/rotate refuses the old token and writes the new one to the file."""
    token = process.post("token/rotate")["token"]
    assert refused(lambda: networks.list()).status == 401
    assert (process.state / "token").read_text() == token


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "unheard-of"},
        {"kind": "respond", "status": 200},
        {"kind": "respond", "status": 503, "match": {"verb": "pach"}},
        {"kind": "respond", "status": 503, "match": {"colour": "red"}},
        {"kind": "respond", "status": 503, "count": "two"},
        {"kind": "delay", "seconds": -1},
        {"kind": "gone-style", "style": "sideways"},
    ],
)
def test_a_wrong_script_is_refused(process: ServerProcess, body: dict[str, object]) -> None:
    """What can never do what it says is 400, so that a test cannot pass because its fault did nothing."""
    with pytest.raises(ApiError) as caught:
        process.post("faults", body)  # type: ignore[arg-type]
    assert caught.value.code == 400


def test_a_page_of_another_origin_cannot_script(process: ServerProcess) -> None:
    """A body that a browser sends without asking first (text/plain) is 415."""
    with urllib3.PoolManager(cert_reqs="CERT_REQUIRED", ca_certs=str(process.state / "ca.crt")) as pool:
        answer = pool.request(
            "POST",
            f"{process.url}/_lab/faults",
            body=b'{"kind":"freeze"}',
            headers={"Content-Type": "text/plain"},
        )
    assert answer.status == 415
