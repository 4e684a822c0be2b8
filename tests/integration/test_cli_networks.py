"""`nadroute status` and `nadroute probe` against the lab's API server, a real Redis and real workers."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from kubernetes.client import CoreV1Api

from lab.kube import ApiServer
from services.contract.names import probe_queue
from services.watcher.by_hand import ByHandReader
from tests.integration.test_cli_hosts import announce
from tests.integration.test_cli_redis import NADROUTE, TIMEOUT_S
from tests.support.kube_api import Networks, api_client, network
from tests.support.redis_server import RedisServer
from tests.unit.cli.running import Ran, run

ROOT = Path(__file__).parents[2]
KNOWN = '{"mode":"auto","cidr":"10.0.112.0/20","gateway":"10.0.112.1","connectivity":"true"}'


@pytest.fixture
def api_server() -> Iterator[ApiServer]:
    """Yield the lab's API server."""
    with ApiServer() as server:
        yield server
        server.faults.clear()


@pytest.fixture
def networks(api_server: ApiServer, tmp_path: Path) -> Iterator[Networks]:
    """Create networks of the cluster network mgmt: with a known gateway, without one, and untagged."""
    with api_client(api_server.kubeconfig(tmp_path / "kubeconfig")) as api:
        made = Networks(api, "default", tmp_path / "kubeconfig")
        made.create(network("office", annotations={"network.harvesterhci.io/route": KNOWN}))
        made.create(network("attic", vlan=8))
        made.create(network("untagged", vlan=0))
        yield made


@pytest.fixture
def nadroute(networks: Networks, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> "Nadroute":
    """Return the program with this kubeconfig and Redis."""
    return Nadroute(networks, redis_server, monkeypatch)


class Nadroute:
    """Runs commands with a kubeconfig and a Redis."""

    def __init__(self, networks: Networks, server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
        self.server = server
        self.environment = {"KUBECONFIG": str(networks.kubeconfig), "REDIS_URL": server.url}
        self._monkeypatch = monkeypatch

    def __call__(self, *arguments: str) -> Ran:
        return run(self._monkeypatch, *arguments, **self.environment)


@contextlib.contextmanager
def work(server: RedisServer, host: str, *silent_vlans: int) -> Iterator[None]:
    """Run a worker on the host's queue, for which all gateways but those of silent_vlans answer."""
    command = [sys.executable, "-m", "tests.unit.cli.toy_prober", server.url, host, *map(str, silent_vlans)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.kill()


def test_status_shows_every_network(nadroute: Nadroute) -> None:
    """The exit code is 1 as two are not Active; table, JSON and YAML have the same content."""
    ran = nadroute("status", "-o", "json")
    assert ran.code == 1
    rows = {row["name"]: row for row in json.loads(ran.out)}
    assert {name: (row["state"], row["reason"], row["vlan"]) for name, row in rows.items()} == {
        "attic": ("Pending", "NotProbedYet", 8),
        "office": ("Pending", "NotProbedYet", 7),
        "untagged": ("Ignored", "Untagged", None),
    }
    table = nadroute("status").out
    assert all(
        word in table for word in ("default/office", "10.0.112.1/20", "… Pending", "- Ignored", "Untagged")
    )
    import yaml

    assert yaml.safe_load(nadroute("status", "-o", "yaml").out) == json.loads(ran.out)


def test_status_shows_only_the_named_networks(nadroute: Nadroute) -> None:
    """The exit code is 0 if none of them is probed, and 2 for an unknown one."""
    ran = nadroute("status", "default/untagged", "-o", "json")
    assert (ran.code, [row["name"] for row in json.loads(ran.out)]) == (0, ["untagged"])
    ran = nadroute("status", "default/offise")
    assert ran.code == 2
    assert "did you mean default/office?" in ran.err


def test_an_unreachable_cluster_is_one_line(nadroute: Nadroute, tmp_path: Path) -> None:
    """The exit code is 3, and the line has address, error and kubeconfig."""
    config = (tmp_path / "kubeconfig").read_text()
    port = config.partition("https://127.0.0.1:")[2].split()[0]
    (tmp_path / "away").write_text(config.replace(f"127.0.0.1:{port}", "127.0.0.1:1"))
    ran = nadroute("status", "--kubeconfig", str(tmp_path / "away"))
    assert ran.code == 3
    assert len(ran.err.splitlines()) == 1
    assert "cannot connect to 127.0.0.1:1: Connection refused" in ran.err
    assert str(tmp_path / "away") in ran.err


def test_status_is_filtered_by_namespace_host_and_problem(nadroute: Nadroute, networks: Networks) -> None:
    """The exit code is that of the networks shown; those of other namespaces are not Ignored."""
    CoreV1Api(networks.api).create_namespace({"metadata": {"name": "production"}})
    Networks(networks.api, "production", networks.kubeconfig).create(
        network("shop", vlan=9, annotations={"nadroute.io/probe": "disabled"})
    )
    announce(nadroute.server, "node1", mgmt="mgmt-bo")
    announce(nadroute.server, "node2", extra="extra-bo")

    def names(*options: str) -> tuple[int, list[str]]:
        ran = nadroute("status", *options, "-o", "json")
        return ran.code, [row["name"] for row in json.loads(ran.out)]

    assert names("-n", "production") == (0, ["shop"])
    assert names("--problems") == (1, ["attic", "office"])
    assert names("--problems", "-n", "production") == (0, [])
    assert names("--host", "node1") == (1, ["attic", "office"])
    assert names("--host", "node2") == (0, [])
    for options in (["-n", "prod"], ["-n", "prod", "-n", "default", "-o", "json"]):
        mistyped = nadroute("status", *options)
        assert (mistyped.code, mistyped.out) == (2, "")
        assert mistyped.err == "nadroute: no networks in prod: there are some in default, production\n"
    assert nadroute("diff", "-n", "prod") == nadroute("status", "-n", "prod")
    assert nadroute("status", "-n", "production", "--problems").err == "no problems\n"


def test_status_of_an_unknown_host_is_an_error(nadroute: Nadroute) -> None:
    """The exit code is 2, or 3 if Redis is unreachable."""
    announce(nadroute.server, "node1", mgmt="mgmt-bo")
    ran = nadroute("status", "--host", "node9")
    assert (ran.code, ran.err) == (2, "nadroute: --host='node9': not announced; expected one of node1\n")
    assert nadroute("status", "--host", "node9", "--watch") == ran
    ran = nadroute("status", "--host", "node1", "--redis-url", "redis://127.0.0.1:1/0")
    assert ran.code == 3
    assert "Redis at redis://127.0.0.1:1/0" in ran.err


def test_watch_reports_a_silent_api_server(api_server: ApiServer, networks: Networks) -> None:
    """Once when it is silent and once when it answers again, without repeating the networks."""
    options = ["--watch", "--watch-silence-s=2", "--kubeconfig", str(networks.kubeconfig)]
    with subprocess.Popen(
        [*NADROUTE, "status", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            assert len([process.stdout.readline() for _ in range(3)]) == 3
            assert process.stderr.readline().startswith("from the annotation, without hosts: Redis at ")
            api_server.faults.freeze()
            line = process.stderr.readline()
            assert line.startswith("the API server has been silent for 2s: networks are shown as they were")
            api_server.faults.thaw()
            assert process.stderr.readline() == "the API server answers again\n"
            networks.delete("untagged")
            assert process.stdout.readline() == "default/untagged deleted\n"
        finally:
            process.kill()


def test_status_follows_changes_line_by_line(networks: Networks) -> None:
    """If standard output is no terminal, each change and each deletion is a line."""
    command = [*NADROUTE, "status", "--watch", "--kubeconfig", str(networks.kubeconfig)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            lines = [process.stdout.readline() for _ in range(3)]
            assert any(line.startswith("default/office Pending") for line in lines)
            networks.annotate("attic", **{"nadroute.io/probe": "disabled"})
            assert process.stdout.readline().startswith("default/attic Disabled")
            networks.delete("untagged")
            assert process.stdout.readline() == "default/untagged deleted\n"
            process.send_signal(2)
            assert process.wait(TIMEOUT_S) == 0
        finally:
            process.kill()


def test_probe_waits_and_shows_each_hosts_results(nadroute: Nadroute) -> None:
    """The exit code is 1 unless all are Active; no result stays in Redis, and watchers count the frames."""
    reader = ByHandReader(nadroute.server.client)
    reader.read()
    for host in ("node1", "node2"):
        announce(nadroute.server, host, mgmt="mgmt-bo")
    with work(nadroute.server, "node1", 8), work(nadroute.server, "node2", 8):
        ran = nadroute("probe", "--all", "--wait", "-o", "json")
        assert ran.code == 1, ran.err
        found = {row["name"]: row for row in json.loads(ran.out)}
        assert {name: row["state"] for name, row in found.items()} == {
            "office": "Active",
            "attic": "DHCPFailed",
        }
        assert [host["host"] for host in found["office"]["hosts"]] == ["node1", "node2"]
        assert [h["dhcp"]["outcome"] for h in found["attic"]["hosts"]] == ["no_offer", "no_offer"]
        assert [h["dhcp"]["outcome"] for h in found["office"]["hosts"]] == ["not_tried", "offered"]
        assert sum(frames for said in reader.read() for _, frames in said.frames) > 0
        table = nadroute("probe", "default/office", "--wait")
        assert table.code == 0
        assert "✔ 10.0.112.1 offers 10.0.112.0/20" in table.out
        alone = nadroute("probe", "default/office", "--host", "node1", "--wait", "-o", "json")
        assert [h["host"] for h in json.loads(alone.out)[0]["hosts"]] == ["node1"]
    assert list(nadroute.server.client.scan_iter("celery-task-meta-*")) == []


def test_probe_names_a_host_that_does_not_answer_in_time(nadroute: Nadroute) -> None:
    """The results of the other host are shown."""
    announce(nadroute.server, "node1", mgmt="mgmt-bo")
    announce(nadroute.server, "node2", mgmt="mgmt-bo")
    with work(nadroute.server, "node1"):
        ran = nadroute("probe", "default/office", "--wait", "--timeout", "8s", "-o", "json")
    (row,) = json.loads(ran.out)
    assert [host["answered"] for host in row["hosts"]] == [True, False]
    assert "node2: no answer within 8 s" in ran.err


def test_probe_without_wait_lists_the_requests(nadroute: Nadroute) -> None:
    """They are on the hosts' queues."""
    announce(nadroute.server, "node1", mgmt="mgmt-bo")
    ran = nadroute("probe", "--all")
    assert (ran.code, ran.out) == (0, "sent: probe mgmt: 2 segments on node1\n")
    assert nadroute.server.client.llen(probe_queue("node1")) == 1
    (sent,) = json.loads(nadroute("probe", "default/attic", "-o", "json").out)
    assert (sent["host"], sent["cluster_network"], sent["vlans"]) == ("node1", "mgmt", [8])


def test_probe_without_a_host_is_an_error(nadroute: Nadroute) -> None:
    """The exit code is 3 if no host, not this host, or none with the cluster network is announced."""
    ran = nadroute("probe", "--all")
    assert ran.code == 3
    assert "no prober is announced" in ran.err
    announce(nadroute.server, "node1", extra="extra-bo")
    ran = nadroute("probe", "--all", "--host", "node7")
    assert ran.code == 3
    assert "expected one of node1" in ran.err
    ran = nadroute("probe", "--all")
    assert ran.code == 3
    assert "no host carries the cluster network mgmt" in ran.err
    assert "node1 (extra)" in ran.err


def test_probe_names_the_reason_of_a_network_that_is_not_probed(nadroute: Nadroute) -> None:
    """Nothing is sent, and the exit code is 0."""
    ran = nadroute("probe", "default/untagged", "--wait", "-o", "json")
    assert (ran.code, json.loads(ran.out)) == (0, [])
    assert "default/untagged is not probed: Ignored (Untagged)" in ran.err
