"""The whole loop under the restricted users of Redis, and what each of them may not do."""

import base64
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import cast

import pytest
import redis
from prometheus_client import CollectorRegistry

from services.contract.names import (
    DEAD_LETTERS_KEY,
    PAUSED_KEY,
    QUARANTINE_KEY_PREFIX,
    host_key,
    host_waiting_key,
)
from services.runtime.connection.redis_address import RedisAddress
from services.runtime.connection.redis_users import acl_file, prober_name, redis_users
from services.runtime.stored.announcements import read
from services.runtime.stored.dead_letters import parse, read_raw
from services.runtime.stored.guarded_redis import connect_guarded
from services.runtime.stored.quarantine import HUGE_BYTES
from tests.faults.whole_site import PARTIAL, VLANS, WholeSite, name_of, site_of, whole_site
from tests.network.lab_site import require_lab
from tests.support.service_process import free_port

HOSTS = ("node1", "node2")
PATIENCE_S = 60.0
USERS = redis_users(HOSTS)


def password_of(user: str) -> str:
    return f"p@ss/w#rd-of-{user}"


def variables_of(folder: Path, user: str) -> dict[str, str]:
    """Return the variables by which a service signs in as this user."""
    file = folder / f"{user}.password"
    file.write_text(password_of(user) + "\n")
    return {"NADROUTE_REDIS_USERNAME": user, "NADROUTE_REDIS_PASSWORD_FILE": str(file)}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeSite]:
    require_lab(site_of(HOSTS))
    with tempfile.TemporaryDirectory(prefix="nr-", dir="/tmp") as short:
        folder = Path(short)
        as_user: dict[str, Mapping[str, str]] = {
            **{name: variables_of(folder, name) for name in ("watcher", "updater", "cli", "flower")},
            **{host: variables_of(folder, prober_name(host)) for host in HOSTS},
        }
        file = folder / "users.acl"
        # The test itself is the user `default`, which the file turns off.
        text = acl_file(USERS, {user.name: [password_of(user.name)] for user in USERS if not user.is_open})
        file.write_text(text.replace("user default reset off", "user default reset on nopass ~* &* +@all"))
        options = ("--aclfile", str(file), "--acllog-max-len", "1000")
        state = tmp_path_factory.mktemp("lab") / "state"
        with whole_site(folder, state, HOSTS, redis_options=options, as_user=as_user) as running:
            assert refusals(running) == []
            yield running


def command(site: WholeSite, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command as the user `cli`."""
    return subprocess.run(
        [sys.executable, "-m", "services.cli.main", *arguments],
        env={**site.updater.environment, **site.as_user["cli"]},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def refusals(site: WholeSite) -> list[tuple[str, str, str]]:
    """Return who was refused what: user, reason and object, newest first."""
    entries = site.redis.client.acl_log()
    return [(str(entry["username"]), str(entry["reason"]), str(entry["object"])) for entry in entries]


def uplinks_of(site: WholeSite, host: str) -> Mapping[str, str]:
    """Return what this host is announced with. Another may be missing until it is announced again."""
    (announced,) = (each for each in read(site.redis.client).hosts if each.host == host)
    return announced.uplinks


def until(condition: Callable[[], object]) -> None:
    deadline, never = time.monotonic() + PATIENCE_S, threading.Event()
    while not condition():
        assert time.monotonic() < deadline
        never.wait(0.1)


@contextlib.contextmanager
def flower(site: WholeSite) -> Iterator[Callable[[str], str]]:
    """Run Flower as its user; yields what gets a page of it."""
    port = free_port()
    folder = Path(site.redis.url.removeprefix("unix://")).parent
    (folder / "page.password").write_text("of-the-page")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("NADROUTE_")},
        **site.as_user["flower"],
        "NADROUTE_REDIS_URL": site.redis.url,
        "NADROUTE_FLOWER_PORT": str(port),
        "NADROUTE_FLOWER_PASSWORD_FILE": str(folder / "page.password"),
    }

    def get(path: str) -> str:
        request = urllib.request.Request(f"http://127.0.0.1:{port}/{path}")
        request.add_header("Authorization", f"Basic {base64.b64encode(b'nadroute:of-the-page').decode()}")
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return str(answer.read().decode())

    program = [sys.executable, "-m", "services.cli.main", "flower"]
    with subprocess.Popen(program, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("Flower: http://")
            yield get
        finally:
            process.terminate()


def test_the_loop_runs_and_nobody_is_refused_anything(site: WholeSite) -> None:
    """Networks become Active, the commands work, and Redis' log of refusals stays empty."""
    assert site.states()[VLANS[0]] == "Active"
    shown = command(site, "status", "-o", "json")
    assert "cannot be read" not in shown.stderr
    assert json.loads(shown.stdout)
    assert "cannot be read" not in command(site, "explain", f"default/{name_of(VLANS[0])}").stderr
    probed = command(site, "probe", f"default/{name_of(VLANS[0])}", "--wait", "-o", "json")
    assert probed.returncode == 0, probed.stderr
    hosts = command(site, "hosts")
    assert hosts.returncode == 0, hosts.stderr
    assert command(site, "dead-letters").returncode == 0
    for pausing in ("pause", "resume"):
        assert command(site, pausing).returncode == 0
    assert refusals(site) == []
    assert PARTIAL in site.states()


def test_a_host_in_maintenance_is_no_fault_of_a_network(site: WholeSite) -> None:
    """While node2 is left out, node1 alone tells: what node2's trunk lacks is Active, and node2 runs on until
    it is announced as before. Neither the commands nor the probers are refused anything.
    """
    until(lambda: site.states()[PARTIAL] == "Partial")
    incarnation = site.incarnation("node2")
    assert command(site, "pause", "--host", "node2", "--for", "1h", "--reason", "trunk").returncode == 0
    until(lambda: site.states()[PARTIAL] == "Active")
    assert site.states()[VLANS[0]] == "Active"
    assert uplinks_of(site, "node2") == {}
    assert command(site, "resume", "--host", "node2").returncode == 0
    until(lambda: uplinks_of(site, "node2"))
    assert site.incarnation("node2") == incarnation
    assert refusals(site) == []


@pytest.mark.long
def test_flower_shows_workers_and_queues_as_its_user(site: WholeSite) -> None:
    """Its pages are there, and nobody is refused anything: neither Flower nor the workers that answer it."""
    site.redis.client.acl_log_reset()
    with flower(site) as get:
        until(lambda: set(json.loads(get("api/workers"))) >= {f"prober@{host}" for host in HOSTS})
        for page in ("broker", "api/queues/length", "tasks"):
            assert get(page)
    assert refusals(site) == []


def test_a_prober_sets_aside_what_is_wrong_in_its_keys(site: WholeSite) -> None:
    """R17: what it takes to rename, delete and record such keys is among the rights of its user."""
    site.redis.client.acl_log_reset()
    writer, user = site.redis.client, prober_name("node1")
    folder = Path(site.redis.url.removeprefix("unix://")).parent
    address = RedisAddress(site.redis.url, username=user, password_file=folder / f"{user}.password")
    step, huge = "probe.node1\x06\x163", host_waiting_key("node1")
    wrong = (host_key("node1"), "nadroute:outstanding:node1:extra:7", DEAD_LETTERS_KEY)
    with connect_guarded(address, registry=CollectorRegistry()) as client:
        for key in wrong:
            writer.delete(key)
            writer.hset(key, "x", "1")
            client.check([key])
            assert writer.type(key) in ("none", "list", "string")
        writer.hset(step, "x", "1")
        writer.set(huge, "x" * 2 * HUGE_BYTES)
        assert client.set_aside(step, "expected a list, got a hash")
        client.check([huge])
        assert writer.exists(step, huge) == 0
        # In either order: the prober at work looks for such keys, too.
        assert {letter.where for letter in parse(read_raw(writer, 2))} == {huge, step}
    assert writer.exists(f"{QUARANTINE_KEY_PREFIX}:1")
    assert refusals(site) == []


def signed_in(site: WholeSite, user: str) -> redis.Redis:
    """Return a client that signs in as a thief of this user's password would."""
    path = Path(site.redis.url.removeprefix("unix://"))
    file = path.with_name(f"{user}.password")
    password = file.read_text().strip() if file.exists() else "any"
    return redis.Redis(unix_socket_path=str(path), username=user, password=password, decode_responses=True)


NODE2 = "probe.node2"
REFUSED = {
    prober_name("node1"): (
        f"SET {PAUSED_KEY} 1",
        f"EVAL redis.call('SET',KEYS[1],1) 1 {PAUSED_KEY}",
        f"DEL {PAUSED_KEY}",
        f"BRPOP {NODE2} 1",
        f"LLEN {NODE2}",
        f"LPUSH {NODE2} x",
        f"BRPOP {NODE2}\x06\x163 1",
        "GET nadroute:host:node2",
        "SET nadroute:host:node2 x",
        "SET nadroute:host-lock:node2 x",
        "HGET unacked:node2 x",
        "BRPOP report 1",
        "DEL report",
        "LTRIM report 1 0",
        "SADD _kombu.binding.probe.node2 x",
        "HGET nadroute:verdicts:extra:7 node2",
        "HSET nadroute:verdicts:extra:7 node2 x",
        "DEL nadroute:doubts",
        "PUBLISH /0.celery.pidbox x",
        "PSUBSCRIBE *",
        "SCAN 0",
        "RANDOMKEY",
    ),
    "watcher": ("PUBLISH /0.celery.pidbox x", "BRPOP report 1", "GET celery-task-meta-x"),
    "updater": ("PUBLISH /0.celery.pidbox x", "HGET unacked:node2 x"),
    "flower": (
        f"SET {PAUSED_KEY} 1",
        f"LPUSH {NODE2} x",
        f"BRPOP {NODE2} 1",
        "GET nadroute:host:node1",
        "SCAN 0",
    ),
    "cli": (
        "PUBLISH /0.celery.pidbox x",
        "SET nadroute:host:node2 x",
        "DEL nadroute:doubts",
        "LPUSH report x",
        "HGET unacked:node2 x",
    ),
    "health": ("GET x", "SET x 1", "PUBLISH x x", "SCAN 0"),
}
NOBODY = (
    *(
        "FLUSHALL",
        "FLUSHDB",
        "CONFIG GET *",
        "CONFIG SET maxmemory 1",
        "MONITOR",
        "KEYS *",
        "SHUTDOWN",
        "INFO",
    ),
    *(
        "ACL LIST",
        "ACL SETUSER x",
        "CLIENT LIST",
        "CLIENT KILL TYPE normal",
        "CLIENT PAUSE 1",
        "SCRIPT FLUSH",
    ),
    *("SWAPDB 0 1", "REPLICAOF x 1", "FUNCTION FLUSH", "MIGRATE x 1 x 0 1"),
)


@pytest.mark.parametrize("user", REFUSED)
def test_a_user_may_do_nothing_but_its_work(site: WholeSite, user: str) -> None:
    """A stolen prober pauses and configures nothing, reads no other host's queue, commands no worker."""
    allowed = []
    for each in (*REFUSED[user], *NOBODY):
        with signed_in(site, user) as client:
            try:
                client.execute_command(*each.split(" "))
            except redis.ResponseError as error:
                if isinstance(error, redis.exceptions.NoPermissionError) or "ACL failure" in str(error):
                    continue
            allowed.append(each)
    site.redis.client.acl_log_reset()
    assert allowed == []
    assert site.redis.client.exists(PAUSED_KEY) == 0


def test_the_user_default_is_off() -> None:
    """Whoever names no user is nobody."""
    assert acl_file(USERS, {}).splitlines()[0] == "user default reset off"


def rotate(site: WholeSite, users: Mapping[str, str], *, before: bool) -> None:
    """Give each user another password, in Redis before or after it is in the file."""
    change = cast("Callable[..., object]", site.redis.client.execute_command)
    folder = Path(site.redis.url.removeprefix("unix://")).parent
    for user, new in users.items():
        if before:
            change("ACL", "SETUSER", user, "resetpass", f">{new}")
            change("CLIENT", "KILL", "USER", user)
        else:
            change("ACL", "SETUSER", user, f">{new}")
    if before:
        refused = {user for user, reason, _ in refusals(site) if reason == "auth"}
        until(
            lambda: refused | {user for user, reason, _ in refusals(site) if reason == "auth"} >= users.keys()
        )
    for user, new in users.items():
        (folder / f"{user}.password").write_text(new)
    if not before:
        for user, new in users.items():
            change("ACL", "SETUSER", user, "resetpass", f">{new}")
            change("CLIENT", "KILL", "USER", user)


@pytest.mark.parametrize("before", [False, True], ids=["the-file-first", "redis-first"])
def test_passwords_rotate_under_the_running_loop(site: WholeSite, before: bool) -> None:
    """R6: no process restarts, and networks that come later become Active; the commands sign in too."""
    site.redis.client.acl_log_reset()
    incarnations = {host: site.incarnation(host) for host in HOSTS}
    updater = site.updater.process.pid
    users = ["watcher", "updater", "cli", *map(prober_name, HOSTS)]
    busy = {user: f"{before}-new-{user}" for user in users if user != "cli" or not before}
    rotate(site, busy, before=before)
    site.settle()
    assert {host: site.incarnation(host) for host in HOSTS} == incarnations
    assert (site.updater.process.pid, site.updater.process.poll()) == (updater, None)
    assert command(site, "hosts").returncode == 0
    assert {reason for _, reason, _ in refusals(site)} <= ({"auth"} if before else set())
    site.redis.client.acl_log_reset()
