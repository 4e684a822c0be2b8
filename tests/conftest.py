"""What every tier of tests shares.

A prerequisite that is missing skips a test on a developer's machine and fails it in CI: there, nothing is
skipped.
"""

import fcntl
import os
import re
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import hypothesis
import pytest

from bench.compiling import compile_engine, has_python_headers
from lab.bigsite import dhcpd
from lab.prerequisites import find_program
from services.runtime.process import outside_log
from services.runtime.process.clock import SystemClock
from tests.support import user_mode_linux
from tests.support.programs import HELM, KUBECTL, libfaketime
from tests.support.redis_server import RedisServer, running_redis

# Whatever else a shell may set is hidden from the tests and the programs that they start: KUBECONFIG,
# NO_COLOR, COLUMNS, TMPDIR, proxies, the locale; and PYTHONDONTWRITEBYTECODE (see the Makefile).
_KEPT = re.compile(
    r"CI|LD_LIBRARY_PATH|PATH|NADROUTE_TEST_KUBECONFIG|(HYPOTHESIS|PYTEST|PYTHON(?!DONTWRITEBYTECODE)).*"
)
_FIXED = {"HOME": "/nonexistent", "LANG": "C.UTF-8", "TERM": "xterm-256color", "TZ": "UTC"}

IN_CI = os.environ.get("CI", "").lower() in ("1", "true", "yes")

_WATCHED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGCHLD)

hypothesis.settings.register_profile(
    "default", deadline=None, print_blob=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.register_profile(
    "ci", parent=hypothesis.settings.get_profile("default"), derandomize=True
)
hypothesis.settings.load_profile("ci" if IN_CI else "default")


@pytest.fixture(autouse=True)
def _nothing_logged_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each test see its lines, whatever earlier tests logged."""
    monkeypatch.setattr(outside_log, "_lines", outside_log.OutsideLog(SystemClock()))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let `make test-long` play more histories than `make test`."""
    histories = parser.getgroup("histories")
    histories.addoption("--history-steps", type=int, default=100_000, help="steps of random histories")
    histories.addoption("--history-seed", type=int, default=0, help="seed of the first one")


@pytest.hookimpl(trylast=True)
def pytest_configure() -> None:
    """Give tests the same environment, umask and signals on every machine; pytest has read its own by now."""
    for name in [name for name in os.environ if not _KEPT.fullmatch(name)]:
        del os.environ[name]
    os.environ.update(_FIXED)
    os.umask(0o022)
    # A shell has what it starts in the background ignore SIGINT, and children inherit that.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test's tier is its folder. Files with few tests come first.

    Theirs are the long ones: a worker that began one last would keep all others waiting.
    """
    for item in items:
        parts = item.path.parts
        for tier in ("integration", "network", "acceptance"):
            if tier in parts:
                item.add_marker(tier)
    tests = Counter(item.path for item in items)
    items.sort(key=lambda item: tests[item.path])


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker, missing in _missing():
        if item.get_closest_marker(marker) and missing:
            unavailable(missing)


def unavailable(reason: str) -> NoReturn:
    """Do without the test on a developer's machine; fail it in CI."""
    if IN_CI:
        pytest.fail(f"{reason}: in CI nothing is skipped", pytrace=False)
    pytest.skip(reason)


def _missing() -> list[tuple[str, str]]:
    return [
        ("root", "" if os.geteuid() == 0 else "needs root"),
        ("kubectl", "" if KUBECTL.exists() else f"needs {KUBECTL}, which make test installs"),
        ("helm", "" if HELM.exists() else f"needs {HELM}, which make test installs"),
        ("chromium", "" if shutil.which("chromium") else "needs chromium on PATH"),
        ("promtool", "" if shutil.which("promtool") else "needs promtool on PATH"),
        ("tshark", "" if shutil.which("tshark") else "needs tshark on PATH"),
        ("lldpd", "" if find_program("lldpd") else "needs lldpd"),
        ("faketime", "" if libfaketime() else "needs libfaketime"),
        ("uml", "" if user_mode_linux.is_installed() else "needs user-mode-linux on PATH"),
        ("dhcpd", "" if dhcpd.is_installed() else "needs ISC dhcpd"),
        ("compiler", "" if _can_compile() else "needs gcc and the headers of Python and the C library"),
    ]


def _can_compile() -> bool:
    return shutil.which("gcc") is not None and Path("/usr/include/stdio.h").exists() and has_python_headers()


@pytest.fixture(scope="session")
def compiled_engine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package services as the image has it, the engine's hot modules compiled."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return compile_engine(tmp_path_factory.mktemp("compiled"))
    # It takes half a minute of CPU: the first worker that needs it does it for all.
    folder = tmp_path_factory.getbasetemp().parent / "compiled"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = folder.with_suffix(".done")
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            compile_engine(folder)
            done.touch()
    return folder


@pytest.fixture(autouse=True)
def _signals_as_before() -> Iterator[None]:
    """A handler that is left behind would decide about other tests, in an order that is never the same."""
    before = _signal_handlers()
    yield
    assert _signal_handlers() == before, "the test has left signal handlers behind"


def _signal_handlers() -> dict[signal.Signals, object]:
    return {number: signal.getsignal(number) for number in _WATCHED}


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder whose path leaves room for a unix socket's name (108 bytes in all)."""
    with tempfile.TemporaryDirectory(prefix="nr-", dir="/tmp") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def _session_redis() -> Iterator[RedisServer]:
    with (
        tempfile.TemporaryDirectory(prefix="nr-", dir="/tmp") as folder,
        running_redis(Path(folder)) as server,
    ):
        yield server


@pytest.fixture
def redis_server(_session_redis: RedisServer) -> RedisServer:
    """A real Redis, empty; shared by the tests of one process, one after another."""
    _session_redis.client.flushall()
    return _session_redis
