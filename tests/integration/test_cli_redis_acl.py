"""`nadroute redis acl`: the users of Redis, on a real server."""

import contextlib
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from services.runtime.connection.redis_address import RedisAddress
from services.runtime.connection.redis_client import connect
from tests.support.redis_server import running_redis
from tests.unit.cli.running import Ran, run


def may_sign_in(url: str, user: str, password: str) -> bool:
    with contextlib.closing(redis.Redis.from_url(url, username=user, password=password)) as client:
        try:
            return bool(client.ping())
        except redis.AuthenticationError:
            return False


@pytest.fixture
def folder(short_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the passwords of all users, which the command has made."""
    made = short_folder / "secrets"
    assert run(monkeypatch, "redis", "acl", str(made), "--host", "node1").code == 0
    return made


def test_redis_loads_the_users_and_each_signs_in_by_its_file(
    folder: Path, short_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file has no password, and nobody else may read any of them; whoever names no user is refused."""
    users = {path.name for path in folder.iterdir()} - {"users.acl"}
    assert users == {"watcher", "updater", "prober-node1", "flower", "cli"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o644}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not [user for user in users if (folder / user).read_text() in (folder / "users.acl").read_text()]
    socket = short_folder / "redis.sock"
    with open_redis(short_folder, folder) as url:
        assert url == f"unix://{socket}"
        for user in users:
            with contextlib.closing(connect(RedisAddress(url, user, folder / user), retries=0)) as client:
                assert client.ping()
            assert not may_sign_in(url, user, "")
        with contextlib.closing(connect(url, retries=0)) as stranger, pytest.raises(redis.RedisError):
            stranger.get("x")
        ran = run(monkeypatch, "hosts", REDIS_URL=url)
        assert (ran.code, len(ran.err.splitlines())) == (3, 1)
        assert "expected a user of Redis who may do this: name it by NADROUTE_REDIS_USERNAME" in ran.err


@contextlib.contextmanager
def open_redis(short_folder: Path, folder: Path) -> Iterator[str]:
    """Run a Redis with the command's file, whose user `health` admits the test's own check of the start."""
    text = (folder / "users.acl").read_text()
    (folder / "users.acl").write_text(text + "user admin reset on nopass +@all ~* &*\n")
    with running_redis(short_folder, "--aclfile", str(folder / "users.acl"), user="admin") as server:
        yield server.url


def test_a_password_rotates_in_two_steps(
    folder: Path, short_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both count until the former is retired, so that no service is ever refused; the others stay."""
    first, other = (folder / "prober-node1").read_text(), (folder / "watcher").read_text()
    command = ("redis", "acl", str(folder), "--host", "node1")
    assert run(monkeypatch, *command, "--rotate", "prober-node1").code == 0
    second = (folder / "prober-node1").read_text()
    assert second != first
    assert (folder / "watcher").read_text() == other
    for retire, counts in (((), True), (("--retire",), False)):
        assert run(monkeypatch, *command, *retire).code == 0
        with open_redis(short_folder, folder) as url:
            assert may_sign_in(url, "prober-node1", second)
            assert may_sign_in(url, "prober-node1", first) is counts
    assert not list(folder.glob("*.former"))


def test_redis_reads_rotated_passwords_by_the_commands_user(
    folder: Path, short_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`redis load` needs no administrator, of which there is none: with it, a rotation needs no restart. No
    other user may.
    """
    first, command = (folder / "watcher").read_text(), ("redis", "acl", str(folder), "--host", "node1")
    with open_redis(short_folder, folder) as url:

        def load(user: str) -> int:
            file = str(folder / user)
            return run(
                monkeypatch, "redis", "load", REDIS_URL=url, REDIS_USERNAME=user, REDIS_PASSWORD_FILE=file
            ).code

        assert run(monkeypatch, *command, "--rotate", "watcher").code == 0
        second = (folder / "watcher").read_text()
        assert not may_sign_in(url, "watcher", second)
        assert [load(user) for user in ("prober-node1", "updater", "flower")] == [3, 3, 3]
        assert load("cli") == 0
        assert [may_sign_in(url, "watcher", each) for each in (first, second)] == [True, True]
        assert run(monkeypatch, *command, "--retire").code == 0
        assert load("cli") == 0
        assert [may_sign_in(url, "watcher", each) for each in (first, second)] == [False, True]


def test_every_users_password_rotates_without_a_restart_of_redis(
    folder: Path, short_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That of the user who loads as well: until Redis has read the file, it is let in by the former one."""
    users = ("watcher", "updater", "prober-node1", "flower", "cli")
    command = ("redis", "acl", str(folder), "--host", "node1")
    with open_redis(short_folder, folder) as url:

        def load() -> Ran:
            signed_in = {"REDIS_USERNAME": "cli", "REDIS_PASSWORD_FILE": str(folder / "cli")}
            return run(monkeypatch, "redis", "load", REDIS_URL=url, **signed_in)

        first = {user: (folder / user).read_text() for user in users}
        assert run(monkeypatch, *command, *(word for u in users for word in ("--rotate", u))).code == 0
        second = {user: (folder / user).read_text() for user in users}
        assert not may_sign_in(url, "cli", second["cli"])
        assert load().code == 0
        assert all(may_sign_in(url, user, each[user]) for each in (first, second) for user in users)
        assert run(monkeypatch, *command, "--retire").code == 0
        assert load().code == 0
        assert [may_sign_in(url, user, first[user]) for user in users] == [False] * len(users)
        assert all(may_sign_in(url, user, second[user]) for user in users)
        (folder / "cli").write_text("wrong")
        assert load().code == 3


def test_what_cannot_be_done_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown user, a folder that is a file, an empty password."""
    ran = run(monkeypatch, "redis", "acl", str(folder), "--rotate", "prober-node9")
    assert ran.code == 2
    assert ran.err.startswith("nadroute: --rotate='prober-node9': no such user; expected one of watcher, ")
    folder.chmod(0o755)
    ran = run(monkeypatch, "redis", "acl", str(folder))
    assert (ran.code, ran.err.partition("; ")[2]) == (2, "expected a folder for its owner alone: chmod 700\n")
    folder.chmod(0o700)
    (folder / "watcher").write_text("")
    ran = run(monkeypatch, "redis", "acl", str(folder))
    assert (ran.code, ran.err) == (
        2,
        f"nadroute: {folder / 'watcher'}: is empty; expected the secret on one line\n",
    )
    ran = run(monkeypatch, "redis", "acl", "/proc/nowhere")
    assert ran.code == 2
    assert "expected a folder that this user can write" in ran.err
