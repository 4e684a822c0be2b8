"""`nadroute doctor` against a real Redis with users, and the lab's API server; and against half a site."""

import base64
import contextlib
import json
import re
import socket
import stat
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import redis
from prometheus_client import CollectorRegistry

from lab.kube import ApiServer
from lab.kube.jsontypes import JsonObject
from lab.kube.requests import Match
from lab.kube.resource_type import ResourceType
from lab.kube.resources import NAMESPACES, NODES, POD_MONITORS, PROMETHEUS_RULES, SERVICE_ACCOUNTS
from services.contract.names import (
    DEAD_LETTERS_KEY,
    OBSERVED_TIME_KEY,
    RUNNING_TTL_S,
    SENDING_KEY,
    probe_queue,
    running_key,
)
from services.runtime.connection import redis_check
from services.runtime.connection.redis_address import RedisAddress
from services.runtime.connection.redis_check import RedisCheck
from services.runtime.connection.redis_client import time_ms
from services.runtime.connection.settings import TelemetrySettings
from services.runtime.telemetry.telemetry import Telemetry
from services.view.doctor import cluster_gathering, redis_gathering
from services.view.doctor.facts import QueueFact
from services.view.doctor.redis_gathering import RedisExamination
from tests.integration.test_cli_hosts import announce
from tests.integration.test_cli_redis_acl import open_redis
from tests.support.kube_api import Networks, api_client, network
from tests.support.manual_clock import ManualClock
from tests.support.redis_server import RedisServer
from tests.support.tls_front import Authority
from tests.unit.cli.running import Ran, run

SECRET = "s3cr#t/with?all%of@them"
READY: JsonObject = {"conditions": [{"type": "Ready", "status": "True"}]}
MONITORED: dict[ResourceType, JsonObject] = {
    PROMETHEUS_RULES: {"groups": [{"name": "nadroute", "rules": [{"alert": "NadrouteBehind", "expr": "1"}]}]},
    POD_MONITORS: {"selector": {"matchLabels": {"app.kubernetes.io/part-of": "nadroute"}}},
}


@dataclass
class Site:
    """A whole site, as far as the doctor looks at it."""

    api: ApiServer
    admin: redis.Redis
    networks: Networks
    environment: dict[str, str]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A Redis with nadroute's users, whose CLI has a password in a file; an API server with two nodes."""
    folder = tmp_path_factory.mktemp("doctor")
    with pytest.MonkeyPatch.context() as patch:
        (secrets := folder / "secrets").mkdir(mode=0o700)
        (secrets / "cli").write_text(SECRET)
        assert run(patch, "redis", "acl", str(secrets)).code == 0
    with (
        ApiServer(state=folder / "state") as api,
        tempfile.TemporaryDirectory(prefix="nr-", dir="/tmp") as short,
        open_redis(Path(short), secrets) as url,
        contextlib.closing(redis.Redis.from_url(url, username="admin", decode_responses=True)) as admin,
        api_client(api.kubeconfig(folder / "kubeconfig")) as client,
    ):
        networks = Networks(client, "default", folder / "kubeconfig")
        networks.create(network("office", annotations={"nadroute.io/probe": "disabled"}))
        api.store.create(NAMESPACES, "", {"metadata": {"name": "nadroute"}})
        for name in ("node1", "node2"):
            api.store.create(NODES, "", {"metadata": {"name": name}, "status": READY})
        for name in ("watcher", "updater"):
            api.store.create(SERVICE_ACCOUNTS, "nadroute", {"metadata": {"name": name}})
        for kind, spec in MONITORED.items():
            api.store.create(kind, "nadroute", {"metadata": {"name": "nadroute"}, "spec": spec})
        environment = {
            "KUBECONFIG": str(networks.kubeconfig),
            "REDIS_URL": url,
            "REDIS_USERNAME": "cli",
            "REDIS_PASSWORD_FILE": str(secrets / "cli"),
        }
        yield Site(api, admin, networks, environment)


class Doctor:
    """Runs the doctor on a site."""

    def __init__(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        self.site = site
        self._monkeypatch = monkeypatch

    def run(self, *arguments: str, **environment: str) -> Ran:
        """Run it with these NADROUTE_ variables in place of the site's."""
        given = {**self.site.environment, **environment}
        return run(self._monkeypatch, "doctor", *arguments, **{k: v for k, v in given.items() if v})

    def troubles(self, *, code: int, **environment: str) -> dict[str, tuple[str, str]]:
        """Return level and text of each check that is not ok."""
        ran = self.run("-o", "json", **environment)
        assert (ran.code, ran.err) == (code, "")
        found = json.loads(ran.out)
        return {each["check"]: (each["level"], each["text"]) for each in found if each["level"] != "ok"}


@pytest.fixture
def doctor(running: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Doctor]:
    """The module's site, healthy at the beginning."""
    running.admin.flushall()
    for name in ("node1", "node2"):
        announce(_server(running), name, mgmt="mgmt-bo")
    running.admin.set(SENDING_KEY, "{}", ex=15)
    for part in ("watcher", "updater", "flower"):
        say_version(running, part)
    running.admin.hset(OBSERVED_TIME_KEY, "at_ms", str(time_ms(running.admin)))
    # What does not answer is to be noticed soon.
    monkeypatch.setattr(redis_gathering, "TIMEOUT_S", 0.5)
    monkeypatch.setattr(cluster_gathering, "TIMEOUT_S", (1.0, 1.0))
    yield Doctor(running, monkeypatch)
    running.api.faults.clear()


def say_version(site: Site, part: str) -> None:
    """Have this part check Redis once, under its own user."""
    file = Path(site.environment["REDIS_PASSWORD_FILE"]).with_name(part)
    url, clock = site.environment["REDIS_URL"], ManualClock()
    if part == "flower":
        address = RedisAddress(url, part, file)
        check = RedisCheck(address, clock=clock, registry=CollectorRegistry(), writes=False, part=part)
    else:
        settings = TelemetrySettings(
            redis_url=url, redis_username=part, redis_password_file=file, metrics_port=0
        )
        check = Telemetry(settings, service=part, clock=clock).redis
    check.check()
    assert check.problem() is None
    check.stop()


def _server(site: Site) -> Any:
    """Return what announce() takes of a Redis: its client."""
    return RedisServer(site.environment["REDIS_URL"], site.admin, process=None)  # type: ignore[arg-type]


def test_a_healthy_site_is_ok(doctor: Doctor) -> None:
    """Signed in as `cli`; the rights are those of the ServiceAccounts. Table and JSON agree, exit code 0.

    Probing cannot be told, as no host has reported yet: that is no failure.
    """
    assert set(doctor.troubles(code=0)) == {"probing"}
    ran = doctor.run()
    lines = ran.out.splitlines()
    assert lines[-1] == "21 ok, 1 cannot tell"
    assert sum(line.startswith("✔ ok") for line in lines) == 21
    assert "signed in as cli" in ran.out
    assert "system:serviceaccount:nadroute:watcher has all that it uses" in ran.out


@pytest.mark.parametrize("part", ["watcher", "updater", "flower"])
def test_a_part_of_another_version_is_named(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    """Each says its version with its checks of Redis, under a key that expires soon after its last one."""
    monkeypatch.setattr(redis_check, "__version__", "0.0.9")
    say_version(doctor.site, part)
    level, text = doctor.troubles(code=0)["versions"]
    assert (level, f"0.0.9: {part} on {socket.gethostname()}" in text) == ("warning", True)
    key = running_key(part, socket.gethostname())
    assert 0 < doctor.site.admin.pttl(key) <= RUNNING_TTL_S * 1_000
    doctor.site.admin.delete(key)
    found = doctor.troubles(code=0)
    assert found.get("versions", ("", ""))[0] == ("" if part == "flower" else "cannot tell")


def test_versions_that_nobody_can_have_are_left_out(doctor: Doctor) -> None:
    """Whoever reaches Redis can write these keys: control characters, other types, other parts."""
    forged = {
        ("watcher", "forged"): "\x1b[31m",
        ("updater", "\x1b[31m"): "9.9.9",
        ("nobody", "here"): "9.9.9",
    }
    for (part, machine), version in forged.items():
        doctor.site.admin.set(running_key(part, machine), version)
    doctor.site.admin.rpush(running_key("updater", "list"), "9.9.9")
    doctor.site.admin.set(running_key("updater", "long"), 1_000 * "9")
    assert "versions" not in doctor.troubles(code=0)


def test_rights_are_those_of_the_accounts(doctor: Doctor) -> None:
    """What the updater's account may not, or we, is named; what may not be asked cannot be told."""
    refuse = doctor.site.api.faults.respond
    updater = "system:serviceaccount:nadroute:updater"
    refuse(
        403,
        match=Match(verb="patch", resource="network-attachment-definitions", user_agent=updater),
        count=None,
    )
    refuse(403, match=Match(verb="list", resource="nodes"), count=None)
    found = doctor.troubles(code=1)
    assert found["rights: updater"] == ("failed", f"{updater} may not: patch network-attachment-definitions")
    assert found["nodes"][0] == "cannot tell"
    assert "this user may not" in found["nodes"][1]
    assert set(found) == {"probing", "rights: updater", "nodes"}


def test_without_redis_kubernetes_is_checked(doctor: Doctor) -> None:
    """A closed port, a frozen server: one failure, the rest of Redis cannot be told, and no traceback."""
    found = doctor.troubles(
        code=1, REDIS_URL="redis://127.0.0.1:1/0", REDIS_USERNAME="", REDIS_PASSWORD_FILE=""
    )
    assert [check for check, (level, _) in found.items() if level == "failed"] == ["Redis"]
    assert "Connection refused" in found["Redis"][1]
    assert found["hosts"] == ("cannot tell", "Redis could not be read")
    assert "Kubernetes" not in found
    ran = doctor.run(REDIS_URL="redis://127.0.0.1:1/0", REDIS_USERNAME="", REDIS_PASSWORD_FILE="")
    (line,) = (each for each in ran.out.splitlines() if "cannot tell" in each and "checks" in each)
    assert "Redis could not be read: Redis: user, Redis: TLS, " in line
    assert line.endswith("versions")
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as silent:
        found = doctor.troubles(
            code=1,
            REDIS_URL=f"redis://127.0.0.1:{silent.getsockname()[1]}/0",
            REDIS_USERNAME="",
            REDIS_PASSWORD_FILE="",
        )
    assert "Timeout" in found["Redis"][1]


def test_without_kubernetes_redis_is_checked(doctor: Doctor, tmp_path: Path) -> None:
    """No credentials cannot be told; an API server that refuses, or never answers, is a failure."""
    found = doctor.troubles(code=0, KUBECONFIG="")
    assert found["Kubernetes"][0] == "cannot tell"
    assert {level for level, _ in found.values()} == {"cannot tell"}
    assert {"rights: watcher", "nodes", "networks", "scrape", "probing"} < set(found)
    doctor.site.api.faults.freeze()
    found = doctor.troubles(code=1)
    assert found["Kubernetes"][0] == "failed"
    assert "timed out" in found["Kubernetes"][1]
    doctor.site.api.faults.clear()
    text = doctor.site.networks.kubeconfig.read_text()
    rejected = text.replace(doctor.site.api.tokens.admin, "old")
    (tmp_path / "rejected").write_text(rejected)
    (line,) = _kubernetes(doctor.run("-o", "json", KUBECONFIG=str(tmp_path / "rejected")))
    assert ("credentials are not accepted" in line["text"], "renew the token" in line["todo"]) == (True, True)
    other = _authority(tmp_path)
    (tmp_path / "distrusted").write_text(re.sub(r"(authority-data: ).*", rf"\g<1>{other}", text))
    (line,) = _kubernetes(doctor.run("-o", "json", KUBECONFIG=str(tmp_path / "distrusted")))
    assert ("CERTIFICATE_VERIFY_FAILED" in line["text"], "the CA of this API" in line["todo"]) == (True, True)
    (tmp_path / "away").write_text(text.replace(f":{doctor.site.api.port}", ":1"))
    found = doctor.troubles(code=1, KUBECONFIG=str(tmp_path / "away"))
    assert "cannot connect to 127.0.0.1:1" in found["Kubernetes"][1]


def test_a_namespace_without_the_accounts_is_told(doctor: Doctor) -> None:
    """The rights that were asked about are ours, and no finding says that they are an account's."""
    ran = doctor.run("--namespace", "elsewhere")
    assert ran.code == 0
    for part in ("watcher", "updater"):
        assert f"there is no ServiceAccount nadroute-{part} in elsewhere" in " ".join(ran.out.split())


def _kubernetes(ran: Ran) -> list[dict[str, str]]:
    assert ran.code == 1
    return [each for each in json.loads(ran.out) if each["check"] == "Kubernetes"]


def _authority(folder: Path) -> str:
    """Return the certificate of an authority that signed nothing here, as a kubeconfig has it."""
    return base64.b64encode(Authority(folder, "other").file.read_bytes()).decode()


def test_a_user_of_another_part_is_told_what_it_lacks(doctor: Doctor) -> None:
    """A prober's password opens too little, an administrator's too much."""
    secrets = Path(doctor.site.environment["REDIS_PASSWORD_FILE"]).parent
    found = doctor.troubles(code=1, REDIS_USERNAME="prober", REDIS_PASSWORD_FILE=str(secrets / "prober"))
    assert found["Redis: user"][0] == "failed"
    assert "signed in as prober, who may not" in found["Redis: user"][1]
    assert "look for hosts" in found["Redis: user"][1]
    url = doctor.site.environment["REDIS_URL"].replace("unix://", "unix://admin:any@")
    found = doctor.troubles(code=0, REDIS_URL=url, REDIS_USERNAME="", REDIS_PASSWORD_FILE="")
    assert found["Redis: user"][0] == "warning"
    assert "signed in as admin, who may also read Redis' configuration" in found["Redis: user"][1]


def test_nothing_in_redis_is_changed(doctor: Doctor) -> None:
    """The writes that it tries make no key and alter none, not even a pause."""
    admin = doctor.site.admin
    for pause in (None, '{"since_ms":1,"by":"ada","reason":"x"}'):
        if pause is not None:
            admin.set("nadroute:paused", pause, px=60_000)
        before = {key: admin.dump(key) for key in admin.scan_iter() if "host" not in key}
        doctor.run()
        assert {key: admin.dump(key) for key in admin.scan_iter() if "host" not in key} == before
    assert 0 < admin.pttl("nadroute:paused") <= 60_000


def test_only_a_queue_of_which_nothing_is_taken_stands(doctor: Doctor) -> None:
    """The oldest message is watched for a while: one that is taken meanwhile is no trouble."""
    admin, clock = doctor.site.admin, ManualClock()
    address = RedisAddress(
        doctor.site.environment["REDIS_URL"], "cli", Path(doctor.site.environment["REDIS_PASSWORD_FILE"])
    )
    admin.lpush(probe_queue("node1"), "first", "second")
    admin.lpush("report", "one", "two")
    waited = clock.wait

    def take(event: Any, timeout_s: float) -> bool:
        admin.rpop("report")
        return waited(event, timeout_s)

    clock.wait = take  # type: ignore[method-assign]
    facts = RedisExamination(address, clock).facts()
    assert facts.queues == (QueueFact("report", 2, 0.0), QueueFact(probe_queue("node1"), 2, 5.0))


def test_the_bundle_has_what_helps_and_no_secret(doctor: Doctor, tmp_path: Path) -> None:
    """Passwords of Redis and Flower, the token of the kubeconfig: in no file of it, in no form, wherever
    somebody has put them. Only its owner may read it.
    """
    site, token = doctor.site, doctor.site.api.tokens.admin
    told = {
        "at_ms": time_ms(site.admin),
        "where": "report",
        "reason": f"got {SECRET}, {quote(SECRET, safe='')}",
        "body": SECRET,
    }
    site.admin.lpush(DEAD_LETTERS_KEY, json.dumps(told))
    site.networks.create(
        network("leaky", annotations={"nadroute.io/probe": "disabled", "nadroute.io/note": token})
    )
    file = tmp_path / "bundle.tgz"
    ran = doctor.run("--bundle", str(file), "--annotations", FLOWER_PASSWORD="fl0wer-s3cret")
    site.networks.delete("leaky")
    assert ran.code == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with tarfile.open(file) as archive:
        content = {
            Path(member.name).name: archive.extractfile(member).read().decode()  # type: ignore[union-attr]
            for member in archive.getmembers()
        }
    everything = "".join(content.values()) + ran.out + ran.err
    for secret in (SECRET, token, "fl0wer-s3cret"):
        for form in (secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode()):
            assert form not in everything
    documents = {name: json.loads(text) for name, text in content.items() if name.endswith(".json")}
    assert set(content) - set(documents) == {"README.txt"}
    assert documents["dead-letters.json"][0]["reason"] == "got ***, ***"
    assert "body" not in documents["dead-letters.json"][0]
    assert [row["host"] for row in documents["hosts.json"]] == ["node1", "node2"]
    assert {row["name"] for row in documents["networks.json"]} == {"office", "leaky"}
    notes = [each["annotations"].get("nadroute.io/note") for each in documents["annotations.json"]]
    assert "***" in notes
    settings = {row.get("setting"): row.get("value") for row in documents["settings.json"]}
    assert settings["redis_url"] == site.environment["REDIS_URL"]
    assert settings["flower_password"] == "***"
    assert documents["versions.json"]["kubernetes server"].startswith("v")
    assert [each["check"] for each in documents["doctor.json"]][:2] == ["Redis", "Redis: user"]


def test_a_bundle_is_made_of_half_a_site(doctor: Doctor, tmp_path: Path) -> None:
    """Without Redis and without Kubernetes it says why in place of what it lacks."""
    file = tmp_path / "bundle.tgz"
    ran = doctor.run(
        "--bundle",
        str(file),
        REDIS_URL="redis://u:pass-w0rd@127.0.0.1:1/0",
        REDIS_USERNAME="",
        REDIS_PASSWORD_FILE="",
        KUBECONFIG="",
    )
    assert ran.code == 1
    with tarfile.open(file) as archive:
        names = {Path(name).name for name in archive.getnames()}
        hosts = archive.extractfile("nadroute-doctor/hosts.json")
        assert hosts is not None
        assert json.load(hosts) == {"cannot_tell": "not read"}
        everything = b"".join(archive.extractfile(each).read() for each in archive.getmembers())  # type: ignore[union-attr]
    assert "annotations.json" not in names
    assert b"pass-w0rd" not in everything


def test_a_bundle_that_cannot_be_written_is_a_wrong_use(doctor: Doctor, tmp_path: Path) -> None:
    """Exit code 2, one line that names the file; so is --annotations without --bundle."""
    ran = doctor.run("--bundle", str(tmp_path / "nowhere" / "x.tgz"))
    assert ran.code == 2
    assert "No such file or directory; expected a file in a folder" in ran.err
    assert doctor.run("--annotations").code == 2
