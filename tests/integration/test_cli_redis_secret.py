"""`nadroute redis secret` and its certificate: made once in the cluster, and kept."""

import base64
import contextlib
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redis
from kubernetes import client

from lab.kube import ApiServer
from services.cli.local.redis_certificate import CA_FILE, CERTIFICATE_FILE, KEY_FILE, files_to_write
from services.cluster.client import Cluster
from services.cluster.kept_secret import KeptSecret
from services.cluster.settings import ClusterSettings
from services.runtime.connection.redis_address import RedisAddress
from services.runtime.connection.redis_client import connect
from tests.support.kube_api import Networks, lab_networks
from tests.support.redis_server import running_redis
from tests.support.tls_front import tls_front
from tests.unit.cli.running import Ran, run

NOW = datetime.now(UTC)
PASSWORDS = {"watcher", "updater", "prober", "flower", "cli", "page"}
FILES = {CA_FILE, CERTIFICATE_FILE, KEY_FILE}


@pytest.fixture(scope="module")
def kept_server() -> Iterator[ApiServer]:
    with ApiServer() as running:
        yield running


@pytest.fixture
def networks(kept_server: ApiServer, tmp_path: Path) -> Iterator[Networks]:
    """A namespace of the module's server."""
    with lab_networks(kept_server, tmp_path) as found:
        yield found


def made(networks: Networks, monkeypatch: pytest.MonkeyPatch, *options: str) -> Ran:
    where = ("--namespace", networks.namespace, "--kubeconfig", str(networks.kubeconfig))
    return run(monkeypatch, "redis", "secret", "nadroute", *where, *options)


def content(networks: Networks) -> dict[str, bytes]:
    found = client.CoreV1Api(networks.api).read_namespaced_secret("nadroute", networks.namespace)
    return {key: base64.b64decode(value) for key, value in found.data.items()}


def put(networks: Networks, **data: bytes) -> None:
    body = {
        "metadata": {"name": "nadroute"},
        "data": {k: base64.b64encode(v).decode() for k, v in data.items()},
    }
    client.CoreV1Api(networks.api).create_namespaced_secret(networks.namespace, body)


def test_a_secret_is_made_once_and_stays(networks: Networks, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each password is long and its own; a second run, as at each upgrade, writes nothing."""
    first = made(networks, monkeypatch, "--tls-name", "redis.example")
    assert (first.code, first.err) == (0, "")
    data = content(networks)
    assert set(data) == {*PASSWORDS, "users.acl", *FILES}
    assert len({data[name] for name in PASSWORDS}) == len(PASSWORDS)
    assert min(len(data[name]) for name in PASSWORDS) >= 43
    assert not [name for name in PASSWORDS if data[name].decode() in first.out]
    second = made(networks, monkeypatch, "--tls-name", "redis.example")
    assert second.out == f"Secret {networks.namespace}/nadroute: nothing to change\n"
    assert content(networks) == data


def test_what_is_there_stays_and_what_is_missing_is_added(
    networks: Networks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An operator's password and other keys stay; users.acl has its digest, and that of the former one."""
    put(networks, prober=b"mine-0123456789\n", **{"prober.former": b"before", "other": b"\xff\x00"})
    assert made(networks, monkeypatch).code == 0
    data = content(networks)
    assert set(data) == {*PASSWORDS, "users.acl", "prober.former", "other"}
    assert (data["prober"], data["other"]) == (b"mine-0123456789\n", b"\xff\x00")
    (line,) = [x for x in data["users.acl"].decode().splitlines() if x.startswith("user prober ")]
    assert line.count(" #") == 2


def test_a_password_in_the_secret_rotates_in_two_steps(
    networks: Networks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both count in users.acl until the former is retired; the page's changes at once; the others stay."""
    made(networks, monkeypatch)
    before = content(networks)
    ran = made(networks, monkeypatch, "--rotate", "prober", "--rotate", "page")
    assert ran.out.endswith(": page, prober, prober.former, users.acl\n")
    after = content(networks)
    assert after["prober.former"] == before["prober"] != after["prober"]
    assert before["page"] != after["page"]
    assert {name for name in PASSWORDS if before[name] == after[name]} == PASSWORDS - {"prober", "page"}
    assert _digests(after) == 2
    assert made(networks, monkeypatch, "--retire").out.endswith(": prober.former, users.acl\n")
    assert (content(networks)["prober"], _digests(content(networks))) == (after["prober"], 1)
    ran = made(networks, monkeypatch, "--rotate", "nobody")
    assert (ran.code, "no such user; expected one of watcher, " in ran.err) == (2, True)


def _digests(data: dict[str, bytes]) -> int:
    """Return how many passwords of the prober count."""
    (line,) = [x for x in data["users.acl"].decode().splitlines() if x.startswith("user prober ")]
    return line.count(" #")


def test_a_write_in_between_is_not_lost(networks: Networks) -> None:
    """The other's key is there afterwards, and so is ours."""
    put(networks, a=b"1")
    api = client.CoreV1Api(networks.api)
    others = iter([{"b": "Mg=="}])

    def changed(before: dict[str, bytes]) -> dict[str, bytes]:
        for data in others:
            api.patch_namespaced_secret("nadroute", networks.namespace, {"data": data})
        return {**before, "c": b"3"}

    with contextlib.closing(Cluster(ClusterSettings(kubeconfig=networks.kubeconfig))) as cluster:
        kept = KeptSecret(cluster, namespace=networks.namespace, name="nadroute")
        assert kept.change(changed) == ["c"]  # type: ignore[arg-type]
    assert content(networks) == {"a": b"1", "b": b"2", "c": b"3"}


@pytest.mark.parametrize("password", [b"\xff\xfe", b"a\x07b", b"\n"], ids=["bytes", "bell", "newline"])
def test_no_password_is_refused_without_being_shown(
    password: bytes, networks: Networks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key is named, and the Secret stays as it is."""
    put(networks, updater=password, page=b"hush-hush")
    ran = made(networks, monkeypatch)
    assert (ran.code, len(ran.err.splitlines())) == (2, 1)
    assert "the Secret's updater: expected one line of printable text in UTF-8" in ran.err
    assert "hush" not in ran.err
    assert content(networks) == {"updater": password, "page": b"hush-hush"}


@pytest.fixture
def in_folder(short_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files that `nadroute redis acl --tls-name localhost` makes."""
    folder = short_folder / "secrets"
    assert run(monkeypatch, "redis", "acl", str(folder), "--tls-name", "localhost").code == 0
    return folder


def test_a_client_trusts_that_redis_and_no_other(
    in_folder: Path, short_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its name, also with the dot of a full name; not by another name, and not by another CA."""
    # As a cluster's DNS does; this machine's file of hosts knows no full names.
    resolve = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest: resolve(host.removesuffix("."), *rest))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(in_folder / CERTIFICATE_FILE, in_folder / KEY_FILE)
    stranger = short_folder / "stranger.crt"
    stranger.write_bytes(files_to_write({}, ["localhost"], NOW)[CA_FILE])
    with running_redis(short_folder), tls_front(short_folder / "redis.sock", context) as front:
        for host, ca, admitted in (
            ("localhost", in_folder / CA_FILE, True),
            ("localhost.", in_folder / CA_FILE, True),
            ("127.0.0.1", in_folder / CA_FILE, False),
            ("localhost", stranger, False),
        ):
            address = RedisAddress(f"rediss://{host}:{front.port}/0", ca_file=ca)
            with contextlib.closing(connect(address, retries=0)) as one:
                if admitted:
                    assert one.ping()
                    continue
                with pytest.raises(redis.ConnectionError, match="its certificate is"):
                    one.ping()


def test_a_certificate_is_renewed_in_its_last_year() -> None:
    """Or when it lacks a name; the CA before counts as well, and no more than one."""
    names = ["redis.example", "10.0.0.1"]
    first = files_to_write({}, names, NOW)
    assert files_to_write(first, names, NOW + timedelta(days=3_200)) == {}
    assert files_to_write(first, names[:1], NOW) == {}
    assert set(files_to_write(first, [*names, "other.example"], NOW)) == FILES
    second = files_to_write(first, names, NOW + timedelta(days=3_300))
    assert second[CA_FILE].endswith(first[CA_FILE])
    third = files_to_write(second, names, NOW + timedelta(days=6_600))
    assert third[CA_FILE].count(b"BEGIN") == 2
    assert first[CA_FILE] not in third[CA_FILE]


def test_what_is_no_certificate_is_replaced() -> None:
    """So is one whose key is gone."""
    first = files_to_write({}, ["redis.example"], NOW)
    for broken in ({CERTIFICATE_FILE: b"x"}, {KEY_FILE: b""}, {CA_FILE: b"nothing", KEY_FILE: b""}):
        assert set(files_to_write({**first, **broken}, ["redis.example"], NOW)) == FILES
