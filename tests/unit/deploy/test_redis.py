"""Redis as deployed: its configuration, its password, and its data after a kill."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from services.runtime.connection.redis_users import acl_file, redis_users
from tests.support import programs
from tests.support.redis_server import wait_for_redis
from tests.unit.deploy.reading import (
    REDIS_CONF,
    compose,
    container_of,
    environment_of,
    of_kind,
    pod_of,
    secret_files,
    workloads,
)

PASSWORD = "0123456789abcdef"
USERS = acl_file(redis_users(), {"cli": [PASSWORD]}) + f"user test reset on >{PASSWORD} ~* &* +@all\n"
TLS = {
    "--port": "0",
    "--tls-port": "6379",
    "--tls-cert-file": "/run/secrets/nadroute/redis.crt",
    "--tls-key-file": "/run/secrets/nadroute/redis.key",
    "--tls-auth-clients": "no",
}
"""What Redis has beyond the file; the server that pip installs is built without TLS."""
COMMANDS = {
    "cluster": container_of(workloads()["redis"])["command"][:2],
    "compose": compose()["services"]["redis"]["entrypoint"][:2],
}


def _configured() -> dict[str, str]:
    lines = [line.strip() for line in REDIS_CONF.read_text().splitlines()]
    return dict(line.split(maxsplit=1) for line in lines if line and not line.startswith("#"))


def test_nothing_is_lost_and_nothing_is_evicted() -> None:
    """Redis appends every write to a file, and refuses a write rather than evicting a message."""
    configured = _configured()
    assert configured["appendonly"] == "yes"
    assert configured["maxmemory-policy"] == "noeviction"
    assert configured["maxmemory"] == "256mb"
    assert configured["aclfile"] == "/run/secrets/nadroute/users.acl"


def test_the_file_outlives_the_container() -> None:
    """Redis' folder is on a volume of the pod in the cluster, and on a named volume under Compose."""
    mounts = {m["name"]: m["mountPath"] for m in container_of(workloads()["redis"])["volumeMounts"]}
    assert mounts["data"] == _configured()["dir"]
    assert mounts["config"] == "/etc/redis"
    service = compose()["services"]["redis"]
    assert f"redis:{_configured()['dir']}" in service["volumes"]
    assert "redis" in compose()["volumes"]


def test_the_cluster_has_the_file_that_compose_mounts() -> None:
    """The ConfigMap's redis.conf says the same, line by line."""
    lines = [line.rstrip() for line in of_kind("ConfigMap")["redis"]["data"]["redis.conf"].splitlines()]
    assert lines == REDIS_CONF.read_text().splitlines()


def test_the_clusters_redis_speaks_tls_alone() -> None:
    """No other port is open; certificate and key are files of the Secret, and every client has the CA."""
    redis_pods = workloads()["redis"]
    options = iter(container_of(redis_pods)["command"][2:])
    assert dict(zip(options, options, strict=True)) == TLS
    (port,) = container_of(redis_pods)["ports"]
    assert str(port["containerPort"]) == TLS["--tls-port"]
    files = secret_files(redis_pods)
    assert (files[TLS["--tls-cert-file"]], files[TLS["--tls-key-file"]]) == ("redis.crt", "redis.key")
    for name in ("watcher", "updater", "prober", "flower"):
        environment = environment_of(workloads()[name])
        assert environment["NADROUTE_REDIS_URL"].startswith("rediss://")
        assert secret_files(workloads()[name])[environment["NADROUTE_REDIS_CA_FILE"]] == "redis-ca.crt"


def test_redis_speaks_tls_alone_under_compose_too() -> None:
    """No other port is open, and every part and the commands have the CA and verify by it."""
    services = compose()["services"]
    options = iter(services["redis"]["entrypoint"][2:])
    assert dict(zip(options, options, strict=True)) == TLS
    for name in ("watcher", "updater", "prober", "flower", "cli"):
        mounted = {secret["target"]: secret["source"] for secret in services[name]["secrets"]}
        environment = services[name]["environment"]
        assert environment["NADROUTE_REDIS_URL"].startswith("rediss://")
        assert mounted[environment["NADROUTE_REDIS_CA_FILE"]] == "redis-ca.crt"


def test_redis_starts_elsewhere_when_its_node_is_lost() -> None:
    """A Deployment without a claim: a StatefulSet would wait for the lost pod without limit."""
    redis_pods = of_kind("Deployment")["redis"]
    assert redis_pods["spec"]["strategy"] == {"type": "Recreate"}
    assert not [v for v in pod_of(redis_pods)["volumes"] if {"persistentVolumeClaim", "hostPath"} & v.keys()]


def test_the_limit_leaves_room_to_rewrite_the_file() -> None:
    """The pod has more than twice Redis' maxmemory, because a rewrite copies what changes meanwhile."""
    limit = container_of(workloads()["redis"])["resources"]["limits"]["memory"]
    assert int(limit.removesuffix("Mi")) >= 2 * int(_configured()["maxmemory"].removesuffix("mb")) + 64


def test_redis_is_asked_for_by_its_full_name() -> None:
    """The name ends with a dot: no look-up of it under the cluster's other domains."""
    (namespace,) = {m["metadata"]["name"] for m in of_kind("Namespace").values()}
    service = of_kind("Service")["redis"]["metadata"]["name"]
    for name in ("watcher", "updater", "prober", "flower"):
        url = environment_of(workloads()[name])["NADROUTE_REDIS_URL"]
        assert urlsplit(url).hostname == f"{service}.{namespace}.svc.cluster.local."


def _client(socket: str, password: str | None) -> redis.Redis:
    """Connect without retries, whose pauses would only cost time."""
    return redis.Redis(
        unix_socket_path=socket,
        username="test" if password else None,
        password=password,
        decode_responses=True,
        retry=Retry(NoBackoff(), 0),
    )


@contextmanager
def _deployed(command: list[str], folder: Path, users: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run the deployed command; a stub calls the real server, on a unix socket in folder."""
    there = REDIS_CONF.read_text().replace(f"dir {_configured()['dir']}", f"dir {folder}")
    there = there.replace(_configured()["aclfile"], str(folder / "users.acl"))
    (folder / "users.acl").write_text(users)
    (folder / "redis.conf").write_text(there)
    arguments = ["valkey-server", str(folder / "redis.conf"), "--port", "0"]
    arguments += ["--unixsocket", str(folder / "redis.sock")]
    stand_in = folder / "valkey-server"
    stand_in.write_text(
        f"#!{sys.executable}\nimport os, sys\n"
        "assert sys.argv[1:] == ['/etc/redis/redis.conf'], sys.argv\n"
        f"os.execv({programs.redis_server()!r}, {arguments!r})\n"
    )
    stand_in.chmod(0o755)
    environment = {"PATH": f"{folder}:{os.environ['PATH']}"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait(60)


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())
def test_redis_starts_as_deployed(command: list[str], short_folder: Path) -> None:
    """Redis requires the password, has it in no argument, receives signals, and survives a kill -9."""
    socket = str(short_folder / "redis.sock")
    with (
        _deployed(command, short_folder, USERS) as process,
        _client(socket, PASSWORD) as client,
        _client(socket, None) as stranger,
    ):
        wait_for_redis(client, process)
        with pytest.raises(redis.AuthenticationError):
            stranger.ping()
        for shown in ("cmdline", "environ"):
            assert PASSWORD.encode() not in Path(f"/proc/{process.pid}/{shown}").read_bytes()
        assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
        client.set("kept", "yes")
        process.send_signal(signal.SIGKILL)
        process.wait(60)
    with (
        _deployed(command, short_folder, USERS) as process,
        _client(socket, PASSWORD) as client,
    ):
        wait_for_redis(client, process)
        assert client.get("kept") == "yes"
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())
def test_redis_does_not_start_without_its_users(command: list[str], short_folder: Path) -> None:
    """Redis does not start with a file of users that it cannot read, which would open it to everybody."""
    with _deployed(command, short_folder, "user x no-such-rule") as process:
        assert process.wait(60) != 0
