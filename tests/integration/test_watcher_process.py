"""The watcher as a process: it starts from its settings and stops on a signal."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lab.kube import ApiServer
from tests.support.redis_server import RedisServer

PROGRAM = """
import sys
from services.watcher.app import main
from services.watcher.settings import WatcherSettings
sys.exit(main(WatcherSettings.load()))
"""


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
