"""Maintenance windows on a real Redis: opened by the commands, obeyed by a prober's announcement."""

import contextlib
import json
import threading
import time
from collections.abc import Callable

import pytest
import redis

from services.contract.messages import HostAnnouncement
from services.contract.names import MAINTENANCE_KEY_PREFIX, PAUSED_KEY, maintenance_key
from services.prober import maintenance
from services.prober.heartbeat import Heartbeat
from services.prober.maintenance import Maintenance
from services.prober.uplinks import Uplinks
from services.updater import open_windows
from services.updater.open_windows import OpenWindows
from services.view.maintenance import read_windows
from tests.integration.test_cli_hosts import announce
from tests.support.log_lines import log_lines
from tests.support.manual_clock import ManualClock
from tests.support.redis_server import RedisServer
from tests.unit.cli.running import Ran, run

UPLINKS = {"extra": "extra-bo", "mgmt": "mgmt-bo"}


@pytest.fixture
def command(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> "Command":
    return Command(redis_server, monkeypatch)


class Command:
    """Runs commands against this Redis."""

    def __init__(self, server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
        self._server = server
        self._monkeypatch = monkeypatch

    def __call__(self, *arguments: str) -> Ran:
        return run(self._monkeypatch, *arguments, REDIS_URL=self._server.url)


def paused_on(server: RedisServer, host: str) -> set[str]:
    """Return what the prober of this host would leave out."""
    return set(Maintenance(server.client, host).paused(UPLINKS))


def test_a_window_leaves_out_what_it_names(redis_server: RedisServer, command: Command) -> None:
    """A host on all its uplinks, a cluster network on all hosts, or one on the other; and no more."""
    assert command("pause", "--host", "node2", "--for", "2h").out == "node2: left out for 2h\n"
    assert (paused_on(redis_server, "node1"), paused_on(redis_server, "node2")) == (set(), set(UPLINKS))
    assert command("resume", "--host", "node2").out == "node2 counts again\n"
    assert command("pause", "--cluster-network", "extra", "--for", "30m").code == 0
    assert [paused_on(redis_server, host) for host in ("node1", "node2")] == [{"extra"}, {"extra"}]
    assert command("resume", "--cluster-network", "extra").code == 0
    on_one = ("--host", "node1", "--cluster-network", "mgmt")
    assert command("pause", *on_one, "--for", "30m").out == "node1, cluster network mgmt: left out for 30m\n"
    assert [paused_on(redis_server, host) for host in ("node1", "node2")] == [{"mgmt"}, set()]
    assert "is not in maintenance by itself" in command("resume", "--host", "node1").err
    assert command("resume", *on_one).code == 0
    assert not read_windows(redis_server.client)


def test_a_host_that_nobody_knows_is_told(redis_server: RedisServer, command: Command) -> None:
    """It may be misspelt: then the host that was meant is still asked. The window is opened all the same."""
    announce(redis_server, "node2", extra="extra-bo")
    ran = command("pause", "--host", "node2", "--host", "nod2", "--for", "2h")
    assert (ran.code, ran.out) == (0, "node2: left out for 2h\nnod2: left out for 2h\n")
    assert ran.err == "nod2: no prober of this name is announced now; see `nadroute hosts` for the names\n"
    assert paused_on(redis_server, "nod2") == set(UPLINKS)


def test_a_window_ends_by_itself(redis_server: RedisServer, command: Command) -> None:
    """Redis ends it: nobody has to be there. So does a global pause with --for."""
    assert command("pause", "--host", "node1", "--host", "node2", "--for", "2h").code == 0
    assert command("pause", "--for", "2h").code == 0
    keys = [maintenance_key("node1", ""), maintenance_key("node2", ""), PAUSED_KEY]
    assert all(7_190_000 < redis_server.client.pttl(key) <= 7_200_000 for key in keys)
    assert "or for another 1h 59m" in command("hosts").err
    for key in keys:
        redis_server.client.pexpire(key, 1)
    deadline, never = time.monotonic() + 30, threading.Event()
    while redis_server.client.exists(*keys):
        assert time.monotonic() < deadline
        never.wait(0.01)
    assert paused_on(redis_server, "node1") == set()
    assert "maintenance" not in command("hosts").err


def test_a_window_is_shown_with_author_and_reason(redis_server: RedisServer, command: Command) -> None:
    """By `hosts`, escaped; a key that somebody set by hand is one without an end."""
    command("pause", "--host", "node2", "--for", "2h", "--reason", "new\x1b[31m switch")
    redis_server.client.lpush(maintenance_key("", "extra"), "junk")
    redis_server.client.set(f"{MAINTENANCE_KEY_PREFIX}:", "nothing")
    lines = command("hosts").err.splitlines()
    assert lines[0] == "cluster network extra is in maintenance"
    assert lines[1].startswith("node2 is in maintenance for another 1h 59m by ")
    assert lines[1].endswith("�[31m switch")
    assert len(lines) == 3
    assert lines[2].startswith("no hosts")


def test_a_host_in_maintenance_is_announced_without_what_is_left_out(redis_server: RedisServer) -> None:
    """Its prober goes on; while Redis cannot be read, or refuses, what was read last holds."""
    client, announced = redis_server.client, list[dict[str, str]]()
    steps: list[Callable[[], object]] = [
        lambda: client.set(maintenance_key("node1", ""), "{}", ex=60),
        lambda: (
            client.set(maintenance_key("", "extra"), "{}", ex=60)
            and client.delete(maintenance_key("node1", ""))
        ),
        lambda: client.delete(maintenance_key("", "extra")),
    ]

    class Lock:
        incarnation = 5

        def set_if_held(self, _key: str, text: str) -> bool:
            announced.append(dict(HostAnnouncement.from_wire(text).uplinks))
            if steps:
                steps.pop(0)()
            return True

    heartbeat = Heartbeat(
        client=client,
        lock=Lock(),  # type: ignore[arg-type]
        announcement=HostAnnouncement(host="node1", uplinks=UPLINKS, version="1", incarnation=5),
        uplinks=Uplinks(UPLINKS),
        clock=ManualClock(on_wait="return", stop_after=6),
        networks=list,
        paused=Maintenance(client, "node1").paused,
    )
    heartbeat._run()
    assert announced == [UPLINKS, {}, {"mgmt": "mgmt-bo"}, UPLINKS]


def test_what_cannot_be_read_stays_as_it_was(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Redis that refuses ends no maintenance and begins none, and is logged once; so with former users."""
    admin = redis_server.client
    admin.acl_setuser("tester", enabled=True, nopass=True, commands=["+@all"], keys=["*"])
    with contextlib.closing(redis.Redis.from_url(redis_server.url, username="tester")) as client:
        lines = log_lines(monkeypatch, maintenance)
        reading = Maintenance(client, "node1")
        admin.set(maintenance_key("", "extra"), "{}", ex=60)
        assert reading.paused(UPLINKS) == {"extra"}
        admin.acl_setuser("tester", enabled=True, nopass=True, commands=["-exists"], keys=["*"])
        admin.delete(maintenance_key("", "extra"))
        assert [reading.paused(UPLINKS) for _ in range(2)] == [{"extra"}, {"extra"}]
        admin.acl_setuser("tester", enabled=True, nopass=True, commands=["+exists"], keys=["*"])
        assert reading.paused(UPLINKS) == set()
    admin.acl_deluser("tester")
    assert [line["event"] for line in lines] == [
        "maintenance",
        "maintenance windows not read",
        "maintenance windows are read again",
        "maintenance",
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--host", "node2"], "--for: not given; expected a duration such as 2h"),
        (["--host", "Node_2", "--for", "2h"], "'Node_2': expected a host name"),
        (["--cluster-network", "a b", "--for", "2h"], "'a b': expected the name of a cluster network"),
        (["--host", "node2", "--for", "soon"], "'soon': expected a duration such as"),
        (["--host", "node2", "--for", "90000h"], "expected 1 s to 30 days"),
        (["default/office", "--host", "node2", "--for", "2h"], "NAMESPACE/NAME: expected without"),
        (["default/office", "--for", "2h"], "NAMESPACE/NAME: expected without"),
    ],
)
def test_a_wrong_use_is_one_line(
    redis_server: RedisServer, command: Command, arguments: list[str], words: str
) -> None:
    """Exit code 2, and nothing is paused."""
    ran = command("pause", *arguments)
    assert (ran.code, len(ran.err.splitlines())) == (2, 1)
    assert words in ran.err
    assert redis_server.client.dbsize() == 0


def test_what_is_kept_names_author_and_time(redis_server: RedisServer, command: Command) -> None:
    """The same fields as a pause."""
    command("pause", "--host", "node2", "--for", "2h", "--reason", "x")
    kept = json.loads(str(redis_server.client.get(maintenance_key("node2", ""))))
    assert (set(kept), kept["reason"]) == ({"since_ms", "by", "reason"}, "x")


def test_the_updater_knows_what_is_in_maintenance(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the keys hold, and beside one that is no text; while Redis refuses, what was read last."""
    admin, lines = redis_server.client, log_lines(monkeypatch, open_windows)
    admin.acl_setuser("tester", enabled=True, nopass=True, commands=["+@all"], keys=["*"])
    admin.set(maintenance_key("node1", ""), "{}", ex=60)
    admin.lpush(maintenance_key("", "extra"), "junk")
    admin.set(maintenance_key("node2", "mgmt"), "{}", ex=60)
    admin.set(f"{MAINTENANCE_KEY_PREFIX}{'x' * 400}:", "{}")
    admin.execute_command("SET", MAINTENANCE_KEY_PREFIX.encode() + b"\xff:", "{}")  # type: ignore[no-untyped-call]
    by_text = redis.Redis.from_url(redis_server.url, username="tester", decode_responses=True)
    with contextlib.closing(by_text) as client:
        reading = OpenWindows(client, clock=ManualClock())
        reading.read()
        windows = reading.current()
        assert windows.hosts() == ["\\xff", "node1"]
        pairs = [(host, name) for host in ("node1", "node2", "node3") for name in UPLINKS]
        assert {pair for pair in pairs if not windows.is_open(*pair)} == {("node3", "mgmt")}
        admin.acl_setuser("tester", enabled=True, nopass=True, commands=["-scan"], keys=["*"])
        admin.delete(maintenance_key("node1", ""))
        for _ in range(2):
            reading.read()
        assert reading.current() == windows
        admin.acl_setuser("tester", enabled=True, nopass=True, commands=["+scan"], keys=["*"])
        reading.read()
        assert "node1" not in reading.current().hosts()
    admin.acl_deluser("tester")
    told = ["maintenance windows not read", "maintenance windows are read again"]
    assert [line["event"] for line in lines] == told
