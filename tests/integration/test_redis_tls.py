"""TLS to a real Redis is verified on every connection, and each fault is one plain line."""

import contextlib
import re
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import redis
from kombu import pools
from kombu.exceptions import OperationalError
from prometheus_client import CollectorRegistry

from services.contract.names import PROBE_TASK, probe_queue
from services.network.policy import Policy
from services.runtime.connection.redis_address import RedisAddress
from services.runtime.connection.redis_check import RedisCheck
from services.runtime.connection.redis_client import connect
from services.runtime.process.clock import SystemClock
from services.runtime.queues.celery_app import make_app
from services.view.doctor.redis_gathering import RedisExamination
from services.view.host_checks import RedisReader
from tests.support.manual_clock import ManualClock
from tests.support.redis_server import running_redis
from tests.support.tls_front import Authority, TLSFront, tls_front
from tests.unit.cli.running import run


@dataclass
class Site:
    """A Redis behind TLS, and the address of a client that it admits."""

    authority: Authority
    front: TLSFront
    address: RedisAddress
    folder: Path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[Site]:
    authority = Authority(folder, "ours")
    certificate, key = authority.client()
    with (
        tempfile.TemporaryDirectory(prefix="nr-", dir="/tmp") as short,
        running_redis(Path(short)),
        tls_front(Path(short) / "redis.sock", authority.server("localhost")) as front,
    ):
        address = RedisAddress(
            f"rediss://localhost:{front.port}/0",
            ca_file=authority.file,
            certificate_file=certificate,
            key_file=key,
        )
        yield Site(authority, front, address, folder)


@pytest.fixture
def site(running: Site) -> Iterator[Site]:
    """The module's site, with its own certificate again after the test."""
    kept = running.front.context
    yield running
    running.front.context = kept


def errors_of(address: RedisAddress) -> dict[str, str]:
    """Return what each kind of connection says: own client, queue, results, check and view."""
    found = {}
    with contextlib.closing(connect(address, retries=0)) as client:
        with pytest.raises(redis.ConnectionError) as error:
            client.ping()
        found["client"] = str(error.value)
    # kombu keeps the connections of all apps of a process.
    pools.reset()
    with make_app(address) as app:
        with app.pool.acquire() as sending, pytest.raises(OperationalError) as failed:
            sending.ensure_connection(max_retries=1, interval_start=0)
        found["queue"] = str(failed.value)
        with pytest.raises(redis.ConnectionError) as error:
            app.backend.client.get("x")
        found["results"] = str(error.value)
    check = RedisCheck(address, clock=SystemClock(), registry=CollectorRegistry())
    check.check()
    found["check"] = str(check.problem()).removeprefix("Redis does not answer: ConnectionError: ")
    with contextlib.closing(RedisReader(address)) as reader:
        trouble = str(reader.read([], Policy()).trouble)
    found["page"] = trouble.partition(" cannot be read: ")[2].partition("; name another")[0]
    return found


def test_a_verified_server_is_used_by_every_connection(site: Site) -> None:
    """Own clients, queues, results, the check and the view; the server asked for the client's certificate."""
    with contextlib.closing(connect(site.address)) as client, make_app(site.address) as app:
        pools.reset()
        app.send_task(PROBE_TASK, queue=probe_queue("node1"), ignore_result=True)
        assert client.llen(probe_queue("node1")) == 1
        app.backend.client.set("key", "value")
        assert client.get("key") == "value"
    check = RedisCheck(site.address, clock=SystemClock(), registry=CollectorRegistry())
    check.check()
    assert check.problem() is None
    with contextlib.closing(RedisReader(site.address)) as reader:
        assert reader.read([], Policy()).trouble is None


def test_the_doctor_tells_how_long_the_certificate_is_valid(site: Site) -> None:
    """In days; and of a Redis that is not trusted, the same line as every connection."""
    # So that no queue is watched in real time.
    clock = ManualClock(0.0, wall=datetime.now(UTC))
    facts = RedisExamination(site.address, clock).facts()
    assert (facts.trouble, facts.is_encrypted, facts.user) == (None, True, "")
    assert isinstance(facts.expires_in_days, float)
    assert 0.9 < facts.expires_in_days < 1.1
    away = RedisExamination(replace(site.address, ca_file=None), SystemClock()).facts()
    assert "its certificate is not trusted" in str(away.trouble)


def test_the_certificate_of_another_authority_is_refused(site: Site) -> None:
    """A server between us and Redis, with a certificate of its own, gets nothing."""
    other = Authority(site.folder, "other")
    expected = (
        "TLS to Redis at localhost: its certificate is not trusted: self-signed certificate in "
        f"certificate chain; expected its CA in {other.file}"
    )
    assert set(errors_of(replace(site.address, ca_file=other.file)).values()) == {expected}


def test_without_a_ca_the_systems_are_trusted(site: Site) -> None:
    """rediss:// alone verifies too: a private CA is to be given."""
    (said,) = set(errors_of(replace(site.address, ca_file=None)).values())
    assert said.endswith("expected its CA in the system's CAs (redis_ca_file is not given)")


def test_a_certificate_for_another_name_is_refused(site: Site) -> None:
    """By host name and by address alike."""
    site.front.context = site.authority.server("elsewhere.test")
    for host in ("localhost", "127.0.0.1"):
        address = replace(site.address, url=f"rediss://{host}:{site.front.port}/0")
        (said,) = set(errors_of(address).values())
        assert said == (
            f"TLS to Redis at {host}: its certificate is for another name; expected one for {host}: connect "
            "by a name in the certificate, or issue one with this name"
        )


def test_an_expired_certificate_is_refused(site: Site) -> None:
    """It says so, and what to do."""
    site.front.context = site.authority.server("localhost", expired=True)
    assert set(errors_of(site.address).values()) == {
        "TLS to Redis at localhost: its certificate has expired; expected one that is valid now: renew it"
    }


def test_a_client_without_a_certificate_is_told(site: Site) -> None:
    """The server decides; the error names the certificate. TLS 1.3 tells it only when the client reads."""
    bare = replace(site.address, certificate_file=None, key_file=None)
    with (
        contextlib.closing(connect(bare, retries=0)) as client,
        pytest.raises(redis.ConnectionError) as error,
    ):
        client.ping()
    # What the server says may be lost when it closes the connection on what was sent meanwhile.
    assert re.search("certificate required|EOF occurred|closed|reset", str(error.value))


def test_a_server_without_tls_is_told(site: Site) -> None:
    """A port that speaks plain Redis is no reason to speak it too."""
    with socket.create_server(("127.0.0.1", 0)) as plain:
        plain.listen()
        address = replace(site.address, url=f"rediss://127.0.0.1:{plain.getsockname()[1]}/0")
        accepted: list[socket.socket] = []
        with contextlib.closing(connect(address, retries=0, read_timeout_s=5)) as client:

            def answer() -> None:
                connection, _ = plain.accept()
                accepted.append(connection)
                connection.sendall(b"-ERR Protocol error\r\n")

            threading.Thread(target=answer, daemon=True).start()
            with pytest.raises(redis.ConnectionError, match="expected a server that speaks TLS on this port"):
                client.ping()
        for connection in accepted:
            connection.close()


def test_a_file_that_cannot_be_used_is_named(site: Site) -> None:
    """One that is gone, and one that is no certificate."""
    gone = site.folder / "gone.pem"
    (said,) = set(errors_of(replace(site.address, ca_file=gone)).values())
    assert said.startswith(f"TLS to Redis: {gone}, ")
    assert "No such file or directory; expected PEM files" in said
    wrong = site.folder / "wrong.pem"
    wrong.write_text("no certificate")
    (said,) = set(errors_of(replace(site.address, ca_file=wrong)).values())
    assert "cannot be read as PEM" in said


def test_a_new_authority_counts_at_the_next_connection(site: Site) -> None:
    """CA, certificate and key are rotated under a running client."""
    rotated, fresh = site.folder / "rotated.pem", Authority(site.folder, "fresh")
    certificate, key = site.folder / "rotated-client.pem", site.folder / "rotated-client.key"
    shutil.copy(site.authority.file, rotated)
    for source, target in zip(site.authority.client(), (certificate, key), strict=True):
        shutil.copy(source, target)
    address = replace(site.address, ca_file=rotated, certificate_file=certificate, key_file=key)
    with contextlib.closing(connect(address)) as client, make_app(address) as app:
        assert client.ping()
        app.send_task(PROBE_TASK, queue=probe_queue("node2"), ignore_result=True)
        site.front.context = fresh.server("localhost")
        shutil.copy(fresh.file, rotated)
        for source, target in zip(fresh.client(), (certificate, key), strict=True):
            shutil.copy(source, target)
        site.front.drop_all()
        assert client.ping()
        app.send_task(PROBE_TASK, queue=probe_queue("node2"), ignore_result=True)
        assert client.llen(probe_queue("node2")) == 2


def test_the_commands_take_the_files_from_settings(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """`nadroute hosts` works with them, and without the CA says in one line what is wrong."""
    settings = {
        "REDIS_URL": site.address.url,
        "REDIS_CERTIFICATE_FILE": str(site.address.certificate_file),
        "REDIS_KEY_FILE": str(site.address.key_file),
    }
    ran = run(monkeypatch, "hosts", **settings, REDIS_CA_FILE=str(site.authority.file))
    assert ran.code == 0, ran.err
    ran = run(monkeypatch, "hosts", **settings)
    assert ran.code == 3
    assert ran.err.startswith(
        f"nadroute: Redis at {site.address.url}: TLS to Redis at localhost: its certificate"
    )
    assert len(ran.err.splitlines()) == 1
