"""The watcher as a process: it starts from its settings and stops on a signal."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lab.kube import ApiServer
from services.contract.names import SENDING_KEY
from services.contract.sending import SendingMark
from services.runtime.connection import redis_client
from services.updater.sweep_check import check_sweep
from tests.support.redis_server import RedisServer

PROGRAM = """
import sys
from services.watcher.app import main
from services.watcher.settings import WatcherSettings
sys.exit(main(WatcherSettings.load()))
"""


def start(redis_server: RedisServer, service: str, **given: str) -> "subprocess.CompletedProcess[str]":
    """Run a service with these settings until it ends."""
    return subprocess.run(
        [sys.executable, "-m", "services.cli.main", service],
        env={
            **os.environ,
            "NADROUTE_REDIS_URL": redis_server.url,
            **{f"NADROUTE_{name}": value for name, value in given.items()},
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_contradictory_settings_are_refused_before_anything_starts(redis_server: RedisServer) -> None:
    """W15: the watcher names the fields, their values and what was expected, exits with 2 and leaves no trace
    in Redis."""
    for given, expected in (
        ({"RETRY_INTERVAL_S": "400"}, "retry_interval_s=400 and sweep_interval_s=300: expected"),
        ({"SWEEP_INTERVAL_S": "10"}, "ask_window_s=15 and sweep_interval_s=10: expected"),
    ):
        done = start(redis_server, "watcher", **given)
        assert (done.returncode, done.stdout) == (2, "")
        assert f"nadroute: {expected}" in done.stderr
        assert "Traceback" not in done.stderr
    assert redis_server.client.keys() == []


def test_an_updater_that_expects_more_sweeps_than_the_watcher_makes_is_refused(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    """W15: it exits with 2 and names both values."""
    mark = SendingMark(sweep_interval_s=300)
    redis_server.client.set(SENDING_KEY, mark.model_dump_json())
    with ApiServer() as server:
        kubeconfig = str(server.kubeconfig(tmp_path / "kubeconfig"))
        done = start(redis_server, "updater", SWEEP_INTERVAL_S="60", KUBECONFIG=kubeconfig)
    assert done.returncode == 2
    assert (
        "nadroute: sweep_interval_s=60: the watcher sweeps every 300 s; expected at least that" in done.stderr
    )


def test_an_updater_starts_where_the_watchers_sweep_fits_or_is_unknown(redis_server: RedisServer) -> None:
    """It may be more frequent. A mark that is missing or unreadable, or an absent Redis, refuses nothing."""
    with redis_client.connect(redis_server.url) as client:
        client.set(SENDING_KEY, SendingMark(sweep_interval_s=300).model_dump_json())
        check_sweep(client, 300)
        check_sweep(client, 600)
        for mark in ("1", "{", '{"sweep_interval_s":-1}'):
            client.set(SENDING_KEY, mark)
            check_sweep(client, 60)
        client.delete(SENDING_KEY)
        check_sweep(client, 60)
        client.lpush(SENDING_KEY, "junk")
        check_sweep(client, 60)
    with redis_client.connect("unix:///nonexistent/redis.sock", retries=0) as client:
        check_sweep(client, 60)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_cleanly(number: signal.Signals, redis_server: RedisServer, tmp_path: Path) -> None:
    """It exits with code 0 within a few seconds, without a traceback, and releases the Lease."""
    with ApiServer() as server:
        environment = {
            **os.environ,
            "NADROUTE_REDIS_URL": redis_server.url,
            "NADROUTE_KUBECONFIG": str(server.kubeconfig(tmp_path / "kubeconfig")),
            "NADROUTE_LOG_FORMAT": "json",
        }
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM], env=environment, stderr=subprocess.PIPE, text=True
        )
        try:
            server.request_log.wait(lambda r: r.verb == "watch", seconds=60)
            process.send_signal(number)
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
            process.wait()
        assert process.returncode == 0, errors
        assert "Traceback" not in errors
        assert '"event": "watcher stopped"' in errors
        released = server.writes[-1].after
        assert released is not None
        spec = released["spec"]
        assert isinstance(spec, dict)
        assert spec["holderIdentity"] == ""
