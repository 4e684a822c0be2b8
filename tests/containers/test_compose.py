"""The bundle's compose.yaml on a host of the lab: the loop, under Redis' users and TLS, and its secrets."""

import contextlib
import json
import os
import secrets
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from lab.kube import ApiServer
from lab.kube.jsontypes import JsonObject
from lab.kube.resources import NADS
from lab.running import start_site
from lab.site import ServerKind
from lab.site_builder import build_site, build_vlan
from services.network.parse.nad import Network
from tests.containers.docker import Docker, Relay, docker_in
from tests.containers.images import image_of
from tests.network.lab_site import require_lab
from tests.support.updater_site import route_of, state_of, wait_until

HOST = "node1"
PARTS = ("redis", "watcher", "updater", "prober", "flower")
SITE = build_site([build_vlan(vlan, server=ServerKind.BUILTIN) for vlan in range(1, 9)], hosts=1)


@dataclass
class Running:
    """The containers, and the cluster that they serve."""

    docker: Docker
    server: ApiServer
    files: list[Path]
    variables: dict[str, str]
    secrets: dict[str, str]
    """Name of a file to the secret in it."""
    vlans: Iterator[int] = field(default_factory=lambda: iter(range(1, 9)))

    def compose(self, *arguments: str, check: bool = True) -> str:
        return self.docker.compose(self.files, self.variables, *arguments, check=check)

    def container(self, part: str) -> str:
        return f"nadroute-{part}-1"

    def health(self, part: str) -> str:
        return str(self.docker.inspect(self.container(part))["State"]["Health"]["Status"])

    def wait_healthy(self, *parts: str) -> None:
        wait_until(
            lambda: {self.health(part) for part in parts} == {"healthy"},
            lambda: "\n".join(
                self.docker.run("logs", "--tail", "20", self.container(part)) for part in parts
            ),
        )

    def kill(self, part: str) -> None:
        """Kill a container's process, and wait until it is there again and all are healthy."""
        before = self.docker.inspect(self.container(part))
        os.kill(before["State"]["Pid"], signal.SIGKILL)

        def is_new() -> bool:
            now = self.docker.inspect(self.container(part))
            return bool(now["State"]["Running"]) and now["RestartCount"] > before["RestartCount"]

        wait_until(is_new)
        self.wait_healthy(*PARTS)

    def shows_no_secret(self, where: str, text: str) -> None:
        """Raise AssertionError if a line of a secret is in the text."""
        assert len(self.secrets) >= 6
        for secret, value in self.secrets.items():
            for line in value.splitlines():
                if not line.startswith("-----"):
                    assert line not in text, f"{secret} in {where}"

    def network_becomes_active(self) -> None:
        """Create a network without any annotation, and wait until the loop has made it Active."""
        vlan = next(self.vlans)
        config = f'{{"cniVersion":"0.3.1","type":"bridge","bridge":"extra-br","vlan":{vlan}}}'
        body: JsonObject = {
            "apiVersion": "k8s.cni.cncf.io/v1",
            "kind": "NetworkAttachmentDefinition",
            "metadata": {"name": f"net-{vlan}", "namespace": "default"},
            "spec": {"config": config},
        }
        self.server.store.create(NADS, "default", body)

        def now() -> Network:
            return Network.from_object(self.server.store.get(NADS, "default", f"net-{vlan}").body)

        wait_until(
            lambda: state_of(now()) == "Active",
            lambda: "\n".join(
                self.docker.run("logs", "--tail", "20", self.container(part)) for part in PARTS
            ),
        )
        assert route_of(now())["connectivity"] == "true"


def write_secrets(docker: Docker, folder: Path) -> dict[str, str]:
    """Make the users of Redis and its certificate as docs/deployment.md says; return what is secret."""
    folder.mkdir(mode=0o700)
    here = ["--network", "none", "--user", f"{os.getuid()}:{os.getgid()}", "--volume", f"{folder}:/secrets"]
    names = ["--host", HOST, "--tls-name", "redis", "--tls-name", "127.0.0.1"]
    docker.run("run", "--rm", *here, image_of("cli"), "redis", "acl", "/secrets", *names)
    (folder / "page").write_text(secrets.token_hex(12))
    (folder / "page").chmod(0o644)
    public = {"users.acl", "redis-ca.crt", "redis.crt"}
    return {file.name: file.read_text().strip() for file in folder.iterdir() if file.name not in public}


@pytest.fixture(scope="module")
def running(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Bring everything up from the bundle alone, on node1, whose loopback and interfaces are the lab's."""
    require_lab(SITE)
    folder = tmp_path_factory.mktemp("compose")
    keys = folder / "secrets"
    with contextlib.ExitStack() as stack:
        state = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nr-", dir="/tmp"))) / "site"
        lab = stack.enter_context(start_site(SITE, state))
        server = stack.enter_context(ApiServer())
        kubeconfig = yaml.safe_load(server.kubeconfig(folder / "original").read_text())
        cluster = kubeconfig["clusters"][0]["cluster"]
        address, port = str(SITE.hosts[0].address), int(cluster["server"].rpartition(":")[2])
        cluster |= {"server": f"https://{address}:{port}", "tls-server-name": "localhost"}
        (folder / "kubeconfig").write_text(yaml.safe_dump(kubeconfig))
        (folder / "kubeconfig").chmod(0o644)
        stack.enter_context(Relay(lab.description.hosts[HOST].pid, address, port))
        docker = stack.enter_context(docker_in(lab.command(HOST)))
        for archive in sorted((bundle / "images").glob("*.tar.gz")):
            docker.run("load", "--input", str(archive))
        secret = write_secrets(docker, keys)
        variables = {
            "KUBECONFIG_FILE": str(folder / "kubeconfig"),
            "PROBER_HOST": HOST,
            "PROBER_UPLINKS": '{"extra":"extra-bo"}',
            "SECRETS": str(keys),
        }
        up = Running(docker, server, [bundle / "compose.yaml"], variables, secret)
        stack.callback(up.compose, "down", "--volumes", "--timeout", "5")
        up.compose("up", "--detach", "--no-build", "--pull", "never")
        up.wait_healthy(*PARTS)
        yield up


def test_a_network_without_an_annotation_becomes_active(running: Running) -> None:
    """All parts are healthy, and the loop runs under the restricted users of Redis, over verified TLS."""
    running.network_becomes_active()


def test_the_commands_have_their_own_image(running: Running) -> None:
    """`docker compose run cli status` shows the networks, by the rights of the commands' user."""
    running.network_becomes_active()
    shown = running.compose("run", "--rm", "cli", "status")
    assert "Active" in shown
    assert HOST in running.compose("run", "--rm", "cli", "hosts")


def test_a_trunk_is_scanned_in_the_probers_container(running: Running) -> None:
    """Its image and its one capability are enough for `nadroute scan`, beside the prober at work."""
    scan = "nadroute scan --interface extra-bo --vlans 1-8 --output json 2>/dev/null"
    found = json.loads(running.docker.run("exec", running.container("prober"), "sh", "-c", scan))
    assert {each["vlan"]: each["gateway"]["outcome"] for each in found} == dict.fromkeys(
        range(1, 9), "reachable"
    )


@pytest.mark.parametrize("part", PARTS)
def test_a_container_that_is_killed_comes_back(running: Running, part: str) -> None:
    """After a kill -9 Docker starts it again, it gets healthy, and the loop works for a new network."""
    running.kill(part)
    running.network_becomes_active()


@pytest.mark.parametrize("part", PARTS)
def test_no_secret_is_shown(running: Running, part: str) -> None:
    """No password and no key is in what Docker says of a container, in its processes, or in its log."""
    name = running.container(part)
    pids = [line.split()[1] for line in running.docker.run("top", name).splitlines()[1:]]
    assert pids
    shown = {
        "inspect": running.docker.run("inspect", name),
        "image": running.docker.run("image", "inspect", running.docker.inspect(name)["Image"]),
        "logs": running.docker.run("logs", name),
        **{
            f"{pid}/{file}": Path(f"/proc/{pid}/{file}").read_text()
            for pid in pids
            for file in ("environ", "cmdline")
        },
    }
    for where, text in shown.items():
        running.shows_no_secret(f"{where} of {part}", text)


def test_no_error_shows_a_secret(running: Running) -> None:
    """A Redis that is gone, another user's password, and a password in a URL that is refused."""
    running.kill("redis")
    logs = {part: running.docker.run("logs", running.container(part)) for part in PARTS}
    assert all("redis" in logs[part].lower() for part in ("watcher", "updater", "prober"))
    refused = ["run", "--rm", "--env", "NADROUTE_REDIS_USERNAME=watcher", "cli", "hosts"]
    logs["refused"] = running.compose(*refused, check=False)
    assert "NADROUTE_REDIS_USERNAME" in logs["refused"]
    url = f"rediss://cli:{running.secrets['cli']}@redis:6379/zero"
    logs["url"] = running.compose(
        "run", "--rm", "--env", f"NADROUTE_REDIS_URL={url}", "cli", "hosts", check=False
    )
    assert "NADROUTE_REDIS_URL" in logs["url"]
    for where, text in logs.items():
        running.shows_no_secret(where, text)


def test_redis_is_reached_over_tls_alone(running: Running) -> None:
    """Without TLS, or by another authority, nobody gets in."""
    plain = "valkey-cli -h 127.0.0.1 ping; valkey-cli --tls -h 127.0.0.1 ping"
    said = running.docker.run("exec", running.container("redis"), "bash", "-c", plain, check=False)
    assert "PONG" not in said
    assert "certificate verify failed" in said
