"""Starts the system of scripted_site."""

import contextlib
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import redis
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from lab.harvester import Fabric
from lab.kube import ApiServer
from services.contract.names import SENDING_KEY
from services.runtime.celery_app import make_app
from tests.faults.proxy import Proxy
from tests.faults.scripted_host import Host
from tests.faults.scripted_site import ScriptedSite
from tests.faults.soak.parts import redis_part, service
from tests.support.service_process import free_port
from tests.support.updater_site import NAMESPACE, wait_until

HOSTS = ("node1", "node2")
REDIS_TIMEOUT_S = 5.0
COMMON: Mapping[str, str] = {
    "NADROUTE_SWEEP_INTERVAL_S": "10",
    "NADROUTE_LEASE_NAMESPACE": NAMESPACE,
    "NADROUTE_API_CONNECT_TIMEOUT_S": "2",
    "NADROUTE_API_READ_TIMEOUT_S": "3",
    "NADROUTE_API_WRITE_TIMEOUT_S": "5",
    "NADROUTE_WATCH_SILENCE_S": "3",
}
WATCHERS: Mapping[str, str] = {
    "NADROUTE_RETRY_INTERVAL_S": "2",
    "NADROUTE_ASK_WINDOW_S": "2",
    "NADROUTE_REQUEST_MAX_AGE_S": "5",
    "NADROUTE_HOST_POLL_INTERVAL_S": "0.2",
}


@contextlib.contextmanager
def scripted_site(**environment: str) -> Iterator[ScriptedSite]:
    """Start everything; return when the watcher sends. environment adds NADROUTE_ variables for all."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nr-", dir="/tmp")))
        server = stack.enter_context(ApiServer(state=folder / "state", bookmark_seconds=1.0))
        api = stack.enter_context(Proxy(("127.0.0.1", server.port)))
        site = _make(folder, server, api, environment)
        stack.callback(site.client.close)
        stack.callback(site.app.close)
        for part in site.parts():
            stack.callback(part.end)
        site.redis.start()
        wait_until(lambda: _answers(site.client))
        for host in site.hosts:
            stack.enter_context(host)
        site.updater.start()
        site.watcher.start()
        wait_until(lambda: bool(site.client.exists(SENDING_KEY)), site.last_words)
        site.settle()
        yield site


def _make(folder: Path, server: ApiServer, api: Proxy, environment: Mapping[str, str]) -> ScriptedSite:
    path = server.kubeconfig(folder / "kubeconfig", token_file=True)
    path.write_text(re.sub(r"127\.0\.0\.1:\d+", f"127.0.0.1:{api.port}", path.read_text()))
    url = f"unix://{folder / 'redis.sock'}"
    common = {**COMMON, "NADROUTE_REDIS_URL": url, "NADROUTE_KUBECONFIG": str(path), **environment}
    ports = {"watcher": free_port(), "updater": free_port()}
    services = {
        name: service(
            name,
            folder,
            # A process that is started again leads at once.
            {**common, **more, "NADROUTE_METRICS_PORT": str(ports[name]), "NADROUTE_LEASE_IDENTITY": name},
        )
        for name, more in (("watcher", WATCHERS), ("updater", {}))
    }
    client = Redis(
        unix_socket_path=str(folder / "redis.sock"),
        decode_responses=True,
        socket_timeout=REDIS_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
    )
    app, fabric = make_app(url), Fabric()
    return ScriptedSite(
        folder=folder,
        server=server,
        api=api,
        redis=redis_part(folder),
        client=client,
        app=app,
        fabric=fabric,
        watcher=services["watcher"],
        updater=services["updater"],
        hosts=[Host(client, app, fabric, host) for host in HOSTS],
        ports=ports,
    )


def _answers(client: Redis) -> bool:
    with contextlib.suppress(redis.RedisError):
        return bool(client.ping())
    return False
